"""JSON read strictly: what a program file may not hold is refused before anything looks at it.

Python's reader takes NaN, numbers beyond every float, a key given twice, lone surrogates, and nesting as deep as the
stack. None of these can come out of ``dumps``, and each has broken some reader.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from treadle.compiler.errors import ArtifactError

MAX_BYTES = 16 << 20
"""Largest document, in bytes of UTF-8."""
MAX_DEPTH = 500
"""Deepest nesting of objects and lists. A chain of a hundred early returns, the longest there may be, nests 400."""
MAX_DIGITS = 400
"""Longest number, in characters."""


def read_strictly(text: str | bytes) -> Any:
    """The JSON value of ``text``.

    Raises:
        ArtifactError: Too large, too deep, not UTF-8, not JSON, or JSON with NaN, an infinity, a key twice or a lone
            surrogate; names the JSON path where there is one.
    """
    document = _parsed(_decoded(text))
    for path, value in walk(document):
        _refuse(path, value)
    return document


def _decoded(text: str | bytes) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        msg = f"the document has {size:,} bytes; at most {MAX_BYTES:,} are read"
        raise ArtifactError(msg)
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"the document is not UTF-8 text (byte {error.start})"
        raise ArtifactError(msg) from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(
            text,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        msg = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise ArtifactError(msg) from None
    except RecursionError:
        msg = f"the document is nested deeper than {MAX_DEPTH} levels"
        raise ArtifactError(msg) from None


def _constant(name: str) -> float:
    msg = f"{name} is not JSON; a program file holds finite numbers only"
    raise ArtifactError(msg)


def _float(text: str) -> float:
    value = float(text) if len(text) <= MAX_DIGITS else math.inf
    if not math.isfinite(value):
        msg = f"the number {text[:40]}… cannot be held; a program file holds finite numbers only"
        raise ArtifactError(msg)
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        msg = f"a number of {len(text):,} digits; at most {MAX_DIGITS} are read"
        raise ArtifactError(msg)
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = f"the key {_given_twice(pairs)[:80]!r} is given twice in one object"
        raise ArtifactError(msg)
    return found


def _given_twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    return ""


def walk(document: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value with its path, outer before inner, in order; without recursion."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            waiting.extend((((*path, key), inner) for key, inner in reversed(value.items())))
        elif isinstance(value, list):
            waiting.extend((((*path, index), inner) for index, inner in reversed(list(enumerate(value)))))


def _refuse(path: tuple[str | int, ...], value: Any) -> None:
    if len(path) >= MAX_DEPTH and isinstance(value, dict | list):
        msg = f"the document is nested deeper than {MAX_DEPTH} levels"
        raise ArtifactError(msg, json_path(path[:8]) + "…")
    if path and isinstance(path[-1], str) and not _encodable(path[-1]):
        msg = f"the key {path[-1][:80]!a} holds a lone surrogate, which is not text"
        raise ArtifactError(msg, json_path(path[:-1]))
    if isinstance(value, str) and not _encodable(value):
        msg = "the text holds a lone surrogate, which is not text"
        raise ArtifactError(msg, json_path(path))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_path(path: tuple[str | int, ...]) -> str:
    """A path as people write it; keys that are no plain names in quotes.

    >>> json_path(("parameters", "reply.demos", 2))
    '$.parameters["reply.demos"][2]'
    """
    parts = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        else:
            parts.append(f".{part}" if part.isidentifier() and part.isascii() else f"[{json.dumps(part[:80])}]")
    return "$" + "".join(parts)
