"""Estimating a search: a few real runs, and what the optimizer plans."""

from __future__ import annotations

import math
from typing import Any

from treadle.compiler.frontend.program import Program
from treadle.compiler.study.budget import NOTHING, Budget
from treadle.compiler.study.data import Source
from treadle.compiler.study.forecast import CostEstimate, PerRun
from treadle.compiler.study.inner_calls import calls_steps
from treadle.compiler.study.job import Job, prepare
from treadle.compiler.study.judge import is_judge
from treadle.compiler.study.metric import Metric
from treadle.compiler.study.opening import most_lm_calls
from treadle.compiler.study.optimizer import Optimizer, Shape, most_demos
from treadle.compiler.study.study import Study

CALIBRATION = 4
"""Examples run once before a search to see what a run uses; they are select examples, so the runs are not wasted."""
JUDGE_CALLS = 2
"""LM calls assumed of a metric that makes any: one, and its re-ask."""
UNBOUNDED_CALLS = 20
"""LM calls assumed of a run without a bound until one was made."""
SPARE = 1.5
"""A budget nobody gave is what is expected, times this."""


def forecast(job: Job, study: Study) -> CostEstimate:
    """What the search will cost, from a few real runs on select examples.

    Raises:
        BudgetExhausted: The budget does not even reach for these.
    """
    start = job.space.default()
    [outcomes] = study.evaluate([start], job.splits.select[:CALIBRATION], traces=True)
    per_run = PerRun.of(outcomes, study.spend.by_role.get("judge", NOTHING))
    calls = dict(job.optimizer.plan(_shape(job, per_run.calls, per_run.independent)))
    calls["task"] = calls.get("task", 0) + round(per_run.calls * len(job.splits.select))
    calls["verdict"] = round(2 * per_run.calls * len(job.splits.confirm))
    if per_run.judge_calls and per_run.calls:
        calls["judge"] = round(per_run.judge_calls * (calls["task"] + calls["verdict"]) / per_run.calls)
    return CostEstimate(
        program=job.program.name,
        optimizer=job.optimizer.name,
        per_run=per_run,
        most_calls=most_lm_calls(job.program, job.space.default()),
        calls=calls,
        splits=job.splits,
        ops=tuple(job.program.ops),
        demos=most_demos(job.optimizer),
    )


def _shape(job: Job, calls_per_run: float, independent: float = 0.0) -> Shape:
    return Shape(
        predictors=len(job.space.predictors),
        calls_per_run=calls_per_run,
        feedback=len(job.splits.feedback),
        select=len(job.splits.select),
        cross_fitted=job.splits.cross_fitted,
        independent=independent,
    )


def estimate(
    program: Program[Any, Any],
    data: Source | None,
    metric: Metric,
    *,
    optimizer: Optimizer,
    budget: Budget | None = None,
    **job: Any,
) -> CostEstimate:
    """What ``compile`` with the same arguments would cost. Makes real runs on up to four examples.

    Args:
        program: As in ``compile``, like all that follow.
        data: Examples.
        metric: Scores predictions.
        optimizer: The search.
        budget: What the real runs may spend.
        job: ``feedback``, ``select``, ``confirm``, ``fields``, ``lm``, ``proposer_lm``, ``stubs``, ``seed``.
    """
    prepared = prepare(program, data, metric, optimizer, **job)
    with prepared.open(budget or Budget()) as study:
        return forecast(prepared, study)


def unasked_budget(job: Job) -> Budget:
    """Calls for a search nobody gave a budget: what the optimizer plans, at the most a run and its metric can use."""
    per_run = most_lm_calls(job.program, job.space.default(), reasks=True) or UNBOUNDED_CALLS
    if is_judge(job.metric) or calls_steps(job.metric):
        per_run += JUDGE_CALLS
    plan = job.optimizer.plan(_shape(job, float(per_run)))
    runs = len(job.splits.select) + 2 * len(job.splits.confirm)
    return Budget(calls=math.ceil((sum(plan.values()) + per_run * runs) * SPARE / 0.9))
