"""Self-consistency at equal tokens: what a search over topologies has to be better than to be worth anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.compiler.errors import BudgetExhausted, TreadleError
from treadle.compiler.graph.capabilities import votable
from treadle.compiler.module import module_of
from treadle.modules.vote import Vote

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study

NAME = "self-consistency at equal tokens"
_MOST = 15
_TRIED = 3  # samples by which it is measured what one costs
_EXAMPLES = 24  # it is measured on, at most: how often a critic is content varies


def self_consistency(
    study: Study, space: ParameterSpace, prompts: Candidate, winner: Candidate, predictors: Sequence[str]
) -> tuple[str, Candidate | str]:
    """The program with the same prompts that samples and votes, at about the winner's tokens a run.

    What a sample costs is measured, on a few examples: a step is a part of its program.

    Args:
        study: Knows what runs have used.
        space: Makes the candidate.
        prompts: The program whose steps are sampled.
        winner: Whose tokens it may use.
        predictors: Steps to sample; those the winner answers otherwise.

    Returns:
        What to call it, and the candidate or why there is none.
    """
    if not predictors:
        return NAME, "the winner answers no step in another way, so it has nothing to spend on samples"
    try:
        room, sample = _tokens(study, space, prompts, winner, predictors)
        samples = min(_MOST, 1 + math.floor(room / max(1.0, sample) + 0.5))
        if samples < 2:
            return NAME, "the winner's tokens do not reach for two samples"
        most = ", the most" if samples == _MOST else ""
        return f"{NAME} ({samples} samples{most})", _sampled(study, space, prompts, predictors, samples)
    except BudgetExhausted:
        return NAME, "the budget did not reach for it"
    except TreadleError as error:
        return NAME, str(error)


def _sampled(
    study: Study, space: ParameterSpace, prompts: Candidate, predictors: Sequence[str], samples: int
) -> Candidate:
    values: dict[str, JSON] = dict(prompts.values)
    for name in predictors:
        predictor = study.program.predictors[name]
        inner = module_of(name, predictor, {})
        counted = votable(predictor.signature.value.annotation)
        values[f"{name}.module"] = Vote(inner, n=samples, how="majority" if counted else "self_agreement").to_json()
    return space.candidate(values, parents=(prompts.id,), origin="baseline")


def _tokens(
    study: Study, space: ParameterSpace, prompts: Candidate, winner: Candidate, predictors: Sequence[str]
) -> tuple[float, float]:
    """Tokens of a run that the winner uses beyond the prompts alone, and tokens of one sample more.

    Raises:
        BudgetExhausted: The budget does not reach for measuring them.
        TreadleError: It cannot be sampled, or no run with samples went well.
    """
    ids = study.splits.select[:_EXAMPLES]
    sampled = _sampled(study, space, prompts, predictors, _TRIED)
    if refusal := study.refusal(sampled):
        raise TreadleError(refusal)
    plain, several, won = study.evaluate([prompts, sampled, winner], ids)
    if all(outcome.failure for outcome in several):
        raise TreadleError(f"no run with samples went well: {several[0].failure}")
    return _mean(won) - _mean(plain), (_mean(several) - _mean(plain)) / (_TRIED - 1)


def _mean(outcomes: Sequence[Outcome]) -> float:
    used = [outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes if not outcome.failure]
    return math.fsum(used) / len(used) if used else 0.0
