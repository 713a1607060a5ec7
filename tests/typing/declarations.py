"""Declarations as users write them: type checkers see the functions' own parameters and return types."""

from collections.abc import Coroutine
from typing import Any, Literal, assert_type

import pydantic

import treadle
from treadle.modules import Predict

Team = Literal["billing", "shipping"]


class Reply(pydantic.BaseModel):
    text: str


@treadle.predict
def triage(ticket: str) -> Team:
    """Choose the team."""
    ...


@treadle.predict(Predict())
def draft(ticket: str, policies: list[str], *, tone: str = "kind") -> Reply:
    """Draft a reply."""
    ...


@treadle.predict(temperature=0.5)
async def later(ticket: str) -> int:
    """Count."""
    ...


@treadle.op
def policies(team: str) -> list[str]:
    return [team]


@treadle.op(effects=True)
def send(reply: Reply) -> None:
    return None


@treadle.program
def support(ticket: str, limit: int = 3) -> Reply:
    team = triage(ticket)
    assert_type(team, Team)
    return draft(ticket, policies(team)[:limit], tone="short")


@treadle.program(require="graph")
async def counted(ticket: str) -> int:
    return await later(ticket)


class Desk:
    @treadle.predict
    def sort(self, ticket: str) -> Team:
        """Choose the team."""
        ...

    @treadle.program
    def handle(self, ticket: str) -> Team:
        return self.sort(ticket)


def values() -> None:
    assert_type(triage("late"), Team)
    assert_type(triage(ticket="late"), Team)
    assert_type(draft("late", [], tone="kind"), Reply)
    assert_type(triage.copy("second_look")("late"), Team)
    assert_type(draft.reading(triage="billing")("late", []), Reply)
    assert_type(policies("billing"), list[str])
    assert_type(support("late"), Reply)
    assert_type(support(ticket="late", limit=2), Reply)
    assert_type(support.bind(lm="offline")("late"), Reply)
    assert_type(support.traced("late")[0], Reply)
    assert_type(counted.traced("late")[0], int)
    assert_type(Desk().sort("late"), Team)
    assert_type(Desk().handle("late"), Team)


async def awaitables() -> None:
    pending: Coroutine[Any, Any, int] = later("late")
    assert_type(await pending, int)
    assert_type(await later("late"), int)
    assert_type(await triage.acall("late"), Team)
    assert_type(await later.acall("late"), int)
    assert_type(await support.acall("late"), Reply)
    assert_type(await counted("late"), int)
    assert_type(await counted.acall("late"), int)
    assert_type(await draft.reading(triage="billing").acall("late", []), Reply)


def mistakes() -> None:
    """Each line is an error; the comment says that it is expected, and is an error itself where it is not."""
    triage(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    triage()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    triage(letter="late")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    support("late", "three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    send("late")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Desk().handle(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
