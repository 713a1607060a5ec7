"""Making a report from a study that has ended."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from treadle.compiler.artifact.diff import Diff, compare
from treadle.compiler.artifact.emit import contents_of
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.parameters import Candidate, ParameterSpace
from treadle.compiler.study.baselines import Baseline, measured
from treadle.compiler.study.forecast import CostEstimate
from treadle.compiler.study.gate import Comparison, Gate
from treadle.compiler.study.job import Job
from treadle.compiler.study.metric import metric_name
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.report import Objective, Report
from treadle.compiler.study.report_candidates import groups, tried
from treadle.compiler.study.report_curve import curve
from treadle.compiler.study.report_examples import judged, winners
from treadle.compiler.study.report_importance import importance, in_words
from treadle.compiler.study.report_stages import stages
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.study import Study
from treadle.compiler.study.table import ScoreTable

_MOST_WARNINGS = 50


def make(
    study: Study,
    job: Job,
    *,
    winner: Candidate,
    comparison: Comparison | None,
    gate: Gate,
    estimate: CostEstimate,
    models: Mapping[str, str],
    warnings: Sequence[str],
    folder: str,
) -> Report:
    """The report of a search.

    Args:
        study: Its table, history and spend.
        job: What was compiled, with what, on which examples.
        winner: The best candidate.
        comparison: The verdict; ``None`` where nothing but the input program was found.
        gate: Which verdicts let the winner through.
        estimate: What was expected.
        models: The models' names by what they were used for.
        warnings: What the first pass showed.
        folder: Where the study is kept; empty for one in memory.
    """
    start, table, splits = job.space.default(), study.table, job.splits
    candidates = tried(table, splits.select, start, study.history)
    shown, loss = comparison is not None, study.findings.accepted_loss
    return Report(
        program=job.program.name,
        optimizer=job.optimizer.name,
        metric=metric_name(job.metric),
        seed=job.seed,
        gate=gate,
        models=models,
        comparison=comparison,
        emitted=comparison is not None and comparison.emits(gate),
        winner=winner.id,
        estimate=estimate,
        spend=study.spend,
        diff=_diff(job.program, winner) if shown else Diff(()),
        candidates=candidates,
        groups=groups(candidates, {address: parameter.kind for address, parameter in job.space.items()}),
        curve=curve(study.history, table, start, splits.select),
        stages=stages(study.history),
        examples=judged(table, start, winner, splits, job.data, loss=loss) if shown else (),
        objectives=_objectives(table, start, winner, splits, loss) if shown else {},
        importance=importance(candidates, table.candidates, _originals(job.space)),
        warnings=tuple(dict.fromkeys((*warnings, *study.warnings)))[:_MOST_WARNINGS],
        findings=tuple(study.findings.said),
        baselines=baselines(study, start, winner, splits),
        folder=folder,
    )


def baselines(study: Study, start: Candidate, winner: Candidate, splits: Splits) -> tuple[Baseline, ...]:
    """The baselines the search has named, between the input program and the winner; none where it named none."""
    others = study.findings.baselines
    if not others:
        return ()
    named = [("the program as it was", start), *others.items(), ("the winner", winner)]
    return measured(study.table, named, splits.select if splits.cross_fitted else splits.confirm)


def _diff(program: Program[Any, Any], winner: Candidate) -> Diff:
    """What the winner changes in the program, which may bring values of its own."""
    values = {**program.candidate.values, **winner.values}
    return compare(contents_of(program), contents_of(program.with_candidate(Candidate(values=values))))


def _originals(space: ParameterSpace) -> dict[str, str]:
    return {address: in_words(parameter.default) for address, parameter in space.items()}


def _objectives(
    table: ScoreTable, start: Candidate, winner: Candidate, splits: Splits, loss: float
) -> dict[str, Objective]:
    before = table.outcomes(start, splits.select if splits.cross_fitted else splits.confirm)
    after = winners(table, start, winner, splits, loss=loss)
    names = sorted({name for outcome in (*before, *after) for name in outcome.objectives})
    return {name: Objective(before=_mean(before, name), after=_mean(after, name)) for name in names}


def _mean(outcomes: Sequence[Outcome], name: str) -> float | None:
    values = [outcome.objectives[name] for outcome in outcomes if name in outcome.objectives]
    return statistics.fmean(values) if values else None
