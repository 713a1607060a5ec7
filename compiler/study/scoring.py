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
                watch = _Watch(limit, judge, self._timeout)
                try:
                    return await score(self._metric, arguments, place=self._place)
                finally:
                    watch.end()
        except TimeoutError:
            if not limit.expired():  # the metric's own
                raise
        msg = (
            f"metric {metric_name(self._metric)!r} gave no score within {self._timeout:g} s and was abandoned; "
            "metric_timeout= sets this"
        )
        raise MetricHung(msg)


class _Watch:
    """Lets a limit expire once a metric has done nothing for so many seconds."""

    def __init__(self, limit: asyncio.Timeout, judge: Judge, seconds: float) -> None:
        self._limit = limit
        self._judge = judge
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._look_again()

    def _look_again(self) -> None:
        self._timer = self._loop.call_later(self._seconds, self._look, self._judge.made)

    def _look(self, made: int) -> None:
        if self._judge.made == made and not self._judge.flying:
            self._limit.reschedule(self._loop.time())
        else:
            self._look_again()

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()


def _is_async(metric: Metric) -> bool:
    return inspect.iscoroutinefunction(metric) or inspect.iscoroutinefunction(getattr(metric, "__call__", None))  # noqa: B004  the method itself is looked at
