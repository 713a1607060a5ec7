"""Rewrites: named edits of a graph, as data.

A rewrite is an op, its target and its arguments; it keeps a program's interface, has an inverse, and says what it does
as a person would. It is refused, with the reason, where it is not legal; every result is held against the rules of
``check.py``. Steps, values and modules are named, never node ids, so a rewrite fits every graph with the same names;
only what undoes an edit may name values, which are the graph's own.

Edits of how a step is answered are values of a candidate (``reply.module``, ``reply/vote.n``, ``reply.model``), and so
are context edges (``reply.from_triage``); all others stand in a candidate's list ``.edits``.

===================  ============================================================  ==================================
op                   does                                                          refused
===================  ============================================================  ==================================
swap_module          answer ``target`` by the module ``module`` (``null``: one     no such predictor; the module
                     plain call)                                                   cannot serve it or has no bound
change_knobs         set ``knobs`` of its module by address                        no such module there; out of range
swap_model           answer it on the LM recorded as ``model``                     no such predictor
add_context_edge     every step of ``target`` reads what the step of ``source``    ``source`` has several steps, or
                     said                                                          runs later or inside a region the
                                                                                   target is not in; it reads it now
prune_context_edge   no step of ``target`` reads it any more                       there is no such edge
drop_input           no step of ``target`` is given the input ``field``            the input has no default
add_input            steps are given it again                                      they have it
insert_step          on its way to ``field`` of the step ``target`` a value        no such step or field; the name is
                     passes through a new step ``name`` of the same type           taken; no bound
bypass               who read the step ``target`` reads its ``input``              the types differ; a context edge
                                                                                   comes from it
copy                 ``steps`` of ``target`` get a copy of it, ``name``            all steps would move; a context
                                                                                   edge comes from one
tie                  ``target`` shares the parameters of ``into``                  other fields; a context edge
normalise            equal pure expressions once, unused ones gone                 never
restore              the graph as it was; undoes bypass and normalise; not         the interface is another
                     stored
===================  ============================================================  ==================================
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.graph.bounds import Expand
from treadle.compiler.graph.check import check_restored, check_rewrite
from treadle.compiler.graph.nodes import Graph, Step
from treadle.compiler.graph.normal_form import Normalise
from treadle.compiler.graph.parameters import Parameter
from treadle.compiler.graph.rewrite_base import Rewrite as Rewrite
from treadle.compiler.graph.rewrite_base import RewriteOp
from treadle.compiler.graph.rewrite_edges import (
    AddContextEdge,
    AddInput,
    Bypass,
    DropInput,
    InsertStep,
    PruneContextEdge,
    Restore,
)
from treadle.compiler.graph.rewrite_predictors import ChangeKnobs, CopyPredictor, SwapModel, SwapModule, TiePredictor
from treadle.compiler.graph.rewrite_predictors import module_in_words as module_in_words
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.reading import Reading

EDITS = ".edits"
"""Address of the parameter that lists a program's edits of data edges."""

OPS: Mapping[str, RewriteOp] = {
    "swap_module": SwapModule(),
    "change_knobs": ChangeKnobs(),
    "swap_model": SwapModel(),
    "add_context_edge": AddContextEdge(),
    "prune_context_edge": PruneContextEdge(),
    "drop_input": DropInput(),
    "add_input": AddInput(),
    "insert_step": InsertStep(),
    "bypass": Bypass(),
    "copy": CopyPredictor(),
    "tie": TiePredictor(),
    "normalise": Normalise(),
    "restore": Restore(),
}
"""The rewrites there are."""


def read_rewrite(data: JSON, path: str = "$") -> Rewrite:
    """A rewrite from data.

    Raises:
        ArtifactError: It is malformed, its op is unknown or not to be stored; names the JSON path.
    """
    at = Reading(data, path)
    at.fields(("op", "target", "args"))
    op = at["op"].text(100)
    known = [name for name, kind in OPS.items() if kind.stored]
    if op not in known:
        at["op"].refuse(f"unknown rewrite {op!r}; known are {', '.join(known)}")
    at["args"].fields(OPS[op].required, OPS[op].optional)
    return Rewrite(op=op, target=at["target"].text(200), args=cast(Mapping[str, JSON], at["args"].plain()))


