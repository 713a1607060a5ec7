"""The driver: from a program, examples and a metric to a better program, with what shows that it is better."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, get_args

from treadle.compiler.artifact.emit import save
from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import BudgetExhausted, ConfigurationError
from treadle.compiler.frontend.program import Binding, Program
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.space import active
from treadle.compiler.study.budget import Amount, Budget, Caps
from treadle.compiler.study.data import Source
from treadle.compiler.study.estimate import forecast, unasked_budget
from treadle.compiler.study.events import Listener
from treadle.compiler.study.forecast import CostEstimate
from treadle.compiler.study.gate import Comparison, Gate, compare_cross_fitted, compare_on_confirm
from treadle.compiler.study.job import Job, prepare, settings_of
from treadle.compiler.study.metric import Metric, metric_name
from treadle.compiler.study.optimizer import Optimizer
from treadle.compiler.study.report import Report
from treadle.compiler.study.report_examples import finalists
from treadle.compiler.study.report_files import keep
from treadle.compiler.study.report_make import make
from treadle.compiler.study.store import Mode
from treadle.compiler.study.study import Study
from treadle.compiler.study.warnings import warnings_of

P = ParamSpec("P")
R = TypeVar("R")

UNASKED_USD = 1.0
"""Dollars above which a search without ``budget=`` is not begun."""
SPARE = 1.5
"""A verdict's room over what its runs are expected to use, where no bound is known."""


