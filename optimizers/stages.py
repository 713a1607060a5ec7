"""Stages that have to pay: what one finds is kept only if it does better on examples it was not chosen by.

From 100 examples on a third of the select examples is set aside: the stages choose on the rest, and each result is held
against the one before on that third. Below, where every candidate is measured on all of them, each fold is judged by
what the others would choose.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.compiler.study.gate import probability_better

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate
    from treadle.compiler.study.study import Study

HELD = 3
"""One in so many select examples is set aside."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether the result of a stage is kept.

    Attributes:
        stage: The stage.
        difference: Mean paired difference to what was there before, on examples it was not chosen by.
        probability: P that it is better.
        n: Examples.
        kept: Whether it is kept.
    """

    stage: str
    difference: float
    probability: float
    n: int
    kept: bool

    def __str__(self) -> str:
        """The decision for a report."""
        if not self.n:
            return f"{self.stage}: nothing better was found"
        said = f"{100 * self.difference:+.1f} points on {self.n} held-out examples (P = {self.probability:.2f})"
        return f"{self.stage}: {said}, {'kept' if self.kept else 'rolled back'}"


class Stages:
    """The stages of one search, in order.

    Attributes:
        choosing: The study the stages choose in.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        ids = list(study.splits.select)
        study.rng("held-out").shuffle(ids)
        self._held = () if study.splits.cross_fitted else tuple(ids[: len(ids) // HELD])
        held = set(self._held)
        kept = [example for example in study.splits.select if example not in held]
        self.choosing = study.view("stages", select=kept)

    def decide(
        self,
        stage: str,
        before: Candidate,
        after: Candidate,
        tried: Sequence[Candidate],
        *,
        evidence: float,
        repeats: int = 1,
    ) -> Decision:
        """Whether ``after`` takes the place of ``before``.

        Args:
            stage: The stage's name.
            before: What there was.
            after: What the stage chose.
            tried: All it chose from.
            evidence: The probability of being better from which on it is kept; 0.5 asks for no more than a gain.
            repeats: How often both are run on each example, so that luck of one draw weighs less.

        Raises:
            BudgetExhausted: The budget does not reach for the comparison.
        """
        differences = [] if before == after else self._differences(before, after, tried, repeats)
        mean = sum(differences) / len(differences) if differences else 0.0
        sure = probability_better(differences) if differences else 0.5
        kept = after != before and mean > 0 and sure >= evidence
        decision = Decision(stage=stage, difference=mean, probability=sure, n=len(differences), kept=kept)
        self._study.finding(str(decision), stage=stage, kept=kept, difference=mean, probability=sure)
        return decision

    def _differences(
        self, before: Candidate, after: Candidate, tried: Sequence[Candidate], repeats: int
    ) -> list[float]:
        if self._held:
            return self._paired(after, before, self._held, repeats)
        table, ids = self._study.table, self._study.splits.select
        known = [candidate for candidate in (before, *tried) if table.covers(candidate, ids)]
        found: list[float] = []
        for fold in self._study.splits.folds():
            rest = [example for example in ids if example not in set(fold)]
            found += self._paired(table.best(known, rest or fold), before, fold, repeats)
        return found

    def _paired(self, after: Candidate, before: Candidate, ids: Sequence[str], repeats: int) -> list[float]:
        """What the one adds to the other on each example, on average over the repeats."""
        if after == before:
            return [0.0] * len(ids)
        rows = [self._study.evaluate([after, before], ids, replicate=number) for number in range(repeats)]
        return [
            math.fsum(new[place].value - old[place].value for new, old in rows) / repeats for place in range(len(ids))
        ]
