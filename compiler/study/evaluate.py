"""Evaluating a program alone: how good it is on examples, with an interval, what it cost and what failed."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.frontend.program import Program
from treadle.compiler.lm.lm import LM
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.data import Source, load_data
from treadle.compiler.study.events import Listener
from treadle.compiler.study.intervals import mean_interval
from treadle.compiler.study.metric import Metric, metric_name, takes_trace
from treadle.compiler.study.opening import check_program, identity_of, lm_of, splits_for_evaluation
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.program_runner import ProgramRunner, stubs_for
from treadle.compiler.study.spend import Spend
from treadle.compiler.study.store import Mode
from treadle.compiler.study.study import open_study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        program: The program's name.
        metric: The metric's name.
        outcomes: One per example, in the order of the data.
        spend: What it used.
    """

    program: str
    metric: str
    outcomes: tuple[Outcome, ...]
    spend: Spend

    @property
    def score(self) -> float:
        """Mean score; a failed run counts as 0."""
        return math.fsum(outcome.value for outcome in self.outcomes) / len(self.outcomes)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean score."""
        return mean_interval([outcome.value for outcome in self.outcomes])

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Outcomes whose run or metric failed; their ``feedback`` is the traceback."""
        return tuple(outcome for outcome in self.outcomes if outcome.score is None)

    @property
    def objectives(self) -> Mapping[str, float]:
        """Mean of each further number the metric gave, over the examples that have it."""
        names = sorted({name for outcome in self.outcomes for name in outcome.objectives})
        return {
            name: statistics.fmean(o.objectives[name] for o in self.outcomes if name in o.objectives) for name in names
        }

    @property
    def cost(self) -> float | None:
        """Dollars of all runs; ``None`` where a price is unknown."""
        return self.spend.search.usd

    @property
    def latency(self) -> tuple[float, float]:
        """Seconds of a run: the median, and what 95 of 100 stay under. Stored runs count with what they took."""
        seconds = sorted(outcome.seconds for outcome in self.outcomes)
        return statistics.median(seconds), seconds[math.ceil(0.95 * len(seconds)) - 1]

    def to_json(self) -> dict[str, JSON]:
        """The evaluation as data, without traces."""
        low, high = self.interval
        return {
            "program": self.program,
            "metric": self.metric,
            "score": self.score,
            "interval": [low, high],
            "examples": len(self.outcomes),
            "failures": len(self.failures),
            "objectives": dict(self.objectives),
            "spend": self.spend.to_json(),
            "outcomes": [
                {
                    "example": outcome.example,
                    "score": outcome.score,
                    "feedback": outcome.feedback,
                    "failure": outcome.failure,
                    "prediction": outcome.prediction,
                    "seconds": outcome.seconds,
                }
                for outcome in self.outcomes
            ],
        }

    def __str__(self) -> str:
        """A few lines for a person."""
        low, high = self.interval
        median, most = self.latency
        dollars = "price unknown" if self.cost is None else f"${self.cost:.4f}"
        lines = [
            f"{self.program} on {len(self.outcomes)} examples by {self.metric}: "
            f"{self.score:.1%} (95 % interval {low:.1%} to {high:.1%})",
            *(f"  {name}: {value:.1%}" for name, value in self.objectives.items()),
            f"  {self.spend.search.calls:,} LM calls, {self.spend.search.tokens:,} tokens, {dollars}; "
            f"{median:.3g} s a run (95 % under {most:.3g} s)",
        ]
        if self.failures:
            first = self.failures[0]
            runs = f"{len(self.failures)} run{'s' if len(self.failures) > 1 else ''}"
            lines.append(f"  {runs} failed, counted as 0; the first: {first.failure}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from treadle.compiler.study.evaluation_card import card

        return card(self)


def evaluate(
    program: Program[Any, Any],
    data: Source,
    metric: Metric,
    *,
    lm: LM | str | None = None,
    judge_lm: LM | str | None = None,
    fields: Mapping[str, str] | None = None,
    budget: Budget = Budget(),  # noqa: B008  immutable
    study: str | Path | None = None,
    mode: Mode = "write",
    stubs: Mapping[Any, Any] | None = None,
    traces: bool = False,
    concurrency: int = 64,
    metric_timeout: float = 120.0,
    events: Listener | None = None,
) -> Evaluation:
    """Score a program on examples.

    A run or metric that raises is a failure: it counts as 0, is told apart from a wrong answer, and keeps its
    traceback. The metric always gets the trace if it takes three arguments.

    Args:
        program: What to score.
        data: Examples; see ``Source``.
        metric: Scores one prediction.
        lm: The LM of every step that has none of its own; ``None`` for the one in force.
        judge_lm: The LM of predictors the metric calls; ``None`` for ``lm``.
        fields: A field map: new name by the name in the data.
        budget: Caps; nine tenths are used, the rest is kept for retries.
        study: Folder that keeps replies and scores, so that the same call again costs nothing and goes on where it
            stopped; ``None`` keeps nothing.
        mode: How stored answers are used: ``"write"``, ``"read"``, ``"replay"`` (a missing one is an error), ``"off"``.
        stubs: Functions that stand in for ops with effects, by op.
        traces: Keep each run's trace in its outcome.
        concurrency: LM calls in flight at most.
        metric_timeout: Seconds after which a metric that does nothing is abandoned.
        events: Called with every event.

    Raises:
        DataError: The data, the metric or an op with effects does not allow it.
        BudgetExhausted: The budget does not reach for all examples.
        EverythingFailed: Not one run could be scored.
        StudyError: It stopped; with ``study=`` the same call goes on.
    """
    check_program(program)
    takes_trace(metric)
    examples = load_data(data, program.inputs, fields=fields)
    model = lm_of(lm)
    stand_ins = stubs_for(program, stubs)
    runner = ProgramRunner(program, lm=model, proposer_lm=lm_of(judge_lm), stubs=stand_ins)
    with open_study(
        program=program,
        runner=runner,
        data=examples,
        splits=splits_for_evaluation(examples),
        metric=metric,
        identity=identity_of(program, metric, model, stubs=stand_ins, data=examples.hash, purpose="evaluate"),
        folder=None if study is None else Path(study),
        budget=budget,
        mode=mode,
        concurrency=concurrency,
        metric_timeout=metric_timeout,
        listener=events,
    ) as opened:
        [outcomes] = opened.evaluate([program.candidate], examples.ids, traces=traces)
        return Evaluation(
            program=program.name, metric=metric_name(metric), outcomes=tuple(outcomes), spend=opened.spend
        )
