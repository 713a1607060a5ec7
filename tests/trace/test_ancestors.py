"""What led to a value."""

from __future__ import annotations

from typing import SupportsIndex

from tests.runtime.sketch import Sketch, echo, run
from treadle.compiler.trace.ancestors import ancestors
from treadle.compiler.trace.trace import Span, Trace
from treadle.compiler.trace.tracer import trace

ASK = {"ask": "text -> reply"}


class Counted(tuple[Span, ...]):
    """Spans that count how often one is looked up."""

    looked_up = 0

    def __getitem__(self, index: SupportsIndex | slice) -> Span:  # type: ignore[override]
        Counted.looked_up += 1
        return super().__getitem__(index)  # type: ignore[return-value]


def braid(length: int) -> Trace:
    """Every span reads the two before it and the first, and the one before it decides that it runs."""

    def span(number: int) -> Span:
        sources = tuple(sorted({0, max(number - 1, 0), max(number - 2, 0)} - {number}))
        controls = (number - 1,) if number else ()
        parent = None if number == 0 else 0
        return Span(id=number, parent=parent, kind="op", name="op", sources=sources, controls=controls)

    return Trace(program="braid", spans=Counted(span(number) for number in range(length)))


def visits(length: int) -> int:
    found = braid(length)
    Counted.looked_up = 0
    whole = ancestors(found, tuple.__getitem__(found.spans, length - 1))
    assert len(whole) == length
    assert [span.id for span in whole] == list(range(length))
    return Counted.looked_up


def test_each_span_is_visited_once_at_ten_thousand_spans() -> None:
    few, many = visits(1_000), visits(10_000)
    assert few <= 2 * 1_000  # once on the way, once for the answer
    assert many <= 2 * 10_000


def test_only_what_led_to_the_value_is_found() -> None:
    s = Sketch("a", "b", predictors=ASK)
    left = s.step("ask", text=s["a"])
    right = s.step("ask", text=s["b"])
    s.step("ask", text=right)
    final = s.branch(left, lambda: s.step("ask", text=right), lambda: s.step("ask", text=left))
    with trace() as t:
        run(s.done(final), lm=echo(), a="x", b="y")
    (found,) = t.traces
    program, chosen = found.spans[0], found.spans[-2]
    assert [span.name for span in ancestors(found, chosen)] == ["ask", "ask#2", "branch", "ask#4"]
    assert [span.name for span in ancestors(found, program)] == ["program", "ask", "ask#2", "branch", "ask#4"]
    assert [span.name for span in ancestors(found, found.of("ask")[2])] == ["ask#2", "ask#3"]


def test_a_value_nothing_led_to_has_itself_alone() -> None:
    s = Sketch("a", predictors=ASK)
    with trace() as t:
        run(s.done(s.step("ask", text=s["a"])), lm=echo(), a="x")
    (found,) = t.traces
    assert ancestors(found, found.spans[1]) == (found.spans[1],)
