"""Cells: one candidate on one example, run, scored, kept; a kept cell skips program, ops and metric."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from treadle.compiler.canonical import JSON, canonical, digest
from treadle.compiler.errors import ConfigurationError, StudyError
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Caller, Completion, Request, Usage
from treadle.compiler.study.caller import Charge, Recall, Scope
from treadle.compiler.study.data import Example
from treadle.compiler.study.effects import Effects
from treadle.compiler.study.events import Events
from treadle.compiler.study.failure import headline, is_of_the_run, story
from treadle.compiler.study.metric import Score
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.runner import Ran, Runner
from treadle.compiler.study.scoring import MetricHung, Scoring
from treadle.compiler.study.store import Store
from treadle.compiler.trace.export import finite, trace_from_json, trace_to_json
from treadle.compiler.trace.trace import Trace
from treadle.compiler.values import dump, shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What is to be measured.

    Attributes:
        candidate: The parameters' values.
        example: The row.
        replicate: Which of several independent samples.
        key: Where it is kept.
    """

    candidate: Candidate
    example: Example
    replicate: int
    key: str


class Sampled:
    """A caller whose requests are samples of their own: their sample index starts with a prefix."""

    def __init__(self, caller: Caller, prefix: str) -> None:
        self._caller = caller
        self._prefix = prefix

    async def __call__(self, lm: LM, request: Request) -> Completion:
        """The completion of the request as this sample.

        Raises:
            LMError: The call failed.
            StudyError: The call may not be made.
        """
        return await self._caller(lm, dataclasses.replace(request, sample=f"{self._prefix}/{request.sample}"))


def _sampled(caller: Caller, cell: Cell) -> Caller:
    """The caller of a cell's calls: those of a further replicate are samples of their own."""
    return Sampled(caller, f"replicate {cell.replicate}") if cell.replicate else caller


