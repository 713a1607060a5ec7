"""Reports in files: written beside the study, and read again by ``treadle show``."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.escape import line, plain
from treadle.compiler.redact import redact
from treadle.compiler.study.events import FILE as EVENTS
from treadle.compiler.study.report import FORMAT, VERSION, Report

PAGE, DATA = "report.html", "report.json"
"""Names of the report's files in a study folder."""

_LARGEST = 64 << 20  # bytes of a file that is read as a report


def write(report: Report, path: Path) -> None:
    """Write the report as a page, or as data if the name ends in ``.json``. The file is replaced as a whole, or kept.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    if path.suffix.lower() == ".json":
        text = json.dumps(report.to_json(), indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    else:
        text = report.html()
    try:
        _replace(path, text.encode())
    except OSError as error:
        msg = f"cannot write the report {path}: {error.strerror or error}"
        raise ConfigurationError(msg) from None


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")  # only for the owner
    try:
        with open(handle, "wb") as out:
            out.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def keep(report: Report, folder: Path) -> None:
    """Put both forms of the report into a study's folder.

    Raises:
        ConfigurationError: They cannot be written.
    """
    write(report, folder / PAGE)
    write(report, folder / DATA)


# --- reading ----------------------------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, JSON]:
    """The data of a report: of its file, or of a study's folder.

    Raises:
        ConfigurationError: There is none, or it is no report of this version.
    """
    file = path / DATA if path.is_dir() else path
    try:
        if file.stat().st_size > _LARGEST:
            msg = f"{file} is too large for a report"
            raise ConfigurationError(msg)
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror or error}"
        raise ConfigurationError(msg) from None
    except (ValueError, RecursionError):
        msg = f"{file} is not JSON; the same compile again writes it anew"
        raise ConfigurationError(msg) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        msg = f'{file} is no report: it has no "format": "{FORMAT}"'
        raise ConfigurationError(msg)
    if data.get("version") != VERSION or not isinstance(data.get("text"), str):
        msg = (
            f"{file} is a report of version {str(data.get('version'))[:20]!r}; this version of Treadle reads {VERSION}"
        )
        raise ConfigurationError(msg)
    return data


def described(folder: Path) -> str:
    """What ``treadle show`` tells of a study's folder: its report, or how far it has come.

    Raises:
        ConfigurationError: It is no study's folder, or its report cannot be read.
    """
    if (folder / DATA).exists():
        return plain(redact(str(read(folder)["text"]) + f"\n\nThe page: {folder / PAGE}"))
    if not (folder / EVENTS).exists():
        msg = f"{folder} holds neither {DATA} nor {EVENTS}: it is no study's folder"
        raise ConfigurationError(msg)
    return plain(redact("\n".join(_progress(folder / EVENTS))))


def _progress(path: Path) -> Iterator[str]:
    """How far a study has come that has no report, from its events."""
    last = _last_events(path)
    yield "This study has no report yet: it is under way, or was stopped. The same command again goes on with it."
    for kind, name, fields in (
        ("stage", "stage", ("name",)),
        ("settled", "spent", ("search",)),
        ("warning", "warning", ("text",)),
        ("stopped", "stopped", ("reason", "text")),
    ):
        if kind in last:
            yield f"  {name}: " + line(" ".join(_told(last[kind].get(field)) for field in fields), 400)


def _told(value: Any) -> str:
    if isinstance(value, list) and len(value) == 3:
        calls, tokens, usd = value
        return f"{calls} LM calls, {tokens} tokens, {'price unknown' if usd is None else f'${usd}'}"
    return str(value)


def _last_events(path: Path) -> dict[str, Mapping[str, Any]]:
    """The last event of each kind; what is cut off or no JSON is passed over."""
    found: dict[str, Mapping[str, Any]] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for text in lines:
                with contextlib.suppress(ValueError, RecursionError):
                    event = json.loads(text)
                    if isinstance(event, dict):
                        found[str(event.get("event"))] = event
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise ConfigurationError(msg) from None
    return found
