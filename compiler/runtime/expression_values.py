"""Forms of expressions that give, build or take apart values: leaves, collections, texts, access."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from treadle.compiler.runtime import allowed, sizes
from treadle.compiler.runtime.expression_form import Code, Form, Inner, index


def _arg(parts: Sequence[Any], inner: Inner) -> Code:
    return operator.itemgetter(index(parts[0]))


def _var(parts: Sequence[Any], inner: Inner) -> Code:
    return operator.itemgetter(-1 - index(parts[0]))


def _const(parts: Sequence[Any], inner: Inner) -> Code:
    (value,) = parts
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(value)
    return lambda env: value


def _collection(kind: Callable[[Iterable[Any]], Any]) -> Form:
    def form(parts: Sequence[Any], inner: Inner) -> Code:
        made = elements(parts, inner)
        return lambda env: kind(made(env))

    return form


def elements(parts: Sequence[Any], inner: Inner) -> Callable[[tuple[Any, ...]], list[Any]]:
    """Values of the parts, those of ``["star", e]`` spread."""
    if not any(part[0] == "star" for part in parts):
        codes = [inner(part) for part in parts]
        return lambda env: [code(env) for code in codes]
    pieces = [_maybe_starred(part, inner) for part in parts]

    def spread(env: tuple[Any, ...]) -> list[Any]:
        made: list[Any] = []
        for starred, code in pieces:
            if starred:
                made = [*made, *code(env)]
                sizes.refuse("a collection", len(made), sizes.LARGEST_COLLECTION)
            else:
                made.append(code(env))
        return made

    return spread


def _maybe_starred(part: Sequence[Any], inner: Inner) -> tuple[bool, Code]:
    return (True, inner(part[1])) if part[0] == "star" else (False, inner(part))


def _as_set(parts: Sequence[Any], inner: Inner) -> Code:
    """A set: elements enter one after another, so that an unhashable one fails before the next is evaluated."""
    pieces = [_maybe_starred(part, inner) for part in parts]

    def made(env: tuple[Any, ...]) -> set[Any]:
        values = [(starred, code(env)) for starred, code in pieces]
        whole: set[Any] = set()
        for starred, value in values:
            whole = {*whole, *value} if starred else {*whole, value}
        return whole

    return made


def _as_dict(parts: Sequence[Any], inner: Inner) -> Code:
    pairs = [(None, inner(part[1])) if part[0] == "spread" else (inner(part[0]), inner(part[1])) for part in parts]

    def made(env: tuple[Any, ...]) -> dict[Any, Any]:
        whole: dict[Any, Any] = {}
        for key, value in pairs:
            whole = {**whole, **value(env)} if key is None else {**whole, key(env): value(env)}
        return whole

    return made


def _text(parts: Sequence[Any], inner: Inner) -> Code:
    codes = [_literal(part) if isinstance(part, str) else _formatted(part, inner) for part in parts]

    def text(env: tuple[Any, ...]) -> str:
        pieces = [code(env) for code in codes]
        sizes.refuse("a text", sum(map(len, pieces)), sizes.LARGEST_TEXT)
        return "".join(pieces)

    return text


def _literal(text: str) -> Code:
    return lambda env: text


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"": lambda value: value, "r": repr, "s": str, "a": ascii}


def _formatted(part: Sequence[Any], inner: Inner) -> Code:
    word, value_tree, conversion_name, spec_tree = part
    if word != "format":
        raise ValueError(word)
    value, conversion = inner(value_tree), _CONVERSIONS[conversion_name]
    spec = _literal("") if spec_tree is None else inner(spec_tree)

    def formatted(env: tuple[Any, ...]) -> str:
        given = value(env)
        if type(given) is str and spec_tree is None and not conversion_name:
            return given
        sizes.guard_text(given)
        shape = spec(env)
        sizes.guard_format(given, shape)
        return format(conversion(given), shape)

    return formatted


def _attr(parts: Sequence[Any], inner: Inner) -> Code:
    value, name = inner(parts[0]), str(parts[1])
    return lambda env: allowed.attribute(value(env), name)


def _item(parts: Sequence[Any], inner: Inner) -> Code:
    value, at = inner(parts[0]), inner(parts[1])
    return lambda env: operator.getitem(value(env), at(env))


def _slice(parts: Sequence[Any], inner: Inner) -> Code:
    low, high, step = (_literal_none if part is None else inner(part) for part in parts)
    return lambda env: slice(low(env), high(env), step(env))


def _literal_none(env: tuple[Any, ...]) -> None:
    return None


FORMS: Mapping[str, Form] = {
    "arg": _arg,
    "attr": _attr,
    "const": _const,
    "dict": _as_dict,
    "item": _item,
    "list": _collection(lambda given: given),
    "set": _as_set,
    "slice": _slice,
    "text": _text,
    "tuple": _collection(tuple),
    "var": _var,
}
