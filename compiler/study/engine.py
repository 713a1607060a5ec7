"""The engine of a study: what its views (the study itself, its slices) share. Coroutines run on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import BudgetExhausted, ConfigurationError, EverythingFailed, ReplayDiverged, StudyError
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm import retry
from treadle.compiler.lm.clock import Clock
from treadle.compiler.runtime import background
from treadle.compiler.study.attempts import Attempts
from treadle.compiler.study.baselines import Findings
from treadle.compiler.study.batch import Batch, Job, Queue
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.caller import StudyCaller
from treadle.compiler.study.cells import Cell, Cells
from treadle.compiler.study.data import Data
from treadle.compiler.study.events import Events, Listener
from treadle.compiler.study.history import History
from treadle.compiler.study.identity import Plan, enroll
from treadle.compiler.study.journal import Journal
from treadle.compiler.study.lanes import Lanes
from treadle.compiler.study.ledger import LogicalLedger
from treadle.compiler.study.lock import FolderLock
from treadle.compiler.study.metric import Metric
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.runner import Runner
from treadle.compiler.study.scoring import Scoring
from treadle.compiler.study.spend import spend_of
from treadle.compiler.study.store import Mode, Store
from treadle.compiler.study.table import ScoreTable

T = TypeVar("T")

CELL_PARTS = ("program", "ops", "metric", "lm")
"""Parts of a study's identity that a cell depends on."""

LAST_WORDS = 10.0
"""Seconds calls in flight get to end after a first Ctrl-C."""


