"""The gate: is the winner really better than the input program?

The comparison is paired, on examples the choice did not rest on. P is the probability that the winner is better: for
0/1 scores the posterior of the share of wins among discordant pairs under Beta(1, 1), for other scores the Bayesian
bootstrap of the mean paired difference (Rubin 1981).

Where the choice is cross-fitted the pairs are not independent: each example also took part in the choices that judge
the others, and the plain variance is too small (Bengio and Grandvalet 2004). So each pair counts for less there.

A search may aim at tokens instead and say what score may be lost for them. Then a winner that is not shown to be better
may still be *no worse, cheaper*: non-inferior by the same paired differences (Piaggio et al. 2012).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.table import Paired, ScoreTable

Verdict = Literal["better", "probably better", "no worse, cheaper", "not shown", "too few examples"]
Gate = Literal["probable", "strict", "report"]

BETTER = 0.95
PROBABLY_BETTER = 0.8
CROSS_FITTED_WORTH = 0.7
"""What a pair counts for where the choice is cross-fitted: the plain variance of the mean difference over its true one,
as ``benchmarks.gate`` prints it for a response model. It depends little on the number of examples or candidates."""
_DRAWS = 4000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Savings:
    """What a winner saves, where the search aimed at tokens.

    Attributes:
        loss: Score that may be lost for it.
        probability: P that no more is lost.
        before: Tokens of a run of the input program, mean.
        after: Tokens of a run of the winner.
    """

    loss: float
    probability: float
    before: float
    after: float

    @property
    def holds(self) -> bool:
        """Whether fewer tokens are used, and probably no more score is lost than may be."""
        return self.after < self.before and self.probability >= PROBABLY_BETTER


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The winner against the input program on examples neither was chosen by.

    Attributes:
        verdict: What the difference shows.
        probability: P that the winner is better.
        start: Mean score of the input program.
        winner: Mean score of the winner; of the fold choices where cross-fitted.
        difference: Mean paired difference.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        wins: Examples on which the winner is better.
        losses: Examples on which it is worse.
        n: Examples compared.
        cross_fitted: The scores come from held-out folds.
        failures: Runs that failed, of the winner's and of the input program's.
        savings: What it saves; ``None`` where the search aimed at score alone.
    """

    verdict: Verdict
    probability: float
    start: float
    winner: float
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    n: int
    cross_fitted: bool
    failures: tuple[int, int] = (0, 0)
    savings: Savings | None = None

    def emits(self, gate: Gate) -> bool:
        """Whether ``gate`` lets the winner through."""
        if gate == "report":
            return True
        if self.verdict == "too few examples":
            return gate == "probable"
        probable = self.verdict in ("probably better", "no worse, cheaper")
        return self.verdict == "better" or (gate == "probable" and probable)

    def to_json(self) -> dict[str, JSON]:
        """The comparison as data; numbers rounded to six digits."""
        data = {key: _rounded(value) for key, value in dataclasses.asdict(self).items()}
        if self.savings is None:
            del data["savings"]
        return data


def _rounded(value: Any) -> JSON:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def compare_on_confirm(
    table: ScoreTable, start: Candidate, winner: Candidate, splits: Splits, *, loss: float = 0.0
) -> Comparison:
    """The comparison on the confirm split, which nothing else has touched.

    Args:
        table: Both must have an outcome on all of ``splits.confirm``.
        start: The input program.
        winner: What the search found.
        splits: Gives the examples.
        loss: Score that may be lost where tokens are saved; 0 where the search aimed at score alone.
    """
    return _comparison(table, start, table.outcomes(winner, splits.confirm), splits.confirm, splits, loss)


