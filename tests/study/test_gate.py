import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Usage
from treadle.compiler.study.gate import (
    compare_cross_fitted,
    compare_on_confirm,
    fold_choices,
    interval,
    largest_difference,
    probability_better,
    probability_no_worse,
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


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=12, max_size=12), min_size=2, max_size=4))
def test_where_all_folds_together_choose_the_start_nothing_is_shown(scores: list[list[float]]) -> None:
    ids = _ids(12)
    start, *others = sorted(scores, key=sum, reverse=True)
    table, made = _table(ids, start=start, **{f"c{number}": row for number, row in enumerate(others)})
    splits = Splits(feedback=(), select=ids, examples=50)
    comparison = compare_cross_fitted(table, START, [one for one in made.values() if one != START], splits)
    assert comparison.difference <= 0
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


def _priced(ids: tuple[str, ...], scores: list[float], tokens: int) -> list[Outcome]:
    return [Outcome(example=i, score=s, usage=Usage(tokens, 0)) for i, s in zip(ids, scores, strict=True)]


def test_a_search_that_aims_at_tokens_may_be_no_worse_and_cheaper() -> None:
    ids = _ids(200)
    splits = Splits(feedback=(), select=(), confirm=ids, examples=300)
    found = {}
    for name, scores, tokens in (
        ("cheaper", [1.0, 0.0] * 100, 60),
        ("dearer", [1.0, 0.0] * 100, 160),
        ("worse", [1.0, 0.0] * 90 + [0.0] * 20, 60),
    ):
        table, winner = ScoreTable(ids), Candidate(values={"x": name})
        table.record(START, _priced(ids, [1.0, 0.0] * 100, 100))
        table.record(winner, _priced(ids, scores, tokens))
        found[name] = compare_on_confirm(table, START, winner, splits, loss=0.02)
        assert compare_on_confirm(table, START, winner, splits).verdict == "not shown"  # it aimed at score
    assert found["cheaper"].verdict == "no worse, cheaper"
    assert found["cheaper"].emits("probable")
    assert not found["cheaper"].emits("strict")
    assert found["cheaper"].savings is not None
    assert (found["cheaper"].savings.before, found["cheaper"].savings.after) == (100, 60)
    assert found["dearer"].verdict == found["worse"].verdict == "not shown"
    data = found["cheaper"].to_json()
    assert data["savings"] == {"loss": 0.02, "probability": data["savings"]["probability"], "before": 100, "after": 60}  # type: ignore[index, call-overload]


def test_cross_fitting_chooses_the_cheapest_where_score_may_be_lost() -> None:
    ids = _ids(60)
    splits = Splits(feedback=(), select=ids, examples=60)
    table, cheap, good = ScoreTable(ids), Candidate(values={"x": "cheap"}), Candidate(values={"x": "good"})
    table.record(START, _priced(ids, [1.0, 0.0] * 30, 100))
    table.record(cheap, _priced(ids, [1.0, 0.0] * 30, 50))
    table.record(good, _priced(ids, [1.0] * 60, 80))
    assert set(fold_choices(table, [START, cheap], splits, loss=0.1).values()) == {cheap}
    assert set(fold_choices(table, [START, cheap], splits).values()) == {START}
    assert set(fold_choices(table, [START, cheap, good], splits, loss=0.1).values()) == {good}
    assert compare_cross_fitted(table, START, [cheap], splits, loss=0.1).verdict == "no worse, cheaper"


def test_that_nothing_differs_on_a_few_examples_shows_little() -> None:
    shown = [probability_no_worse([0.0] * n, 0.02) for n in (10, 30, 120)]
    assert shown == sorted(shown)
    assert shown[0] < 0.7
    assert shown[2] > 0.94
    assert probability_no_worse([0.0] * 100 + [-1.0] * 10, 0.02) < 0.05
    assert probability_no_worse([0.0] * 100 + [1.0] * 10, 0.02) > 0.99
    assert largest_difference([0.0, 1.0], [0.5]) == 1.0
    assert largest_difference([0.0, 60.0], [-20.0]) == 80.0
