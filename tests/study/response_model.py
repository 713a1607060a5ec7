"""A response model for the gate: candidates of known accuracy, examples of known difficulty.

A candidate is right on an example when its ability, plus how it suits that example, exceeds the example's difficulty.
Difficulties have a standard deviation of 1.8, suits of 0.7 (fixed before the gate was tried on it); at 60 % two equal
candidates differ on about one example in six.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from statistics import NormalDist

import numpy
from numpy.typing import NDArray

from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.data import Data, Example
from treadle.compiler.study.gate import Comparison, compare_cross_fitted, compare_on_confirm
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.splits import Splits, split
from treadle.compiler.study.table import ScoreTable

DIFFICULTY, SUIT = 1.8, 0.7
START, CANDIDATES = 0.6, 20
SIZES = (30, 60, 200, 450)


def ability(accuracy: float) -> float:
    """The ability that is right with this chance on a random example."""
    return NormalDist(0, math.hypot(DIFFICULTY, SUIT)).inv_cdf(accuracy)


@dataclasses.dataclass(frozen=True)
class Search:
    """One search among candidates that all gain the same, judged as ``compile`` judges it."""

    examples: int
    gain: float
    seed: int

    def comparison(self) -> Comparison | None:
        """The verdict on the candidate with the best select score.

        ``None`` where that is the start and there is a confirm split: then nothing is left to compare.
        """
        data = _data(self.examples)
        splits = split(data, self.seed)
        right = self._right()
        column = {example: n for n, example in enumerate(data.ids)}
        select = right[:, [column[example] for example in splits.select]].mean(axis=1)
        winner = int(select.argmax())
        if splits.cross_fitted:
            table = self._table(data, splits.select, range(CANDIDATES + 1), right, column)
            return compare_cross_fitted(table, _named(0), [_named(n) for n in range(1, CANDIDATES + 1)], splits)
        if winner == 0:
            return None
        table = self._table(data, splits.confirm, (0, winner), right, column)
        return compare_on_confirm(table, _named(0), _named(winner), splits)

    def _right(self) -> NDArray[numpy.bool_]:
        rng = numpy.random.default_rng([self.seed, self.examples, round(100 * self.gain)])
        abilities = numpy.full(CANDIDATES + 1, ability(START + self.gain))
        abilities[0] = ability(START)
        difficulty = rng.normal(0, DIFFICULTY, self.examples)
        suits = rng.normal(0, SUIT, (CANDIDATES + 1, self.examples))
        right: NDArray[numpy.bool_] = abilities[:, None] + suits > difficulty
        return right

    def _table(
        self, data: Data, ids: tuple[str, ...], candidates: range | tuple[int, ...], right: NDArray[numpy.bool_],
        column: dict[str, int],
    ) -> ScoreTable:  # fmt: skip
        table = ScoreTable(data.ids)
        for number in candidates:
            table.record(_named(number), [_outcome(example, right[number, column[example]]) for example in ids])
        return table


@functools.cache
def _data(examples: int) -> Data:
    return Data(tuple(Example(id=f"e{n:03}", inputs={}, labels={}, row=n) for n in range(examples)))


def _outcome(example: str, right: numpy.bool_) -> Outcome:
    return _either(example)[int(right)]


@functools.cache
def _either(example: str) -> tuple[Outcome, Outcome]:
    return Outcome(example=example, score=0.0), Outcome(example=example, score=1.0)


@functools.cache
def _named(number: int) -> Candidate:
    return Candidate(values={"step.instruction": str(number)} if number else {})


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Many searches of one size and gain.

    Attributes:
        better: Share with the verdict *better*.
        probably: Share with *better* or *probably better*.
        bias: Mean reported difference less the true gain, in score points (0 to 1).
        error: Standard error of the bias.
        judged: Examples a verdict rests on.
        worth: The plain variance of the mean difference, of the pairs of one search as if they were independent, over
            its variance between searches.
    """

    better: float
    probably: float
    bias: float
    error: float
    judged: int
    worth: float


def calibrate(examples: int, gain: float, seeds: int) -> Calibration:
    """Run the searches of ``seeds`` seeds. Under 30 examples no verdict counts, so none is asked for."""
    found = [Search(examples, gain, seed).comparison() for seed in range(seeds)]
    told = [comparison for comparison in found if comparison is not None]
    differences = numpy.array([comparison.difference for comparison in told])
    plain = numpy.array([(c.wins + c.losses) / c.n**2 - c.difference**2 / c.n for c in told])
    return Calibration(
        better=sum(comparison.verdict == "better" for comparison in told) / seeds,
        probably=sum(comparison.verdict in ("better", "probably better") for comparison in told) / seeds,
        bias=float(differences.mean()) - gain,
        error=float(differences.std(ddof=1) / math.sqrt(len(told))),
        judged=told[0].n,
        worth=float(plain.mean() / differences.var()),
    )


def splits_of(examples: int) -> Splits:
    """How so many examples are divided."""
    return split(_data(examples), 0)
