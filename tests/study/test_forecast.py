"""Estimates: what a search is expected to take, of every role, and how near that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest

import treadle
from treadle.compiler.canonical import digest
from treadle.compiler.lm.protocol import Request
from treadle.compiler.study.estimate import unasked_budget
from treadle.compiler.study.job import prepare
from treadle.compiler.study.optimizer import MOST_DEMOS, most_demos
from treadle.optimizers.mipro import MIPRO
from treadle.optimizers.random_search import RandomSearch
from treadle.optimizers.textgrad import TextGrad

ROOM = treadle.Budget(calls=100_000)


@treadle.predict
def team(text: str) -> Literal["a", "b"]:
    """Choose the team."""
    ...


@treadle.predict
def urgency(text: str) -> Literal["low", "high"]:
    """Say how urgent it is."""
    ...


@treadle.predict
def answer(text: str, team: str) -> str:
    """Answer."""
    ...


@treadle.predict
def facts(text: str) -> str:
    """List the facts."""
    ...


@treadle.predict
def fits(said: str) -> bool:
    """Whether it fits."""
    ...


@treadle.program
def desk(text: str) -> dict[str, str]:
    """Two steps side by side, and one that reads a reply."""
    found = team(text)
    return {"urgency": urgency(text), "answer": answer(text, found)}


@treadle.program
def chain(text: str) -> str:
    """Each step reads the one before."""
    return answer(text, facts(text))


def reply(request: Request) -> str:
    """Any of the labels, or any text, as the prompt falls."""
    number = int(digest([(m.role, m.content) for m in request.messages], length=6), 16)
    if request.schema is None:
        return f"text {number}"
    schema: Any = request.schema
    ((name, kind),) = schema["properties"].items()
    return f'{{"{name}": "{kind["enum"][number % 2]}"}}' if "enum" in kind else f'{{"{name}": true}}'


LM = treadle.Scripted(reply)


def rows(count: int) -> list[dict[str, str]]:
    return [{"text": f"t{n}", "team": "ab"[n % 2], "urgency": ("low", "high")[n % 2]} for n in range(count)]


def metric(example: Mapping[str, Any], prediction: Mapping[str, str]) -> float:
    """Right or half right, the same for the same prediction."""
    return 1.0 if int(digest([example["text"], str(prediction)], length=4), 16) % 2 else 0.5


async def judged(example: Mapping[str, Any], prediction: Any) -> float:
    """Asks an LM four times."""
    asked = [await fits.acall(f"{number}: {prediction}") for number in range(4)]
    return all(asked) * metric(example, prediction)


def test_steps_that_read_no_reply_are_told_from_those_that_do() -> None:
    found = [
        treadle.estimate(program, rows(40), metric, "labeled", lm=LM).per_run.independent for program in (desk, chain)
    ]
    assert found == pytest.approx([2 / 3, 1 / 2])


@pytest.mark.parametrize("program", [desk, chain])
def test_the_estimate_of_a_search_over_several_steps_is_near_what_it_takes(program: Any) -> None:
    report = treadle.compile(
        program, rows(40), metric, MIPRO(trials=16, rounds=1), lm=LM, budget=ROOM, study=None, events=None
    ).report
    assert report.spend.search.calls == pytest.approx(report.estimate.total_calls, rel=0.2)


def test_a_metric_that_asks_is_in_the_estimate_and_in_what_is_kept_for_the_verdict() -> None:
    report = treadle.compile(
        chain, rows(120), judged, RandomSearch(sets=60), lm=LM,
        budget=treadle.Budget(calls=2_400), study=None, events=None,
    ).report  # fmt: skip
    assert report.estimate.per_run.judge_calls == 4
    assert report.estimate.calls["judge"] == pytest.approx(report.estimate.runs * 4, rel=0.01)
    assert report.spend.by_role["judge"].calls > 400
    assert report.comparison is not None
    assert report.comparison.n == len(report.estimate.splits.confirm)


def test_the_upper_end_shows_as_many_demos_as_the_optimizer_does() -> None:
    found = {
        optimizer.name: treadle.estimate(desk, rows(40), metric, optimizer, lm=LM)
        for optimizer in (TextGrad(), MIPRO(max_labeled=2, max_bootstrapped=3))
    }
    assert [estimate.demos for estimate in found.values()] == [0, 3]
    assert "with demos" in str(found["mipro"])
    assert "with demos" not in str(found["textgrad"])
    assert most_demos(RandomSearch()) == MOST_DEMOS


def test_without_a_budget_there_are_calls_for_a_metric_that_asks() -> None:
    metrics = (metric, judged, treadle.judge("good"))
    plain, asks, judge = (
        unasked_budget(prepare(chain, rows(40), one, RandomSearch(), lm=LM)).calls or 0 for one in metrics
    )
    assert asks == judge
    assert asks == pytest.approx(2 * plain, abs=1)  # two calls of the program, and one with its re-ask of the metric
