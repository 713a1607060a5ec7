"""What learning from traces is worth, on worlds with one planted cause, over 20 seeds; each with its control."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.optimizers.trace_measures import (
    SEEDS,
    Change,
    branch_repaired,
    bug_repaired,
    evaluations_of_optoprime,
    evaluations_of_random_search,
    router_lost,
    shuffled_feedback,
    shuffled_names,
    step_found,
    steps_lost,
    unmarked,
    unnamed,
)
from treadle.compiler.study.gate import interval


def test_a_numeric_target_takes_fewer_evaluations_than_random_search() -> None:
    ours = [evaluations_of_optoprime(seed) for seed in SEEDS]
    random = [evaluations_of_random_search(seed) for seed in SEEDS]
    assert statistics.median(ours) <= 0.2 * statistics.median(random)
    assert sum(a < b for a, b in zip(ours, random, strict=True)) >= 16


def test_a_planted_bug_is_repaired_from_its_traceback(tmp_path: Path) -> None:
    repaired = sum(bug_repaired(seed, tmp_path) for seed in SEEDS)
    without = sum(bug_repaired(seed, tmp_path, unmarked) for seed in SEEDS)
    assert repaired >= 16
    assert without <= 8  # of 20 at one in six; 9 or more would come by chance once in 300 times


def test_the_step_that_caused_the_failure_is_the_one_that_is_changed() -> None:
    assert sum(step_found(seed) for seed in SEEDS) >= 16


@pytest.mark.parametrize("shuffled", [shuffled_names, shuffled_feedback])
def test_with_names_or_feedback_shuffled_it_is_chance(shuffled: Callable[[int], Change]) -> None:
    right = sum(step_found(seed, shuffled(seed)) for seed in SEEDS)
    assert right <= 9  # of 20 at one in five; 10 or more would come by chance once in 400 times


def test_a_wrong_branch_is_repaired_because_the_feedback_names_it() -> None:
    assert sum(branch_repaired(seed) for seed in SEEDS) >= 16
    assert not any(branch_repaired(seed, unnamed) for seed in SEEDS)


@pytest.mark.parametrize("lost", [steps_lost, router_lost])
def test_feedback_without_the_trace_is_worse(lost: Callable[[int], float]) -> None:
    low, _ = interval([lost(seed) for seed in SEEDS])
    assert low > 0
