"""A small program with all that a compile has to keep apart, a world it is compiled in, and that compile.

The program's first two steps overlap, an op has effects, and the third step reads all of it. The world is right more
often where the prompt shows demos or has another instruction than the program's own, by the hash of the prompt: so
every reply counts for the result, and one that differed would show.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, Literal

import treadle
from tests.fake_server import JsonObject, default_reply
from treadle.compiler.canonical import digest
from treadle.optimizers.mipro import MIPRO

CONCURRENCY = 8
TEAMS = ("T1", "T2", "T3")
EFFECTS = "TREADLE_TEST_EFFECTS"  # environment variable: the file the op with effects writes to


@treadle.predict
def triage(ticket: str) -> Literal["T1", "T2", "T3"]:
    """Choose the team."""
    ...


@treadle.predict
def tone(ticket: str) -> str:
    """Name the tone of the ticket in a word."""
    ...


@treadle.op(effects=True, idempotent=True)
def book(ticket: str, team: str) -> str:
    """Note who got the ticket; a line in a file that the outside can see."""
    place = os.environ.get(EFFECTS)
    if place:
        with open(place, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {team} {ticket}\n")
    return f"booked for {team}"


@treadle.predict
def reply(ticket: str, booking: str, tone: str) -> str:
    """Answer."""
    ...


@treadle.program
def desk(ticket: str) -> dict[str, str]:
    """Route a ticket and answer it."""
    team = triage(ticket)
    mood = tone(ticket)
    return {"team": team, "reply": reply(ticket, book(ticket, team), mood)}


def rows(first: int, count: int) -> list[dict[str, str]]:
    """Tickets with the right answer of two steps."""
    return [
        {"ticket": f"order {n} about k{n % 7}", "triage": TEAMS[n % 7 % 3], "reply": f"word{n % 5}"}
        for n in range(first, first + count)
    ]


def metric(example: Mapping[str, Any], prediction: Mapping[str, str]) -> treadle.Score:
    """Half for the team, half for the reply."""
    parts = (prediction["team"] == example["triage"], prediction["reply"] == example["reply"])
    return treadle.Score(sum(parts) / 2, f"{sum(parts)} of 2 are right")


def answer(request: JsonObject) -> str:
    """The world, as a reply function of the fake server. Depends on the request alone."""
    messages = request["messages"]
    ticket = re.search(r"<ticket>\s*order (\d+) about", messages[-1]["content"])
    mark = digest([messages, request.get("seed")])
    if ticket is None:
        return _proposal(request, mark)
    number = int(ticket.group(1))
    better = len(messages) > 2 or "text " in messages[0]["content"]
    right = int(mark, 16) % 10 < (8 if better else 4)
    if "response_format" in request:
        return json.dumps({"triage": TEAMS[(number % 7 + (not right)) % 3]})
    if "<booking>" in messages[-1]["content"]:
        return f"word{(number + (not right)) % 5}"
    return f"mood{int(mark, 16) % 3}"


def _proposal(request: JsonObject, mark: str) -> str:
    return default_reply(request) if "response_format" in request else f"text {mark}"


def lm(url: str, **settings: Any) -> treadle.LM:
    """The world's LM."""
    return treadle.LM(url, model="fake", max_tokens=50, **settings)


def compiled(
    url: str,
    folder: str | None,
    *,
    concurrency: int = CONCURRENCY,
    calls: int | None = 400,
    tokens: int | None = None,
    usd: float | None = None,
    key: str | None = None,
    **settings: Any,
) -> treadle.Compiled[..., Any]:
    """The compile: small, and with every stage of one."""
    optimizer = MIPRO(trials=3, demo_sets=2, proposals=1, max_bootstrapped=1, max_labeled=2)
    budget = treadle.Budget(calls=calls, tokens=tokens, usd=usd)
    return treadle.compile(
        desk, None, metric, optimizer, feedback=rows(0, 4), select=rows(10, 6), confirm=rows(20, 4),
        lm=lm(url, key=key), study=folder, budget=budget, concurrency=concurrency,
        **{"gate": "report", "seed": 1, "events": None, **settings},
    )  # fmt: skip