class Engine:
    """Store, ledgers, caller, journal and cells of one study. Arguments are those of ``open_study``."""

    def __init__(
        self,
        *,
        runner: Runner,
        data: Data,
        metric: Metric,
        identity: Mapping[str, JSON],
        folder: Path | None,
        budget: Budget,
        mode: Mode,
        concurrency: int,
        listener: Listener | None,
        policy: retry.RetryPolicy,
        clock: Clock,
        metric_timeout: float,
        make_store: Callable[..., Store],
    ) -> None:
        if concurrency < 1:
            msg = f"concurrency={concurrency}: at least one call must be allowed in flight"
            raise ConfigurationError(msg)
        self._exit = contextlib.ExitStack()
        try:
            kept = folder if mode == "write" else None
            if kept is not None:
                _make(kept)
                self._exit.enter_context(FolderLock(kept))
            self.events = Events(kept, listener)
            self._exit.callback(self.events.close)
            self.store = make_store(folder, mode=mode, warn=self.events.warn)
            self._exit.callback(self.store.close)
            plan = enroll(self.store, identity, budget, self.events.warn)
            self.journal = Journal(self.store, plan.number)
            self.ledger = LogicalLedger(plan.search)
            self.attempts = Attempts(self.store, budget, self.ledger, run=plan.run, events=self.events)
        except BaseException:
            self._exit.close()
            raise
        self.runner = runner
        self.data = data
        self.budget = budget
        self.examples = {example.id: example for example in data}
        self.table = ScoreTable(data.ids)
        self.history = History()
        self.findings = Findings()
        self.caller = StudyCaller(
            self.store, self.attempts, concurrency=concurrency, events=self.events, policy=policy, clock=clock
        )
        self.scoring = Scoring(metric, metric_timeout)
        basis = {part: identity[part] for part in CELL_PARTS if part in identity}
        self.cells = Cells(self.store, runner, self.scoring, basis, self.events)
        self._known: set[str] = set()  # candidates that have been told
        self.settled: set[str] = set()  # cells settled in this run: asking for them again costs nothing
        self._scored = False  # whether any run was
        self._failures: list[Outcome] = []  # until one was
        self.queue = Queue(self.caller, self.journal)
        self._lanes = {"task": Lanes(2 * concurrency), "proposer": Lanes(concurrency)}
        self._clock = clock
        self._started_at = clock.monotonic() - self.journal.elapsed()
        self._closed = self._interrupted = False
        self._tell_opened(plan, folder, mode)

    def _tell_opened(self, plan: Plan, folder: Path | None, mode: Mode) -> None:
        recovered = self.attempts.recovered
        self.events.emit(
            "opened", folder=str(folder or ""), mode=mode, budget=self.budget.to_json(), run=plan.run,
            search=plan.number, attempts=recovered.attempts, lost=recovered.lost,
        )  # fmt: skip

    @property
    def elapsed(self) -> float:
        """Seconds the search has taken, over all runs."""
        return self._clock.monotonic() - self._started_at

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's value, from synchronous code. On Ctrl-C calls in flight are ended first; on a second, not."""
        if self._closed:
            coroutine.close()
            msg = "the study is closed; open it again"
            raise StudyError(msg)
        try:
            return background.wait(coroutine)
        except KeyboardInterrupt:
            self.interrupt()
            raise

    def interrupt(self) -> None:
        """The user has pressed Ctrl-C: send nothing more and let calls in flight end; pressed again, give them up."""
        if self._interrupted:
            return
        self._interrupted = True
        self.caller.stop(StudyError("the study was interrupted; run the same command again to go on"))
        try:
            background.wait(self._end(LAST_WORDS))
        except KeyboardInterrupt:
            background.wait(self._end(0.0))
            raise

    async def _end(self, seconds: float) -> None:
        """Let what is under way end, and give up what does not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.caller.drain()
                await self.queue.drain()
        await self.queue.cancel()
        await self.caller.cancel()
        with contextlib.suppress(StudyError):  # a full disk has been told already
            await self.store.committed()

    def batch(self, jobs: list[Job[T]], ledger: LogicalLedger, number: int, lanes: str) -> Batch[T]:
        """A batch of jobs that belongs to an ask."""
        return Batch(
            jobs, caller=self.caller, ledger=ledger, lanes=self._lanes[lanes], number=number,
            stop=self.journal.stop(number),
        )  # fmt: skip

    async def ask(self, what: dict[str, JSON], seconds: float | None) -> int:
        """Note what the search asks for; returns the ask's number.

        Raises:
            BudgetExhausted: ``seconds`` are up, or were at this point in an earlier run.
            ReplayDiverged: Something else was asked in an earlier run.
            StudyError: The study has stopped.
        """
        if self.caller.stopped is not None:
            raise self.caller.stopped
        replaying = self.journal.replaying
        try:
            number = self.journal.ask(what, self.elapsed)
        except ReplayDiverged as error:
            self.caller.stop(error)
            raise
        decision = self.journal.stop(number)
        if decision is None and not replaying and seconds is not None and self.elapsed >= seconds:
            decision = {"why": "seconds", "text": f"the time is up: {self.elapsed:.0f} s of {seconds:g} s are used"}
            await self.journal.decide(number, decision)
        if decision is not None and decision["why"] == "seconds":
            raise BudgetExhausted(str(decision["text"]))
        self.history.ask(number)
        self.events.emit("asked", number=number, what=canonical(what)[:200])
        return number

    def introduce(self, candidates: Sequence[Candidate]) -> None:
        """Tell of each candidate before it is measured for the first time."""
        for one in candidates:
            if one.id not in self._known:
                self._known.add(one.id)
                fields: dict[str, JSON] = {"candidate": one.id, "origin": one.origin, "parents": list(one.parents)}
                self.events.emit("candidate", **fields, changed=list(one.values))

    def record(self, number: int, cells: Sequence[Cell], outcomes: Sequence[Outcome]) -> None:
        """Put the outcomes of a settled batch into the table, in canonical order; of several replicates the first."""
        done = [(cell.candidate.id, cell.example.id) for cell, _ in zip(cells, outcomes, strict=False)]
        self.history.settle(number, "evaluate", len(done), self.ledger.charged.by_role, self.elapsed, done)
        for cell, outcome in zip(cells, outcomes, strict=False):
            self.settled.add(cell.key)
            if not cell.replicate:
                self.table.record(cell.candidate, [outcome])
            if outcome.score is not None:
                self._scored = True
            elif not self._scored:
                self._failures.append(outcome)
        self.events.emit("settled", done=len(outcomes), of=len(cells), **spend_of(self).to_json())

    def proposed(self, number: int, done: int) -> None:
        """A batch of proposals was settled."""
        self.history.settle(number, "propose", done, self.ledger.charged.by_role, self.elapsed)
        self.events.emit("settled", proposals=done, **spend_of(self).to_json())

    def check_hope(self, enough: int) -> None:
        """Stop a study in which nothing works.

        Raises:
            EverythingFailed: ``enough`` runs failed and not one was scored.
        """
        if not self._scored and len(self._failures) >= enough:
            first = self._failures[0]
            msg = (
                f"all {len(self._failures)} runs failed, so there is nothing to search by; the first failure: "
                f"{first.failure}\n{first.feedback}"
            )
            raise EverythingFailed(msg)

    async def finish(self, batch: Batch[Any], *, at_once: bool = False) -> None:
        """Settle a batch: one that was started, or ``at_once`` one that was not.

        Raises:
            BudgetExhausted: It was cut.
            StudyError: The study stopped.
        """
        try:
            await (self.queue.at_once(batch) if at_once else self.queue.finish(batch))
        finally:
            if self.attempts.reserve_used_up:
                await self.store.put("meta", "reserve", True)
        if batch.error is not None:
            raise batch.error

    def close(self) -> None:
        """Give up what is under way, and let go of the folder; a second call does nothing."""
        if not self._closed:
            try:
                self.wait(self._close())
            finally:
                self._closed = True
                self._exit.close()

    async def _close(self) -> None:
        await self._end(0.0)
        self.store.close()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the study folder {folder} cannot be made: {error.strerror}; give another with study="
        raise ConfigurationError(msg) from None
