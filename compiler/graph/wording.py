"""Expressions and constants of a graph as a person would write them in Python.

They are for drawings and outlines, never to be run. What is long is cut: a text of thousands of characters, a table of
hundreds of rows, what nests deep. The words of a value say how tightly they bind, so that they can stand inside other
words without changing the meaning.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from treadle.compiler.canonical import JSON

WHOLE = 24
"""How deep an expression is shown where a line is meant to say all of it."""

_TEXT = 40  # characters of a text in an expression
_PART = 20  # characters of a text in a collection
_PARTS = 3  # elements of a constant, where it has more
_ELEMENTS = 12  # elements or arguments of an expression, where it has more
_HIDDEN = "…"

_AFTER, _LAMBDA, _IF, _OR, _AND, _NOT, _COMPARE = range(7)
_BINARY = {"|": 7, "^": 8, "&": 9, "<<": 10, ">>": 10, "+": 11, "-": 11, "*": 12, "/": 12, "//": 12, "%": 12, "**": 14}
_UNARY, _ATOM = 13, 15
"""How tightly forms bind, as in Python."""

NEGATED = _NOT
"""How tightly words must bind behind ``not``."""


@dataclasses.dataclass(frozen=True)
class Words:
    """What a value is called.

    Attributes:
        text: The words.
        binding: How tightly they bind; the most for a name.
        inside: Of a text with values in it: what stands between the quotes.
    """

    text: str
    binding: int = _ATOM
    inside: str | None = None

    def within(self, binding: int) -> str:
        """The words in a place that binds so tightly, in parentheses where they must be."""
        return self.text if self.binding >= binding else f"({self.text})"


def worded(expression: JSON, names: Sequence[Words], depth: int = WHOLE) -> Words:
    """An expression in words, with ``…`` for what is too deep or too long to show, or is no expression.

    >>> worded(["compare", ["attr", ["arg", 0], "team"], "==", ["const", "billing"]], [Words("ticket")]).text
    'ticket.team == "billing"'
    """
    return _Writer(names, depth).words(expression)


def literal(value: JSON, depth: int = 2, limit: int = _TEXT) -> str:
    """A constant as Python would write it, cut where it is long.

    >>> literal({"a": [1, 2, 3, 4, 5, 6], "b": None})
    '{"a": [1, 2, 3, …], "b": None}'
    """
    match value:
        case str():
            return _quoted(value, limit)
        case Mapping():
            pairs = _first(value.items(), depth)
            rows = [f"{_quoted(str(key), _PART)}: {literal(part, depth - 1, _PART)}" for key, part in pairs]
            return f"{{{', '.join([*rows, *_more(value, depth)])}}}"
        case list() | tuple():
            rows = [literal(part, depth - 1, _PART) for part in _first(value, depth)]
            return f"[{', '.join([*rows, *_more(value, depth)])}]"
    return repr(value)


def _first(parts: Any, depth: int) -> list[Any]:
    return [part for part, _ in zip(parts, range(_PARTS if depth > 0 else 0), strict=False)]


def _more(parts: Any, depth: int) -> list[str]:
    return [_HIDDEN] if len(parts) > (_PARTS if depth > 0 else 0) else []


def _quoted(text: str, limit: int = _TEXT) -> str:
    return json.dumps(text if len(text) <= limit else text[: limit - 1] + _HIDDEN, ensure_ascii=False)


class _Writer:
    """Writes one expression; knows the variables that lambdas and comprehensions have bound so far."""

    def __init__(self, names: Sequence[Words], depth: int) -> None:
        self.names = names
        self.bound: list[str] = []
        self._depth = depth

    def words(self, tree: JSON) -> Words:
        if not isinstance(tree, list | tuple) or not tree or self._depth <= 0:
            return Words(_HIDDEN)
        form = _FORMS.get(str(tree[0]))
        bound = len(self.bound)
        self._depth -= 1
        try:
            return Words(_HIDDEN) if form is None else form(self, tree[1:])
        except (AttributeError, LookupError, TypeError, ValueError):  # a form with other parts: less is shown
            return Words(_HIDDEN)
        finally:
            self._depth += 1
            del self.bound[bound:]

    def text(self, tree: JSON, binding: int = _AFTER) -> str:
        return self.words(tree).within(binding)

    def listed(self, trees: Sequence[JSON], named: Mapping[str, JSON] | None = None) -> str:
        """Elements or arguments, with commas between them."""
        parts = [self.text(tree, _LAMBDA) for tree in trees[:_ELEMENTS]]
        parts += [_HIDDEN] if len(trees) > _ELEMENTS else []
        parts += [f"{name}={self.text(tree, _LAMBDA)}" for name, tree in (named or {}).items()]
        return ", ".join(parts)

    def bind(self, count: int) -> list[str]:
        """Names for variables that a form binds."""
        taken = {*(words.text for words in self.names), *self.bound}
        fresh = [name for name in _fresh_names(len(taken) + count) if name not in taken][:count]
        self.bound += fresh
        return fresh


def _fresh_names(count: int) -> Iterator[str]:
    for turn in range(1, count // 3 + 2):
        yield from (f"{name}{turn if turn > 1 else ''}" for name in "xyz")


_Parts = Sequence[Any]
_Form = Callable[[_Writer, _Parts], Words]


# --- values ----------------------------------------------------------------------------------------------------------


def _argument(writer: _Writer, parts: _Parts) -> Words:
    return writer.names[parts[0]]


def _variable(writer: _Writer, parts: _Parts) -> Words:
    return Words(writer.bound[-1 - parts[0]])


def _constant(_: _Writer, parts: _Parts) -> Words:
    return Words(literal(parts[0]), inside=literal(parts[0])[1:-1] if isinstance(parts[0], str) else None)


def _collection(brackets: str) -> _Form:
    return lambda writer, parts: Words(f"{brackets[0]}{writer.listed(parts)}{brackets[1]}")


def _tuple(writer: _Writer, parts: _Parts) -> Words:
    return Words(f"({writer.listed(parts)}{',' if len(parts) == 1 else ''})")


def _set(writer: _Writer, parts: _Parts) -> Words:
    return Words(f"{{{writer.listed(parts)}}}" if parts else "set()")


def _dict(writer: _Writer, parts: _Parts) -> Words:
    def pair(part: Any) -> str:
        if part[0] == "spread":
            return f"**{writer.text(part[1], _IF)}"
        return f"{writer.text(part[0], _IF)}: {writer.text(part[1], _IF)}"

    more = [_HIDDEN] if len(parts) > _ELEMENTS else []
    return Words(f"{{{', '.join([*map(pair, parts[:_ELEMENTS]), *more])}}}")


def _text(writer: _Writer, parts: _Parts) -> Words:
    inside, values = "", False
    for part in parts:
        if isinstance(part, str):
            inside += _quoted(part)[1:-1]
            continue
        _, value, conversion, spec = part
        said = writer.words(value)
        if said.inside is not None and not conversion and spec is None:
            inside, values = inside + said.inside, values or said.text.startswith("f")
            continue
        mark = f"!{conversion}" if conversion else ""
        shape = "" if spec is None else f":{writer.words(spec).inside or _HIDDEN}"
        inside, values = f"{inside}{{{said.within(_IF)}{mark}{shape}}}", True
    return Words(f'{"f" if values else ""}"{inside}"', inside=inside)


def _attribute(writer: _Writer, parts: _Parts) -> Words:
    return Words(f"{writer.text(parts[0], _ATOM)}.{parts[1]}")


def _item(writer: _Writer, parts: _Parts) -> Words:
    return Words(f"{writer.text(parts[0], _ATOM)}[{writer.text(parts[1])}]")


def _slice(writer: _Writer, parts: _Parts) -> Words:
    low, high, step = ("" if part is None else writer.text(part, _IF) for part in parts)
    return Words(f"{low}:{high}{':' + step if step else ''}")


# --- operators -------------------------------------------------------------------------------------------------------


def _unary(writer: _Writer, parts: _Parts) -> Words:
    if parts[0] == "not":
        return Words(f"not {writer.text(parts[1], _NOT)}", _NOT)
    return Words(f"{parts[0]}{writer.text(parts[1], _UNARY)}", _UNARY)


def _binary(writer: _Writer, parts: _Parts) -> Words:
    binding = _BINARY[parts[0]]
    return Words(f"{writer.text(parts[1], binding)} {parts[0]} {writer.text(parts[2], binding + 1)}", binding)


def _compare(writer: _Writer, parts: _Parts) -> Words:
    shown = (str(part) if index % 2 else writer.text(part, _COMPARE + 1) for index, part in enumerate(parts))
    return Words(" ".join(shown), _COMPARE)


def _joined(word: str, binding: int) -> _Form:
    return lambda writer, parts: Words(f" {word} ".join(writer.text(part, binding + 1) for part in parts), binding)


def _if(writer: _Writer, parts: _Parts) -> Words:
    test, then, otherwise = parts
    return Words(f"{writer.text(then, _OR)} if {writer.text(test, _OR)} else {writer.text(otherwise, _IF)}", _IF)


# --- calls, functions, comprehensions --------------------------------------------------------------------------------


def _call(writer: _Writer, parts: _Parts) -> Words:
    return Words(f"{parts[0]}({_only_turns(writer.listed(parts[1], parts[2]), parts[1:])})")


def _method(writer: _Writer, parts: _Parts) -> Words:
    given = _only_turns(writer.listed(parts[2], parts[3]), parts[2:])
    return Words(f"{writer.text(parts[0], _ATOM)}.{parts[1]}({given})")


def _only_turns(given: str, parts: _Parts) -> str:
    """The arguments of a call; a generator that is the only one needs no parentheses of its own."""
    positional, named = parts
    alone = len(positional) == 1 and not named and positional[0][:2] == ["each", "generator"]
    return given[1:-1] if alone else given


def _changed(writer: _Writer, parts: _Parts) -> Words:
    """A copy after a change: the value that was is still there, so it is not said as a statement."""
    value = writer.text(parts[0], _LAMBDA)
    if parts[1] == "__setitem__":
        key, element = parts[2]
        return Words(f"{value} after [{writer.text(key)}] = {writer.text(element, _LAMBDA)}", _AFTER)
    return Words(f"{value} after {parts[1]}({writer.listed(parts[2], parts[3])})", _AFTER)


def _is(writer: _Writer, parts: _Parts) -> Words:
    return Words(f"isinstance({writer.text(parts[0], _LAMBDA)}, {' | '.join(map(str, parts[1]))})")


def _lambda(writer: _Writer, parts: _Parts) -> Words:
    names = writer.bind(parts[0])
    return Words(f"lambda{' ' if names else ''}{', '.join(names)}: {writer.text(parts[1], _LAMBDA)}", _LAMBDA)


def _bound(writer: _Writer, parts: _Parts) -> Words:
    return Words(f"{writer.text(parts[0], _ATOM)}.{parts[1]}")


def _each(writer: _Writer, parts: _Parts) -> Words:
    kind, element, *clauses = parts
    turns = " ".join(_clause(writer, clause) for clause in clauses)
    if kind == "dict":
        return Words(f"{{{writer.text(element[0], _IF)}: {writer.text(element[1], _IF)} {turns}}}")
    brackets = {"list": "[]", "set": "{}"}.get(kind, "()")
    return Words(f"{brackets[0]}{writer.text(element, _LAMBDA)} {turns}{brackets[1]}")


def _clause(writer: _Writer, clause: _Parts) -> str:
    pattern, source, conditions = clause
    over = writer.text(source, _OR)  # before its own variables are bound
    target = _pattern(pattern, iter(writer.bind(_variables(pattern))))
    tests = "".join(f" if {writer.text(condition, _OR)}" for condition in conditions)
    return f"for {target} in {over}{tests}"


def _variables(pattern: Any) -> int:
    return 1 if isinstance(pattern, str) else sum(map(_variables, pattern))


def _pattern(pattern: Any, names: Iterator[str], *, outermost: bool = True) -> str:
    if isinstance(pattern, str):
        return f"{'*' if pattern == '*' else ''}{next(names)}"
    inside = ", ".join(_pattern(part, names, outermost=False) for part in pattern)
    return inside if outermost else f"({inside})"


def _unpack(writer: _Writer, parts: _Parts) -> Words:
    """The parts of a value by position; a value that nests, or has a part of any length, is flat afterwards."""
    pattern, value = parts
    said = writer.words(value)
    flat = isinstance(pattern, list | tuple) and all(part == "_" for part in pattern)
    return said if flat else Words(f"parts({said.within(_LAMBDA)})")


_FORMS: Mapping[str, _Form] = {
    "arg": _argument,
    "var": _variable,
    "const": _constant,
    "list": _collection("[]"),
    "tuple": _tuple,
    "set": _set,
    "dict": _dict,
    "star": lambda writer, parts: Words(f"*{writer.text(parts[0], _OR)}"),
    "text": _text,
    "attr": _attribute,
    "item": _item,
    "slice": _slice,
    "unary": _unary,
    "binary": _binary,
    "inplace": _binary,
    "compare": _compare,
    "and": _joined("and", _AND),
    "or": _joined("or", _OR),
    "if": _if,
    "call": _call,
    "method": _method,
    "changed": _changed,
    "is": _is,
    "lambda": _lambda,
    "function": lambda writer, parts: Words(str(parts[0])),
    "bound": _bound,
    "unbound": lambda writer, parts: Words(f"{parts[0]}.{parts[1]}"),
    "each": _each,
    "unpack": _unpack,
}
