"""The table of pure functions and methods: what stands in ``runtime/allowed.py``, with the types of the results.

A call is lowered to an expression only if its function, or its method for every class the receiver may be of, stands
here; any other statically resolved function is an op.
"""

from __future__ import annotations

import builtins
import collections
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pydantic

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend.inference import (
    DICT,
    LIST,
    TUPLE,
    Rule,
    element,
    is_known,
    item,
    members,
    sliced,
    union,
    widened,
    without_none,
)
from treadle.compiler.runtime import allowed

_MODULES = {"collections": collections, "json": json, "math": math, "statistics": statistics}


def _object_named(name: str) -> object:
    module, _, function = name.rpartition(".")
    return getattr(_MODULES[module] if module else builtins, function)


FUNCTION_NAMES: Mapping[int, str] = {
    id(_object_named(name)): name for name in allowed.FUNCTIONS if not name.startswith("treadle.")
}
"""Names of the allowed functions by the identity of the function, so that a shadowed builtin is not taken for one."""


def function_name(function: object) -> str | None:
    """The allowed function's name, or ``None``."""
    return FUNCTION_NAMES.get(id(function))


def _always(annotation: Annotation) -> Rule:
    return lambda types: annotation


def _first(types: Sequence[Annotation]) -> Annotation:
    return widened(types[0]) if types else Any


def _list(types: Sequence[Annotation]) -> Annotation:
    return LIST[element(types[0])] if types else list


def _collection(kind: Any) -> Rule:
    return lambda types: kind[element(types[0])] if types else kind


def _tuple(types: Sequence[Annotation]) -> Annotation:
    return TUPLE[element(types[0]), ...] if types else tuple


def _extreme(types: Sequence[Annotation]) -> Annotation:
    return element(types[0]) if len(types) == 1 else union(types)


def _sum(types: Sequence[Annotation]) -> Annotation:
    parts = members(widened(element(types[0]))) if types else ()
    if parts and all(part in (int, float, bool) for part in parts):
        return (
            float
            if float in parts and len(parts) == 1
            else union(int if part is bool else part for part in (*parts, int))
        )
    return types[1] if len(types) > 1 else Any


def _round(types: Sequence[Annotation]) -> Annotation:
    return int if len(types) == 1 else _first(types)


def _enumerate(types: Sequence[Annotation]) -> Annotation:
    return LIST[TUPLE[int, element(types[0])]] if types else Any


def _zip(types: Sequence[Annotation]) -> Annotation:
    return LIST[TUPLE[tuple(map(element, types))]] if types else list


def _dict(types: Sequence[Annotation]) -> Annotation:
    if not types:
        return dict
    given = widened(types[0])
    if getattr(given, "__origin__", given) is dict:
        return given
    pair = element(given)
    return DICT[item(pair, 0), item(pair, 1)]


def _next(types: Sequence[Annotation]) -> Annotation:
    return union([element(types[0]), *types[1:]]) if types else Any


_RESULTS: Mapping[str, Rule] = {
    "abs": _first,
    "all": _always(bool),
    "any": _always(bool),
    "bool": _always(bool),
    "chr": _always(str),
    "dict": _dict,
    "divmod": lambda types: tuple[int, int] if all(t is int for t in map(widened, types)) else Any,
    "enumerate": _enumerate,
    "filter": lambda types: LIST[element(types[1])] if len(types) > 1 else list,
    "float": _always(float),
    "frozenset": _collection(frozenset),
    "int": _always(int),
    "len": _always(int),
    "list": _list,
    "map": lambda types: LIST[types[0]] if types else list,
    "max": _extreme,
    "min": _extreme,
    "next": _next,
    "ord": _always(int),
    "range": _always(range),
    "repr": _always(str),
    "reversed": _list,
    "round": _round,
    "set": _collection(set),
    "sorted": _list,
    "str": _always(str),
    "sum": _sum,
    "tuple": _tuple,
    "zip": _zip,
    "collections.Counter": _collection(collections.Counter),
    "json.dumps": _always(str),
    "json.loads": _always(Any),
    "math.ceil": _always(int),
    "math.floor": _always(int),
    "math.log": _always(float),
    "math.sqrt": _always(float),
    "statistics.mean": _always(float),
    "statistics.median": lambda types: element(types[0]) if types else Any,
    "statistics.mode": lambda types: element(types[0]) if types else Any,
    "treadle.merged": _first,
}