class Cells:
    """Measures cells, each once.

    Args:
        store: Where they are kept.
        runner: Runs the program.
        scoring: Calls the metric.
        basis: What a cell depends on beside candidate, example and replicate: program, ops, metric, LM.
        events: Is told of each cell.
    """

    def __init__(
        self, store: Store, runner: Runner, scoring: Scoring, basis: Mapping[str, JSON], events: Events
    ) -> None:
        self._store = store
        self._runner = runner
        self._scoring = scoring
        self._basis = digest(basis)
        self._events = events
        self._running: dict[str, asyncio.Future[None]] = {}

    def cell(self, candidate: Candidate, example: Example, replicate: int) -> Cell:
        """The cell of a candidate and an example."""
        key = digest([candidate.id, example.id, replicate, self._basis], length=32)
        return Cell(candidate=candidate, example=example, replicate=replicate, key=key)

    async def measure(self, cell: Cell, scope: Scope, *, traces: bool) -> Outcome:
        """The cell's outcome, from the store or by running it. ``traces``: with its trace.

        Raises:
            StudyError: A call may not be made; nothing is kept.
            ConfigurationError: A call cannot be made; nothing is kept.
        """
        while (running := self._running.get(cell.key)) is not None:
            await asyncio.wait({running})
        row = self._stored("cells", cell.key)
        if row is not None and (outcome := self._outcome(cell, row, traces)) is not None:
            scope.take([Charge.from_json(charge) for charge in cast("list[JSON]", row["charges"])])
            self._tell(cell, outcome, stored=True)
            return outcome
        done = self._running[cell.key] = asyncio.get_running_loop().create_future()
        try:
            return await self._run(cell, scope, row, traces)
        finally:
            del self._running[cell.key]
            done.set_result(None)

    def _stored(self, table: Any, key: str) -> dict[str, JSON] | None:
        if self._store.mode == "off":
            return None
        return cast("dict[str, JSON] | None", self._store.get(table, key))

    def _outcome(self, cell: Cell, row: dict[str, JSON], traces: bool) -> Outcome | None:
        """What is stored; ``None`` where a trace is wanted and is not there."""
        if not traces:
            return _decoded(cell.example.id, row, None)
        kept = self._stored("traces", cell.key)
        if kept is None:
            return None
        return _decoded(cell.example.id, row, trace_from_json(kept["trace"]) if kept["trace"] else None)

    async def _run(self, cell: Cell, scope: Scope, row: dict[str, JSON] | None, traces: bool) -> Outcome:
        """Run the program, and the metric unless the cell is stored and only its trace is wanted."""
        with Effects(self._store, cell.key, self._events.warn):
            ran = await self._ran(cell, scope)
        if ran.in_order is not None and scope.calls and self._store.mode != "off":
            ran = await self._in_order(cell, ran, ran.in_order, scope)
        if row is None:
            row = await self._scored(cell, ran, scope)
        else:
            scope.take(_joined(row, scope.charges))
        if scope.stopped is not None:
            raise scope.stopped
        row = cast("dict[str, JSON]", self._store.write("cells", cell.key, row))
        trace = self._keep_trace(cell, ran.trace) if traces else None
        await self._store.committed()
        outcome = _decoded(cell.example.id, row, trace)
        self._tell(cell, outcome, stored=False)
        return outcome

    def _keep_trace(self, cell: Cell, trace: Trace | None) -> Trace | None:
        """Write the trace; what comes back is what a rerun will read."""
        if trace is None:
            self._store.write("traces", cell.key, {"trace": None})
            return None
        row: dict[str, JSON] = {"trace": trace_to_json(trace)}
        try:
            kept = self._store.write("traces", cell.key, row)
        except ValueError:  # a NaN in a value of the user's
            kept = self._store.write("traces", cell.key, {"trace": finite(row["trace"])})
        if kept is row:  # most often: a span holds nothing but what JSON gives back as it is
            return trace
        return trace_from_json(cast("dict[str, JSON]", kept)["trace"])

    async def _ran(self, cell: Cell, scope: Scope) -> Ran:
        try:
            ran = await self._runner.run(cell.candidate, cell.example.inputs, _sampled(scope, cell))
        except BaseException as error:
            if not is_of_the_run(error):
                raise
            ran = Ran(error=error)
        if scope.stopped is not None:
            raise scope.stopped
        if isinstance(ran.error, StudyError | ConfigurationError):
            raise ran.error
        return ran

    async def _in_order(self, cell: Cell, ran: Ran, again: Callable[[Caller], Awaitable[Ran]], scope: Scope) -> Ran:
        """A failed run as it is without overlap, from the store: its trace and charges do not depend on timing.

        All that stands before the failure in program order has been done, so nothing has to be sent. Where the program
        is not the same twice the first run stands.
        """
        recall = Recall(scope)
        with Effects(self._store, cell.key, self._events.warn):
            repeated = await again(_sampled(recall, cell))
        if repeated.error is None or headline(repeated.error) != headline(ran.error or repeated.error):
            return ran
        scope.charges, scope.calls = recall.charges, len(recall.charges)
        return repeated

    async def _scored(self, cell: Cell, ran: Ran, scope: Scope) -> dict[str, JSON]:
        score, error = Score(0.0), ran.error
        calls = scope.calls
        if error is None:
            try:
                score = await self._judged(cell, ran, scope)
            except (StudyError, ConfigurationError):
                raise
            except BaseException as raised:
                if not is_of_the_run(raised):
                    raise
                error = raised
        usage, cost = (Usage(0, 0), None) if ran.trace is None else (ran.trace.usage, ran.trace.cost)
        return {
            "score": score.value if error is None else None,
            "feedback": score.feedback if error is None else story(error),
            "objectives": dict(score.objectives),
            "notes": dict(score.notes),
            "failure": "" if error is None else headline(error),
            "prediction": _as_json(ran.value),
            "usage": [usage.input_tokens, usage.output_tokens],
            "calls": calls,
            "cost": cost,
            "seconds": ran.trace.spans[0].seconds if ran.trace and ran.trace.spans else 0.0,
            "charges": [charge.to_json() for charge in scope.charges],
        }

    async def _judged(self, cell: Cell, ran: Ran, scope: Scope) -> Score:
        judge = scope.judging()
        try:
            with self._runner.judging(_sampled(judge, cell)):
                return await self._scoring.score(cell.example.fields, ran.value, ran.trace, judge)
        except MetricHung as error:
            self._events.warn(f"example {cell.example.id}: {error}")
            raise

    def _tell(self, cell: Cell, outcome: Outcome, *, stored: bool) -> None:
        self._events.emit(
            "cell",
            candidate=cell.candidate.id,
            example=cell.example.id,
            score=outcome.score,
            failure=outcome.failure,
            calls=outcome.calls,
            stored=stored,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Measuring:
    """What a job does that measures a cell.

    Attributes:
        cells: Who measures it.
        cell: What is measured.
        traces: Whether with its trace.
    """

    cells: Cells
    cell: Cell
    traces: bool

    def __call__(self, scope: Scope) -> Awaitable[Outcome]:
        """Measure it, calling through the scope."""
        return self.cells.measure(self.cell, scope, traces=self.traces)


def _joined(row: Mapping[str, JSON], new: list[Charge]) -> list[Charge]:
    """What a stored cell was charged, and what running it again for its trace asked for beside that."""
    before = [Charge.from_json(charge) for charge in cast("list[JSON]", row["charges"])]
    keys = {charge.key for charge in before}
    return [*before, *(charge for charge in new if charge.key not in keys)]


def _as_json(value: object) -> JSON:
    """A prediction as JSON; as text where it is nothing JSON can hold."""
    if type(value) is str:
        return value
    try:
        data = dump(value)
        canonical(data)
    except (ValueError, TypeError):
        return shown(value)
    return data


def _decoded(example: str, row: Mapping[str, JSON], trace: Trace | None) -> Outcome:
    """The outcome of a stored row. A fresh one goes this way too, so that a rerun sees the same."""
    tokens = cast("list[int]", row["usage"])
    return Outcome(
        example=example,
        score=cast("float | None", row["score"]),
        feedback=str(row["feedback"]),
        objectives=cast("Mapping[str, float]", row["objectives"]),
        notes=cast("Mapping[str, str]", row.get("notes", {})),
        failure=str(row["failure"]),
        prediction=row["prediction"],
        trace=trace,
        usage=Usage(*tokens),
        calls=cast(int, row["calls"]),
        cost=cast("float | None", row["cost"]),
        seconds=cast(float, row["seconds"]),
    )
