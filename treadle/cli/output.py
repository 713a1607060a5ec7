"""Where a command writes: results to standard output, messages to standard error, both made harmless for a terminal."""

from __future__ import annotations

import json
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
    say(f"error: {text}{notes}" + ("" if known else "\n(--traceback shows where)"))


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