def apply(graph: Graph, rewrite: Rewrite, *, expand: Expand | None = None) -> Graph:
    """The graph after a rewrite. The graph given stays as it is.

    Args:
        graph: A legal graph.
        rewrite: What to do.
        expand: Gives a module's graph (``module.expand_step``); where it is given, a module that cannot serve its
            predictor, or has no bound on its LM calls, is refused here and not when it is first used.

    Raises:
        GraphError: The rewrite is not legal here; says why.
        SignatureError: A module cannot serve its predictor; says why.
        DeclarationError: A knob is out of range.
    """
    op = _op(rewrite)
    after = op.apply(graph, rewrite, expand)
    if op.restores:
        check_restored(graph, after)
    else:
        check_rewrite(graph, after, touched=op.touched(graph, rewrite), dropped=op.dropped(graph, rewrite))
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


def _op(rewrite: Rewrite) -> RewriteOp:
    op = OPS.get(rewrite.op)
    if op is None:
        known = ", ".join(name for name, kind in OPS.items() if kind.stored)
        raise GraphError(f"unknown rewrite {rewrite.op!r}; known are {known}")
    missing = [name for name in op.required if name not in rewrite.args]
    foreign = [name for name in rewrite.args if name not in (*op.required, *op.optional)]
    if missing or foreign:
        takes = ", ".join((*op.required, *(f"{name} (optional)" for name in op.optional))) or "nothing"
        raise GraphError(f"{rewrite.op} takes {takes}, not {', '.join(rewrite.args) or 'nothing'}")
    return op


# --- what search may do ----------------------------------------------------------------------------------------------


def edge_parameters(graph: Graph) -> tuple[Parameter, ...]:
    """The context edges search may add or prune: parameters ``reply.from_triage``, true where there is an edge now.

    An edge that is not legal, for instance from a source with several steps, is left out.
    """
    found: list[Parameter] = []
    for target in sorted(graph.predictors):
        for source in sorted(graph.predictors):
            for op, now in (("prune_context_edge", True), ("add_context_edge", False)):
                if is_legal(graph, Rewrite(op=op, target=target, args={"source": source})):
                    address = f"{target}.{CONTEXT_PREFIX}{source}"
                    found.append(Parameter(address=address, kind="edge", default=now))
    return tuple(found)


def is_legal(graph: Graph, rewrite: Rewrite) -> bool:
    """Whether nothing in the graph stands against the rewrite; quicker than ``apply``, which also checks the rules."""
    try:
        _op(rewrite).apply(graph, rewrite, None)
    except GraphError:
        return False
    return True


def sites(graph: Graph) -> tuple[Rewrite, ...]:
    """The edits that are legal here, of those that need no argument but names of what is there.

    Context edges to add and to prune, inputs to leave out, steps to bypass, steps to copy, predictors to tie. Modules,
    knobs, models and new steps are not among them: what they may be, only their author knows.
    """
    names, steps = sorted(graph.predictors), graph.steps()
    asked = [
        Rewrite(op=op, target=target, args={"source": source})
        for target in names
        for source in names
        for op in ("add_context_edge", "prune_context_edge")
    ]
    for name in names:
        inputs = [slot.name for slot in graph.predictors[name].signature.inputs]
        asked += [Rewrite(op="drop_input", target=name, args={"field": field}) for field in inputs]
        asked += [Rewrite(op="tie", target=name, args={"into": other}) for other in names]
    for step in steps:
        asked += [Rewrite(op="bypass", target=step.name, args={"input": field}) for field, _ in step.inputs]
        if "#" in step.name:
            copy = step.name.replace("#", "_")
            asked.append(Rewrite(op="copy", target=step.predictor, args={"name": copy, "steps": [step.name]}))
    return tuple(rewrite for rewrite in asked if is_legal(graph, rewrite))


