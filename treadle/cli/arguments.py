"""From what stands on the command line to values: programs, LMs, metrics, inputs, budgets."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import treadle
from treadle.cli.references import resolve
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.signature import Slot, read

if TYPE_CHECKING:
    from treadle.compiler.artifact.contents import Contents
    from treadle.compiler.frontend.program import Program
    from treadle.compiler.lm.lm import LM
    from treadle.compiler.study.budget import Budget
    from treadle.compiler.study.metric import Metric
    from treadle.compiler.study.optimizer import Optimizer

_METRICS = ("exact_match", "f1", "numeric")


def pairs(given: Iterable[str], option: str) -> dict[str, str]:
    """``name=value`` options as a mapping.

    Raises:
        click.UsageError: One has no ``=``, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            msg = f"{option} takes NAME=VALUE, not {text!r}"
            raise click.UsageError(msg)
        if name in found:
            msg = f"{option} gives {name!r} twice"
            raise click.UsageError(msg)
        found[name] = value
    return found


def lm_from(text: str | None, *, temperature: float | None = None, max_tokens: int | None = None) -> LM | None:
    """The LM of ``--lm``: ``offline``, ``openai/gpt-4o-mini``, ``http://localhost:8000/v1#qwen`` or ``app.py:lm``.

    Raises:
        ConfigurationError: It names no LM, or settings are given for one that brings its own.
    """
    if text is None:
        if temperature is None and max_tokens is None:
            return None
        msg = "--temperature and --reply-tokens are settings of --lm; give it"
        raise ConfigurationError(msg)
    if ".py:" in text:
        found = resolve(text)
        if not isinstance(found, treadle.LM):
            msg = f"{text} is {type(found).__name__}, not an LM"
            raise ConfigurationError(msg)
        if temperature is not None or max_tokens is not None:
            msg = f"{text} brings its own temperature and max_tokens; set them there"
            raise ConfigurationError(msg)
        return found
    settings: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
    if max_tokens is not None:
        settings["max_tokens"] = max_tokens
    url, hash_sign, model = text.partition("#")
    return treadle.LM(url, model=model, **settings) if hash_sign else treadle.LM(text, **settings)


def program_of(reference: str, given: Mapping[str, Any]) -> Program[..., Any]:
    """The program of a reference, or of a file that ends in ``.json``, bound to ``--lm``.

    Args:
        reference: ``app.py:support`` or ``support.json``.
        given: Its options: ``lm`` and its settings; for a file ``ops``, ``accept_code``, ``host``, ``lenient``.

    Raises:
        ConfigurationError: It names something else, or options that are for files.
        ArtifactError: The file cannot be loaded.
    """
    lm = lm_from(given["lm"], temperature=given["temperature"], max_tokens=given["reply_tokens"])
    ops, host = given.get("ops", ()), given.get("host")
    if reference.endswith(".json"):
        program = None if host is None else _program(host)
        return treadle.load(
            reference, ops=[resolve(op) for op in ops], lm=lm, program=program, strict=not given.get("lenient"),
            accept_code=given.get("accept_code", ()),
        )  # fmt: skip
    if ops or host or given.get("accept_code"):
        msg = "--op, --accept-code and --program say what a .json file needs; a program from code has its own"
        raise ConfigurationError(msg)
    found = _program(reference)
    return found if lm is None else found.bind(lm=lm)


def _program(reference: str) -> Program[..., Any]:
    found = resolve(reference)
    if not isinstance(found, treadle.Program):
        msg = f"{reference} is {type(found).__name__}, not a program; decorate the function with @treadle.program"
        raise ConfigurationError(msg)
    return found


def contents_of(reference: str) -> Contents:
    """What a program, or a file that ends in ``.json``, says; the file is read and not made into a program.

    Raises:
        ConfigurationError: It names no program.
        ArtifactError: The file is not a program file.
    """
    importlib.import_module("treadle.modules")  # what a file names must be registered
    from treadle.compiler.artifact import emit, load

    return load.contents_in(reference) if reference.endswith(".json") else emit.contents_of(_program(reference))


def metric_from(text: str) -> Metric:
    """The metric of ``--metric``: ``app.py:metric``, or one of Treadle's: ``exact_match=team``.

    Raises:
        ConfigurationError: It names none.
    """
    name, equals, field = text.partition("=")
    if equals and name in _METRICS:
        made: Metric = getattr(treadle, name)(field)
        return made
    found: Metric = resolve(text)
    if not callable(found):
        msg = f"{text} is {type(found).__name__}; a metric is a function of an example and a prediction"
        raise ConfigurationError(msg)
    return found


def budget_from(given: Mapping[str, Any]) -> Budget | None:
    """The budget of the ``--max-…`` options; ``None`` where none is given.

    Raises:
        ConfigurationError: A cap is not above 0.
    """
    caps = {name: given[f"max_{name}"] for name in ("usd", "calls", "tokens", "seconds")}
    return treadle.Budget(**caps) if any(cap is not None for cap in caps.values()) else None


def optimizer_from(name: str, given: Iterable[str]) -> Optimizer:
    """The optimizer of ``--optimizer`` and its ``--set`` settings.

    Raises:
        ConfigurationError: There is none of that name, or it has no such setting.
    """
    settings = {key: _json_or_text(text) for key, text in pairs(given, "--set").items()}
    return treadle.optimizer_named(name, **settings)


def inputs_from(given: Iterable[str], slots: Sequence[Slot], owner: str) -> dict[str, Any]:
    """Inputs from ``name=value``; ``name=@file`` reads a text file, and what is not text is JSON.

    Raises:
        InputError: A value is not of its field's type.
        ConfigurationError: There is no such field, or its file cannot be read.
    """
    by_name = {slot.name: slot for slot in slots}
    values: dict[str, Any] = {}
    for name, text in pairs(given, "--input").items():
        if name not in by_name:
            msg = f"{owner} has no input {name!r}; it has {', '.join(by_name) or 'none'}"
            raise ConfigurationError(msg)
        values[name] = _value(owner, by_name[name], _text_of(text))
    return values


def _text_of(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {text[1:]}: {getattr(error, 'strerror', None) or error}"
        raise ConfigurationError(msg) from None


def _value(owner: str, slot: Slot, text: str) -> Any:
    if slot.schema.get("type") == "string" or "enum" in slot.schema:
        return read(owner, slot, text)
    try:
        return read(owner, slot, json.loads(text))
    except ValueError:
        return read(owner, slot, text)


def stubs_from(given: Iterable[str]) -> Mapping[str, Any] | None:
    """Stand-ins for ops with effects: ``send_mail=fakes.py:send_mail``."""
    return {name: resolve(reference) for name, reference in pairs(given, "--stub").items()} or None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
