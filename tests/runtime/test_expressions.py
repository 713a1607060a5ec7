import collections
import dataclasses
import enum
import json
from typing import Any

import pydantic
import pytest

from treadle.compiler.errors import GraphError
from treadle.compiler.runtime import allowed, sizes
from treadle.compiler.runtime.expressions import compile_expression


class Line(pydantic.BaseModel):
    price: float
    note: str | None = None


@dataclasses.dataclass
class Pair:
    left: int
    right: int


class Color(enum.Enum):
    RED = "r"


Point = collections.namedtuple("Point", "x y")

A0: list[Any] = ["arg", 0]
A1: list[Any] = ["arg", 1]
V0: list[Any] = ["var", 0]


def const(value: object) -> list[Any]:
    return ["const", value]


def run(tree: Any, *args: Any) -> Any:
    return compile_expression(json.loads(json.dumps(tree)))(args)


@pytest.mark.parametrize(
    ("tree", "args", "value"),
    [
        (["list", A0, ["star", A1]], (1, (2, 3)), [1, 2, 3]),
        (["tuple", A0, A1], (1, 2), (1, 2)),
        (["set", A0, A0], (1,), {1}),
        (["dict", [const("a"), A0], ["spread", A1]], (1, {"b": 2}), {"a": 1, "b": 2}),
        (["text", "a ", ["format", A0, "", None], "!"], ("b",), "a b!"),
        (["text", ["format", A0, "r", ["text", ">5"]]], ("b",), "  'b'"),
        (["attr", A0, "price"], (Line(price=2),), 2.0),
        (["attr", A0, "left"], (Pair(1, 2),), 1),
        (["attr", A0, "value"], (Color.RED,), "r"),
        (["attr", A0, "y"], (Point(1, 2),), 2),
        (["item", A0, ["slice", const(1), None, None]], ("abc",), "bc"),
        (["unary", "not", A0], (0,), True),
        (["compare", const(0), "<", A0, "<=", const(3)], (3,), True),
        (["compare", A0, "not in", A1], (3, [1]), True),
        (["and", A0, A1], ("", 1), ""),
        (["or", A0, A1], ("", 1), 1),
        (["if", A0, const("yes"), const("no")], (True,), "yes"),
        (["call", "sorted", [A0], {"key": ["lambda", 1, ["unary", "-", V0]]}], ([1, 3, 2],), [3, 2, 1]),
        (["call", "max", [A0], {"key": ["bound", A0, "count"]}], (["a", "b", "b"],), "b"),
        (["call", "sorted", [A0], {"key": ["unbound", "str", "lower"]}], (["b", "A"],), ["A", "b"]),
        (["call", "list", [["call", "map", [["function", "len"], A0], {}]], {}], (["a", "bc"],), [1, 2]),
        (["call", "max", [["star", A0]], {}], ([1, 2],), 2),
        (["call", "treadle.merged", [A0, A1], {}], ([0], [[1], [2, 3]]), [0, 1, 2, 3]),
        (["method", A0, "join", [A1], {}], ("-", ("a", "b")), "a-b"),
        (["method", A0, "most_common", [const(1)], {}], (collections.Counter("aab"),), [("a", 2)]),
        (["method", A0, "model_dump", [], {}], (Line(price=1),), {"price": 1, "note": None}),
        (["changed", A0, "append", [const(2)], {}], ([1],), [1, 2]),
        (["changed", A0, "__setitem__", [const("k"), const(2)], {}], ({},), {"k": 2}),
        (["inplace", "+", A0, A1], ([1], (2,)), [1, 2]),
        (["inplace", "|", A0, A1], ({1}, {2}), {1, 2}),
        (["is", A0, ["Line", "str"]], (Line(price=1),), True),
        (["each", "list", ["binary", "*", V0, ["var", 1]], [["_", "_"], A0, []]], ([(1, 2), (3, 4)],), [2, 12]),
        (["each", "set", V0, ["_", A0, [["compare", V0, ">", const(1)]]]], ([1, 2],), {2}),
        (["each", "dict", [V0, ["var", 1]], [["_", "_"], A0, []]], ([(1, 2)],), {2: 1}),
        (["each", "list", V0, ["_", A0, []], ["_", V0, []]], ([[1], [2, 3]],), [1, 2, 3]),
        (["call", "any", [["each", "generator", V0, ["_", A0, []]]], {}], ([0, 1],), True),
        (["unpack", ["_", "*", ["_", "_"]], A0], ((1, 2, 3, (4, 5)),), (1, [2, 3], 4, 5)),
    ],
)
def test_forms(tree: Any, args: tuple[Any, ...], value: Any) -> None:
    result = run(tree, *args)
    assert result == value
    assert type(result) is type(value)


def test_a_changed_value_is_a_copy() -> None:
    given = [1]
    assert run(["changed", A0, "append", [const(2)], {}], given) == [1, 2]
    assert run(["inplace", "+", A0, ["list", const(2)]], given) == [1, 2]
    assert given == [1]