def compare_cross_fitted(
    table: ScoreTable, start: Candidate, finalists: Sequence[Candidate], splits: Splits, *, loss: float = 0.0
) -> Comparison:
    """The comparison on held-out folds: each fold is judged with the choice the other folds make.

    Args:
        table: Every finalist and ``start`` must have an outcome on all of ``splits.select``.
        start: The input program.
        finalists: Candidates the choice is between, in the order they were tried.
        splits: Gives the folds.
        loss: As in ``compare_on_confirm``; folds then choose the cheapest that loses no more than this.

    It is given also where all folds together choose the input program: to leave it out then would make what is reported
    too good on average. The verdict is *not shown* there.
    """
    choices = fold_choices(table, (start, *finalists), splits, loss=loss)
    winners = [table.outcomes(choices[example], [example])[0] for example in splits.select]
    best = _chosen(table, (start, *finalists), splits.select, loss)
    found = _comparison(table, start, winners, splits.select, splits, loss)
    verdict: Verdict = "not shown" if best == start and not splits.too_few else found.verdict
    return dataclasses.replace(
        found, verdict=verdict, failures=(_failures(table, best, splits.select), found.failures[1])
    )


def fold_choices(
    table: ScoreTable, candidates: Sequence[Candidate], splits: Splits, *, loss: float = 0.0
) -> dict[str, Candidate]:
    """For each select example the candidate that the other folds choose, which is what it judges."""
    chosen: dict[str, Candidate] = {}
    for fold in splits.folds():
        rest = tuple(example for example in splits.select if example not in set(fold))
        chosen.update(dict.fromkeys(fold, _chosen(table, candidates, rest or fold, loss)))
    return chosen


def _chosen(table: ScoreTable, candidates: Sequence[Candidate], ids: Sequence[str], loss: float) -> Candidate:
    """The best on ``ids``; where score may be lost, the cheapest of those that lose no more than that on the best."""
    best = table.best(candidates, ids)
    if not loss:
        return best
    least = table.mean(best, ids).mean - loss
    near = [candidate for candidate in candidates if table.mean(candidate, ids).mean >= least]
    return min(near, key=lambda candidate: _tokens(table.outcomes(candidate, ids)))


def _tokens(outcomes: Sequence[Outcome]) -> float:
    used = [outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes]
    return math.fsum(used) / len(used) if used else 0.0


def _comparison(
    table: ScoreTable, start: Candidate, after: Sequence[Outcome], ids: Sequence[str], splits: Splits, loss: float
) -> Comparison:
    worth = worth_of_a_pair(splits)
    before = {outcome.example: outcome for outcome in table.outcomes(start, ids)}
    after = [outcome for outcome in after if outcome.example in before]
    paired = Paired(tuple(outcome.value - before[outcome.example].value for outcome in after))
    low, high = interval(paired.differences, worth=worth)
    probability = probability_better(paired.differences, worth)
    savings = _savings(paired, list(before.values()), after, loss, worth) if loss else None
    said = "too few examples" if splits.too_few else verdict(probability)
    if said == "not shown" and savings is not None and savings.holds:
        said = "no worse, cheaper"
    return Comparison(
        verdict=said,
        probability=probability,
        start=table.mean(start, ids).mean,
        winner=math.fsum(outcome.value for outcome in after) / len(after) if after else math.nan,
        difference=paired.mean,
        low=low,
        high=high,
        wins=paired.wins,
        losses=paired.losses,
        n=len(paired.differences),
        cross_fitted=splits.cross_fitted,
        failures=(sum(outcome.score is None for outcome in after), _failures(table, start, ids)),
        savings=savings,
    )


def _savings(paired: Paired, before: Sequence[Outcome], after: Sequence[Outcome], loss: float, worth: float) -> Savings:
    largest = largest_difference([outcome.value for outcome in before], [outcome.value for outcome in after])
    return Savings(
        loss=loss,
        probability=probability_no_worse(paired.differences, loss, largest, worth),
        before=_tokens(before),
        after=_tokens(after),
    )


def _failures(table: ScoreTable, candidate: Candidate, ids: Sequence[str]) -> int:
    return sum(outcome.score is None for outcome in table.outcomes(candidate, ids))


def verdict(probability: float) -> Verdict:
    """The words for a probability of being better."""
    if probability >= BETTER:
        return "better"
    return "probably better" if probability >= PROBABLY_BETTER else "not shown"


def worth_of_a_pair(splits: Splits) -> float:
    """How many independent pairs one pair of the verdict counts for."""
    return CROSS_FITTED_WORTH if splits.cross_fitted else 1.0