def rewrites_of(values: Mapping[str, JSON]) -> tuple[Rewrite, ...]:
    """The rewrites a candidate's values mean, in canonical order: the list of edits, then modules and context edges.

    So modules and edges may be those of predictors which an edit has made.

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
            found.append(_edge(address, values[address]))
    listed = Reading(values.get(EDITS, ()), f"$['{EDITS}']")
    return (*(Rewrite.from_json(edit.value, edit.path) for edit in listed.items()), *found)


def in_order(graph: Graph, values: Mapping[str, JSON]) -> tuple[Rewrite, ...]:
    """The rewrites a candidate's values mean, in the order in which they are made.

    Context edges of the graph's own are pruned first, because a step may be left out only once nobody reads it. The
    others come in canonical order; see ``rewrites_of``.

    Raises:
        ArtifactError: An edit in the list is malformed.
    """
    pruned = {address: value for address, value in values.items() if not value and _is_edge_of(graph, address)}
    others = {address: value for address, value in values.items() if address not in pruned}
    return (*rewrites_of(pruned), *rewrites_of(others))


def with_edits(graph: Graph, values: Mapping[str, JSON]) -> Graph:
    """The graph with a candidate's list of edits: the steps there are, whatever they answer by.

    Raises:
        GraphError: An edit is not legal; says why.
    """
    if EDITS not in values:
        return graph
    return edited(
        graph, {a: value for a, value in values.items() if a == EDITS or (not value and _is_edge_of(graph, a))}
    )


def rewired(graph: Graph, values: Mapping[str, JSON]) -> Graph:
    """The graph with a candidate's context edges and edits; how its steps are answered is left as it is.

    Entries for other predictors are left alone: they are for programs that run inside this one or around it.

    Raises:
        GraphError: A rewrite is not legal; says why.
    """
    changed = with_edits(graph, values)
    wires = {a: value for a, value in values.items() if a == EDITS or _is_edge_of(graph, a) or _is_edge_of(changed, a)}
    return edited(graph, wires) if wires else graph


def is_edge(address: str) -> bool:
    """Whether an address is that of a context edge."""
    return "/" not in address and address.partition(".")[2].startswith(CONTEXT_PREFIX)


def _is_edge_of(graph: Graph, address: str) -> bool:
    return is_edge(address) and address.partition(".")[0] in graph.predictors


def edited(graph: Graph, values: Mapping[str, JSON], *, expand: Expand | None = None) -> Graph:
    """The graph under a candidate's values: all rewrites they mean, in order.

    A context edge that is as its value says stays. Edges touch nothing but who reads whom, so those that follow one
    another are held against the rules together.

    Raises:
        GraphError: A rewrite is not legal; says why.
    """
    for alike, group in itertools.groupby(in_order(graph, values), key=_changes_an_edge):
        if alike:
            graph = _with_edges(graph, tuple(group))
        else:
            for rewrite in group:
                graph = apply(graph, rewrite, expand=expand)
    return graph


def _changes_an_edge(rewrite: Rewrite) -> bool:
    return rewrite.op in ("add_context_edge", "prune_context_edge")


def _with_edges(graph: Graph, rewrites: Sequence[Rewrite]) -> Graph:
    after, touched, steps = graph, set[str](), graph.steps()
    for rewrite in rewrites:
        if not _is_so(rewrite, steps):
            after = _op(rewrite).apply(after, rewrite, None)
            touched.add(rewrite.target)
    if touched:
        check_rewrite(graph, after, touched=frozenset(touched))
    return after


def _is_so(rewrite: Rewrite, steps: Iterable[Step]) -> bool:
    """Whether every step of the target reads the source already, or none does, as the rewrite would have it."""
    reading = {rewrite.args.get("source") in dict(step.context) for step in steps if step.predictor == rewrite.target}
    return reading == {True} if rewrite.op == "add_context_edge" else True not in reading


def changed_edges(graph: Graph | None, values: Mapping[str, JSON]) -> dict[str, JSON]:
    """A candidate's values without context edges that are as they are in the graph anyway."""
    steps = () if graph is None else graph.steps()
    return {a: v for a, v in values.items() if graph is None or not is_edge(a) or not _is_so(_edge(a, v), steps)}


def _edge(address: str, value: JSON) -> Rewrite:
    target, _, field = address.rpartition(".")
    op = "add_context_edge" if value else "prune_context_edge"
    return Rewrite(op=op, target=target, args={"source": field.removeprefix(CONTEXT_PREFIX)})