@pytest.mark.parametrize(
    ("tree", "args", "python"),
    [
        (["binary", "+", A0, A1], (1, "a"), lambda a, b: a + b),
        (["binary", "+", A0, A1], ([1], "a"), lambda a, b: a + b),
        (["inplace", "+", A0, A1], (1, "a"), lambda a, b: a.__class__ and _iadd(a, b)),
        (["item", A0, A1], ("a", 3), lambda a, b: a[b]),
        (["item", A0, A1], ({}, 3), lambda a, b: a[b]),
        (["attr", A0, "price"], (None, 0), lambda a, b: a.price),
        (["method", A0, "upper", [], {}], (None, 0), lambda a, b: a.upper()),
        (["method", A0, "join", [A1], {}], ("", [1]), lambda a, b: a.join(b)),
        (["method", A0, "join", [A1], {}], ("", 1), lambda a, b: a.join(b)),
        (["changed", A0, "append", [A1], {}], (None, 0), lambda a, b: a.append(b)),
        (["call", "int", [A0], {}], ("x", 0), lambda a, b: int(a)),
        (["call", "sum", [A0], {}], (["x"], 0), lambda a, b: sum(a)),
        (["unpack", ["_", "_"], A0], ([1], 0), lambda a, b: _two(a)),
        (["unpack", ["_", "_"], A0], ([1, 2, 3], 0), lambda a, b: _two(a)),
        (["unpack", ["_", "_"], A0], (1, 0), lambda a, b: _two(a)),
        (["unpack", ["_", "_", "*"], A0], ([1], 0), lambda a, b: _two_and_more(a)),
        (["compare", A0, "<", A1], (1, "a"), lambda a, b: a < b),
        (["compare", A0, "in", A1], (1, 2), lambda a, b: a in b),
        (["set", A0], ([], 0), lambda a, b: {a}),
        (["list", ["star", A0]], (1, 0), lambda a, b: [*a]),
        (["text", ["format", A0, "", ["text", "x"]]], ("a", 0), lambda a, b: f"{a:x}"),
    ],
)
def test_failures_are_those_of_python(tree: Any, args: tuple[Any, ...], python: Any) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011  whatever Python says
        python(*args)
    with pytest.raises(Exception) as found:  # noqa: PT011
        run(tree, *args)
    assert (found.type, str(found.value)) == (expected.type, str(expected.value))


def _iadd(a: Any, b: Any) -> Any:
    a += b
    return a


def _two(value: Any) -> Any:
    a, b = value
    return a, b


def _two_and_more(value: Any) -> Any:
    a, b, *rest = value
    return a, b, rest


BIG = const(10**9)


@pytest.mark.parametrize(
    ("tree", "args"),
    [
        (["binary", "*", const("a"), BIG], ()),
        (["binary", "*", BIG, ["list", const(1)]], ()),
        (["binary", "**", BIG, BIG], ()),
        (["binary", "<<", const(1), BIG], ()),
        (["binary", "%", const("%999999999d"), const(1)], ()),
        (["binary", "%", const("%*d"), ["tuple", BIG, const(1)]], ()),
        (["call", "range", [BIG], {}], ()),
        (["text", ["format", const(1), "", ["text", ">999999999"]]], ()),
        (["text", ["format", const(1.5), "", ["text", ".999999999f"]]], ()),
        (["method", const("a"), "ljust", [BIG], {}], ()),
        (["method", const("a" * 1000), "replace", [const(""), A0], {}], ("b" * 1_000_000,)),
        (["method", A0, "join", [["binary", "*", ["list", const("a")], const(1000)]], {}], ("b" * 1_000_000,)),
        (["call", "str", [["binary", "*", ["list", A0], const(10_000)]], {}], (["abcdefgh" * 1000] * 10_000,)),
        (["call", "sum", [["binary", "*", ["list", A0], const(1000)], ["list"]], {}], ([1] * 100_000,)),
        (["call", "json.dumps", [const(1)], {"indent": BIG}], ()),
    ],
)
def test_size_bombs_are_refused(tree: Any, args: tuple[Any, ...]) -> None:
    with pytest.raises(GraphError, match="limit is"):
        run(tree, *args)


def test_turns_are_counted_over_all_loops_of_an_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "LARGEST_COLLECTION", 1000)
    never = [const(False)]
    with pytest.raises(GraphError, match="limit is"):
        run(["each", "list", V0, ["_", A0, []], ["_", A0, never]], range(100))


@pytest.mark.parametrize(
    "tree",
    [
        ["call", "eval", [const("1")], {}],
        ["call", "open", [const("x")], {}],
        ["call", "getattr", [const("x"), const("y")], {}],
        ["attr", const("x"), "__class__"],
        ["attr", A0, "model_fields"],
        ["attr", A0, "model_dump"],
        ["method", const("{0.__class__}"), "format", [const(1)], {}],
        ["method", A0, "__class__", [], {}],
        ["method", A0, "model_construct", [], {}],
        ["bound", A0, "__reduce__"],
        ["changed", ["list"], "__init__", [], {}],
        ["unbound", "str", "format"],
        ["source", "1 + 1"],
        ["const", [1]],
        ["arg", -1],
        ["item", A0],
        [],
        "x",
        {"form": "arg"},
    ],
    ids=str,
)
def test_what_is_not_in_the_table_is_refused(tree: Any) -> None:
    with pytest.raises(GraphError):
        run(tree, Line(price=1))


def test_depth_is_limited() -> None:
    tree: list[Any] = const(1)
    for _ in range(200):
        tree = ["unary", "-", tree]
    with pytest.raises(GraphError, match="nests more than"):
        run(tree)


def test_every_method_of_the_table_exists() -> None:
    for kind, names in allowed.METHODS.items():
        assert all(callable(getattr(kind, name)) for name in names)
    for kind, changes in allowed.CHANGES.items():
        assert all(callable(getattr(kind, name)) for name in changes)
