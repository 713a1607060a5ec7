"""A trace as notebooks show it: every span with its time, what it was given and what it gave, prompts folded away."""

from __future__ import annotations

import json
from collections.abc import Iterator

from treadle.compiler.canonical import JSON
from treadle.compiler.html import Content, Markup, details, element, fragment, joined, table, told
from treadle.compiler.trace.trace import Span, Trace

MOST_SPANS = 200
"""Spans shown; the trace has them all."""
_LONGEST = 300  # characters of a value
_LONGEST_MESSAGE = 4000
_BAR = 120.0  # pixels of the bar of the whole run


def card(trace: Trace) -> Markup:
    """The trace as a fragment of HTML."""
    spans = trace.spans[:MOST_SPANS]
    depths = _depths(trace)
    whole = trace.spans[0].seconds if trace.spans else 0.0
    rows = [_row(span, depths[span.id], whole) for span in spans]
    heads = ("span", "when", "seconds", "tokens", "given", "gave")
    shown = table("What ran, in program order", heads, rows, numbers=(2, 3))
    cut = len(trace.spans) - len(spans)
    more = element("p", f"… and {cut:,} more spans", class_="note") if cut else Markup("")
    calls = [_call(span) for span in spans if span.kind == "lm"]
    prompts = details(f"Prompts and replies of {len(calls)} LM calls", *calls) if calls else Markup("")
    return fragment(element("p", *_summary(trace)), shown, more, prompts)


def _summary(trace: Trace) -> Iterator[Content]:
    usage, calls = trace.usage, sum(1 for _ in trace.calls())
    cost = "price unknown" if trace.cost is None else f"${trace.cost:.4f}" if trace.cost else "$0"
    yield element("strong", told(trace.program))
    yield f": {calls} LM calls, {usage.input_tokens + usage.output_tokens:,} tokens, {cost}"
    if trace.spans:
        yield f", {trace.spans[0].seconds:.3g} s"
        if trace.spans[0].error:
            yield joined([", failed: ", element("span", told(trace.spans[0].error, _LONGEST), class_="bad")])


def _depths(trace: Trace) -> list[int]:
    depths: list[int] = []
    for span in trace.spans:
        depths.append(0 if span.parent is None else depths[span.parent] + 1)
    return depths


def _row(span: Span, depth: int, whole: float) -> tuple[Content, ...]:
    place = "".join(f"[{index}]" for index in span.indices)
    name = joined([_kind(span), " ", told(span.name), place])
    usage = "" if span.usage is None else f"{span.usage.input_tokens + span.usage.output_tokens:,}"
    given = joined(_field(key, value) for key, value in span.inputs.items())
    gave = told(f"failed: {span.error}", _LONGEST) if span.error else told(_text(span.output), _LONGEST)
    return (
        element("span", name, class_="id", style=f"padding-left:{min(depth, 12):d}em"),
        _when(span, whole),
        f"{span.seconds:.3g}",
        usage,
        "" if span.kind == "lm" else given,
        element("span", gave, class_="bad" if span.error else None, dir="auto"),
    )


def _kind(span: Span) -> Markup:
    words = {"lm": "LM call", "region": ""}.get(span.kind, span.kind)
    return element("span", f"{words} {span.model}" if span.kind == "lm" else words, class_="muted")


def _when(span: Span, whole: float) -> Markup:
    """A bar that stands where the span ran in the whole run."""
    scale = _BAR / whole if whole > 0 else 0.0
    left, width = min(_BAR - 1, span.started * scale), max(1.0, span.seconds * scale)
    bar = element(
        "rect", x=round(left, 1), y=3.0, width=round(min(width, _BAR - left), 1), height=8.0, fill="currentColor"
    )
    words = f"from {span.started:.3g} s, for {span.seconds:.3g} s"
    return element("svg", element("title", words), bar, width=_BAR, height=14.0, role="img", aria_label=words)


def _field(name: str, value: JSON) -> Markup:
    return element("div", element("span", f"{name}: ", class_="muted"), told(_text(value), _LONGEST), dir="auto")


def _text(value: JSON) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _call(span: Span) -> Markup:
    parts: list[tuple[str, str]] = [(message.role, message.content) for message in span.messages]
    if span.reply:
        parts.append(("reply", span.reply))
    shown = [
        element("div", element("div", role, class_="muted"), element("pre", told(text, _LONGEST_MESSAGE), dir="auto"))
        for role, text in parts
    ]
    return details(joined([told(span.predictor or "call"), f" {span.name}", f" · {span.model}"]), *shown)
