"""Runs that fail while other steps are under way: what they are charged, and what their traces show."""

import asyncio
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.study.programs import studying
from treadle.compiler.canonical import canonical, digest
from treadle.compiler.errors import RequestRefused
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.study.budget import Budget

START = Candidate()
ROWS = [{"text": f"t{number}"} for number in range(12)]


@treadle.predict
def one(text: str) -> str:
    """First."""
    ...


@treadle.predict
def two(text: str) -> str:
    """Second."""
    ...


@treadle.predict
def three(text: str) -> str:
    """Third."""
    ...


@treadle.op
def first_words(texts: list[str]) -> str:
    return " ".join(text.split()[1] for text in texts)


@treadle.program(require="graph")
def overlapping(text: str) -> str:
    """The second step fails for every third row, while the others are under way."""
    a = one(text)
    b = two(text)
    c = three(text)
    d = three(c)
    return f"{a} {b} {d}"


@treadle.program(require="graph")
def mapped(text: str) -> str:
    """One turn fails, before and after others."""
    parts = [two(f"{part}{text}") for part in ["a", "b", "", "c"]]
    return first_words(parts) + three(text)


class Model:
    """Refuses some of what the second step asks; answers in an order of its own."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lm = Scripted(self._answer, price=(0.1, 0.7))  # sums of dollars depend on their order

    async def _answer(self, request: Request) -> str | Exception:
        for _ in range(self.rng.randrange(12)):
            await asyncio.sleep(0)
        text = request.messages[-1].content
        if "Second." in request.messages[0].content and any(f"\nt{n}\n" in text for n in (1, 4, 7, 10)):
            return RequestRefused("no")
        return f"reply {digest(text, length=4)}"


def found(program: Any, seed: int, concurrency: int, folder: Path | None = None) -> tuple[Any, ...]:
    with studying(
        program, Model(seed).lm, ROWS, folder=folder, concurrency=concurrency, budget=Budget(calls=400)
    ) as study:
        (row,) = study.evaluate([START], study.splits.select, traces=True)
        return study.spend.search, [_told(outcome) for outcome in row]


def _told(outcome: Any) -> Any:
    """All that an optimizer may see, but for how long it took."""
    spans = [
        (span.kind, span.name, span.indices, span.error, span.reply, span.sources, span.controls)
        for span in outcome.trace.spans
    ]
    return outcome.score, outcome.failure, outcome.feedback, outcome.usage, outcome.calls, outcome.cost, spans


@pytest.mark.parametrize(("program", "calls"), [(overlapping, 2), (mapped, 3)], ids=["steps", "map"])
def test_a_failed_run_is_charged_and_told_as_if_nothing_had_overlapped(program: Any, calls: int) -> None:
    first = found(program, 0, 1)
    failed = [told for told in first[1] if told[1]]
    assert len(failed) == 4
    for told in failed:
        assert told[1] == "RequestRefused: no"
        assert told[4] == calls
        assert sum(span[0] == "lm" for span in told[6]) == calls
    for seed, concurrency in ((1, 3), (2, 8), (3, 64), (4, 64)):
        assert found(program, seed, concurrency) == first


def test_a_rerun_sees_the_same_failures(tmp_path: Path) -> None:
    first = found(overlapping, 5, 64, tmp_path)
    assert found(overlapping, 6, 2, tmp_path) == first
    assert canonical(first[1][1][1]) == '"RequestRefused: no"'


# --- what else may be raised ------------------------------------------------------------------------------------------


def leave(text: str) -> str:
    if text in ("t1", "t2"):
        sys.exit(3)
    return text


async def give_up(text: str) -> str:
    await asyncio.sleep(0)
    if text in ("t1", "t2"):
        raise asyncio.CancelledError
    return text


leave_op, give_up_op = treadle.op(leave), treadle.op(give_up)


@treadle.program
def leaving(text: str) -> str:
    return one(leave_op(text))


@treadle.program
async def giving_up(text: str) -> str:
    return await one.acall(await give_up_op(text))


@treadle.program(require="graph")
def leaving_beside_others(text: str) -> str:
    a = one(text)
    b = two(f"x{text}")
    return f"{a} {b} {one(leave_op(text))}"


@pytest.mark.parametrize(
    ("program", "failure"),
    [(leaving, "SystemExit: 3"), (giving_up, "CancelledError: "), (leaving_beside_others, "SystemExit: 3")],
    ids=["exit", "cancelled", "exit beside others"],
)
def test_an_op_that_raises_what_ends_programs_fails_its_run_and_no_more(program: Any, failure: str) -> None:
    with studying(program, Model(0).lm, ROWS) as study:
        (row,) = study.evaluate([START], study.splits.select)
        assert [outcome.failure for outcome in row][:4] == ["", failure, failure, ""]
        (row,) = study.evaluate([Candidate(values={"one.instruction": "x"})], study.splits.select)
        assert sum(outcome.score is None for outcome in row) == 2


def exits(example: Any, prediction: str) -> float:
    if example["text"] in ("t1", "t2"):
        sys.exit(4)
    return 1.0


async def cancels(example: Any, prediction: str) -> float:
    if example["text"] in ("t1", "t2"):
        raise asyncio.CancelledError
    return 1.0


async def exits_late(example: Any, prediction: str) -> float:
    await asyncio.sleep(0)
    return exits(example, prediction)


@treadle.program(require="graph")
def simple(text: str) -> str:
    return one(text)


@pytest.mark.parametrize("metric", [exits, cancels, exits_late])
def test_a_metric_that_raises_what_ends_programs_fails_its_example_and_no_more(metric: Callable[..., Any]) -> None:
    with studying(simple, Model(0).lm, ROWS, metric=metric) as study:
        (row,) = study.evaluate([START], study.splits.select)
        assert [outcome.score for outcome in row][:4] == [1.0, None, None, 1.0]
        assert sum(outcome.score is None for outcome in row) == 2
