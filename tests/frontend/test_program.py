from __future__ import annotations

import asyncio
import threading
from typing import Any, Literal

import pytest

import treadle
from treadle.compiler.errors import CaptureError, ConfigurationError, GraphError, InputError
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Request

Team = Literal["billing", "shipping"]
POLICIES = {"billing": ["pay"], "shipping": ["send", "wait"]}


@treadle.predict
def triage(ticket: str) -> Team:
    """Choose the team."""
    ...


@treadle.op
def policies(team: str) -> list[str]:
    return POLICIES[team]


@treadle.predict
def reply(ticket: str, policies: list[str]) -> str:
    """Draft a reply."""
    ...


@treadle.program
def support(ticket: str) -> str:
    """Answer a ticket."""
    team = triage(ticket)
    return reply(ticket, policies(team))


@treadle.program
def hosted(ticket: str) -> str:
    try:
        team = triage(ticket)
    except ValueError:
        team = "billing"
    return reply(ticket, policies(team))


@treadle.program
async def slow(ticket: str) -> str:
    return await reply.acall(ticket, policies=[])


def answer(request: Request) -> Any:
    text = request.messages[-1].content
    if request.schema is not None:
        return {"triage": "shipping" if "parcel" in text else "billing"}
    return text.splitlines()[1] + (" with policies" if "send" in text else "")


LM = treadle.Scripted(answer)
PROGRAMS = pytest.mark.parametrize("program", [support, hosted], ids=["graph", "host"])


@PROGRAMS
def test_a_program_is_called_like_its_function(program: Any) -> None:
    bound = program.bind(lm=LM)
    assert bound("my parcel") == "my parcel with policies"
    assert bound(ticket="my bill") == "my bill"
    with pytest.raises(InputError, match="'ticket' takes str"):
        bound(3)


@PROGRAMS
def test_a_program_runs_in_threads_and_inside_a_running_loop(program: Any) -> None:
    bound = program.bind(lm=LM)

    async def main() -> tuple[str, str]:
        return bound("a parcel"), await bound.acall("a parcel")

    assert asyncio.run(main()) == ("a parcel with policies",) * 2
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(bound("a parcel")))
    thread.start()
    thread.join()
    assert found == ["a parcel with policies"]


def test_an_async_program_gives_an_awaitable() -> None:
    bound = slow.bind(lm=LM)

    async def main() -> str:
        return await bound("a bill")

    assert asyncio.run(main()) == "a bill"
    assert bound.traced("a bill")[0] == "a bill"
    assert bound.batch([{"ticket": "a"}, {"ticket": "b"}]) == ["a", "b"]


@PROGRAMS
def test_spans_have_the_same_steps_either_way(program: Any) -> None:
    _, trace = program.bind(lm=LM).traced("a parcel")
    steps = [(span.name, span.predictor, dict(span.inputs)) for span in trace.spans if span.kind == "step"]
    assert steps == [
        ("triage", "triage", {"ticket": "a parcel"}),
        ("reply", "reply", {"ticket": "a parcel", "policies": ["send", "wait"]}),
    ]
    assert [span.name for span in trace.spans if span.kind == "op"] == ["policies"]


@PROGRAMS
def test_a_batch_keeps_the_order_of_its_rows(program: Any) -> None:
    rows = [{"ticket": f"{number}", "label": "not an input"} for number in range(40)]
    assert program.bind(lm=LM).batch(rows, concurrency=8) == [f"{number}" for number in range(40)]
    with pytest.raises(InputError, match="row 1 of"):
        program.bind(lm=LM).batch([{"ticket": "a"}, {"letter": "b"}])
    with pytest.raises(ConfigurationError, match="concurrency=0"):
        program.bind(lm=LM).batch(rows, concurrency=0)


def test_a_batch_stops_at_its_first_failure_or_keeps_it() -> None:
    def fails(request: Request) -> Any:
        text = request.messages[-1].content.splitlines()[1]
        return treadle.RequestRefused(f"not {text}") if text in ("2", "5") else "x"

    step = treadle.predict("ticket -> answer", name="step")

    @treadle.program
    def one(ticket: str) -> Any:
        return step(ticket)

    rows = [{"ticket": str(number)} for number in range(8)]
    bound = one.bind(lm=treadle.Scripted(fails))
    with pytest.raises(treadle.RequestRefused, match="not 2"):
        bound.batch(rows, concurrency=3)
    kept = bound.batch(rows, errors="return")
    assert [type(value).__name__ for value in kept] == ["str", "str", "RequestRefused", *["str"] * 2, "RequestRefused", "str", "str"]  # fmt: skip  # noqa: E501


