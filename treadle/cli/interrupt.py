"""Ctrl-C in two stages: the first lets calls in flight end and saves, the second stops at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

INTERRUPTED = 130
"""Exit code of an interrupted command: 128 and the number of the signal, as shells have it."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def two_stages(say: Callable[[str], None]) -> Iterator[None]:
    """Within the block, the first SIGINT or SIGTERM raises ``KeyboardInterrupt`` and the second ends the process.

    A study that is interrupted lets calls in flight end and stores them before it passes the interrupt on. A process
    that is ended at once loses those and nothing else: every reply is committed before it is used.

    Args:
        say: Told what happens now.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's; a notebook or a server has its own way to stop
        return
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(INTERRUPTED)
        asked = True
        say("stopping: calls in flight are finished and saved; Ctrl-C again stops at once")
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
