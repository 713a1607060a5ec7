"""A program as notebooks show it: its fields, its graph, and how each step is answered, told and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import type_name
from treadle.compiler.graph.bind import effective
from treadle.compiler.graph.rewrite import edited
from treadle.compiler.graph.svg import svg
from treadle.compiler.html import Content, Markup, details, element, fragment, joined, picture, table, told
from treadle.compiler.module import module_of
from treadle.compiler.signature import Signature

if TYPE_CHECKING:
    from treadle.compiler.frontend.program import Program

_LONGEST = 1200  # characters of an instruction


def card(program: Program[..., Any]) -> Markup:
    """The program as a fragment of HTML. Captures it, as ``.graph`` does."""
    return fragment(*_parts(program))


def _parts(program: Program[..., Any]) -> Iterator[Markup]:
    yield element("p", element("strong", told(program.name)), ": ", _fields(program.signature))
    yield from _scores(program.provenance)
    if program.graph is None:
        reasons = [element("li", told(str(reason))) for reason in program.capture.reasons]
        yield element("p", "Runs as its Python function (host mode):", class_="note")
        yield element("ul", *reasons)
    else:
        words = f"The graph of {program.name}: its steps are {', '.join(sorted(program.predictors)) or 'none'}"
        drawn = picture(svg(edited(program.graph, program.candidate.values)), words)
        yield details("Graph", element("figure", drawn), opened=True)
    if program.predictors:
        rows = [_row(name, program) for name in sorted(program.predictors)]
        yield table("Predictors", ("predictor", "fields", "answered by", "instruction", "demos"), rows, numbers=(4,))


def _row(name: str, program: Program[..., Any]) -> tuple[Content, ...]:
    values = program.candidate.values
    found = effective(name, program.predictors[name], values)
    module = type(module_of(name, program.predictors[name], values)).__name__
    on = f" on {found.model}" if found.model else ""
    return (
        told(name),
        _fields(found.signature),
        told(module + on),
        told(found.signature.instruction, _LONGEST),
        str(len(found.demos)),
    )


def _fields(signature: Signature) -> Markup:
    outputs = ", ".join(f"{slot.name}: {type_name(slot.annotation)}" for slot in signature.outputs)
    return element("code", f"{signature.takes()} → {outputs}")


def _scores(provenance: Mapping[str, Any]) -> Iterator[Markup]:
    """Where the candidate comes from, and what was shown of it."""
    if not provenance:
        return
    scores = provenance.get("scores")
    said = f"compiled by {provenance.get('optimizer')}, seed {provenance.get('seed')}"
    if isinstance(scores, Mapping):
        said += (
            f"; {provenance.get('metric')} {scores['start']:.3f} before, {scores['winner']:.3f} after on "
            f"{scores['n']} examples: {scores['verdict']}"
        )
    yield element("p", joined([told(said)]), class_="note")
