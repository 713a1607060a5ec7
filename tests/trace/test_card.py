"""Runs in notebooks."""

from __future__ import annotations

import dataclasses

import pytest

from tests.pages import Page, check_accessible, check_harmless
from tests.test_escape import HOSTILE
from tests.trace.test_otel import TRACE
from treadle.compiler.lm.protocol import Message
from treadle.compiler.trace.card import MOST_SPANS
from treadle.compiler.trace.trace import Span, Trace

KEY = "correct-horse-battery-staple"


def test_a_run_shows_every_span_in_order_and_its_prompts() -> None:
    page = Page(TRACE._repr_html_())
    check_harmless(page)
    check_accessible(page)
    places = [page.text.index(name) for name in ("support", "step triage", "LM call gpt-4o-mini", "op policies")]
    assert places == sorted(places)
    for text in ("1 LM calls, 18 tokens, $0.2500, 3 s", "failed: KeyError", "Choose.", "reply"):
        assert text in page.text


def test_bars_stand_where_the_spans_ran() -> None:
    bars = Page(TRACE._repr_html_()).named("rect")
    assert [(float(bar["x"]), float(bar["width"])) for bar in bars] == [(0, 120), (20, 80), (30, 60), (100, 10)]


def test_a_run_that_failed_says_so() -> None:
    root = dataclasses.replace(TRACE.spans[0], error="ValueError: no <b>")
    assert "failed: ValueError: no <b>" in Page(Trace(program="p", spans=(root,))._repr_html_()).text


def test_a_long_run_is_cut() -> None:
    inner = [Span(id=n, parent=n - 1, kind="op", name=f"op{n}", started=0.5, seconds=9.0) for n in range(1, 1000)]
    root = Span(id=0, parent=None, kind="program", name="p", seconds=1.0)
    text = Trace(program="p", spans=(root, *inner))._repr_html_()
    assert f"and {1000 - MOST_SPANS} more spans" in text
    assert len(text) < 200_000


def test_a_trace_without_spans_or_time_is_shown() -> None:
    check_harmless(Page(Trace(program="p", spans=())._repr_html_()))
    root = Span(id=0, parent=None, kind="program", name="p")
    check_harmless(Page(Trace(program="p", spans=(root,))._repr_html_()))


def test_hostile_text_stays_text_and_keys_are_cut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", KEY)
    bad = HOSTILE + KEY + "<img src=x onerror=alert(1)>"
    spans = (
        Span(id=0, parent=None, kind="program", name=bad, inputs={bad: bad}, output={bad: [bad]}, error=bad),
        Span(
            id=1, parent=0, kind="lm", name=bad, predictor=bad, model=bad, messages=(Message("user", bad),), reply=bad
        ),
        Span(id=2, parent=0, kind="region", name="map", taken=3, output=bad),
    )
    page = Page(Trace(program=bad, spans=spans)._repr_html_())
    check_harmless(page)
    check_accessible(page)
    assert "<img src=x" in page.text
    assert KEY not in page.text
    assert "\x1b" not in page.text
