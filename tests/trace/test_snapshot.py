"""Copies of values as JSON."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import pydantic
import pytest

from treadle.compiler.canonical import canonical
from treadle.compiler.trace.snapshot import snapshot, snapshots


class Colour(enum.Enum):
    RED = "red"


class Order(pydantic.BaseModel):
    lines: list[str]
    colour: Colour


@dataclasses.dataclass
class Point:
    x: int


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (float("nan"), "nan"),
        (["a", "b"], ["a", "b"]),
        ((1, [2]), [1, [2]]),
        (Order(lines=["a"], colour=Colour.RED), {"lines": ["a"], "colour": "red"}),
        (Point(3), {"x": 3}),
        ({1: "a"}, {"1": "a"}),
    ],
)
def test_values_become_json(value: object, expected: object) -> None:
    found = snapshot(value)
    assert found == expected
    assert type(found) is type(expected)
    canonical(found)


@pytest.mark.parametrize("value", [object(), Rude(), LOOP, lambda: None, b"\xff"])
def test_a_value_without_a_json_form_is_told_and_never_raises(value: object) -> None:
    assert isinstance(snapshot(value), str)


def test_a_generator_is_not_used_up() -> None:
    values = (number for number in range(3))
    assert isinstance(snapshot(values), str)
    assert list(values) == [0, 1, 2]


def test_a_snapshot_does_not_change_with_the_value() -> None:
    texts, nested = ["a"], [["a"]]
    taken = snapshots({"texts": texts, "nested": nested})
    texts.append("b")
    nested[0].append("b")
    assert taken == {"texts": ["a"], "nested": [["a"]]}
