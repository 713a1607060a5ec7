from __future__ import annotations

import collections
import dataclasses
import enum
from typing import Annotated, Any, Literal, NamedTuple, Never, TypedDict

import pydantic
import pytest

from treadle.compiler.frontend import inference, pure
from treadle.compiler.runtime import allowed


class Color(enum.Enum):
    RED = "r"


class Line(pydantic.BaseModel):
    price: float
    note: str | None = None


class Own(pydantic.BaseModel):
    text: str

    def model_dump(self, **options: Any) -> dict[str, Any]:  # the user's own: not pure as far as anyone knows
        return {}


@dataclasses.dataclass
class Pair:
    left: int


class Point(NamedTuple):
    x: int
    y: str


class State(TypedDict):
    words: list[str]


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([int, int], int),
        ([int, str], int | str),
        ([Literal["a"], str], str),
        ([Literal["a"], Literal["b"]], Literal["a"] | Literal["b"]),
        ([int, Any], Any),
        ([Never, int], int),
        ([list[Never], list[str]], list[str]),
        ([dict[Never, Never], dict[str, int]], dict[str, int]),
        ([None, str], None | str),
        ([], Any),
    ],
)
def test_union(parts: list[Any], whole: Any) -> None:
    assert inference.union(parts) == whole


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        (list[str], str),
        (str, str),
        (dict[str, int], str),
        (tuple[int, str], int | str),
        (tuple[int, ...], int),
        (range, int),
        (set[Color], Color),
        (list[str] | None, str),
        (list, Any),
        (Any, Any),
        (Line, Any),
    ],
)
def test_element(kind: Any, element: Any) -> None:
    assert inference.element(kind) == element


@pytest.mark.parametrize(
    ("kind", "index", "item"),
    [
        (list[str], None, str),
        (dict[str, list[int]], None, list[int]),
        (tuple[int, str], 1, str),
        (tuple[int, str], 7, int | str),
        (tuple[int, ...], 1, int),
        (Point, 1, str),
        (State, "words", list[str]),
        (collections.Counter[str], None, int),
        (Literal["ab"], 0, str),
        (Any, 0, Any),
    ],
)
def test_item(kind: Any, index: object, item: Any) -> None:
    assert inference.item(kind, index) == item


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [
        (Line, "price", float),
        (Line, "note", str | None),
        (Line, "model_dump", None),
        (Pair, "left", int),
        (Point, "y", str),
        (Color, "value", str),
        (str, "upper", None),
    ],
)
def test_field(kind: Any, name: str, field: Any) -> None:
    assert inference.field(kind, name) == field


@pytest.mark.parametrize(
    ("op", "left", "right", "kind"),
    [
        ("+", int, float, float),
        ("/", int, int, float),
        ("//", int, bool, int),
        ("+", Literal["a"], str, str),
        ("%", str, tuple[int, int], str),
        ("*", list[str], int, list[str]),
        ("+", list[str], list[int], list[str | int]),
        ("+", tuple[int], tuple[str], tuple[int, str]),
        ("|", set[str], set[str], set[str]),
        ("**", int, int, Any),
        ("+", str, int, Any),
        ("+", Any, int, Any),
    ],
)
def test_binary(op: str, left: Any, right: Any, kind: Any) -> None:
    assert inference.binary(op, left, right) == kind


def test_what_fits_where() -> None:
    assert inference.fits(str | None, str)
    assert inference.fits(str, Literal["a"])
    assert inference.fits(Any, int)
    assert inference.fits(Literal["a", "b"], Literal["b", "c"])
    assert not inference.fits(int, str)
    assert not inference.fits(list[str], str)
    assert inference.bare(Annotated[int, 5]) is int


def test_every_allowed_function_has_a_type_and_a_name() -> None:
    for name in allowed.FUNCTIONS:
        pure.result(name, [])
        pure.result(name, [list[str]])
        if not name.startswith("treadle."):
            assert name in pure.FUNCTION_NAMES.values()
    assert pure.function_name(len) == "len"
    assert pure.function_name(open) is None
    assert allowed.FUNCTIONS.keys() >= pure.LAZY | pure.COPIES | pure.READS_ALL


def test_a_method_is_pure_where_it_is_nobodys_own() -> None:
    assert pure.has_method(str, "upper")
    assert not pure.has_method(str, "format")
    assert pure.has_method(Line, "model_dump")
    assert not pure.has_method(Own, "model_dump")
    assert pure.method_result(dict[str, int], "items", []) == list[tuple[str, int]]
    assert pure.method_result(dict[str, int], "get", [str]) == int | None
