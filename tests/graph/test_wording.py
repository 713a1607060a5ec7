"""Expressions and constants in words: what Python would say, bounded."""

import ast
from typing import Any

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.wording import Words, literal, worded
from treadle.compiler.runtime.expressions import compile_expression

A: JSON = ["arg", 0]
B: JSON = ["arg", 1]
X: JSON = ["var", 0]

CASES: list[tuple[JSON, str]] = [
    (["binary", "*", ["binary", "+", A, B], ["const", 2]], "(a + b) * 2"),
    (["binary", "-", A, ["binary", "-", B, ["const", 1]]], "a - (b - 1)"),
    (["unary", "not", ["compare", A, "<", B, "<=", ["const", 3]]], "not a < b <= 3"),
    (["unary", "-", ["binary", "+", A, B]], "-(a + b)"),
    (["and", ["or", A, B], ["unary", "not", A]], "(a or b) and not a"),
    (["if", ["compare", A, "is", ["const", None]], ["const", "no"], B], '"no" if a is None else b'),
    (["text", "x: ", ["format", A, "r", ["text", ">10"]], ["format", ["const", "!"], "", None]], 'f"x: {a!r:>10}!"'),
    (["list", A, ["star", B]], "[a, *b]"),
    (["tuple", A], "(a,)"),
    (["set"], "set()"),
    (["dict", [["const", "k"], A], ["spread", B]], '{"k": a, **b}'),
    (["item", A, ["slice", ["const", -2], None, None]], "a[-2:]"),
    (["call", "sum", [["each", "generator", ["attr", X, "price"], ["_", A, [["compare", X, "!=", B]]]]], {}],
     "sum(x.price for x in a if x != b)"),
    (["each", "dict", [["var", 1], X], [["_", "*"], A, []]], "{x: y for x, *y in a}"),
    (["each", "list", X, ["_", A, []], ["_", ["attr", X, "parts"], []]], "[y for x in a for y in x.parts]"),
    (["call", "max", [A], {"key": ["lambda", 1, ["item", X, ["const", 1]]]}], "max(a, key=lambda x: x[1])"),
    (["call", "sorted", [A], {"key": ["bound", B, "count"]}], "sorted(a, key=b.count)"),
    (["method", ["binary", "+", A, B], "split", [["const", ","]], {}], '(a + b).split(",")'),
    (["changed", A, "append", [["changed", B, "__setitem__", [["const", 1], A], {}]], {}],
     "a after append((b after [1] = a))"),
    (["unary", "-", ["unary", "-", A]], "--a"),
    (["is", A, ["int", "str"]], "isinstance(a, int | str)"),
    (["call", "sorted", [A], {"key": ["unbound", "str", "lower"]}], "sorted(a, key=str.lower)"),
    (["call", "list", [["call", "map", [["function", "len"], A], {}]], {}], "list(map(len, a))"),
    (["unpack", ["_", "_"], A], "a"),
    (["unpack", ["_", ["_", "_"]], A], "parts(a)"),
]  # fmt: skip


def said(tree: JSON) -> str:
    return worded(tree, [Words("a"), Words("b")]).text


@pytest.mark.parametrize(("tree", "words"), CASES, ids=[words for _, words in CASES])
def test_forms_in_words(tree: JSON, words: str) -> None:
    compile_expression(tree)
    assert said(tree) == words
    if " after " not in words:
        ast.parse(words)


@pytest.mark.parametrize("tree", [tree for tree, _ in CASES[:6]])
def test_operators_mean_what_they_say(tree: JSON) -> None:
    for a, b in ((3, 5), (0, 7), (4, 0)):
        assert compile_expression(tree)((a, b)) == eval(said(tree), {"a": a, "b": b})


def test_what_is_put_in_keeps_its_meaning() -> None:
    names = [Words("p or q", 3), Words('f"{n}: "', inside="{n}: ")]
    assert worded(["and", A, ["const", True]], names).text == "(p or q) and True"
    assert worded(["text", ["format", B, "", None], "end"], names).text == 'f"{n}: end"'


@pytest.mark.parametrize("tree", [None, [], ["nope"], ["arg", 9], ["var", 0], ["binary", "?", A, B], ["call"], "text"])
def test_what_is_no_expression_is_hidden(tree: JSON) -> None:
    assert said(tree) == "…"


def test_long_and_deep_values_are_cut() -> None:
    deep: Any = A
    for _ in range(5000):
        deep = ["unary", "-", deep]
    assert len(said(deep)) < 60
    assert len(said(["list", *[A] * 10_000])) < 60
    assert len(literal({"k" * 1000: [{"x": "y" * 5000}] * 5000})) < 300
    assert literal([{"deep": {"deeper": {"deepest": 1}}}]) == '[{"deep": {…}}]'
