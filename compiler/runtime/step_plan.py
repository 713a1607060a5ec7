"""How a step will be answered: its module's graph under a candidate, or the one LM call that is all of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bind import answers_step, effective
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.module import expand_step
from treadle.compiler.prompt.render import CONTEXT_PREFIX, response_schema
from treadle.compiler.runtime.lm_call import Call
from treadle.compiler.signature import Signature, Slot

Temperature: TypeAlias = Callable[[str, "str | None"], "float | None"]
"""The temperature of the LM that would answer a predictor, given its name and the model it asks for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """How a step is answered.

    Attributes:
        fields: The inputs in the order of ``graph``.
        graph: What its module made, its calls bound to the candidate; ``None`` where it is one call.
        call: The one call it is.
        parameters: Addresses of the step's own parameters.
    """

    fields: tuple[str, ...]
    graph: Graph | None
    call: Call | None
    parameters: tuple[str, ...]


def with_context(predictor: Predictor, sources: Sequence[tuple[str, Annotation]]) -> Predictor:
    """The predictor with an optional input for each context edge, given the sources' names and types."""
    if not sources:
        return predictor
    slots = [_context_slot(source, annotation) for source, annotation in sources]
    return dataclasses.replace(predictor, signature=predictor.signature.with_inputs(*slots))


def _context_slot(source: str, annotation: Annotation) -> Slot:
    optional = annotation if annotation is Any else annotation | None
    return Slot(name=f"{CONTEXT_PREFIX}{source}", annotation=optional, default=None)


def expand(
    name: str, predictor: Predictor, context: Sequence[str], values: Mapping[str, JSON], temperature: Temperature
) -> Answer:
    """How steps of ``predictor`` are answered under a candidate's values.

    Args:
        name: The predictor's name.
        predictor: Its defaults, with inputs for its context edges.
        context: Sources of the context edges.
        values: A candidate's values by address.
        temperature: What the LM in force says; asked only where a module could sample.
    """
    own = effective(name, predictor, values)
    stated = None if own.module is None or own.temperature is not None else temperature(name, own.model)
    graph = expand_step(name, predictor, values, lm_temperature=stated)
    inner = graph.nodes[len(graph.inputs) : -1]
    call = None
    if len(inner) == 1 and isinstance(inner[0], nodes.LM) and _passes_on(graph, inner[0]):
        call = call_of(inner[0], name, context, values)
    return Answer(
        fields=tuple(node.slot.name for node in graph.inputs),
        graph=None if call is not None else graph,
        call=call,
        parameters=_step_parameters(name, own, context),
    )


def _passes_on(graph: Graph, call: nodes.LM) -> bool:
    """Whether the call gets the step's inputs under their own names and its value is the step's."""
    names = {node.results[0]: node.slot.name for node in graph.inputs}
    return graph.output.value == call.results[0] and all(names.get(ref) == field for field, ref in call.inputs)


def _step_parameters(name: str, own: Predictor, context: Sequence[str]) -> tuple[str, ...]:
    module = (f"{name}.module",) if own.module is not None else ()
    edges = tuple(f"{name}.{CONTEXT_PREFIX}{source}" for source in context)
    return (f"{name}.instruction", f"{name}.demos", *module, *edges)


def call_of(node: nodes.LM, step: str, context: Sequence[str], values: Mapping[str, JSON]) -> Call:
    """What an LM node asks each time it runs.

    Args:
        node: The node, bound to the candidate.
        step: Name of the predictor it answers for; empty in a graph of its own.
        context: Sources of the step's context edges.
        values: A candidate's values by address.
    """
    edges = tuple((source, f"{CONTEXT_PREFIX}{source}") for source in context)
    edges = tuple(edge for edge in edges if edge[1] in {field for field, _ in node.inputs})
    signature = _without(node.signature, {field for _, field in edges})
    return Call(
        predictor=step,
        node=node.id,
        address=node.address,
        purpose=node.purpose,
        signature=signature,
        schema=response_schema(signature),
        demos=node.demos,
        context=edges,
        model=node.model,
        temperature=node.temperature,
        max_tokens=node.max_tokens,
        parameters=_call_parameters(node, step, values),
        nearest=node.nearest,
    )


def _without(signature: Signature, fields: set[str]) -> Signature:
    if not fields:
        return signature
    return dataclasses.replace(signature, inputs=tuple(slot for slot in signature.inputs if slot.name not in fields))


def _call_parameters(node: nodes.LM, step: str, values: Mapping[str, JSON]) -> tuple[str, ...]:
    if not step:
        return (f"{node.address}.instruction", f"{node.address}.demos")
    found = []
    for field in ("instruction", "demos"):
        leaf = f"{step}/{node.address}.{field}"
        found.append(f"{step}.{field}" if answers_step(node) and leaf not in values else leaf)
    return (*found, *([f"{step}.model"] if f"{step}.model" in values else []))