def test_lms_are_found_from_the_nearest_binding_on() -> None:
    def named(name: str) -> treadle.LM:
        return treadle.Scripted(lambda request: name, model=name)

    own = treadle.predict("text -> answer", name="own", lm=named("own"))
    free = treadle.predict("text -> answer", name="free")

    @treadle.program
    def both(text: str) -> str:
        return f"{own(text)} {free(text)}"

    with pytest.raises(ConfigurationError, match="no LM for step 'free'"):
        both("x")
    with treadle.context(lm=named("context")):
        assert both("x") == "own context"
        assert both.bind(lm=named("bound"))("x") == "own bound"


def test_a_candidate_changes_a_program_and_not_the_one_it_was_made_from() -> None:
    candidate = Candidate(values={"reply.instruction": "Be brief."})
    tuned = support.with_candidate(candidate)
    seen: list[str] = []

    def watching(request: Request) -> Any:
        seen.append(request.messages[0].content)
        return answer(request)

    tuned.bind(lm=treadle.Scripted(watching))("a bill")
    assert any("Be brief." in text for text in seen)
    assert support.candidate == Candidate()
    assert tuned.candidate == candidate
    assert tuned.graph is support.graph


def test_the_space_holds_parameters_and_context_edges() -> None:
    space = support.space()
    assert {"triage.instruction", "reply.demos", "reply.module"} <= set(space)
    assert space["reply.from_triage"].kind == "edge"
    assert not [address for address in hosted.space() if ".from_" in address]
    assert set(hosted.space()) <= set(space)


def test_what_a_program_is() -> None:
    assert support.name == "support"
    assert [slot.name for slot in support.inputs] == ["ticket"]
    assert support.output.annotation is str
    assert sorted(support.predictors) == sorted(hosted.predictors) == ["reply", "triage"]
    assert sorted(support.ops) == ["policies"]
    assert "flowchart" in support.draw() or "graph" in support.draw()
    assert support.check() == "graph"
    assert repr(support) == "<program support(ticket: str)>"


def test_a_program_that_has_to_be_a_graph_says_why_it_is_not() -> None:
    @treadle.program(require="graph")
    def strict(ticket: str) -> str:
        while True:
            return triage(ticket)

    with pytest.raises(CaptureError, match="while") as raised:
        strict.check()
    assert len(raised.value.reasons) == 1
    with pytest.raises(CaptureError, match="drawing needs a graph"):
        hosted.draw()


class Desk:
    """A class whose methods are programs."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.step = triage.copy(f"triage_{limit}")

    def short(self, text: str) -> str:
        return text[: self.limit]

    @treadle.predict
    def close(self, text: str) -> str:
        """Say goodbye."""
        ...

    @treadle.program
    def handle(self, ticket: str) -> str:
        return f"{self.step(ticket)} {self.short(ticket)} {self.limit} {self.close(ticket)}"


def test_a_method_is_captured_for_each_instance() -> None:
    short, long = Desk(2), Desk(20)
    for desk in (short, long):
        assert desk.handle.capture == "graph", str(desk.handle.capture)
        assert sorted(desk.handle.predictors) == ["close", f"triage_{desk.limit}"]
    assert short.handle.bind(lm=LM)("a bill") == "billing a  2 a bill"
    assert long.handle.bind(lm=LM)("a bill") == "billing a bill 20 a bill"
    assert short.handle.graph is short.handle.graph
    short.limit = 3
    assert short.handle.bind(lm=LM)("a bill") == "billing a b 3 a bill"


def test_edges_are_checked_at_capture() -> None:
    count = treadle.predict("text -> number: int", name="count")
    wants = treadle.predict("names: list[str] -> text", name="wants")

    @treadle.program
    def wrong(text: str) -> Any:
        number = count(text)
        return wants(number)

    with pytest.raises(
        GraphError, match=r"line \d+ of 'wrong': step 'wants' takes names: list\[str\], and step 'count' gives int"
    ):
        wrong.check()

    @treadle.program
    def missing(text: str) -> Any:
        return wants()

    with pytest.raises(GraphError, match="needs the input names"):
        missing.check()


def test_two_predictors_of_one_name_are_refused() -> None:
    one, other = treadle.predict("a -> b", name="same"), treadle.predict("a -> c", name="same")

    @treadle.program
    def both(text: str) -> Any:
        return one(text) + other(text)

    with pytest.raises(treadle.DeclarationError, match="two predictors named 'same'"):
        both.check()


def test_capture_waits_for_what_is_defined_later() -> None:
    @treadle.program
    def early(text: str) -> Any:
        return defined_later(text)

    assert early.capture == "graph"


defined_later = treadle.predict("text -> answer", name="defined_later")


def test_constants_are_captured_and_recorded() -> None:
    limit = 3

    @treadle.program
    def limited(text: str) -> list[str]:
        return [policy for policy in POLICIES[triage(text)] if len(policy) > limit]

    assert limited.capture.constants == {"POLICIES": POLICIES, "limit": 3}
