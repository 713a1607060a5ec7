"""Self-consistency at equal tokens: what a search over topologies has to be better than to be worth anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.compiler.errors import TreadleError
from treadle.compiler.graph.capabilities import votable
from treadle.compiler.module import module_of
from treadle.modules.vote import Vote

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.study import Study

NAME = "self-consistency at equal tokens"
_MOST = 15


def self_consistency(
    study: Study, space: ParameterSpace, prompts: Candidate, winner: Candidate, predictors: Sequence[str]
) -> tuple[str, Candidate | str]:
    """The program with the same prompts that samples and votes, at about the winner's tokens a run.

    Args:
        study: Knows what runs have used.
        space: Makes the candidate.
        prompts: The program whose steps are sampled.
        winner: Whose tokens it may use.
        predictors: Steps to sample; those the winner answers otherwise.

    Returns:
        What to call it, and the candidate or why there is none.
    """
    used = [_tokens(study, candidate) for candidate in (prompts, winner)]
    if not predictors or None in used:
        return NAME, "the winner asks no step more than once, so there is nothing to spend on samples"
    samples = min(_MOST, math.floor((used[1] or 0.0) / max(1.0, used[0] or 0.0) + 0.5))
    if samples < 2:
        return NAME, "the winner's tokens do not reach for two samples"
    values: dict[str, JSON] = dict(prompts.values)
    for name in predictors:
        predictor = study.program.predictors[name]
        inner = module_of(name, predictor, {})
        counted = votable(predictor.signature.value.annotation)
        values[f"{name}.module"] = Vote(inner, n=samples, how="majority" if counted else "self_agreement").to_json()
    try:
        found = space.candidate(values, parents=(prompts.id,), origin="baseline")
    except TreadleError as error:
        return NAME, str(error)
    return f"{NAME} ({samples} samples)", found


def _tokens(study: Study, candidate: Candidate) -> float | None:
    outcomes = [outcome for outcome in study.table.outcomes(candidate, study.splits.select) if not outcome.failure]
    if not outcomes:
        return None
    return sum(outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes) / len(outcomes)
