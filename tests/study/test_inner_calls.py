import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.study.programs import studying
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.inner_calls import calls_steps

ROWS = [{"text": f"t{number}"} for number in range(40)]


@treadle.predict
def inner(text: str) -> str:
    """Inner."""
    ...


@treadle.predict
def outer(text: str) -> str:
    """Outer."""
    ...


@treadle.program
def small(text: str) -> str:
    return inner(text)


def plain(text: str) -> str:
    return text.upper() + str(math.floor(1.5))


def through(text: str) -> str:
    return small(text)


@treadle.op
def decorated(text: str) -> str:
    return through(text)


def makes(text: str) -> list[str]:
    return [inner(part) for part in text.split()]


def closes_over(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(text: str) -> Any:
        return function(text)

    return call


class Holder:
    step: Any = inner

    def bound(self, text: str) -> str:
        return inner(text)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (plain, False),
        (len, False),
        (through, True),
        (lambda text: decorated(text), True),
        (makes, True),
        (functools.partial(through, "x"), True),
        (closes_over(inner), True),
        (closes_over(plain), False),
        (Holder().bound, True),
    ],
)
def test_predictors_and_programs_that_are_named_are_found(function: Callable[..., Any], found: bool) -> None:
    assert calls_steps(function) == found


@treadle.op
def uses(text: str) -> str:
    return small(text) + inner(f"{text}!")


@treadle.program(require="graph")
def nested(text: str) -> str:
    return outer(text) + uses(text) + outer(f"{text}x")


@pytest.mark.parametrize("concurrency", [1, 16])
def test_steps_that_an_op_calls_are_made_charged_and_stored_like_others(tmp_path: Path, concurrency: int) -> None:
    asked: list[str] = []

    def answer(request: Request) -> str:
        asked.append(request.key)
        return "yes"

    for _ in range(2):
        with studying(
            nested, Scripted(answer), ROWS, folder=tmp_path, budget=Budget(calls=1000), concurrency=concurrency
        ) as study:
            (row,) = study.evaluate([Candidate()], study.splits.select)
            assert [outcome.calls for outcome in row] == [4] * len(ROWS)
            assert study.spend.search.calls == study.spend.sent.calls == 4 * len(ROWS)
    assert len(asked) == len(set(asked)) == 4 * len(ROWS)


HELD: dict[str, Any] = {"step": inner}


@treadle.op
def hides(text: str) -> str:
    return str(HELD["step"](text))


@treadle.program(require="graph")
def hiding(text: str) -> str:
    return hides(text)


def test_an_op_that_hides_its_steps_is_told_what_to_write() -> None:
    with (
        studying(hiding, Scripted(lambda request: "yes"), ROWS) as study,
        pytest.raises(ConfigurationError, match=r"declare a plain op that calls steps @op\(blocking=True\)"),
    ):
        study.evaluate([Candidate()], study.splits.select)
