"""Static types: what is known of a value before the program runs.

Types are the annotations users write. ``Any`` is what is not known; nothing here guesses. Literal types widen where an
operation makes a new value.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Never, Union, get_args, get_origin

import pydantic

from treadle.compiler.annotations import Annotation, assignable

NONE: Annotation = type(None)
LIST: Any = list
DICT: Any = dict
TUPLE: Any = tuple
SET: Any = set
"""Classes as values, to make types of while the program runs."""
SCALARS = (str, int, float, bool, NONE)


def origin_of(annotation: Annotation) -> Any:
    """``typing.get_origin``, whose own hints say too little."""
    return get_origin(annotation)


def bare(annotation: Annotation) -> Annotation:
    """The type without ``Annotated`` and type aliases; ``None`` as its class."""
    if origin_of(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if annotation is None:
        return NONE
    value = getattr(annotation, "__value__", None)  # a `type X = …` alias
    return bare(value) if value is not None and type(annotation).__name__ == "TypeAliasType" else annotation


def members(annotation: Annotation) -> tuple[Annotation, ...]:
    """The parts of a union, flat; another type alone."""
    annotation = bare(annotation)
    if origin_of(annotation) in (Union, types.UnionType):
        return tuple(part for given in get_args(annotation) for part in members(given))
    return (annotation,)


def union(parts: Iterable[Annotation]) -> Annotation:
    """The type of a value that is of one of the types, in the order of first mention; ``Any`` wins.

    ``Never`` is the type of the elements of an empty collection.
    """
    kept: list[Annotation] = []
    parts_given = list(parts)
    for part in parts_given:
        for member in members(part):
            if member is Any:
                return Any
            if member is Never:
                continue
            if not any(_same(member, known) for known in kept):
                kept.append(member)
    kept = [part for part in kept if not any(part is not other and _covers(other, part) for other in kept)]
    if not kept:
        return Never if parts_given else Any
    return kept[0] if len(kept) == 1 else Union[tuple(kept)]  # noqa: UP007  the parts are values


def _same(one: Annotation, other: Annotation) -> bool:
    return bool(one == other) and repr(one) == repr(other)


def _covers(wide: Annotation, narrow: Annotation) -> bool:
    """Whether ``wide`` is the class of the literals in ``narrow``, or of the empty collection ``narrow``."""
    if get_args(narrow) and set(get_args(narrow)) == {Never}:
        return bool(origin_of(wide) == origin_of(narrow))
    return origin_of(narrow) is Literal and {type(value) for value in get_args(narrow)} == {wide}


def widened(annotation: Annotation) -> Annotation:
    """Literals as the classes of their values: what a new value is of."""
    parts: list[Annotation] = []
    for member in members(annotation):
        if origin_of(member) is Literal:
            parts.extend(dict.fromkeys(type(value) for value in get_args(member)))
        else:
            parts.append(member)
    return union(parts)


def settled(annotation: Annotation) -> Annotation:
    """The type as a graph states it: a collection that was never filled is one of anything."""
    if annotation is Never:
        return Any
    args = get_args(annotation)
    if not args or origin_of(annotation) is Literal:
        return annotation
    if Never in args:
        return origin_of(annotation)
    made = tuple(settled(part) for part in args)
    if made == args:
        return annotation
    return union(made) if origin_of(annotation) in (Union, types.UnionType) else origin_of(annotation)[made]


def without_none(annotation: Annotation) -> Annotation:
    """The type of a value that is not None."""
    return union(part for part in members(annotation) if part is not NONE)


def classes(annotation: Annotation) -> tuple[Annotation, ...]:
    """The classes the value may be of, without parameters; ``Any`` where one is not known. None is left out."""
    found = []
    for member in members(widened(annotation)):
        if member is NONE or member is Never:
            continue
        origin = origin_of(member) or member
        found.append(origin if isinstance(origin, type) else Any)
    return tuple(dict.fromkeys(found))


def is_known(annotation: Annotation) -> bool:
    """Whether all classes the value may be of are known."""
    found = classes(annotation)
    return bool(found) and Any not in found


def is_scalar(annotation: Annotation) -> bool:
    """Whether values of the type cannot change and hold nothing."""
    return all(member in SCALARS or _is_enum(member) for member in members(widened(annotation)))


def is_hashable(annotation: Annotation) -> bool:
    """Whether values of the type are known to be hashable."""
    annotation = bare(annotation)
    if origin_of(annotation) is tuple:
        return all(is_hashable(part) for part in get_args(annotation) if part is not ...)
    return all(
        member in SCALARS or _is_enum(member) or _is_hashable_tuple(member) for member in members(widened(annotation))
    )


def _is_hashable_tuple(annotation: Annotation) -> bool:
    return origin_of(annotation) is tuple and is_hashable(annotation)


def is_immutable(annotation: Annotation) -> bool:
    """Whether ``x += y`` on the type cannot change an object others hold."""
    kinds = classes(annotation)
    return Any not in kinds and all(
        kind in (str, int, float, bool, tuple, frozenset, bytes) or _is_enum(kind) for kind in kinds
    )


def _is_enum(annotation: Annotation) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, enum.Enum)


# --- parts -----------------------------------------------------------------------------------------------------------

_ITERABLES = (
    list,
    set,
    frozenset,
    collections.abc.Iterable,
    collections.abc.Sequence,
    collections.abc.Collection,
    collections.abc.Iterator,
    collections.abc.Set,
    collections.deque,
)
_MAPPINGS = (dict, collections.abc.Mapping, collections.Counter, collections.defaultdict, collections.OrderedDict)


def element(annotation: Annotation) -> Annotation:
    """The type of the elements when a value is iterated."""
    return union(_element(member) for member in members(widened(annotation)) if member is not NONE)


def _element(member: Annotation) -> Annotation:
    origin, args = origin_of(member) or member, get_args(member)
    if origin is str:
        return str
    if origin is range:
        return int
    if origin is tuple:
        return union(part for part in args if part is not ...) if args else Any
    if (origin in _ITERABLES or origin in _MAPPINGS) and args:
        return args[0]
    if isinstance(origin, type) and issubclass(origin, enum.EnumMeta):
        return Any
    return Any


def item(annotation: Annotation, index: object = None) -> Annotation:
    """The type of ``value[index]``; ``index`` is a constant where it is known."""
    return union(_item(member, index) for member in members(widened(annotation)) if member is not NONE)


def _item(member: Annotation, index: object) -> Annotation:
    origin, args = origin_of(member) or member, get_args(member)
    if origin is str:
        return str
    if origin is tuple and args:
        if ... in args:
            return args[0]
        fits = isinstance(index, int) and -len(args) <= index < len(args)
        return args[index] if fits else union(args)  # type: ignore[call-overload]  # an int by the line above
    if origin in (list, collections.abc.Sequence, collections.deque) and args:
        return args[0]
    if origin is collections.Counter:
        return int
    if origin in _MAPPINGS and len(args) == 2:
        return args[1]
    if origin is range:
        return int
    if isinstance(origin, type) and issubclass(origin, tuple) and isinstance(index, int):
        kinds = [hint for _, hint in sorted_fields(origin)]
        return kinds[index] if -len(kinds) <= index < len(kinds) else Any
    if typing.is_typeddict(member) and isinstance(index, str):
        return typing.get_type_hints(member).get(index, Any)
    return Any


def sliced(annotation: Annotation) -> Annotation:
    """The type of ``value[a:b]``."""
    return union(_sliced(member) for member in members(widened(annotation)) if member is not NONE)


def _sliced(member: Annotation) -> Annotation:
    origin = origin_of(member) or member
    if origin in (str, list):
        return member
    return TUPLE[element(member), ...] if origin is tuple else Any


def sorted_fields(kind: type) -> list[tuple[str, Annotation]]:
    """The declared fields of a model, dataclass or named tuple, in order."""
    if issubclass(kind, pydantic.BaseModel):
        return [(name, field.annotation) for name, field in kind.model_fields.items()]
    try:
        hints: Mapping[str, Annotation] = typing.get_type_hints(kind)
    except Exception:  # a hint nobody can resolve says nothing
        hints = {}
    if dataclasses.is_dataclass(kind):
        return [(field.name, hints.get(field.name, Any)) for field in dataclasses.fields(kind)]
    return [(name, hints.get(name, Any)) for name in getattr(kind, "_fields", ())]


def field(kind: Annotation, name: str) -> Annotation | None:
    """The type of a declared field of a class, or ``None`` where it has no such field."""
    if not isinstance(kind, type):
        return None
    if _is_enum(kind):
        values = [type(member.value) for member in typing.cast(Iterable[enum.Enum], kind)]
        return {"name": str, "value": union(values) if values else Any}.get(name)
    return dict(sorted_fields(kind)).get(name)


# --- operators -------------------------------------------------------------------------------------------------------

_NUMBERS = (bool, int, float)


def binary(op: str, left: Annotation, right: Annotation) -> Annotation:
    """The type of ``left op right``; ``Any`` where it fails, too."""
    pairs = [(a, b) for a in members(widened(left)) for b in members(widened(right))]
    return union(_binary(op, a, b) for a, b in pairs)


def _binary(op: str, left: Annotation, right: Annotation) -> Annotation:
    if left in _NUMBERS and right in _NUMBERS:
        return _number(op, left, right)
    left_class, right_class = origin_of(left) or left, origin_of(right) or right
    if left is str:
        return str if op == "%" or (op == "+" and right is str) or (op == "*" and right in (int, bool)) else Any
    if left in (int, bool) and op == "*" and right_class in (str, list):
        return right
    if left_class is list and right_class is list and op == "+":
        return LIST[union([element(left), element(right)])]
    if left_class is list and right in (int, bool) and op == "*":
        return left
    if left_class is tuple and right_class is tuple and op == "+":
        return _joined(get_args(left), get_args(right))
    if left_class in (set, dict) and right_class is left_class and op in ("|", "&", "-", "^"):
        return left if left == right or op in ("&", "-") else Any
    return Any


def _joined(left: Sequence[Annotation], right: Sequence[Annotation]) -> Annotation:
    if ... in left or ... in right or not left or not right:
        return TUPLE[union(part for part in (*left, *right) if part is not ...), ...]
    return TUPLE[(*left, *right)]


def _number(op: str, left: Annotation, right: Annotation) -> Annotation:
    if op == "/":
        return float
    if op in ("&", "|", "^") and left is bool and right is bool:
        return bool
    if float in (left, right):
        return float if op not in ("**", "<<", ">>", "&", "|", "^") else Any
    return Any if op == "**" else int


def unary(op: str, value: Annotation) -> Annotation:
    """The type of ``op value``."""
    if op == "not":
        return bool
    kinds = members(widened(value))
    if all(kind in _NUMBERS for kind in kinds):
        return union(int if kind is bool else kind for kind in kinds)
    return Any


# --- constants -------------------------------------------------------------------------------------------------------


def of_value(value: object) -> Annotation:
    """The type of a constant from outside the program; ``Any`` where its parts have no type in common."""
    kind = type(value)
    if isinstance(value, list | set | frozenset) and kind in (list, set, frozenset):
        return kind[union(map(of_value, value))] if value else kind
    if kind is tuple:
        return TUPLE[tuple(map(of_value, typing.cast(TUPLE[object, ...], value)))] if value else tuple
    if isinstance(value, dict) and kind is dict:
        if not value:
            return dict
        return DICT[union(map(of_value, value)), union(map(of_value, value.values()))]
    return NONE if value is None else kind


# --- fitting ---------------------------------------------------------------------------------------------------------


def fits(source: Annotation, target: Annotation) -> bool:
    """Whether a value of ``source`` may be one of ``target``: false only where it never is."""
    return any(
        assignable(a, b) or assignable(b, a) or _literals_fit(a, b) for a in members(source) for b in members(target)
    )


def _literals_fit(one: Annotation, other: Annotation) -> bool:
    if origin_of(one) is Literal and origin_of(other) is Literal:
        return not set(get_args(one)).isdisjoint(get_args(other))
    return False


def awaited(annotation: Annotation) -> Annotation:
    """What awaiting a coroutine type gives; other types as they are."""
    args = get_args(annotation)
    return (
        args[-1]
        if origin_of(annotation) in (collections.abc.Coroutine, collections.abc.Awaitable) and args
        else annotation
    )


Rule = Callable[[Sequence[Annotation]], Annotation]
"""From the types of a call's arguments to the type of its result."""
