import math

from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.table import ScoreTable

A, B = Candidate(), Candidate(values={"s.instruction": "b"})


def _table() -> ScoreTable:
    table = ScoreTable(["x", "y", "z"])
    table.record(A, [Outcome(example="z", score=1.0), Outcome(example="x", score=None, failure="E: e")])
    table.record(B, [Outcome(example="x", score=1.0), Outcome(example="y", score=0.5)])
    return table


def test_outcomes_come_in_declared_order_whatever_the_order_of_arrival() -> None:
    assert [outcome.example for outcome in _table().outcomes(A)] == ["x", "z"]


def test_a_failure_counts_as_zero() -> None:
    assert _table().mean(A).mean == 0.5
    assert _table().mean(A, ["y"]).n == 0
    assert math.isnan(_table().mean(A, ["y"]).mean)


def test_pairs_are_on_shared_examples() -> None:
    paired = _table().paired(B, A)
    assert paired.differences == (1.0,)
    assert (paired.wins, paired.losses) == (1, 0)


def test_best_takes_the_earlier_of_equals() -> None:
    table = ScoreTable(["x"])
    table.record(A, [Outcome(example="x", score=1.0)])
    table.record(B, [Outcome(example="x", score=1.0)])
    assert table.best([B, A]) is B
    assert table.covers(A, ["x"])
    assert not _table().covers(A, ["x", "y"])
