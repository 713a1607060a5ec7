"""Calling a metric where it can do no harm: off the event loop, and given up if it hangs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from treadle.compiler.errors import TreadleError
from treadle.compiler.runtime.pools import run_in_thread
from treadle.compiler.study.caller import Judge
from treadle.compiler.study.metric import Metric, Score, metric_name, score, takes_trace
from treadle.compiler.trace.trace import Trace


class MetricHung(TreadleError, TimeoutError):
    """A metric gave no score in time and was abandoned; its example counts as failed."""


class Scoring:
    """A metric, and how long it may take.

    A metric that is a plain function runs in a thread, so that it may wait, and may call predictors; if it hangs, the
    thread is left behind. One that is async is cancelled then. One that ships with Treadle runs where it is.

    Args:
        metric: As users write it.
        timeout: Seconds without a score, and without an LM call of the metric under way, after which it is abandoned.

    Raises:
        DataError: The metric takes neither two nor three arguments.
    """

    def __init__(self, metric: Metric, timeout: float) -> None:
        self._metric = metric
        self._timeout = timeout
        self._watch = _Watch(timeout)
        self._takes_trace = takes_trace(metric)
        self._ships = getattr(metric, "treadle_identity", None) is not None
        self._place = None if self._ships or _is_async(metric) else run_in_thread

    async def score(self, example: Mapping[str, Any], prediction: Any, trace: Trace | None, judge: Judge) -> Score:
        """The metric's verdict.

        Raises:
            MetricHung: It was abandoned.
            Exception: Whatever it raises.
        """
        arguments = (example, prediction, trace) if self._takes_trace else (example, prediction)
        if self._ships:
            return await score(self._metric, arguments)
        try:
            async with asyncio.timeout(None) as limit:
                watched = self._watch.begin(limit, judge)
                try:
                    return await score(self._metric, arguments, place=self._place)
                finally:
                    self._watch.end(watched)
        except TimeoutError:
            if not limit.expired():  # the metric's own
                raise
        msg = (
            f"metric {metric_name(self._metric)!r} gave no score within {self._timeout:g} s and was abandoned; "
            "metric_timeout= sets this"
        )
        raise MetricHung(msg)


class _Watched:
    """A metric at work.

    Attributes:
        limit: What expires if it hangs.
        judge: The caller of its LM calls.
        made: Calls it had made when it was last looked at.
        due: When it is looked at next, by the loop's clock.
    """

    __slots__ = ("due", "judge", "limit", "made")

    def __init__(self, limit: asyncio.Timeout, judge: Judge) -> None:
        self.limit = limit
        self.judge = judge
        self.made = judge.made
        self.due = 0.0

    @property
    def hangs(self) -> bool:
        """Whether it has done nothing since it was last looked at."""
        return self.judge.made == self.made and not self.judge.flying


class _Watch:
    """Lets the limits of metrics expire that have done nothing for so many seconds.

    Each is looked at when it has been at work for so long, and again after as long; so they are looked at in the order
    in which they began, and one timer will do for all.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[_Watched, None] = {}  # the next to be looked at comes first
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, limit: asyncio.Timeout, judge: Judge) -> _Watched:
        """Watch a metric until ``end``."""
        watched = _Watched(limit, judge)
        self._line_up(watched)
        if self._timer is None:
            self._set_timer(watched)
        return watched

    def end(self, watched: _Watched) -> None:
        """Look no more."""
        self._open.pop(watched, None)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _line_up(self, watched: _Watched) -> None:
        watched.due = asyncio.get_running_loop().time() + self._seconds
        self._open[watched] = None

    def _set_timer(self, first: _Watched) -> None:
        self._timer = asyncio.get_running_loop().call_at(first.due, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while (first := next(iter(self._open), None)) is not None:
            if first.due > now:
                self._set_timer(first)
                return
            del self._open[first]
            if first.hangs:
                first.limit.reschedule(now)
            else:
                first.made = first.judge.made
                self._line_up(first)


def _is_async(metric: Metric) -> bool:
    return inspect.iscoroutinefunction(metric) or inspect.iscoroutinefunction(getattr(metric, "__call__", None))  # noqa: B004  the method itself is looked at
