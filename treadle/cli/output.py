"""Where a command writes: results to standard output, messages to standard error, both made harmless for a terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from treadle.compiler.errors import ConfigurationError, TreadleError
from treadle.compiler.escape import plain
from treadle.compiler.redact import redact, redact_json


def say(text: str) -> None:
    """A message, on standard error."""
    click.echo(plain(redact(text)), err=True)


def show(text: str) -> None:
    """A result, on standard output."""
    click.echo(plain(redact(text)))


def show_json(value: Any, *, indent: int | None = 2) -> None:
    """A result as ASCII JSON: exact, and harmless anywhere."""
    click.echo(json.dumps(redact_json(value), indent=indent, sort_keys=True))


def say_error(error: Exception) -> None:
    """An error as one message, without a traceback."""
    known = isinstance(error, TreadleError)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
    say(f"error: {text}{notes}{_on_the_command_line(text)}" + ("" if known else "\n(--traceback shows where)"))


_OPTIONS = {
    "no LM for step": "--lm offline, --lm openai/gpt-4o-mini or --lm http://localhost:8000/v1#qwen",
    "ops=[": "--op app.py:name, once for each",
    "program=": "--program app.py:name",
    "stubs=": "--stub op=app.py:fake",
    "fields=": "--field theirs=ours",
}
"""What a remedy in Python is called here, by a part of the error's text."""


def _on_the_command_line(text: str) -> str:
    """The option that does what the error's remedy does in Python."""
    return "".join(f"\n  here: {option}" for part, option in _OPTIONS.items() if part in text)


def must_be_writable(path: str) -> None:
    """Find out before anything is paid for that a result could not be written.

    Raises:
        ConfigurationError: Its folder is missing or may not be written, or it is a folder itself.
    """
    target, folder = Path(path), Path(path).absolute().parent
    if target.is_dir():
        problem = "it is a folder"
    elif not folder.is_dir():
        problem = f"there is no folder {folder}"
    elif not os.access(folder, os.W_OK):
        problem = f"the folder {folder} may not be written"
    else:
        return
    msg = f"cannot write {path}: {problem}; nothing was begun"
    raise ConfigurationError(msg)


def write(path: str, text: str) -> None:
    """Write a result to a file the user named.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise ConfigurationError(msg) from None
