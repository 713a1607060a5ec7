"""Reading documents that may be corrupt or hostile: every value knows where it stands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ArtifactError

DEEPEST = 100
"""How deep objects and lists of a document may nest."""


class Reading:
    """A value in a document, with its JSON path. Every method refuses what it does not expect.

    >>> document = Reading({"nodes": [{"id": "n1"}]})
    >>> [node["id"].text() for node in document["nodes"].items()]
    ['n1']
    """

    __slots__ = ("path", "value")

    def __init__(self, value: JSON, path: str = "$") -> None:
        self.value = value
        self.path = path

    def refuse(self, reason: str) -> NoReturn:
        """Refuse this value.

        Raises:
            ArtifactError: With the reason and the path.
        """
        raise ArtifactError(reason, self.path)

    def fields(self, required: Sequence[str] = (), optional: Sequence[str] = ()) -> Mapping[str, JSON]:
        """The value as an object that has all ``required`` fields and no others but ``optional`` ones."""
        found = self._object()
        if len(found) == len(required) and all(name in found for name in required):
            return found  # neither more nor fewer, as most are
        found = self.mapping()
        missing = [name for name in required if name not in found]
        if missing:
            self.refuse(f"lacks {', '.join(missing)}")
        for name in found:
            if name not in required and name not in optional:
                Reading(None, f"{self.path}.{_short(name)}").refuse(
                    f"unknown field; known here are {', '.join((*required, *optional))}"
                )
        return found

    def mapping(self) -> Mapping[str, JSON]:
        """The value as an object."""
        found = self._object()
        if not all(isinstance(key, str) for key in found):
            self.refuse(f"must be an object, not {_kind(self.value)}")
        return found

    def _object(self) -> Mapping[str, JSON]:
        """The value as an object of which one field is asked for: what its others are called does not matter."""
        if not isinstance(self.value, dict | Mapping):  # a dict is known at once, another mapping by its base class
            self.refuse(f"must be an object, not {_kind(self.value)}")
        return self.value

    def sequence(self) -> Sequence[JSON]:
        """The value as a list."""
        if isinstance(self.value, str) or not isinstance(self.value, list | Sequence):
            self.refuse(f"must be a list, not {_kind(self.value)}")
        return self.value

    def __getitem__(self, name: str) -> Reading:
        return Reading(self._object()[name], f"{self.path}.{_short(name)}")

    def __contains__(self, name: str) -> bool:
        return name in self._object()

    def items(self) -> Iterator[Reading]:
        """The elements of the list."""
        return (Reading(value, f"{self.path}[{index}]") for index, value in enumerate(self.sequence()))

    def members(self) -> Iterator[tuple[str, Reading]]:
        """The fields of the object by name."""
        return ((name, self[name]) for name in self.mapping())

    def text(self, longest: int = 1_000_000) -> str:
        """The value as text."""
        if not isinstance(self.value, str):
            self.refuse(f"must be text, not {_kind(self.value)}")
        if len(self.value) > longest:
            self.refuse(f"is longer than {longest} characters")
        return self.value

    def flag(self) -> bool:
        """The value as true or false."""
        if not isinstance(self.value, bool):
            self.refuse(f"must be true or false, not {_kind(self.value)}")
        return self.value

    def whole(self, low: int = 0, high: int = 1_000_000_000) -> int:
        """The value as a whole number from ``low`` to ``high``."""
        if type(self.value) is not int:
            self.refuse(f"must be a whole number, not {_kind(self.value)}")
        if not low <= self.value <= high:
            self.refuse(f"must be from {low} to {high}, not {str(self.value)[:20]}")
        return self.value

    def number(self, low: float = -math.inf, high: float = math.inf) -> int | float:
        """The value as a finite number from ``low`` to ``high``."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse(f"must be a number, not {_kind(self.value)}")
        if not math.isfinite(self.value) or not low <= self.value <= high:
            self.refuse(f"must be from {low:g} to {high:g}, not {str(self.value)[:20]}")
        return self.value

    def plain(self) -> JSON:
        """The value, whatever it is, if it holds only what JSON can and does not nest too deep."""
        _plain(self, self.value, 0)
        return self.value


def _plain(top: Reading, value: Any, depth: int) -> None:
    if depth > DEEPEST:
        top.refuse(f"nests deeper than {DEEPEST}")
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                top.refuse("has a field name that is not text")
            _plain(top, part, depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _plain(top, part, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        top.refuse("holds NaN or an infinity")
    elif value is not None and not isinstance(value, str | int | float):
        top.refuse(f"holds {_kind(value)}")


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
