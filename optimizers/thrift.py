"""Doing the same for less: which candidates give nothing away and use fewer tokens.

The rule of non-inferiority (as in clinical trials: Piaggio et al. 2012, CONSORT) on paired differences: a candidate is
no worse where, with the probability ``evidence``, no more than ``loss`` of score is lost. That nothing differs on a few
examples does not show it: with one win and one loss added (``probability_no_worse``), 0.9 takes about 1.6 / ``loss``
examples without any difference.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.study.gate import largest_difference, probability_no_worse

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate
    from treadle.compiler.study.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saving:
    """A candidate beside the program as it is, on the select examples.

    Attributes:
        candidate: The candidate.
        difference: Mean paired difference of score.
        probability: P that no more than the accepted loss is given away.
        before: Tokens of a run of the program as it is, mean.
        after: Tokens of a run of the candidate.
        n: Examples.
    """

    candidate: Candidate
    difference: float
    probability: float
    before: float
    after: float
    n: int

    @property
    def saved(self) -> float:
        """Share of the tokens that is saved; negative where it uses more."""
        return 1 - self.after / self.before if self.before else 0.0

    def __str__(self) -> str:
        """Score and tokens, for a report."""
        return (
            f"{100 * self.difference:+.1f} points on {self.n} examples (P = {self.probability:.2f} that it is no "
            f"worse), {abs(self.saved):.0%} {'fewer' if self.saved >= 0 else 'more'} tokens"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thrift:
    """What may be given away, and how sure one has to be.

    Attributes:
        loss: Score that may be lost, in the metric's units; above 0.
        evidence: Probability that no more is lost, from which on a candidate passes.
    """

    loss: float
    evidence: float

    def __post_init__(self) -> None:
        if self.loss <= 0 or not 0.5 <= self.evidence < 1:
            msg = f"loss={self.loss}, evidence={self.evidence}: loss takes a number above 0, evidence 0.5 to below 1"
            raise ConfigurationError(msg)

    def saving(self, study: Study, start: Candidate, candidate: Candidate) -> Saving:
        """What the candidate saves and loses, from what both have been measured on; starts nothing."""
        table, ids = study.table, study.splits.select
        paired = table.paired(candidate, start, ids)
        scores = [[outcome.value for outcome in table.outcomes(one, ids)] for one in (start, candidate)]
        return Saving(
            candidate=candidate,
            difference=paired.mean,
            probability=probability_no_worse(paired.differences, self.loss, largest_difference(*scores)),
            before=tokens_of(study, start, ids),
            after=tokens_of(study, candidate, ids),
            n=len(paired.differences),
        )

    def passes(self, study: Study, candidate: Candidate, start: Candidate, than: Candidate) -> bool:
        """Whether a candidate saves tokens, and gives nothing away.

        Args:
            study: Knows what has been measured.
            candidate: The candidate.
            start: The program as it is, which it has to use fewer tokens than.
            than: The program it may be no worse than.
        """
        ids = study.splits.select
        saves = tokens_of(study, candidate, ids) < tokens_of(study, start, ids)
        return saves and (candidate == than or self.saving(study, than, candidate).probability >= self.evidence)

    def cheapest(self, study: Study, start: Candidate, candidates: Sequence[Candidate]) -> Candidate:
        """The candidate with the fewest tokens that is no worse than the best; the start, where none saves anything.

        Only candidates measured on all select examples are in the choice.
        """
        ids = study.splits.select
        known = [candidate for candidate in candidates if study.table.covers(candidate, ids)]
        than = study.table.best([start, *known], ids)
        passing = [candidate for candidate in known if self.passes(study, candidate, start, than)]
        return min(passing, key=lambda candidate: tokens_of(study, candidate, ids), default=start)


def tokens_of(study: Study, candidate: Candidate, ids: Sequence[str]) -> float:
    """Tokens of a run, prompts and replies, mean over ``ids``; 0 where it was not measured."""
    used = [o.usage.input_tokens + o.usage.output_tokens for o in study.table.outcomes(candidate, ids)]
    return statistics.fmean(used) if used else 0.0