LAZY = frozenset({"enumerate", "filter", "map", "reversed", "zip"})
"""Functions that give an iterator, which can be read once: lowered where it is read at once."""

FAILS_LATE = frozenset({"filter", "map"})
"""Those whose elements may fail when they are read, not when they are made."""

COPIES = frozenset({"dict", "frozenset", "list", "set", "sorted", "sum", "tuple", "treadle.merged"})
"""Functions whose result is a new collection with the same elements."""

READS_ALL = frozenset(
    {"dict", "frozenset", "list", "max", "min", "set", "sorted", "sum", "tuple", "collections.Counter"}
)
"""Functions that read their first argument to its end before they return, unless they fail."""


def result(name: str, types: Sequence[Annotation]) -> Annotation:
    """The type an allowed function gives for arguments of these types."""
    try:
        return _RESULTS[name](types)
    except TypeError:  # types that do not subscript
        return Any


# --- methods ---------------------------------------------------------------------------------------------------------

_TEXT = "capitalize casefold center expandtabs join ljust lower lstrip removeprefix removesuffix replace rjust rstrip"
_TEXTS = "rsplit split splitlines"
_TEST = "endswith isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle"
_COUNT = "bit_count bit_length count find index rfind rindex total"

_METHOD_RESULTS: Mapping[str, Annotation] = {
    **dict.fromkeys(f"{_TEXT} strip swapcase title upper zfill model_dump_json".split(), str),
    **dict.fromkeys(_TEXTS.split(), list[str]),
    **dict.fromkeys(f"{_TEST} isupper startswith isdisjoint issubset issuperset is_integer".split(), bool),
    **dict.fromkeys(_COUNT.split(), int),
    **dict.fromkeys(("partition", "rpartition"), tuple[str, str, str]),
    "model_dump": dict[str, Any],
}


def _key_and_value(receiver: Annotation) -> tuple[Annotation, Annotation]:
    return element(receiver), item(receiver)


def _get(receiver: Annotation, types: Sequence[Annotation]) -> Annotation:
    return union([item(receiver), types[1] if len(types) > 1 else None])


def _most_common(receiver: Annotation, types: Sequence[Annotation]) -> Annotation:
    return LIST[TUPLE[element(receiver), int]]


def _items(receiver: Annotation, types: Sequence[Annotation]) -> Annotation:
    return LIST[TUPLE[_key_and_value(receiver)]]


_METHOD_RULES: Mapping[str, Callable[[Annotation, Sequence[Annotation]], Annotation]] = {
    "copy": lambda receiver, types: receiver,
    "difference": lambda receiver, types: receiver,
    "get": _get,
    "intersection": lambda receiver, types: receiver,
    "items": _items,
    "keys": lambda receiver, types: LIST[element(receiver)],
    "model_copy": lambda receiver, types: receiver,
    "most_common": _most_common,
    "symmetric_difference": lambda receiver, types: receiver,
    "union": lambda receiver, types: receiver,
    "values": lambda receiver, types: LIST[item(receiver)],
}

VIEWS = frozenset({"items", "keys", "values"})
"""Methods whose result shows later changes of the receiver."""


def has_method(kind: Annotation, name: str) -> bool:
    """Whether expressions may call the method on values of the class."""
    if not isinstance(kind, type):
        return False
    for base in kind.__mro__:
        if base in allowed.METHODS:
            own = name in allowed.METHODS[base] and getattr(kind, name, None) is getattr(base, name, None)
            return own or (
                name in allowed.METHODS[base] and issubclass(kind, pydantic.BaseModel) and _inherits(kind, name)
            )
    return False


def _inherits(kind: type, name: str) -> bool:
    """Whether a model's method is pydantic's own: bound methods of classes are never identical."""
    return all(name not in vars(base) for base in kind.__mro__ if base.__module__.partition(".")[0] != "pydantic")


def method_result(receiver: Annotation, name: str, types: Sequence[Annotation]) -> Annotation:
    """The type a pure method gives."""
    rule = _METHOD_RULES.get(name)
    if rule is None:
        return _METHOD_RESULTS.get(name, Any)
    try:
        return rule(without_none(receiver), types)
    except TypeError:
        return Any


__all__ = [
    "COPIES",
    "FAILS_LATE",
    "LAZY",
    "READS_ALL",
    "VIEWS",
    "function_name",
    "has_method",
    "is_known",
    "method_result",
    "result",
    "sliced",
]
