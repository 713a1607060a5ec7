"""The study: the metered handle a search works through.

Lists in, lists out: every charge, stored answer, seed, log line and parallel batch is the study's business. A search is
resumed by running it again; the store answers what was done, so nothing that was committed is paid for twice.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import DataError, DefinitiveLMError, ReplyError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm import retry
from treadle.compiler.lm.clock import SYSTEM, Clock
from treadle.compiler.study.baselines import Findings
from treadle.compiler.study.batch import Batch, Job
from treadle.compiler.study.budget import Budget, Caps
from treadle.compiler.study.caller import Scope
from treadle.compiler.study.cells import Cell, Measuring, Sampled
from treadle.compiler.study.data import Data, Example
from treadle.compiler.study.engine import Engine
from treadle.compiler.study.events import Listener
from treadle.compiler.study.history import History
from treadle.compiler.study.ledger import LogicalLedger
from treadle.compiler.study.metric import Metric
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.runner import Runner
from treadle.compiler.study.spend import Spend, spend_of
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.store import Mode, Store
from treadle.compiler.study.table import Paired, ScoreTable
from treadle.compiler.study.visible import Visible
from treadle.compiler.values import dump

Value: TypeAlias = Any
"""What a step or program returns: any value of its output type."""

HOPELESS = 5
"""Failures without one success after which a study stops."""


def open_study(
    *,
    program: Any,  # the frontend's Program; the study hands it to optimizers and does not look at it
    runner: Runner,
    data: Data,
    splits: Splits,
    metric: Metric,
    identity: Mapping[str, JSON],
    folder: Path | None = None,
    budget: Budget = Budget(),  # noqa: B008  immutable
    seed: int = 0,
    mode: Mode = "write",
    concurrency: int = 64,
    listener: Listener | None = None,
    policy: retry.RetryPolicy = retry.DEFAULT_POLICY,
    clock: Clock = SYSTEM,
    metric_timeout: float = 120.0,
    make_store: Callable[..., Store] = Store,
) -> Study:
    """Open a study; use it in a ``with`` block, or close it.

    Args:
        program: What optimizers see as ``study.program``.
        runner: Runs candidates and proposers' steps.
        data: All examples.
        splits: Which of them a search may use for what; it never sees ``confirm``.
        metric: Scores predictions.
        identity: What makes this study this one, by part, as text or hashes: ``program``, ``ops``, ``metric``, ``lm``
            (cells depend on these), ``data``, ``optimizer``, ``seed``, ….
        folder: Where it is kept; made if need be. ``None`` keeps it in memory.
        budget: What it may spend.
        seed: Of every random number.
        mode: How stored answers are used.
        concurrency: LM calls in flight at most. No result depends on it.
        listener: Called with every event.
        policy: How hard a call is tried.
        clock: What waits between attempts are measured by.
        metric_timeout: Seconds after which a metric that does nothing is abandoned.
        make_store: Makes the store; tests put their own in its place.

    Raises:
        StudyLocked: Another process holds the folder.
        ConfigurationError: The folder holds another study, or cannot be used.
    """
    engine = Engine(
        runner=runner, data=data, metric=metric, identity=identity, folder=folder, budget=budget, mode=mode,
        concurrency=concurrency, listener=listener, policy=policy, clock=clock, metric_timeout=metric_timeout,
        make_store=make_store,
    )  # fmt: skip
    return Study(engine, program, splits, seed, engine.ledger, Visible.of(splits))


class Study:
    """One view of a study: the whole of it, or a slice of its budget. Made by ``open_study``.

    Synchronous, and used from one thread: no optimizer mentions threads, tasks or files.

    Attributes:
        name: What tells its random numbers and proposals from those of other views; see ``view``.
        program: The program that is searched.
        splits: The examples of the search; ``confirm`` is hidden.
        seed: Of every random number.
    """

    def __init__(
        self,
        engine: Engine,
        program: Any,
        splits: Splits,
        seed: int,
        ledger: LogicalLedger,
        visible: Splits,
        name: str = "",
    ) -> None:
        self.name = name
        self.program = program
        self.seed = seed
        self.splits = visible
        self._engine = engine
        self._all_splits = splits
        self._ledger = ledger
        self._allowed = frozenset((*visible.feedback, *visible.select, *visible.confirm))

    @property
    def table(self) -> ScoreTable:
        """All scores so far, of every view."""
        return self._engine.table

    @property
    def budget(self) -> Caps:
        """What this view may use in all: of the whole study, nine tenths of the user's caps."""
        return self._ledger.caps

    @property
    def left(self) -> Caps:
        """What this view may still use; what batches under way may need is taken off."""
        return self._ledger.left

    @property
    def spend(self) -> Spend:
        """What was used so far, by the whole study."""
        return spend_of(self._engine)

    @property
    def history(self) -> History:
        """What was asked and settled so far, by the whole study, for the report."""
        return self._engine.history

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was unusable, unknown or abandoned so far, in order, each once."""
        return tuple(self._engine.events.warnings)

    def example(self, id: str) -> Example:
        """The example with this id.

        Raises:
            DataError: It is none of the search's.
        """
        self._check_ids([id])
        return self._engine.examples[id]

    def rng(self, name: str, *key: JSON) -> random.Random:
        """A generator of its own for each name and key: the same in every run, whatever else was drawn."""
        own = [self.name, name] if self.name else [name]
        return random.Random(int(digest([self.seed, *own, *key]), 16))

    def log(self, event: str, **fields: JSON) -> None:
        """Tell an event of the search's own; ``stage`` with a ``name`` begins a stage of it, for the report."""
        self._engine.history.log(event, fields)
        self._engine.events.emit(event, **fields)

    def finding(self, text: str, **fields: JSON) -> None:
        """Say in the report what the search has found out; each text once, in this order."""
        if text not in self.findings.said:
            self.findings.said.append(text)
        self.log("finding", text=text, **fields)

    def accept_loss(self, loss: float) -> None:
        """Say that the search aims at tokens: its winner may lose so much score, in the metric's units."""
        self.findings.accepted_loss = loss

    @property
    def findings(self) -> Findings:
        """What the search has said of itself so far."""
        return self._engine.findings

    def refusal(self, candidate: Candidate) -> str:
        """Why no run of ``candidate`` can be made: it samples, and the LM is at temperature 0. Empty where one can."""
        return self._engine.runner.refusal(candidate)

    # --- measuring ---------------------------------------------------------------------------------------------------

    def evaluate(
        self, candidates: Sequence[Candidate], ids: Sequence[str], *, traces: bool = False, replicate: int = 0
    ) -> list[list[Outcome]]:
        """The outcome of every candidate on every example, by candidate, then by example.

        What was measured before comes from the store. Runs are made in parallel; the result does not depend on how.

        Args:
            candidates: What to measure.
            ids: Examples to measure it on.
            traces: With the trace of each run.
            replicate: Which of several independent samples; ``table`` has the first, 0, alone.

        Raises:
            BudgetExhausted: The budget reached for a prefix only; its outcomes are in ``table``.
            EverythingFailed: Not one run of the study could be scored.
            StudyError: The study stopped; it can be resumed.
        """
        return self.start(candidates, ids, traces=traces, replicate=replicate).wait()

    def start(
        self, candidates: Sequence[Candidate], ids: Sequence[str], *, traces: bool = False, replicate: int = 0
    ) -> Pending:
        """Begin ``evaluate``, so that another batch can be made meanwhile. Room for it is held until ``wait``.

        Raises:
            BudgetExhausted: The time is up.
            ReplayDiverged: Something else was asked last time.
            StudyError: The study has stopped.
        """
        self._check_ids(ids)
        return self._engine.wait(self._start(list(candidates), list(ids), traces, replicate))

    async def _start(self, candidates: list[Candidate], ids: list[str], traces: bool, replicate: int) -> Pending:
        engine = self._engine
        number = await engine.ask(
            {
                "ask": "evaluate",
                "candidates": [candidate.id for candidate in candidates],
                "examples": ids,
                "replicate": replicate,
            },
            self.budget.seconds,
        )
        engine.introduce(candidates)
        cells = [engine.cells.cell(c, engine.examples[i], replicate) for c in candidates for i in ids]
        batch = engine.batch(self._jobs(cells, traces), self._ledger, number, "task")
        engine.queue.start(batch, lambda: engine.record(number, cells, batch.results))
        return Pending(self, batch, len(candidates), len(ids))

    def _jobs(self, cells: Sequence[Cell], traces: bool) -> list[Job[Outcome]]:
        engine = self._engine
        calls = {c.candidate.id: c.candidate for c in cells}
        bounds = {name: engine.runner.run_calls(candidate) for name, candidate in calls.items()}

        def job(cell: Cell) -> Job[Outcome]:
            run = Measuring(engine.cells, cell, traces)
            return Job(run=run, role="task", calls=bounds[cell.candidate.id], free=cell.key in engine.settled)

        return [job(cell) for cell in cells]

    async def _finish(self, batch: Batch[Any]) -> None:
        await self._engine.finish(batch)
        self._engine.check_hope(max(1, min(HOPELESS, len(self._allowed))))

    def compare(self, a: Candidate, b: Candidate, ids: Sequence[str]) -> Paired:
        """Differences ``a`` minus ``b`` on ``ids``; measures what is missing.

        Raises:
            BudgetExhausted: The budget does not reach.
        """
        self.evaluate([a, b], ids)
        return self.table.paired(a, b, list(ids))

    # --- proposing ---------------------------------------------------------------------------------------------------

    def propose(self, predictor: Predictor, contexts: Sequence[Mapping[str, Value]], *, key: str) -> list[Value | None]:
        """What a proposer's step makes of each context, in order; ``None`` where its reply never fitted.

        Args:
            predictor: The step.
            contexts: Its inputs, one mapping per proposal.
            key: Part of the sample index: the same contexts under another key are other samples.

        Raises:
            BudgetExhausted: The budget does not reach for all.
            StudyError: The study stopped; it can be resumed.
        """
        return self._engine.wait(self._propose(predictor, list(contexts), key))

    async def _propose(self, predictor: Predictor, contexts: list[Mapping[str, Value]], key: str) -> list[Value | None]:
        engine, name = self._engine, predictor.signature.name
        key = f"{self.name}/{key}" if self.name else key
        number = await engine.ask(
            {
                "ask": "propose",
                "predictor": name,
                "step": digest([predictor.signature.to_json(), predictor.module, predictor.model]),
                "key": key,
                "contexts": [digest(dump(dict(context))) for context in contexts],
            },
            self.budget.seconds,
        )
        calls = engine.runner.step_calls(predictor)

        def job(index: int, context: Mapping[str, Value]) -> Job[Value | None]:
            async def run(scope: Scope) -> Value | None:
                try:
                    return await engine.runner.step(predictor, context, Sampled(scope, f"{key}/{index}"))
                except (ReplyError, DefinitiveLMError) as error:
                    engine.events.emit("unfit", predictor=name, key=key, index=index, failure=str(error)[:500])
                    return None

            return Job(run=run, role="proposer", calls=calls)

        batch = engine.batch([job(*item) for item in enumerate(contexts)], self._ledger, number, "proposer")
        try:
            await engine.finish(batch, at_once=True)
        finally:
            engine.proposed(number, len(batch.results))
        return batch.results

    # --- views -------------------------------------------------------------------------------------------------------

    def slice(self, share: float | Caps) -> Study:
        """A study over the same store with a part of the budget; what it uses is used here, too.

        Args:
            share: A share of what is left, above 0 and at most 1, or caps of its own.

        Raises:
            ConfigurationError: The share is out of range.
        """
        caps = share if isinstance(share, Caps) else self.left.part(share)
        ledger = LogicalLedger(caps, parent=self._ledger)
        return Study(self._engine, self.program, self._all_splits, self.seed, ledger, self.splits, self.name)

    def view(self, name: str, *, select: Sequence[str] | None = None) -> Study:
        """The same study for a search inside a search: with random numbers of its own, and perhaps fewer examples.

        Args:
            name: Tells it from other views.
            select: The examples it chooses by; all without.

        Raises:
            DataError: One of them is not this view's.
        """
        visible = self.splits
        if select is not None:
            self._check_ids(select)
            visible = dataclasses.replace(visible, select=tuple(select))
        own = f"{self.name}/{name}" if self.name else name
        return Study(self._engine, self.program, self._all_splits, self.seed, self._ledger, visible, own)

    def unsealed(self) -> Study:
        """For the verdict, after the search: all of the budget that is left, no time limit, confirm too."""
        engine = self._engine
        caps = dataclasses.replace(engine.ledger.left, seconds=None)
        ledger = LogicalLedger(caps, parent=engine.ledger)
        return Study(engine, self.program, self._all_splits, self.seed, ledger, self._all_splits)

    def _check_ids(self, ids: Sequence[str]) -> None:
        for name in ids:
            if name not in self._allowed:
                msg = f"example {name!r} is none of this search's: it may use splits.feedback and splits.select"
                raise DataError(msg)

    def close(self) -> None:
        """End the study and let go of its folder; a second call does nothing."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(
            error, KeyboardInterrupt
        ):  # it may have come between two calls of the study, with batches started
            self._engine.interrupt()
        self.close()


class Pending:
    """A batch under way."""

    def __init__(self, study: Study, batch: Batch[Outcome], candidates: int, examples: int) -> None:
        self._study = study
        self._batch = batch
        self._candidates = candidates
        self._examples = examples

    def wait(self) -> list[list[Outcome]]:
        """The outcomes, by candidate, then by example. Batches that were started before are settled first.

        Raises:
            BudgetExhausted: The budget reached for a prefix only; its outcomes are in ``table``.
            EverythingFailed: Not one run of the study could be scored.
            StudyError: The study stopped; it can be resumed.
        """
        self._study._engine.wait(self._study._finish(self._batch))
        rows = iter(self._batch.results)
        return [[next(rows) for _ in range(self._examples)] for _ in range(self._candidates)]
