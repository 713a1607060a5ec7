"""OpenTelemetry spans of runs: names and attributes by the conventions, times, parents, and no texts unless asked."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tests.runtime.sketch import Sketch, run
from tests.test_escape import HOSTILE
from treadle.compiler.errors import MissingExtra, RateLimited
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.lm.protocol import Message, Usage
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.trace import otel
from treadle.compiler.trace.trace import Span, Trace
from treadle.compiler.trace.tracer import trace

SECRET = "the secret of the customer"
ASK = {"ask": "text -> reply"}

TRACE = Trace(
    program="support",
    spans=(
        Span(id=0, parent=None, kind="program", name="support", inputs={"t": SECRET}, output=SECRET, seconds=3.0),
        Span(id=1, parent=0, kind="step", name="triage", predictor="triage", started=0.5, seconds=2.0),
        Span(
            id=2,
            parent=1,
            kind="lm",
            name="",
            predictor="triage",
            started=0.75,
            seconds=1.5,
            messages=(Message("system", "Choose."), Message("user", SECRET)),
            reply=SECRET,
            asked="openai/gpt-4o-mini",
            model="gpt-4o-mini-2024-07-18",
            usage=Usage(11, 7),
            cost=0.25,
            finish_reason="stop",
        ),
        Span(id=3, parent=0, kind="op", name="policies", error=f"KeyError: {SECRET}", started=2.5, seconds=0.25),
    ),
)


@pytest.fixture(name="sdk")
def _sdk() -> Any:
    return pytest.importorskip("opentelemetry.sdk.trace", reason="the extra otel is not installed")


class Sink:
    """A tracer provider that keeps its spans."""

    def __init__(self, sdk: Any) -> None:
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.kept = InMemorySpanExporter()
        self.provider = sdk.TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))

    @property
    def spans(self) -> list[Any]:
        """Spans in the order they started."""
        return sorted(self.kept.get_finished_spans(), key=lambda span: span.start_time)

    def named(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found

    @property
    def text(self) -> str:
        return "".join(str(span.to_json()) for span in self.spans)


@pytest.fixture(name="sink")
def _sink(sdk: Any) -> Sink:
    return Sink(sdk)


def one_step() -> Graph:
    s = Sketch("x", predictors=ASK)
    return s.done(s.step("ask", text=s["x"]))


def test_a_trace_becomes_spans_by_the_conventions(sink: Sink) -> None:
    otel.send([TRACE], provider=sink.provider, ended=1000.0)
    root, step, call, op = (
        sink.named(name)
        for name in ("invoke_workflow support", "step triage", "chat openai/gpt-4o-mini", "op policies")
    )
    assert (root.start_time, root.end_time) == (997_000_000_000, 1_000_000_000_000)
    assert (call.start_time, call.end_time) == (997_750_000_000, 999_250_000_000)
    assert root.parent is None
    assert [span.parent.span_id for span in (step, call, op)] == [
        root.context.span_id,
        step.context.span_id,
        root.context.span_id,
    ]
    assert root.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert root.attributes["gen_ai.workflow.name"] == "support"
    assert call.kind.name == "CLIENT"
    assert dict(call.attributes) == {
        "treadle.kind": "lm",
        "treadle.predictor": "triage",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "openai/gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "treadle.cost_usd": 0.25,
    }
    assert (op.status.status_code.name, op.attributes["error.type"]) == ("ERROR", "KeyError")


def test_texts_are_left_out_by_default(sink: Sink) -> None:
    otel.send([TRACE], provider=sink.provider)
    assert SECRET not in sink.text


def test_texts_are_there_when_asked_for(sink: Sink) -> None:
    otel.send([TRACE], provider=sink.provider, content=True)
    call = sink.named("chat openai/gpt-4o-mini")
    sent, said = (json.loads(call.attributes[f"gen_ai.{name}.messages"]) for name in ("input", "output"))
    assert sent[1] == {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
    assert said == [{"role": "assistant", "parts": [{"type": "text", "content": SECRET}], "finish_reason": "stop"}]
    assert json.loads(sink.named("invoke_workflow support").attributes["treadle.inputs"]) == {"t": SECRET}
    assert SECRET in sink.named("op policies").status.description


def test_no_key_and_nothing_that_cannot_be_encoded_gets_out(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "correct-horse-battery-staple"
    monkeypatch.setenv("PLANTED_API_KEY", key)
    bad = HOSTILE + key
    spans = (
        Span(id=0, parent=None, kind="program", name=bad, inputs={bad: bad}, output=bad, error=f"E{bad}: {bad}"),
        Span(id=1, parent=0, kind="lm", name=bad, asked=bad, model=bad, messages=(Message("user", bad),), reply=bad),
    )
    otel.send([Trace(program=bad, spans=spans)], provider=sink.provider, content=True)
    assert len(sink.spans) == 2
    for span in sink.spans:
        texts = [span.name, *map(str, span.attributes.values()), str(span.status.description)]
        assert all(key not in text and "\x1b" not in text for text in texts)
        assert "".join(texts).encode()
    assert key not in sink.text


def test_runs_in_the_block_are_exported_when_they_end_under_the_span_around_them(sink: Sink) -> None:
    tracer = sink.provider.get_tracer("the user's")
    with tracer.start_as_current_span("request") as around, otel.exporting(provider=sink.provider):
        run(one_step(), lm=Scripted(lambda request: "yes"), x="hello")
        made = [span.name for span in sink.spans]
    assert made == ["invoke_workflow program", "step ask", made[2]]
    assert sink.spans[1].parent.span_id == around.get_span_context().span_id
    starts = [(span.start_time, span.end_time) for span in sink.spans]
    assert all(outer[0] <= inner[0] <= inner[1] <= outer[1] for outer, inner in itertools.pairwise(starts))


def test_nothing_is_exported_after_the_block_and_no_trace_is_kept(sink: Sink) -> None:
    with otel.exporting(provider=sink.provider), trace() as kept:
        run(one_step(), lm=Scripted(lambda request: "yes"), x="hello")
    count = len(sink.spans)
    run(one_step(), lm=Scripted(lambda request: "yes"), x="hello")
    assert len(sink.spans) == count == len(kept.traces[0].spans)


def test_a_run_that_fails_is_exported_with_its_error(sink: Sink) -> None:
    def fails(request: object) -> str:
        raise RateLimited(SECRET)

    with contextlib.suppress(RateLimited), otel.exporting(provider=sink.provider):
        run(one_step(), lm=Scripted(fails), x="hello")
    assert {span.attributes.get("error.type") for span in sink.spans} == {"RateLimited"}
    assert SECRET not in sink.text


def test_an_exporter_that_fails_does_not_fail_the_run(caplog: pytest.LogCaptureFixture, sdk: Any) -> None:
    class Broken(sdk.TracerProvider):  # type: ignore[misc]
        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            return object()

    with otel.exporting(provider=Broken()):
        assert run(one_step(), lm=Scripted(lambda request: "yes"), x="hello") == "yes"
    assert "could not be made" in caplog.text


def test_overlap_is_kept(sink: Sink) -> None:
    spans: Sequence[Span] = (
        Span(id=0, parent=None, kind="program", name="p", seconds=2.0),
        Span(id=1, parent=0, kind="step", name="a", started=0.0, seconds=1.5),
        Span(id=2, parent=0, kind="step", name="b", started=0.5, seconds=1.5),
    )
    otel.send([Trace(program="p", spans=tuple(spans))], provider=sink.provider, ended=10.0)
    assert sink.named("step b").start_time < sink.named("step a").end_time


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra, match=r"treadle\[otel\]"):
        otel.send([TRACE])