class Compiled(Program[P, R]):
    """What ``compile`` returns: the program to use from now on, called like the one that was compiled.

    Attributes:
        report: What was found and what it cost.
        winner: The best candidate as a program, whether or not the gate let it through.
    """

    report: Report
    winner: Program[P, R]

    def save(self, path: str | Path) -> None:
        """Write the program as one JSON file; see ``treadle.load``.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        save(self, path)


def compile(
    program: Program[P, R],
    data: Source | None,
    metric: Metric,
    *,
    optimizer: Optimizer,
    budget: Budget | None = None,
    lm: LM | str | None = None,
    proposer_lm: LM | str | None = None,
    models: Sequence[LM | str] = (),
    feedback: Source | None = None,
    select: Source | None = None,
    confirm: Source | None = None,
    fields: Mapping[str, str] | None = None,
    study: str | Path | Literal["auto"] | None = "auto",
    mode: Mode = "write",
    seed: int = 0,
    gate: Gate = "probable",
    stubs: Mapping[Any, Any] | None = None,
    concurrency: int = 64,
    metric_timeout: float = 120.0,
    events: Listener | None = None,
) -> Compiled[P, R]:
    """Search for a better program, and say whether it is one.

    Before the first paid call of the search the estimate is told (event ``estimate``). The search stops at the budget.
    The same call again goes on where it stopped: what was stored is not paid for twice.

    Args:
        program: What to compile; it is not changed.
        data: Examples; see ``Source``. Split by the number of rows; or give your own splits below and ``None`` here.
        metric: Scores one prediction.
        optimizer: The search.
        budget: Caps on calls, tokens, dollars and seconds. Without it: the calls the optimizer plans, and no more than
            one estimated dollar.
        lm: The LM of every step that has none of its own; ``None`` for the one in force.
        proposer_lm: The LM of proposers, and of predictors a metric calls; ``None`` for ``lm``.
        models: LMs that may answer a step in the place of ``lm``: each step's model is searched, too, by optimizers
            that search models. The report says what each brought and what its runs cost.
        feedback: Examples proposals and demos may come from.
        select: Examples that choose.
        confirm: Examples for the verdict, which the search never sees.
        fields: A field map: new name by the name in the data.
        study: Folder of the study, which gets the program, the winner and the report, too; ``"auto"`` makes
            ``studies/<program>-<hash>``, ``None`` keeps it in memory.
        mode: How stored answers are used.
        seed: Of every random number.
        gate: Which winner is emitted: ``"probable"`` (better or probably better, or no worse and cheaper where the
            search aims at tokens), ``"strict"`` (better), ``"report"`` (always).
        stubs: Functions that stand in for ops with effects while searching, by op.
        concurrency: LM calls in flight at most. No result depends on it.
        metric_timeout: Seconds after which a metric that does nothing is abandoned.
        events: Called with every event.

    Returns:
        The winner, if the gate let it through, else the input program; with ``report`` and ``winner``.

    Raises:
        DataError: Data, metric or program do not allow a search.
        ConfigurationError: An LM, a price or a folder is missing, or the search would cost more than a dollar unasked.
        BudgetExhausted: The budget does not reach for the input program and the verdict.
        StudyError: The search stopped; the same call goes on.
    """
    if gate not in get_args(Gate):
        msg = f"gate={gate!r}: it is one of {', '.join(get_args(Gate))}"
        raise ConfigurationError(msg)
    job = prepare(
        program, data, metric, optimizer, feedback=feedback, select=select, confirm=confirm, fields=fields, lm=lm,
        proposer_lm=proposer_lm, models=models, stubs=stubs, seed=seed,
    )  # fmt: skip
    folder = _folder(job, study)
    opened = job.open(
        budget or unasked_budget(job), folder=folder, mode=mode, concurrency=concurrency, listener=events,
        metric_timeout=metric_timeout,
    )  # fmt: skip
    with opened:
        opened.log("stage", name="estimate")
        expected = forecast(job, opened)
        opened.log("estimate", text=str(expected), **expected.to_json())
        if budget is None:
            _refuse_dear(expected)
        found = _search(job, opened, expected)
        report = _report(job, opened, expected, found, gate, folder)
        compiled = _emit(job, report, found)
        if mode == "write":  # the others leave the folder as it is
            _keep(compiled, folder)
        opened.log("done", text=str(report))
    return compiled


def _folder(job: Job, study: str | Path | None) -> Path | None:
    if study == "auto":
        return Path("studies") / f"{job.program.name}-{digest(job.identity, length=10)}"
    return None if study is None else Path(study)


def _refuse_dear(expected: CostEstimate) -> None:
    if expected.usd is not None and expected.usd[1] > UNASKED_USD:
        msg = (
            f"this search may cost more than ${UNASKED_USD:g} and no budget was given:\n{expected}\n"
            f"say what it may spend with budget=treadle.Budget(usd={math.ceil(expected.usd[1])})"
        )
        raise ConfigurationError(msg)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
    """What the search found and the verdict said."""

    winner: Candidate
    comparison: Comparison | None
    warnings: tuple[str, ...]


def _search(job: Job, study: Study, expected: CostEstimate) -> _Found:
    start, select = job.space.default(), job.splits.select
    searching = study.slice(_without_verdict(study, expected))
    study.log("stage", name="start")
    [outcomes] = searching.evaluate([start], select)
    warnings = warnings_of(outcomes)
    for warning in warnings:
        study.log("warning", text=warning)
    study.log("stage", name="search")
    winner = job.optimizer.search(searching, job.space)
    warnings += _unsearched(job, study)
    study.log("stage", name="verdict")
    comparison = _verdict(job, study, winner)
    if comparison is not None:
        study.log("verdict", candidate=winner.id, **comparison.to_json())
    _measure_baselines(job, study)
    return _Found(winner=winner, comparison=comparison, warnings=warnings)


def _unsearched(job: Job, study: Study) -> tuple[str, ...]:
    """A warning where models were offered to an optimizer that tried none."""
    if not job.models or any(a.endswith(".model") for c in study.table.candidates for a in c.values):
        return ()
    return (f"models= was given, but optimizer {job.optimizer.name!r} tried none; 'mipro' and 'auto' search models",)


def _without_verdict(study: Study, expected: CostEstimate) -> Caps:
    """What the search may use so that the verdict can still be paid for.

    Raises:
        BudgetExhausted: The verdict alone, or the start and the verdict, would use it all.
    """
    runs = 2 * len(expected.splits.confirm)
    high = expected.per_run
    usd = None if high.usd is None else high.usd[1] * runs * SPARE
    most = expected.most_calls * 2 if expected.most_calls is not None else math.ceil(high.calls * SPARE)
    most += math.ceil(high.judge_calls * SPARE)
    tokens = math.ceil((high.tokens[1] + high.judge_tokens) * runs * SPARE)
    verdict = Amount(calls=most * runs, tokens=tokens, usd=usd)
    caps = study.left.left(verdict)
    if runs and 0 in (caps.calls, caps.tokens, caps.usd):
        msg = (
            f"the budget ({study.budget}) does not reach for the verdict, {runs} runs on the confirm examples, and a "
            f"search before it; {expected}"
        )
        raise BudgetExhausted(msg)
    return caps


def _verdict(job: Job, study: Study, winner: Candidate) -> Comparison | None:
    start, splits = job.space.default(), job.splits
    table, loss = study.table, study.findings.accepted_loss
    if splits.cross_fitted:
        between = finalists(table, start, splits)
        return compare_cross_fitted(table, start, between, splits, loss=loss) if between else None
    if winner == start:
        return None
    judging = study.unsealed()
    judging.evaluate([start, winner], splits.confirm)
    return compare_on_confirm(table, start, winner, splits, loss=loss)


def _measure_baselines(job: Job, study: Study) -> None:
    """Measure what the search named as baselines on the examples of the verdict, each as far as the budget reaches."""
    ids = job.splits.select if job.splits.cross_fitted else job.splits.confirm
    named = study.findings.baselines.values()
    candidates = [candidate for candidate in named if isinstance(candidate, Candidate)]
    for candidate in [job.space.default(), *candidates] if named else []:
        with contextlib.suppress(BudgetExhausted):
            study.unsealed().evaluate([candidate], ids)


def _report(job: Job, study: Study, expected: CostEstimate, found: _Found, gate: Gate, folder: Path | None) -> Report:
    return make(
        study, job, winner=found.winner, comparison=found.comparison, gate=gate, estimate=expected,
        models=_models(job), warnings=found.warnings, folder="" if folder is None else str(folder),
    )  # fmt: skip


def _models(job: Job) -> dict[str, str]:
    models = {"program": job.lm, "proposer": job.proposer_lm or job.lm}
    return {role: lm.model for role, lm in models.items() if lm is not None}


# --- emitting ---------------------------------------------------------------------------------------------------------


def _emit(job: Job, report: Report, found: _Found) -> Compiled[Any, Any]:
    before = job.program.candidate
    winner = Candidate(values={**before.values, **found.winner.values}) if before.values else found.winner
    winner = active(job.program.predictors, winner)
    provenance = _provenance(job, report)
    won = dataclasses.replace(job.program.binding, candidate=winner, provenance=provenance)
    binding = won if report.emitted else dataclasses.replace(won, candidate=before)
    compiled: Compiled[Any, Any] = Compiled(job.program.declaration, _bound(binding, job.lm))
    compiled.report = report
    compiled.winner = Program(job.program.declaration, _bound(won, job.lm))
    return compiled


def _bound(binding: Binding, lm: LM | None) -> Binding:
    """The binding with the LM the program was compiled for, unless it brought its own."""
    return binding if lm is None or binding.lm is not None else dataclasses.replace(binding, lm=lm)


def _provenance(job: Job, report: Report) -> dict[str, JSON]:
    return {
        "optimizer": report.optimizer,
        "settings": settings_of(job.optimizer),
        "seed": job.seed,
        "models": _models(job),
        "data": {
            "all": job.data.hash,
            "feedback": digest(list(job.splits.feedback)),
            "select": digest(list(job.splits.select)),
            "confirm": digest(list(job.splits.confirm)),
        },
        "metric": metric_name(job.metric),
        "gate": report.gate,
        "scores": None if report.comparison is None else report.comparison.to_json(),
        "calls": report.spend.search.calls,
        "versions": {name: metadata.version(name) for name in ("treadle", "pydantic", "optuna")},
    }


def _keep(compiled: Compiled[Any, Any], folder: Path | None) -> None:
    """Put the emitted program, the winner and the report beside the study."""
    if folder is not None:
        save(compiled, folder / "program.json", mode=0o600)
        save(compiled.winner, folder / "winner.json", mode=0o600)
        keep(compiled.report, folder)
