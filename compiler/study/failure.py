"""Failures as an optimizer's LM may read them: what was raised, and where in the user's code."""

from __future__ import annotations

import asyncio
import linecache
import traceback
from pathlib import Path

from treadle.compiler.redact import redact

FRAMES = 5
"""Most frames of a traceback that are told, innermost last."""
_LONGEST = 2_000  # characters of an exception's own text


def is_of_the_run(error: BaseException) -> bool:
    """Whether an exception is one that a program or metric raised, ``SystemExit`` and the like included.

    The other kind is the end of the run itself: the task is being cancelled.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    return not isinstance(error, GeneratorExit)


def headline(error: BaseException) -> str:
    """``TypeName: message``, shortened."""
    return redact(f"{type(error).__name__}: {str(error)[:_LONGEST]}")


def story(error: BaseException) -> str:
    """The traceback: the user's frames by file name, line and text, then the exception and its notes.

    Folders are left out, so that the same failure reads the same everywhere.
    """
    frames = [
        f"{Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}: "
        f"{linecache.getline(frame.f_code.co_filename, line).strip()}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not str(frame.f_globals.get("__name__", "")).startswith("treadle.")
    ]
    notes = [str(note)[:_LONGEST] for note in getattr(error, "__notes__", ())]
    return redact("\n".join([*frames[-FRAMES:], headline(error), *notes]))
