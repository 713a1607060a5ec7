"""Host mode: the function runs as Python, and its calls of steps find the run they belong to."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.frontend.captured import Captured
from treadle.compiler.frontend.sites import Sites, current_sites
from treadle.compiler.runtime.hosted import call_function, run_function
from treadle.compiler.runtime.scope import current_scope
from treadle.compiler.runtime.session import Session


class HostRun:
    """A function with what is needed to run it in host mode.

    Args:
        name: The program's name.
        function: What to call; bound, for a method.
        captured: What capture found.
    """

    def __init__(self, name: str, function: Callable[..., Any], captured: Captured) -> None:
        self._name = name
        self._function = function
        code = getattr(function, "__code__", None)
        self._sites = None if code is None else Sites(code, captured.sites)
        self._threads = code is not None and not _THREAD_NAMES.isdisjoint(_all_names(code))
        self._predictors = tuple(captured.predictors)

    def here(self, inputs: Mapping[str, Any], session: Session) -> Any:
        """Run a plain function in the caller's thread."""
        with self._inside():
            return call_function(self._name, self._function, inputs, session)

    async def on_loop(self, inputs: Mapping[str, Any], session: Session) -> Any:
        """Run it from an event loop: an async function on it, any other in a thread of its own."""
        with self._inside():
            return await run_function(self._name, self._function, inputs, session)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        token = current_sites.set(self._sites)
        threads = self._predictors if self._threads else ()
        _threaded.enter(threads)
        try:
            yield
        finally:
            _threaded.leave(threads)
            current_sites.reset(token)


_THREAD_NAMES = frozenset({"Thread", "ThreadPoolExecutor", "run_in_executor", "threading", "start_new_thread"})


def _all_names(code: Any) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            names |= _all_names(constant)
    return names


class _Threaded:
    """How many running programs that start threads of their own may call each predictor."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    def enter(self, predictors: Iterable[str]) -> None:
        with self._lock:
            self._running.update(predictors)

    def leave(self, predictors: Iterable[str]) -> None:
        with self._lock:
            self._running.subtract(predictors)

    def expects(self, predictor: str) -> bool:
        return self._running[predictor] > 0


_threaded = _Threaded()


def refuse_lost_run(predictor: str) -> None:
    """Refuse a call that a raw thread of a running program makes outside of its run.

    Raises:
        ConfigurationError: The thread has no run, and a program that starts threads and calls ``predictor`` is running.
    """
    if current_scope.get() is None and _threaded.expects(predictor) and _in_raw_thread():
        msg = (
            f"step {predictor!r} was called in a thread that has lost its run: a raw thread does not inherit it. "
            f"Start it with contextvars.copy_context().run({predictor}, …), use asyncio.to_thread, or write a "
            "comprehension in a program that is a graph, whose steps overlap by themselves"
        )
        raise ConfigurationError(msg)


def _in_raw_thread() -> bool:
    current = threading.current_thread()
    return current is not threading.main_thread() and not current.name.startswith("treadle-")
