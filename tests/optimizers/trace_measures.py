"""What learning from traces is worth, in the worlds of ``tests/worlds/traces.py``: measures, each with its control.

The tests hold them over 20 seeds; ``python -m benchmarks.trace_worlds`` prints them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from tests.optimizers.trace_programs import Searched, asks, five_steps, planted_bug, router, search, target
from tests.worlds.problems import chances
from tests.worlds.traces import FiveSteps, PlantedBug, Router, Target
from treadle.optimizers.acceptance import Always
from treadle.optimizers.optoprime import OptoPrime
from treadle.optimizers.problem_text import Section

SEEDS = range(20)
GOOD = 0.97
FEEDBACK_ONLY: tuple[Section, ...] = ("program", "documentation", "intermediates")

Change = Callable[[str], str]
"""What is done to a stated problem before the world's LM reads it."""


def as_it_is(problem: str) -> str:
    """No change."""
    return problem


def _final(searched: Searched) -> float:
    return math.fsum(outcome.value for outcome in searched.end) / len(searched.end)


# --- a numeric target ------------------------------------------------------------------------------------------------


def evaluations_of_optoprime(seed: int) -> float:
    """Candidates run until one is good."""
    world = Target(seed)
    program, rows, metric = target(world)
    optimizer = OptoPrime(rounds=25, batch=1, candidates=1, memory=25, threshold=GOOD)
    searched = search(program, rows, metric, asks(world), optimizer, seed=seed)
    scores = [float(re.findall(r"-> ([\d.]+)", str(event["outcome"]))[-1]) for event in searched.logged("tried")]
    return next((n for n, score in enumerate(scores, start=1) if score >= GOOD), math.inf)


def evaluations_of_random_search(seed: int) -> int:
    """The same for candidates drawn at random."""
    world, rng = Target(seed), chances("random", seed)
    count = 1
    while world.score(rng.uniform(0, 100), rng.uniform(0, 100)) < GOOD:
        count += 1
    return count


# --- a planted bug ---------------------------------------------------------------------------------------------------


def bug_repaired(seed: int, folder: Path, change: Change = as_it_is) -> bool:
    """Whether one round repairs the parser.

    Args:
        seed: Of the world.
        folder: Where the parser's module is written.
        change: Done to the problem.
    """
    world = PlantedBug(seed)
    program, known, metric = planted_bug(world, folder)
    plain = [row for row in known if str(row["text"]).isdigit()]
    hard = [row for row in known if row not in plain]
    rows = [*hard[:5], plain[0], *hard[5:10], plain[1]]
    optimizer = OptoPrime(rounds=1, batch=3, candidates=1)
    return _final(search(program, rows, metric, asks(world, change), optimizer, seed=seed)) == 1


def unmarked(problem: str) -> str:
    """The line to blame taken out."""
    return re.sub(r"^> *\d+ \|.*$", "", problem, flags=re.MULTILINE)


# --- which step of five ----------------------------------------------------------------------------------------------


def step_found(seed: int, change: Change = as_it_is) -> bool:
    """Whether the first change is one of the step that caused the failure."""
    world = FiveSteps(seed)
    program, rows, metric = five_steps(world)
    optimizer = OptoPrime(rounds=1, candidates=1, acceptance=Always())
    searched = search(program, rows[:10], metric, asks(world, change), optimizer, seed=seed)
    [changes] = searched.logged("proposed")[0]["changes"]
    return list(changes) == [f"{world.fault}_instruction"]


def shuffled_names(seed: int) -> Change:
    """The steps' names in the tables stand for other steps than they say."""
    names = list(FiveSteps.STEPS)
    chances("names", seed).shuffle(names)
    new = dict(zip(FiveSteps.STEPS, names, strict=True))

    def change(problem: str) -> str:
        head, columns, rest = problem.partition('["run", "s1"')
        line, newline, rest = rest.partition("\n")
        return head + re.sub(r"s\d", lambda match: new[match.group()], columns + line) + newline + rest

    return change


def shuffled_feedback(seed: int) -> Change:
    """The feedback is on a field drawn at random, with the value it has."""

    def change(problem: str) -> str:
        record = re.search(r'\["run", "result"\]\n\[1, "(.*)"\]', problem)
        assert record is not None
        values = dict(part.split("=", 1) for part in record.group(1).split("; "))
        name = chances("feedback", seed).choice(sorted(values))
        return re.sub(r"\w+ is wrong: \S+", f"{name} is wrong: {values[name]}", problem)

    return change


# --- a router --------------------------------------------------------------------------------------------------------


def branch_repaired(seed: int, change: Change = as_it_is) -> bool:
    """Whether one round repairs the router, by a change of the step that decides and of nothing else."""
    world = Router(seed)
    program, rows, metric = router(world)
    optimizer = OptoPrime(rounds=1, candidates=1)
    searched = search(program, rows[:24], metric, asks(world, change), optimizer, seed=seed)
    return _final(searched) == 1 and list(searched.winner.values) == ["route.instruction"]


def unnamed(problem: str) -> str:
    """The right desk taken out of the feedback."""
    return re.sub(r"this belongs to \w+", "this is the wrong desk", problem)


# --- without the trace -----------------------------------------------------------------------------------------------


def steps_lost(seed: int) -> float:
    """What the score of five steps loses where the LM sees the feedback only."""
    world = FiveSteps(seed)
    program, rows, metric = five_steps(world)
    return _lost(lambda optimizer: search(program, rows[:24], metric, asks(world), optimizer, seed=seed))


def router_lost(seed: int) -> float:
    """What the score of the router loses where the LM sees the feedback only."""
    world = Router(seed)
    program, rows, metric = router(world)
    return _lost(lambda optimizer: search(program, rows[:24], metric, asks(world), optimizer, seed=seed))


def _lost(searched: Callable[[OptoPrime], Searched]) -> float:
    whole, part = (OptoPrime(rounds=1, candidates=1, hide=hidden) for hidden in ((), FEEDBACK_ONLY))
    return _final(searched(whole)) - _final(searched(part))
