"""Rewrites of who reads what: context edges, and data edges where types allow it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from treadle.compiler.annotations import assignable, type_name
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bounds import Expand
from treadle.compiler.graph.nodes import Graph, Inputs, Node, NodeId, Predictor, Ref, Step
from treadle.compiler.graph.rewrite_base import (
    Rewrite,
    RewriteOp,
    check_module,
    fresh_id,
    later_than,
    module_data,
    refuse_context,
    spliced,
    step_named,
    steps_of,
    text,
    texts,
    types_of,
    with_predictor,
    with_steps,
)
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.schema import known_types
from treadle.compiler.signature import Signature, Slot

# --- context edges ---------------------------------------------------------------------------------------------------


class AddContextEdge(RewriteOp):
    """Let every step of a predictor read what another one's step said."""

    required = ("source",)
    optional = ("values",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The steps with the edge, in canonical order."""
        source = text(rewrite, "source")
        steps = steps_of(graph, rewrite.target)
        _refuse_edge(graph, rewrite, source, steps)
        values = _values(graph, rewrite, source, steps)
        edges = {step.name: (*step.context, (source, values[step.name])) for step in steps if step.name in values}
        return _with_context(graph, edges)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """Prune it."""
        return Rewrite(op="prune_context_edge", target=rewrite.target, args={"source": text(rewrite, "source")})

    def describe(self, rewrite: Rewrite) -> str:
        """Names both."""
        return f"let {rewrite.target} read what {text(rewrite, 'source')} said"


class PruneContextEdge(RewriteOp):
    """No step of a predictor reads any more what another one's step said."""

    required = ("source",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The steps without the edge."""
        source = text(rewrite, "source")
        reading = [step for step in steps_of(graph, rewrite.target) if source in dict(step.context)]
        if not reading:
            raise GraphError(f"{rewrite.target!r} does not read what {source!r} said: there is no edge to prune")
        kept = {step.name: tuple(edge for edge in step.context if edge[0] != source) for step in reading}
        return _with_context(graph, kept)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The edge again; where a program gave another value than the source's answer, with that value."""
        source = text(rewrite, "source")
        steps = steps_of(graph, rewrite.target)
        given = {step.name: dict(step.context)[source] for step in steps if source in dict(step.context)}
        back = Rewrite(op="add_context_edge", target=rewrite.target, args={"source": source})
        answers = [step.results[0] for step in graph.steps() if step.predictor == source]
        plain = len(given) == len(steps) and len(answers) == 1 and set(given.values()) == set(answers)
        return back if plain else dataclasses.replace(back, args={"source": source, "values": dict(given)})

    def describe(self, rewrite: Rewrite) -> str:
        """Names both."""
        return f"no longer let {rewrite.target} read what {text(rewrite, 'source')} said"


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
        return _given_values(rewrite, restored, {step.name for step in steps})
    answers = steps_of(graph, source)
    if len(answers) > 1:
        msg = (
            f"{source!r} has {len(answers)} steps, so what it said is not one value; "
            f"give the one to be read a name of its own: {source}.copy(…)"
        )
        raise GraphError(msg)
    answer = answers[0]
    later = later_than(graph, answer)
    for step in steps:
        if step.id not in later:
            where = f"{answer.name!r} runs later, or inside a region {step.name!r} is not in"
            raise GraphError(f"{step.name!r} cannot read what {source!r} says: {where}", rule=3)
    return {step.name: answer.results[0] for step in steps}


def _given_values(rewrite: Rewrite, values: JSON, names: set[str]) -> Mapping[str, Ref]:
    """References by step, as the inverse of an edit writes them."""
    if not isinstance(values, Mapping) or not all(isinstance(ref, str) for ref in values.values()):
        raise GraphError(f"{rewrite.op} of {rewrite.target!r}: values must be references by step")
    if not values or not names.issuperset(values):
        raise GraphError(f"{rewrite.op} of {rewrite.target!r}: values name steps that are not the target's")
    return {name: Ref(cast(str, values[name])) for name in sorted(values)}


def _with_context(graph: Graph, context: Mapping[str, Inputs]) -> Graph:
    """The graph with other context edges at the named steps, in canonical order."""

    def change(step: Step) -> Step:
        return dataclasses.replace(step, context=tuple(sorted(context.get(step.name, step.context))))

    return with_steps(graph, change)


# --- inputs ----------------------------------------------------------------------------------------------------------


class DropInput(RewriteOp):
    """Leave out an optional input of a predictor at all its steps: it has its default there."""

    required = ("field",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The steps without the input."""
        field = text(rewrite, "field")
        steps = steps_of(graph, rewrite.target)
        slots = {slot.name: slot for slot in graph.predictors[rewrite.target].signature.inputs}
        if field not in slots:
            raise GraphError(f"{rewrite.target!r} has no input {field!r}; it has {', '.join(slots) or 'none'}")
        if slots[field].required:
            raise GraphError(f"{rewrite.target!r} needs its input {field!r}: only one with a default can be left out")
        if not any(field in dict(step.inputs) for step in steps):
            raise GraphError(f"no step of {rewrite.target!r} is given {field!r}: there is nothing to leave out")

        def change(step: Step) -> Step:
            if step.predictor != rewrite.target:
                return step
            return dataclasses.replace(step, inputs=tuple(pair for pair in step.inputs if pair[0] != field))

        return with_steps(graph, change)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The input again, with the values it had."""
        field = text(rewrite, "field")
        steps = steps_of(graph, rewrite.target)
        values = {step.name: dict(step.inputs)[field] for step in steps if field in dict(step.inputs)}
        return Rewrite(op="add_input", target=rewrite.target, args={"field": field, "values": dict(values)})

    def describe(self, rewrite: Rewrite) -> str:
        """Names both."""
        return f"no longer give {rewrite.target} its input {text(rewrite, 'field')}"


class AddInput(RewriteOp):
    """Give steps of a predictor an optional input they were not given."""

    required = ("field", "values")

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The steps with the input, in declared order."""
        field = text(rewrite, "field")
        steps = steps_of(graph, rewrite.target)
        order = [slot.name for slot in graph.predictors[rewrite.target].signature.inputs]
        values = _given_values(rewrite, rewrite.args["values"], {step.name for step in steps})
        if field not in order or any(field in dict(step.inputs) for step in steps if step.name in values):
            raise GraphError(f"{rewrite.target!r} cannot be given {field!r}: it takes none of that name, or has it")

        def change(step: Step) -> Step:
            if step.name not in values:
                return step
            inputs = sorted((*step.inputs, (field, values[step.name])), key=lambda pair: order.index(pair[0]))
            return dataclasses.replace(step, inputs=tuple(inputs))

        return with_steps(graph, change)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """Leave it out again; exact where no other step of the predictor was given it."""
        return Rewrite(op="drop_input", target=rewrite.target, args={"field": text(rewrite, "field")})

    def describe(self, rewrite: Rewrite) -> str:
        """Names both."""
        return f"give {rewrite.target} its input {text(rewrite, 'field')} again"


# --- steps -----------------------------------------------------------------------------------------------------------


class InsertStep(RewriteOp):
    """Put a new step on a data edge: a value passes through it on its way to a step's input, and keeps its type."""

    required = ("field", "name", "instruction")
    optional = ("reads", "module")

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The new step right before the target, and its predictor."""
        target, name = step_named(graph, rewrite.target), text(rewrite, "name")
        if name in graph.predictors or not name.isidentifier():
            raise GraphError(f"insert_step before {rewrite.target!r}: {name!r} is no free name for a predictor")
        inputs = self._inputs(graph, rewrite, target)
        predictor = self._predictor(graph, rewrite, target, inputs)
        check_module(graph, name, predictor, expand)
        kind = predictor.signature.value.annotation
        new = Step(id=fresh_id(graph), types=(kind,), name=name, predictor=name, inputs=inputs)
        field = text(rewrite, "field")

        def change(node: Node) -> Sequence[Node]:
            if not (isinstance(node, Step) and node.name == rewrite.target):
                return (node,)
            pairs = tuple((n, new.results[0] if n == field else ref) for n, ref in node.inputs)
            return (new, dataclasses.replace(node, inputs=pairs))

        return with_predictor(spliced(graph, change), name, predictor)

    def _inputs(self, graph: Graph, rewrite: Rewrite, target: Step) -> Inputs:
        field, given = text(rewrite, "field"), dict(target.inputs)
        wanted = (field, *texts(rewrite, "reads"))
        missing = [name for name in wanted if name not in given]
        if missing or len(set(wanted)) < len(wanted):
            known, what = ", ".join(given) or "none", ", ".join(missing) or "each of them once"
            raise GraphError(f"{target.name!r} is not given {what}; its inputs are {known}")
        return tuple((name, given[name]) for name in wanted)

    def _predictor(self, graph: Graph, rewrite: Rewrite, target: Step, inputs: Inputs) -> Predictor:
        own, name = graph.predictors[target.predictor].signature, text(rewrite, "name")
        slots = tuple(Slot(name=field, annotation=own.input(field).annotation) for field, _ in inputs)
        signature = Signature(
            name=name,
            inputs=slots,
            outputs=(Slot(name=name, annotation=slots[0].annotation),),
            instruction=text(rewrite, "instruction"),
        )
        return Predictor(signature=signature, module=module_data(rewrite, rewrite.args.get("module")))

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """Bypass the new step."""
        return Rewrite(op="bypass", target=text(rewrite, "name"), args={"input": text(rewrite, "field")})

    def describe(self, rewrite: Rewrite) -> str:
        """Names step, edge and what it does."""
        said = " ".join(text(rewrite, "instruction").split())
        short = said if len(said) <= 60 else f"{said[:59]}…"
        name, field = text(rewrite, "name"), text(rewrite, "field")
        return f"let {field} pass through a new step {name} on its way to {rewrite.target}: “{short}”"

    def touched(self, graph: Graph, rewrite: Rewrite) -> frozenset[str]:
        """Nothing that was there: the predictor is new."""
        return frozenset()


class Bypass(RewriteOp):
    """Take out a step whose answer one of its inputs can stand for: who read its answer reads that input."""

    required = ("input",)

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The graph without the step, and without its predictor where that has no other."""
        step, field = step_named(graph, rewrite.target), text(rewrite, "input")
        value = dict(step.inputs).get(field)
        if value is None:
            known = ", ".join(name for name, _ in step.inputs) or "none"
            raise GraphError(f"{step.name!r} is not given {field!r}; its inputs are {known}")
        kind = types_of(graph)[value]
        if not assignable(kind, step.types[0]) or (kind != step.types[0] and not assignable(step.types[0], kind)):
            gives, takes = type_name(step.types[0]), type_name(kind)
            raise GraphError(f"{step.name!r} cannot be bypassed: it gives {gives} and its input {field!r} is {takes}")
        refuse_context(graph, step.predictor, step)

        def change(node: Node) -> Sequence[Node]:
            return () if node.id == step.id else (node,)

        after = spliced(graph, change, lambda ref: value if ref == step.results[0] else ref)
        if len(steps_of(graph, step.predictor)) > 1:
            return after
        kept = {name: predictor for name, predictor in graph.predictors.items() if name != step.predictor}
        return dataclasses.replace(after, predictors=kept)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The graph as it was: nothing says who read the step and who its input."""
        step_named(graph, rewrite.target)
        return restore(graph)

    def describe(self, rewrite: Rewrite) -> str:
        """Names both."""
        return f"leave out {rewrite.target}: its input {text(rewrite, 'input')} goes on as it is"

    def touched(self, graph: Graph, rewrite: Rewrite) -> frozenset[str]:
        """The step's predictor, which may go."""
        return frozenset({rewrite.target.partition("#")[0]})

    def dropped(self, graph: Graph, rewrite: Rewrite) -> frozenset[NodeId]:
        """The step."""
        return frozenset({step_named(graph, rewrite.target).id})


# --- the whole graph -------------------------------------------------------------------------------------------------


class Restore(RewriteOp):
    """Bring back a graph as it was before an edit that forgets something."""

    required = ("graph",)
    stored = False
    restores = True

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The graph that is given, its types those of the present one where they are the same."""
        kinds = [*types_of(graph).values()]
        for predictor in graph.predictors.values():
            kinds += [slot.annotation for slot in (*predictor.signature.inputs, *predictor.signature.outputs)]
        return from_json(rewrite.args["graph"], path="$.args.graph", known=known_types(kinds))

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The graph as it is now."""
        return restore(graph)

    def describe(self, rewrite: Rewrite) -> str:
        """It says no more."""
        return "bring back the graph as it was"


def restore(graph: Graph) -> Rewrite:
    """The rewrite that brings back ``graph``."""
    return Rewrite(op="restore", target="", args={"graph": to_json(graph)})


def is_pure(node: Node) -> bool:
    """Whether a node only computes: it may be computed once instead of twice, or not at all where nobody reads it."""
    return isinstance(node, nodes.Expr | nodes.Const)
