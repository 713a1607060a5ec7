"""What a step costs, counted: function calls, rows, commits. Times would depend on the machine."""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from collections.abc import Callable, Sequence

import treadle
from tests.study.world import Chain, Provider, candidate, study
from treadle.compiler.runtime import background
from treadle.compiler.study.store import Row, Store


@treadle.predict
def answer(question: str) -> str:
    """Answer the question."""


@treadle.predict
def shorten(text: str) -> str:
    """Say it in one word."""


@treadle.program
def two(question: str) -> str:
    """An answer, and what is left of it."""
    return shorten(text=answer(question=question))


LM = treadle.Scripted(lambda request: request.messages[-1].content[-20:])


def evaluate(count: int) -> None:
    rows = [{"question": f"What is {number}?", "label": "x"} for number in range(count)]
    treadle.evaluate(two, rows, treadle.exact_match("label"), lm=LM, traces=True)


def calls_of(action: Callable[[], object]) -> int:
    """Function calls of the thread in which studies run."""
    profile = cProfile.Profile()

    async def begin() -> None:
        profile.enable()

    async def end() -> None:
        profile.disable()

    background.wait(begin())
    action()
    background.wait(end())
    total: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]  # typeshed does not know it
    return total


def test_a_row_of_a_large_evaluation_costs_no_more_calls_than_one_of_a_small() -> None:
    evaluate(5)  # captures and plans
    few, many = calls_of(lambda: evaluate(30)) / 30, calls_of(lambda: evaluate(300)) / 300
    assert many < 1.1 * few


def test_a_row_of_two_steps_takes_fewer_than_1600_calls() -> None:
    evaluate(5)
    assert calls_of(lambda: evaluate(100)) / 100 < 1600


def test_a_cell_is_a_row_and_a_reply_and_whatever_comes_up_in_a_tick_is_one_commit() -> None:
    committed: list[Counter[str]] = []

    class Watched(Store):
        def _commit(self, rows: Sequence[Row]) -> None:
            super()._commit(rows)
            committed.append(Counter(table for table, _, _ in rows))

    with study(Chain(Provider().lm()), examples=66, make_store=Watched, concurrency=32) as s:
        committed.clear()
        s.evaluate([candidate("")], s.splits.select)
    rows: Counter[str] = sum(committed, Counter())
    assert (rows["replies"], rows["cells"], rows["traces"], rows["effects"]) == (64, 64, 0, 0)
    assert max(tables["attempts"] for tables in committed) == 1
    assert len(committed) < 64


def test_a_new_store_is_asked_for_nothing_but_what_it_has() -> None:
    asked: list[str] = []
    with study(Chain(Provider().lm()), examples=6) as s:
        s._engine.store._connection.set_trace_callback(asked.append)
        s.evaluate([candidate("")], s.splits.select)
        s.evaluate([candidate("x")], s.splits.select)
        assert not [statement for statement in asked if "FROM" in statement]
        s.evaluate([candidate("")], s.splits.select)
    assert len([statement for statement in asked if "FROM cells" in statement]) == len(s.splits.select)
