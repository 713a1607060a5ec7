"""The allow-list: every function, method and attribute an expression may use.

One table for both sides. The evaluator calls what stands here and nothing else; the frontend lowers a call to an
expression only if it stands here (``frontend/pure.py`` adds the types of the results). All of it is pure: it reads its
arguments, changes nothing, and gives the same result again.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pydantic

from treadle.compiler.errors import GraphError
from treadle.compiler.runtime import sizes


def _dumps(value: Any, **options: Any) -> str:
    sizes.guard_text(value)
    indent = options.get("indent")
    sizes.refuse("an indent", indent if isinstance(indent, int) else len(indent or ""), 100)
    return json.dumps(value, **options)


def _merged(start: Any, parts: Sequence[Any]) -> Any:
    """A copy of the collection ``start`` with all parts added: what a loop that only appends has built at its end."""
    whole = start.copy()
    add = whole.extend if isinstance(whole, list) else whole.update
    for part in parts:
        sizes.refuse("a collection", len(whole) + len(part), sizes.LARGEST_COLLECTION)
        add(part)
    return whole


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "bool": bool,
    "chr": chr,
    "dict": dict,
    "divmod": divmod,
    "enumerate": enumerate,
    "filter": filter,
    "float": float,
    "frozenset": frozenset,
    "int": int,
    "len": len,
    "list": list,
    "map": map,
    "max": max,
    "min": min,
    "next": next,
    "ord": ord,
    "range": sizes.guarded_range,
    "repr": sizes.guarded_text(repr),
    "reversed": reversed,
    "round": round,
    "set": set,
    "sorted": sorted,
    "str": sizes.guarded_text(str),
    "sum": sizes.guarded_sum,
    "tuple": tuple,
    "zip": zip,
    "collections.Counter": collections.Counter,
    "json.dumps": _dumps,
    "json.loads": json.loads,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.log": math.log,
    "math.sqrt": math.sqrt,
    "statistics.mean": statistics.mean,
    "statistics.median": statistics.median,
    "statistics.mode": statistics.mode,
    "treadle.merged": _merged,
}
"""Functions by name. ``treadle.merged`` is written by the frontend for loops that only append."""

Guard = Callable[[Any, Sequence[Any], Mapping[str, Any]], None]


def _free(receiver: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """The method cannot make its result much larger than what it is given."""


def _join(receiver: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    if args and isinstance(args[0], list | tuple):
        sizes.guard_join(receiver, args[0])


def _methods(names: str, **guards: Guard) -> Mapping[str, Guard]:
    return {**dict.fromkeys(names.split(), _free), **guards}


METHODS: Mapping[type, Mapping[str, Guard]] = {
    str: _methods(
        "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier islower "
        "isnumeric isprintable isspace istitle isupper lower lstrip partition removeprefix removesuffix rfind rindex "
        "rpartition rsplit rstrip split splitlines startswith strip swapcase title upper",
        center=sizes.guard_width,
        expandtabs=sizes.guard_width,
        join=_join,
        ljust=sizes.guard_width,
        replace=sizes.guard_replace,
        rjust=sizes.guard_width,
        zfill=sizes.guard_width,
    ),
    list: _methods("copy count index"),
    tuple: _methods("count index"),
    dict: _methods("copy get items keys values"),
    set: _methods("copy difference intersection isdisjoint issubset issuperset symmetric_difference union"),
    frozenset: _methods("copy difference intersection isdisjoint issubset issuperset symmetric_difference union"),
    int: _methods("bit_count bit_length"),
    float: _methods("is_integer"),
    collections.Counter: _methods("copy get items keys most_common total values"),
    pydantic.BaseModel: _methods("model_copy model_dump model_dump_json"),
}
"""Methods by the type of their receiver; a subclass has those of its nearest base here."""

CHANGES: Mapping[type, frozenset[str]] = {
    list: frozenset({"append", "clear", "extend", "insert", "reverse", "sort"}),
    set: frozenset({"add", "clear", "discard", "remove", "update"}),
    dict: frozenset({"clear", "setdefault", "update"}),
}
"""Methods that change their receiver: allowed on a copy, whose changed state is the result."""


def method_guard(receiver: object, name: str) -> Guard:
    """The size check of a method, if the receiver's type may have it called.

    Raises:
        AttributeError: ``receiver`` has no such method, in the words of Python.
        GraphError: It has, but expressions may not call it.
    """
    for base in type(receiver).__mro__:
        if base in METHODS:
            guard = METHODS[base].get(name)
            if guard is not None:
                return guard
    raise no_attribute(receiver, name)


_FIELDS: dict[type, frozenset[str]] = {}


def _fields(kind: type) -> frozenset[str]:
    """The declared fields of a class: of a pydantic model, a dataclass, an enum or a named tuple."""
    if issubclass(kind, pydantic.BaseModel):
        names = frozenset(kind.model_fields)
    elif dataclasses.is_dataclass(kind):
        names = frozenset(field.name for field in dataclasses.fields(kind))
    elif issubclass(kind, enum.Enum):
        names = frozenset({"name", "value"})
    elif issubclass(kind, tuple):
        names = frozenset(getattr(kind, "_fields", ()))
    else:
        names = frozenset()
    return _FIELDS.setdefault(kind, names)


def attribute(value: object, name: str) -> Any:
    """A declared field of ``value``.

    Raises:
        AttributeError: There is no such attribute, in the words of Python.
        GraphError: There is, but it is not a declared field.
    """
    kind = type(value)
    if name in (_FIELDS.get(kind) or _fields(kind)):
        return getattr(value, name)
    raise no_attribute(value, name)


def no_attribute(value: object, name: str) -> Exception:
    """The error of asking ``value`` for ``name``: Python's own words, unless it is there and refused."""
    kind = type(value)
    if not name.startswith("_") and not any(name in vars(base) for base in kind.__mro__):
        return AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
    return GraphError(f"an expression may not use {kind.__name__}.{name}: only declared fields and pure methods")


def is_instance(value: object, names: Sequence[str]) -> bool:
    """Whether the class of ``value``, or a base of it, has one of the names; for values whose type is known."""
    return any(base.__name__ in names for base in type(value).__mro__)
