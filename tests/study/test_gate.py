import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.gate import (
    compare_cross_fitted,
    compare_on_confirm,
    interval,
    probability_better,
    smallest_gain,
    verdict,
)
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.table import ScoreTable

START = Candidate()


def _candidate(name: str) -> Candidate:
    return Candidate(values={"step.instruction": name})


def _table(ids: tuple[str, ...], **scores: Sequence[float | None]) -> tuple[ScoreTable, dict[str, Candidate]]:
    table, made = ScoreTable(ids), {}
    for name, row in scores.items():
        made[name] = START if name == "start" else _candidate(name)
        table.record(made[name], [Outcome(example=e, score=s) for e, s in zip(ids, row, strict=True)])
    return table, made


def _ids(n: int) -> tuple[str, ...]:
    return tuple(f"e{index:03}" for index in range(n))


def test_probability_of_nothing_is_a_half() -> None:
    assert probability_better([0.0] * 50) == 0.5
    assert interval([0.0] * 50) == (0.0, 0.0)


def test_binary_probability_is_the_beta_tail_by_hand() -> None:
    # Beta(3, 1) above one half: 1 - 1/8
    assert probability_better([1.0, 1.0, 0.0]) == pytest.approx(1 - 1 / 8)
    assert probability_better([1.0, -1.0]) == pytest.approx(0.5)


@given(st.lists(st.floats(-1, 1, allow_nan=False).map(lambda x: round(x, 3)), min_size=2, max_size=40))
def test_swapping_the_two_sides_mirrors_the_probability(differences: list[float]) -> None:
    forward = probability_better(differences)
    backward = probability_better([-difference for difference in differences])
    assert forward + backward == pytest.approx(1, abs=0.05)


def test_words_for_probabilities() -> None:
    assert [verdict(p) for p in (0.95, 0.9499, 0.8, 0.79)] == [
        "better",
        "probably better",
        "probably better",
        "not shown",
    ]


def test_confirm_compares_paired_on_confirm_alone() -> None:
    ids = _ids(120)
    splits = Splits(feedback=ids[:30], select=ids[30:70], confirm=ids[70:], examples=120)
    table, made = _table(ids, start=[0.0] * 120, winner=[1.0] * 70 + [1.0, 0.0] * 25)
    comparison = compare_on_confirm(table, START, made["winner"], splits)
    assert (comparison.n, comparison.wins, comparison.losses) == (50, 25, 0)
    assert comparison.difference == pytest.approx(0.5)
    assert comparison.verdict == "better"
    assert comparison.emits("strict")


def test_cross_fitting_judges_each_fold_by_the_choice_of_the_others() -> None:
    # Each of five candidates wins only on one fold: chosen by the other folds, none is chosen where it would win.
    ids = _ids(50)
    splits = Splits(feedback=(), select=ids, examples=50)
    folds = splits.folds()
    rows = {f"c{k}": [1.0 if e in folds[k] else 0.0 for e in ids] for k in range(5)}
    table, made = _table(ids, start=[0.1] * 50, **rows)
    comparison = compare_cross_fitted(table, START, [made[name] for name in rows], splits)
    assert comparison.winner < 0.1
    assert comparison.difference < 0
    assert comparison.verdict == "not shown"


def test_a_pair_counts_for_less_where_the_choice_is_cross_fitted() -> None:
    ids = _ids(60)
    table, made = _table(ids, start=[0.0] * 10 + [1.0] * 3 + [0.0] * 47, winner=[1.0] * 10 + [0.0] * 50)
    crossed, apart = (
        Splits(feedback=(), examples=200, **part) for part in ({"select": ids}, {"select": (), "confirm": ids})
    )
    fitted = compare_cross_fitted(table, START, [made["winner"]], crossed)
    plain = compare_on_confirm(table, START, made["winner"], apart)
    assert (
        (fitted.wins, fitted.losses, fitted.difference)
        == (plain.wins, plain.losses, plain.difference)
        == (10, 3, 7 / 60)
    )
    assert fitted.low < plain.low < plain.high < fitted.high
    assert (plain.verdict, fitted.verdict) == ("better", "probably better")
    # Beta(1 + 0.7 * 10, 1 + 0.7 * 3) above one half, by the trapezoid rule
    density = [x**7 * (1 - x) ** 2.1 for x in (n / 100_000 for n in range(100_001))]
    assert fitted.probability == pytest.approx(sum(density[50_000:]) / sum(density), abs=1e-4)


def test_where_all_folds_together_choose_the_start_it_is_compared_and_nothing_is_shown() -> None:
    ids = _ids(50)
    splits = Splits(feedback=(), select=ids, examples=50)
    folds = splits.folds()
    uneven = [1.0 if e in folds[0] else 0.0 if e in folds[1] else 0.7 for e in ids]  # without fold 1 it looks good
    table, made = _table(ids, start=[0.65] * 50, other=uneven)
    comparison = compare_cross_fitted(table, START, [made["other"]], splits)
    assert table.best([START, made["other"]], ids) == START
    assert comparison.difference < 0
    assert comparison.verdict == "not shown"


@given(st.integers(1, 400), st.integers(1, 400))
def test_the_tail_of_whole_numbers_is_that_of_the_binomial(a: int, b: int) -> None:
    tail = sum(math.comb(a + b - 1, k) for k in range(a)) / 2 ** (a + b - 1)
    assert probability_better([1.0] * (a - 1) + [-1.0] * (b - 1) + [0.0]) == pytest.approx(tail if a + b > 2 else 0.5)


def test_under_thirty_examples_there_is_no_verdict() -> None:
    ids = _ids(16)
    splits = Splits(feedback=(), select=ids, examples=24)
    table, made = _table(ids, start=[0.0] * 16, winner=[1.0] * 16)
    comparison = compare_cross_fitted(table, START, [made["winner"]], splits)
    assert comparison.verdict == "too few examples"
    assert comparison.emits("probable")
    assert not comparison.emits("strict")


def test_failures_are_counted_apart() -> None:
    ids = _ids(100)
    splits = Splits(feedback=(), select=(), confirm=ids, examples=200)
    table, made = _table(ids, start=[1.0] * 100, winner=[None] * 3 + [1.0] * 97)
    assert compare_on_confirm(table, START, made["winner"], splits).failures == (3, 0)


def test_the_smallest_gain_shrinks_with_data() -> None:
    gains = [smallest_gain(n) for n in (0, 20, 60, 200, 300)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == 1.0
