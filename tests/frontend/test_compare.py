"""``treadle.check`` on programs with effects."""

from __future__ import annotations

from typing import Literal

import pytest

import treadle

sent: list[str] = []


@treadle.predict
def triage(ticket: str) -> Literal["billing", "shipping"]:
    """Choose the team."""
    ...


@treadle.op(effects=True)
def notify(team: str, text: str, urgent: bool = False) -> None:
    sent.append(team)


@treadle.program
def support(ticket: str) -> str:
    team = triage(ticket)
    notify(team, text=ticket)
    return team


ROWS = [{"ticket": "an invoice"}, {"ticket": "a parcel"}]


@pytest.mark.parametrize("op", [notify, "notify"])
def test_effects_are_compared_by_the_names_of_arguments(op: object) -> None:
    found = treadle.check(support, ROWS, lm="offline", stubs={op: lambda team, text, urgent=False: None})
    assert found, str(found)
    assert found.runs == 2
    assert not sent


def test_an_op_with_effects_needs_a_stand_in() -> None:
    with pytest.raises(treadle.DataError, match="notify"):
        treadle.check(support, ROWS, lm="offline")
