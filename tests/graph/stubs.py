"""Running random graphs: an LM whose replies are a hash of what it is asked, ops that give a value of their type."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import treadle.modules  # noqa: F401  what predictors name must be registered
from tests.graph.strategies import SAMPLES, TYPES
from treadle.compiler.canonical import JSON, canonical, digest
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.op import Op
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.interpreter import run_graph
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Slot
from treadle.compiler.trace.trace import Trace
from treadle.compiler.trace.tracer import Tracer
from treadle.compiler.values import dump


def reply(request: Request) -> JSON:
    """A valid reply that depends on everything in the request, its sample index included."""
    key = digest([request.key, request.sample])
    return f"text {key[:6]}" if request.schema is None else valid_value(request.schema, key)


def valid_value(schema: Mapping[str, Any], key: str, *, count: int | None = None) -> JSON:
    """A value that fits a schema, another one for another key; lists of ``count``, or of up to two."""
    return _value(schema, key, {}, count)


def _value(schema: Mapping[str, Any], key: str, definitions: Mapping[str, Any], count: int | None) -> JSON:
    definitions = schema.get("$defs", definitions)
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rpartition("/")[2]], key, definitions, count)
    if "enum" in schema or "const" in schema:
        options: Sequence[JSON] = schema.get("enum", [schema.get("const")])
        return options[int(key, 16) % len(options)]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], key, definitions, count)
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {})
            return {name: _value(part, digest([key, name]), definitions, count) for name, part in members.items()}
        case "array":
            places = range(int(key, 16) % 3 if count is None else count)
            return [_value(schema["items"], digest([key, place]), definitions, count) for place in places]
        case "integer" | "number":
            return int(key, 16) % 10
        case "boolean":
            return int(key, 16) % 2 == 0
    return f"text {key[:6]}"


def _look_up(place: int) -> Op:
    def function(*args: Any) -> Any:
        return Slot(name="value", annotation=TYPES[place]).read(SAMPLES[place])

    return Op(name=f"look_up_{place}", function=function, returns=TYPES[place])


OPS: Mapping[str, Op] = {
    **{f"look_up_{place}": _look_up(place) for place in range(len(TYPES))},
    "closeness": Op(name="closeness", function=lambda answer, inputs: len(canonical(dump(answer)))),
}
"""What the ops of random graphs stand for, and the judge of their modules."""


@dataclasses.dataclass(frozen=True)
class Ran:
    """What one run did.

    Attributes:
        outcome: The value as JSON, or the exception's name.
        failed: Whether it raised; then it may have called more than the function would have.
        calls: LM calls, by request key, sorted.
        trace: What happened.
    """

    outcome: JSON
    failed: bool
    calls: tuple[str, ...]
    trace: Trace


def run(graph: Graph, *, stagger: int = 0) -> Ran:
    """One run on fixed inputs.

    Args:
        graph: A legal graph.
        stagger: Replies come in an order of their own, another one for each number.
    """
    asked: list[str] = []

    async def answer(request: Request) -> JSON:
        asked.append(digest([request.key, request.sample]))
        for _ in range(int(digest([request.key, request.sample, stagger])[:2], 16) % 7 if stagger else 0):
            await asyncio.sleep(0)
        return reply(request)

    tracer = Tracer()
    lm = Scripted(answer, temperature=0.5)
    session = Session(lm=lm, lms=dict.fromkeys(("small", "other"), lm), tracer=tracer)
    inputs = {node.slot.name: node.slot.read(SAMPLES[TYPES.index(node.slot.annotation)]) for node in graph.inputs}
    failed = False
    try:
        outcome: JSON = dump(asyncio.run(run_graph(graph, OPS, inputs, session)))
    except Exception as error:
        outcome, failed = type(error).__name__, True
    return Ran(outcome, failed, tuple(sorted(asked)), tracer.traces[0])
