"""Opening a study, new or to be resumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.lm import retry
from treadle.compiler.lm.clock import SYSTEM, Clock
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.data import Data
from treadle.compiler.study.engine import Engine
from treadle.compiler.study.events import Listener
from treadle.compiler.study.metric import Metric
from treadle.compiler.study.runner import Runner
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.store import Mode, Store
from treadle.compiler.study.study import Study


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visible(Splits):
    """Splits without the ids of confirm, which still know that there is one."""

    held_out: int = 0

    @classmethod
    def of(cls, splits: Splits) -> Visible:
        """What a search may see of ``splits``."""
        return cls(
            feedback=splits.feedback,
            select=splits.select,
            examples=splits.examples,
            repeated=splits.repeated,
            held_out=len(splits.confirm),
        )

    @property
    def cross_fitted(self) -> bool:
        """Whether the verdict comes from held-out folds of ``select``."""
        return not self.held_out

    @property
    def judged(self) -> int:
        """Number of examples the verdict rests on."""
        return self.held_out or len(self.select)
