"""One LM call: what is asked, the re-ask, what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.sketch import Sketch
from treadle.compiler.errors import ReplyError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.hints import from_string
from treadle.compiler.lm.protocol import Completion, Request, Usage
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.prompt.render import render, response_schema
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.interpreter import run_graph
from treadle.compiler.runtime.session import Session
from treadle.compiler.trace.trace import Span, Trace
from treadle.compiler.trace.tracer import Tracer


def asked(replies: list[Any], text: str = "text -> count: int", **rest: Any) -> tuple[Any, list[Request], Trace]:
    """Run one step; the value or the error, the requests, and the trace."""
    requests: list[Request] = []
    left = iter(replies)

    def answer(request: Request) -> Any:
        requests.append(request)
        return next(left)

    s = Sketch("text", predictors={"ask": Predictor(signature=from_string(text, name="ask"), **rest)})
    graph = s.done(s.step("ask", text=s["text"]))
    tracer = Tracer()
    try:
        value = wait(run_graph(graph, {}, {"text": "t"}, Session(lm=Scripted(answer, price=(1.0, 2.0)), tracer=tracer)))
    except ReplyError as error:
        value = error
    return value, requests, tracer.traces[0]


def calls(trace: Trace) -> list[Span]:
    return list(trace.calls())


def test_the_request_is_what_render_gives_with_schema_and_decoding() -> None:
    value, requests, _ = asked([{"count": 3}], temperature=0.5, max_tokens=7)
    signature = from_string("text -> count: int", name="ask")
    assert value == 3
    assert requests[0].messages == render(signature, (), {"text": "t"})
    assert requests[0].schema == response_schema(signature)
    assert (requests[0].temperature, requests[0].max_tokens) == (0.5, 7)


def test_a_plain_text_output_is_asked_for_without_a_schema() -> None:
    value, requests, _ = asked(["hello"], "text -> reply")
    assert value == "hello"
    assert requests[0].schema is None


def test_a_reply_that_does_not_fit_is_quoted_back_once_and_counted() -> None:
    value, requests, trace = asked(["three", {"count": 3}])
    assert value == 3
    assert [request.sample for request in requests] == ["ask", "ask/reask"]
    again = [message.content for message in requests[1].messages[-2:]]
    assert again[0] == "three"
    assert "This reply cannot be used" in again[1]
    first, second = calls(trace)
    assert first.error.startswith("ReplyError: ")
    assert (first.reply, second.reply) == ("three", '{"count": 3}')
    assert (first.repairs, second.repairs) == ((), ("reask",))
    assert (first.name, second.name) == ("", "/reask")
    assert second.messages == requests[1].messages
    assert trace.usage.output_tokens == sum(call.usage.output_tokens for call in (first, second) if call.usage)


def test_a_second_reply_that_does_not_fit_is_an_error_that_quotes_it() -> None:
    error, requests, trace = asked(["three", "four"])
    assert isinstance(error, ReplyError)
    assert error.reply == "four"
    assert error.__notes__ == ["in step 'ask' of 'program'"]
    assert len(requests) == 2
    assert [span.error.partition(":")[0] for span in trace.spans] == ["ReplyError"] * 4


def test_what_the_provider_says_is_recorded() -> None:
    told = Completion(
        text="hi",
        usage=Usage(10, 5),
        finish_reason="unsupported",
        model="scripted-2",
        repaired="surrogates",
        cached=True,
    )
    _, _, trace = asked([told], "text -> reply")
    (call,) = calls(trace)
    assert call.usage == Usage(10, 5)
    assert call.cost == pytest.approx(20e-6)
    assert (call.model, call.finish_reason, call.repairs, call.cached) == (
        "scripted-2",
        "unsupported",
        ("surrogates",),
        True,
    )
    assert call.parameters == ("ask.instruction", "ask.demos")
    assert trace.cost == call.cost
