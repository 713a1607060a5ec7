"""Rewrites: named edits of a graph, as data.

A rewrite is an op, its target and its arguments; it keeps a program's interface, has an inverse, and says what it does
as a person would. It is refused, with the reason, where it is not legal; every result is held against the rules of
``check.py``. Steps, values and modules are named, never node ids, so a rewrite fits every graph with the same names.

===================  ============================================================  ==================================
op                   does                                                          refused
===================  ============================================================  ==================================
swap_module          answer ``target`` by the module ``module`` (``null``: one     no such predictor; the module
                     plain call)                                                   cannot serve it or has no bound
add_context_edge     every step of ``target`` reads what the step of ``source``    ``source`` has several steps, or
                     said                                                          runs later or inside a region the
                                                                                   target is not in; it reads it now
prune_context_edge   no step of ``target`` reads it any more                       there is no such edge
===================  ============================================================  ==================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bounds import Expand, lm_calls
from treadle.compiler.graph.check import check, check_rewrite
from treadle.compiler.graph.nodes import Graph, Node, Ref, Step
from treadle.compiler.graph.parameters import Parameter
from treadle.compiler.graph.substitute import with_inner
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.reading import Reading

EDITS = ".edits"
"""Address of the parameter that lists a program's edits of data edges."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rewrite:
    """One edit of a graph.

    Attributes:
        op: What is done: a key of ``OPS``.
        target: The predictor it is done to.
        args: By name, as JSON.
    """

    op: str
    target: str
    args: Mapping[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """The rewrite as data."""
        return {"op": self.op, "target": self.target, "args": self.args}

    @classmethod
    def from_json(cls, data: JSON, path: str = "$") -> Rewrite:
        """A rewrite from data.

        Raises:
            ArtifactError: It is malformed or its op is unknown; names the JSON path.
        """
        at = Reading(data, path)
        at.fields(("op", "target", "args"))
        op = at["op"].text(100)
        if op not in OPS:
            at["op"].refuse(f"unknown rewrite {op!r}; known are {', '.join(OPS)}")
        at["args"].fields(OPS[op].required, OPS[op].optional)
        return cls(op=op, target=at["target"].text(200), args=cast(Mapping[str, JSON], at["args"].plain()))


class _Op(Protocol):
    @property
    def required(self) -> tuple[str, ...]: ...

    @property
    def optional(self) -> tuple[str, ...]: ...

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph: ...

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite: ...

    def describe(self, rewrite: Rewrite) -> str: ...


def apply(graph: Graph, rewrite: Rewrite, *, expand: Expand | None = None) -> Graph:
    """The graph after a rewrite. The graph given stays as it is.

    Args:
        graph: A legal graph.
        rewrite: What to do.
        expand: Gives a module's graph (``module.expand_step``); where it is given, a module that cannot serve its
            predictor, or has no bound on its LM calls, is refused here and not when it is first used.

    Raises:
        GraphError: The rewrite is not legal here; says why.
    """
    after = _op(rewrite).apply(graph, rewrite, expand)
    check_rewrite(graph, after, touched=frozenset({rewrite.target}))
    return after


def inverse(graph: Graph, rewrite: Rewrite) -> Rewrite:
    """The rewrite that undoes ``rewrite`` on ``graph``: to be applied to the result.

    Args:
        graph: The graph before ``rewrite``.
        rewrite: A rewrite that is legal there.

    Raises:
        GraphError: It names what is not there.
    """
    return _op(rewrite).inverse(graph, rewrite)


def describe(rewrite: Rewrite) -> str:
    """What a rewrite does, as a person says it.

    >>> describe(Rewrite(op="add_context_edge", target="reply", args={"source": "triage"}))
    'let reply read what triage said'
    """
    return _op(rewrite).describe(rewrite)


def _op(rewrite: Rewrite) -> _Op:
    if rewrite.op not in OPS:
        raise GraphError(f"unknown rewrite {rewrite.op!r}; known are {', '.join(OPS)}")
    return OPS[rewrite.op]


def _steps_of(graph: Graph, predictor: str) -> list[Step]:
    found = [step for step in graph.steps() if step.predictor == predictor]
    if predictor not in graph.predictors or not found:
        known = ", ".join(sorted(graph.predictors)) or "none"
        raise GraphError(f"the program has no step of {predictor!r}; its predictors are {known}")
    return found


# --- modules ---------------------------------------------------------------------------------------------------------


class _SwapModule:
    required = ("module",)
    optional = ()

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        if rewrite.target not in graph.predictors:
            _steps_of(graph, rewrite.target)
        module = rewrite.args["module"]
        if module is not None and not (isinstance(module, Mapping) and isinstance(module.get("module"), str)):
            raise GraphError(f"{rewrite.target!r}: a module is written as {{'module': name, knobs…}} or null")
        changed = dataclasses.replace(graph.predictors[rewrite.target], module=module)
        if expand is not None:
            self._check(expand(rewrite.target, changed), rewrite.target)
        return dataclasses.replace(graph, predictors={**graph.predictors, rewrite.target: changed})

    def _check(self, expanded: Graph, target: str) -> None:
        check(expanded)
        if lm_calls(expanded) is None:
            msg = f"{target!r}: {expanded.name!r} has no bound on its LM calls, and what a rewrite adds is bounded"
            raise GraphError(msg, rule=16)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        _steps_of(graph, rewrite.target)
        return dataclasses.replace(rewrite, args={"module": graph.predictors[rewrite.target].module})

    def describe(self, rewrite: Rewrite) -> str:
        return f"answer {rewrite.target} by {module_in_words(rewrite.args['module'])}"


def module_in_words(module: JSON) -> str:
    """A module as a person writes it; knobs without a value are left out.

    >>> module_in_words({"module": "vote", "n": 5, "inner": {"module": "chain_of_thought"}})
    'Vote(ChainOfThought(), n=5)'
    """
    if not isinstance(module, Mapping) or "module" not in module:
        return "one plain call" if module is None else str(module)
    name = "".join(part.capitalize() for part in str(module["module"]).split("_"))
    inner = [module_in_words(module["inner"])] if "inner" in module else []
    knobs = [
        f"{key}={module_in_words(value) if isinstance(value, Mapping) else repr(value)}"
        for key, value in sorted(module.items(), key=lambda knob: (isinstance(knob[1], str), knob[0]))
        if key not in ("module", "inner") and value is not None
    ]
    return f"{name}({', '.join(inner + knobs)})"


# --- context edges ---------------------------------------------------------------------------------------------------


class _AddContextEdge:
    required = ("source",)
    optional = ("values",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        source = _source(rewrite)
        steps = _steps_of(graph, rewrite.target)
        _refuse_edge(graph, rewrite, source, steps)
        values = _values(graph, rewrite, source, steps)
        return _with_context(graph, {name: (*_edges(graph, name), (source, ref)) for name, ref in values.items()})

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        return Rewrite(op="prune_context_edge", target=rewrite.target, args={"source": _source(rewrite)})

    def describe(self, rewrite: Rewrite) -> str:
        return f"let {rewrite.target} read what {_source(rewrite)} said"


class _PruneContextEdge:
    required = ("source",)
    optional = ()

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        source = _source(rewrite)
        reading = [step for step in _steps_of(graph, rewrite.target) if source in dict(step.context)]
        if not reading:
            raise GraphError(f"{rewrite.target!r} does not read what {source!r} said: there is no edge to prune")
        kept = {step.name: tuple(edge for edge in step.context if edge[0] != source) for step in reading}
        return _with_context(graph, kept)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The edge again; where a program gave another value than the source's answer, with that value."""
        source = _source(rewrite)
        steps = _steps_of(graph, rewrite.target)
        given = {step.name: dict(step.context)[source] for step in steps if source in dict(step.context)}
        back = Rewrite(op="add_context_edge", target=rewrite.target, args={"source": source})
        answers = [step.results[0] for step in graph.steps() if step.predictor == source]
        plain = len(given) == len(steps) and len(answers) == 1 and set(given.values()) == set(answers)
        return back if plain else dataclasses.replace(back, args={"source": source, "values": dict(given)})

    def describe(self, rewrite: Rewrite) -> str:
        return f"no longer let {rewrite.target} read what {_source(rewrite)} said"


OPS: Mapping[str, _Op] = {
    "swap_module": _SwapModule(),
    "add_context_edge": _AddContextEdge(),
    "prune_context_edge": _PruneContextEdge(),
}
"""The rewrites there are."""


def _source(rewrite: Rewrite) -> str:
    source = rewrite.args.get("source")
    if not isinstance(source, str):
        raise GraphError(f"{rewrite.op} of {rewrite.target!r} needs the name of a source, not {str(source)[:80]!r}")
    return source


def _refuse_edge(graph: Graph, rewrite: Rewrite, source: str, steps: Sequence[Step]) -> None:
    if source == rewrite.target:
        raise GraphError(f"{source!r} cannot read what it said itself")
    if any(slot.name == CONTEXT_PREFIX + source for slot in graph.predictors[rewrite.target].signature.inputs):
        raise GraphError(f"{rewrite.target!r} has an input {CONTEXT_PREFIX + source!r} of its own")
    if any(source in dict(step.context) for step in steps):
        raise GraphError(f"{rewrite.target!r} reads what {source!r} said already")


def _values(graph: Graph, rewrite: Rewrite, source: str, steps: Sequence[Step]) -> Mapping[str, Ref]:
    """The value each step of the target reads: the source's answer, unless the rewrite restores another."""
    restored = rewrite.args.get("values")
    if restored is not None:
        names = {step.name for step in steps}
        if not isinstance(restored, Mapping) or not all(isinstance(ref, str) for ref in restored.values()):
            raise GraphError(f"{rewrite.op} of {rewrite.target!r}: values must be references by step")
        if not restored or not names.issuperset(restored):
            raise GraphError(f"{rewrite.op} of {rewrite.target!r}: values name steps that are not the target's")
        return {name: Ref(cast(str, restored[name])) for name in sorted(restored)}
    answers = _steps_of(graph, source)
    if len(answers) > 1:
        msg = (
            f"{source!r} has {len(answers)} steps, so what it said is not one value; "
            f"give the one to be read a name of its own: {source}.copy(…)"
        )
        raise GraphError(msg)
    answer = answers[0]
    for step in steps:
        if answer.results[0] not in _visible(graph, step):
            where = f"{answer.name!r} runs later, or inside a region {step.name!r} is not in"
            raise GraphError(f"{step.name!r} cannot read what {source!r} says: {where}", rule=3)
    return {step.name: answer.results[0] for step in steps}


def _visible(graph: Graph, target: Step) -> frozenset[Ref]:
    """What the step could read: values before it in its region and in those around it."""
    for around, node in graph.walk():
        if node is target:
            return frozenset(_before(graph.nodes, {*around, target.id}))
    return frozenset()


def _before(inside: Sequence[Node], path: set[nodes.NodeId]) -> Iterator[Ref]:
    for node in inside:
        if node.id in path:
            for region in node.regions:
                if any(inner.id in path for inner in region.nodes):
                    yield from (argument.ref for argument in region.arguments)
                    yield from _before(region.nodes, path)
            return
        yield from node.results


def _edges(graph: Graph, step: str) -> nodes.Inputs:
    return next(found.context for found in graph.steps() if found.name == step)


def _with_context(graph: Graph, context: Mapping[str, nodes.Inputs]) -> Graph:
    """The graph with other context edges at the named steps, in canonical order."""

    def change(node: Node) -> Node:
        if isinstance(node, Step) and node.name in context:
            return dataclasses.replace(node, context=tuple(sorted(context[node.name])))
        return with_inner(node, change) if node.regions else node

    return dataclasses.replace(graph, nodes=tuple(change(node) for node in graph.nodes))


# --- what search may do ----------------------------------------------------------------------------------------------


def edge_parameters(graph: Graph) -> tuple[Parameter, ...]:
    """The context edges search may add or prune: parameters ``reply.from_triage``, true where there is an edge now.

    An edge that is not legal, for instance from a source with several steps, is left out.
    """
    found: list[Parameter] = []
    for target in sorted(graph.predictors):
        for source in sorted(graph.predictors):
            for op, now in (("prune_context_edge", True), ("add_context_edge", False)):
                if _legal(graph, Rewrite(op=op, target=target, args={"source": source})):
                    address = f"{target}.{CONTEXT_PREFIX}{source}"
                    found.append(Parameter(address=address, kind="edge", default=now))
    return tuple(found)


def _legal(graph: Graph, rewrite: Rewrite) -> bool:
    try:
        _op(rewrite).apply(graph, rewrite, None)
    except GraphError:
        return False
    return True


def rewrites_of(values: Mapping[str, JSON]) -> tuple[Rewrite, ...]:
    """The rewrites a candidate's values mean, in canonical order: modules, context edges, then the list of edits.

    Raises:
        ArtifactError: An edit in the list is malformed.
    """
    found: list[Rewrite] = []
    for address in sorted(values):
        target, _, field = address.rpartition(".")
        if "/" in address or not target:
            continue
        if field == "module":
            found.append(Rewrite(op="swap_module", target=target, args={"module": values[address]}))
        elif field.startswith(CONTEXT_PREFIX):
            op = "add_context_edge" if values[address] else "prune_context_edge"
            found.append(Rewrite(op=op, target=target, args={"source": field.removeprefix(CONTEXT_PREFIX)}))
    listed = Reading(values.get(EDITS, ()), f"$['{EDITS}']")
    return (*found, *(Rewrite.from_json(edit.value, edit.path) for edit in listed.items()))


def edited(graph: Graph, values: Mapping[str, JSON], *, expand: Expand | None = None) -> Graph:
    """The graph under a candidate's values: modules, context edges and edits applied in canonical order.

    Raises:
        GraphError: A rewrite is not legal; says why.
    """
    for rewrite in rewrites_of(values):
        graph = apply(graph, rewrite, expand=expand)
    return graph
