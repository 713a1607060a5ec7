"""What learning from traces is worth, on worlds with one planted cause, over 20 seeds; each with its control."""

from __future__ import annotations

import math
import re
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.optimizers.trace_programs import Searched, asks, five_steps, planted_bug, router, search, target
from tests.worlds.problems import chances
from tests.worlds.traces import FiveSteps, PlantedBug, Router, Target
from treadle.compiler.study.gate import interval
from treadle.optimizers.acceptance import Always
from treadle.optimizers.optoprime import OptoPrime
from treadle.optimizers.problem_text import Section

SEEDS = range(20)
FEEDBACK_ONLY: tuple[Section, ...] = ("program", "documentation", "intermediates")
GOOD = 0.97


def _final(searched: Searched) -> float:
    return math.fsum(outcome.value for outcome in searched.end) / len(searched.end)


# --- a numeric target ------------------------------------------------------------------------------------------------


def _evaluations_of_optoprime(seed: int) -> float:
    """Candidates run until one is good."""
    world = Target(seed)
    program, rows, metric = target(world)
    optimizer = OptoPrime(rounds=25, batch=1, candidates=1, memory=25, threshold=GOOD)
    searched = search(program, rows, metric, asks(world), optimizer, seed=seed)
    scores = [float(re.findall(r"-> ([\d.]+)", str(event["outcome"]))[-1]) for event in searched.logged("tried")]
    return next((n for n, score in enumerate(scores, start=1) if score >= GOOD), math.inf)


def _evaluations_of_random_search(seed: int) -> int:
    world, rng = Target(seed), chances("random", seed)
    count = 1
    while world.score(rng.uniform(0, 100), rng.uniform(0, 100)) < GOOD:
        count += 1
    return count


def test_a_numeric_target_takes_fewer_evaluations_than_random_search() -> None:
    ours = [_evaluations_of_optoprime(seed) for seed in SEEDS]
    random = [_evaluations_of_random_search(seed) for seed in SEEDS]
    assert statistics.median(ours) <= 0.2 * statistics.median(random)
    assert sum(a < b for a, b in zip(ours, random, strict=True)) >= 16


# --- a planted bug ---------------------------------------------------------------------------------------------------


def _repair(seed: int, folder: Path, *, marked: bool = True) -> float:
    world = PlantedBug(seed)
    program, known, metric = planted_bug(world, folder)
    plain = [row for row in known if str(row["text"]).isdigit()]
    hard = [row for row in known if row not in plain]
    rows = [*hard[:5], plain[0], *hard[5:10], plain[1]]

    def unmark(problem: str) -> str:
        return re.sub(r"^> *\d+ \|.*$", "", problem, flags=re.MULTILINE)

    change = (lambda text: text) if marked else unmark
    optimizer = OptoPrime(rounds=1, batch=3, candidates=1)
    return _final(search(program, rows, metric, asks(world, change), optimizer, seed=seed))


def test_a_planted_bug_is_repaired_from_its_traceback(tmp_path: Path) -> None:
    repaired = [_repair(seed, tmp_path) == 1 for seed in SEEDS]
    assert sum(repaired) >= 16
    without = [_repair(seed, tmp_path, marked=False) == 1 for seed in SEEDS]
    assert sum(without) <= 10
    assert sum(repaired) - sum(without) >= 8


# --- which step of five ----------------------------------------------------------------------------------------------


def _blamed(seed: int, change: Any = lambda text: text) -> bool:
    """Whether the first change is one of the step that caused the failure."""
    world = FiveSteps(seed)
    program, rows, metric = five_steps(world)
    optimizer = OptoPrime(rounds=1, candidates=1, acceptance=Always())
    searched = search(program, rows[:10], metric, asks(world, change), optimizer, seed=seed)
    [changes] = searched.logged("proposed")[0]["changes"]
    return list(changes) == [f"{world.fault}_instruction"]


def _shuffled_names(seed: int) -> Any:
    """The steps' names in the tables stand for other steps than they say."""
    names = list(FiveSteps.STEPS)
    chances("names", seed).shuffle(names)
    new = dict(zip(FiveSteps.STEPS, names, strict=True))

    def change(problem: str) -> str:
        head, columns, rest = problem.partition('["run", "s1"')
        line, newline, rest = rest.partition("\n")
        return head + re.sub(r"s\d", lambda match: new[match.group()], columns + line) + newline + rest

    return change


def _shuffled_feedback(seed: int) -> Any:
    """The feedback is on a field drawn at random, with the value it has."""

    def change(problem: str) -> str:
        record = re.search(r'\["run", "result"\]\n\[1, "(.*)"\]', problem)
        assert record is not None
        values = dict(part.split("=", 1) for part in record.group(1).split("; "))
        name = chances("feedback", seed).choice(sorted(values))
        return re.sub(r"\w+ is wrong: \S+", f"{name} is wrong: {values[name]}", problem)

    return change


def test_the_step_that_caused_the_failure_is_the_one_that_is_changed() -> None:
    assert sum(_blamed(seed) for seed in SEEDS) >= 16


@pytest.mark.parametrize("shuffled", [_shuffled_names, _shuffled_feedback])
def test_with_names_or_feedback_shuffled_it_is_chance(shuffled: Any) -> None:
    right = sum(_blamed(seed, shuffled(seed)) for seed in SEEDS)
    assert right <= 9  # of 20 at one in five; 10 or more would come by chance once in 400 times


# --- a router --------------------------------------------------------------------------------------------------------


def test_a_wrong_branch_is_repaired_because_the_feedback_names_it() -> None:
    repaired = 0
    for seed in SEEDS:
        world = Router(seed)
        program, rows, metric = router(world)
        searched = search(program, rows[:24], metric, asks(world), OptoPrime(rounds=1, candidates=1), seed=seed)
        repaired += _final(searched) == 1 and list(searched.winner.values) == ["route.instruction"]
    assert repaired >= 16


# --- without the trace -----------------------------------------------------------------------------------------------


def _with_and_without(seed: int, world: Any, make: Any) -> float:
    scores = []
    for hide in ((), FEEDBACK_ONLY):
        program, rows, metric = make(world)
        optimizer = OptoPrime(rounds=1, candidates=1, hide=hide)
        scores.append(_final(search(program, rows[:24], metric, asks(world), optimizer, seed=seed)))
    return scores[0] - scores[1]


@pytest.mark.parametrize(("kind", "make"), [(FiveSteps, five_steps), (Router, router)])
def test_feedback_without_the_trace_is_worse(kind: Any, make: Any) -> None:
    differences = [_with_and_without(seed, kind(seed), make) for seed in SEEDS]
    low, _ = interval(differences)
    assert low > 0