def probability_better(differences: Sequence[float], worth: float = 1.0) -> float:
    """P that the true mean of ``differences`` is above 0; 0.5 where nothing differs.

    Args:
        differences: Paired differences of scores.
        worth: How many independent pairs each counts for.

    >>> round(probability_better([1.0] * 9 + [-1.0]), 3)
    0.994
    """
    if not any(differences):
        return 0.5
    if all(difference in (-1.0, 0.0, 1.0) for difference in differences):
        wins, losses = differences.count(1.0), differences.count(-1.0)
        return _beta_above_half(1 + worth * wins, 1 + worth * losses)
    means = _bootstrap_means(differences, worth)
    return sum(mean > 0 for mean in means) / len(means)


def probability_no_worse(differences: Sequence[float], loss: float, largest: float = 1.0, worth: float = 1.0) -> float:
    """P that the true mean of ``differences`` is above ``-loss``: that no more than ``loss`` is given away.

    The Bayesian bootstrap with one win and one loss of the ``largest`` size added, as Beta(1, 1) adds them to the
    discordant pairs: what did not happen on a few examples may happen on the next. So 0.95 takes about 2.3 / ``loss``
    examples even where nothing differs.

    >>> [round(probability_no_worse([0.0] * n, 0.02), 2) for n in (30, 120)]
    [0.73, 0.96]
    """
    means = _bootstrap_means([*differences, largest, -largest], worth)
    return sum(mean > -loss for mean in means) / len(means)


def largest_difference(a: Sequence[float], b: Sequence[float]) -> float:
    """The largest difference two programs with these scores could show on an example; 1 at least."""
    values = [*a, *b]
    return max(1.0, max(values) - min(values)) if values else 1.0


def _beta_above_half(a: float, b: float) -> float:
    """P(X > 1/2) for X ~ Beta(a, b)."""
    return _beta_below_half(b, a) if a < b else 1 - _beta_below_half(a, b)


def _beta_below_half(a: float, b: float) -> float:
    """P(X < 1/2) for X ~ Beta(a, b) with a at least b, by the power series of the incomplete beta function at 1/2."""
    term = total = 1.0
    k = 0
    while term > 1e-17 * total:
        term *= (a + b + k) / (2 * (a + 1 + k))
        total += term
        k += 1
    return total / a * math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - (a + b) * math.log(2))


def interval(differences: Sequence[float], level: float = 0.95, *, worth: float = 1.0) -> tuple[float, float]:
    """The central interval of the mean of ``differences`` by the Bayesian bootstrap.

    Args:
        differences: Paired differences, or any numbers.
        level: The probability inside.
        worth: How many independent numbers each counts for.

    >>> interval([0.0, 0.0])
    (0.0, 0.0)
    """
    if not any(differences):
        return 0.0, 0.0
    means = sorted(_bootstrap_means(differences, worth))
    cut = round((1 - level) / 2 * len(means))
    return means[cut], means[-cut - 1]


def _bootstrap_means(differences: Sequence[float], worth: float) -> list[float]:
    """Draws of the mean under Dirichlet(worth, …, worth) weights; the same for the same differences, always."""
    import numpy

    rng = numpy.random.default_rng(int(digest([round(value, 9) for value in differences], length=8), 16))
    shape = (_DRAWS, len(differences))
    weights = rng.standard_exponential(shape) if worth == 1 else rng.standard_gamma(worth, shape)
    means = weights @ numpy.asarray(differences) / weights.sum(axis=1)
    return [float(mean) for mean in means]


def smallest_gain(judged: float, share_discordant: float = 0.3) -> float:
    """The smallest true gain that comes out as *better* four times in five, in score points (0 to 1).

    Args:
        judged: Independent examples the verdict rests on.
        share_discordant: Share of them on which the two programs differ.

    A normal approximation for 0/1 scores: with ``share_discordant`` of the pairs differing, the mean difference has the
    standard deviation sqrt(share) per pair; 1.645 for P ≥ 0.95 and 0.842 for the four in five.

    >>> round(smallest_gain(60), 2)
    0.18
    """
    if judged < 1:
        return 1.0
    return min(1.0, (1.645 + 0.842) * math.sqrt(share_discordant / judged))
