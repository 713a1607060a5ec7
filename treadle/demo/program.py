"""A support desk for a bicycle shop: who owns a ticket, how urgent it is, and which policy answers it.

The rows are made up. Each has a label for every step, so each step can be scored, and worked examples of each can be
taken from the rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

import treadle

POLICIES: dict[str, list[str]] = {
    "account": [
        "Access opens again with the link we mail you, it is valid for an hour.",
        "Your details are changed under profile, a new mail address must be confirmed.",
        "Personal data is erased thirty days after you confirm, receipts are kept by law.",
        "Adverts and newsletters stop within two days of using the link at their end, messages about orders continue.",
    ],
    "payments": [
        "What was booked by mistake is returned to you within five working days.",
        "Refunds are paid ten days after the returned goods have reached our warehouse.",
        "Discount codes work once and only on full prices, an expired code is replaced on request.",
        "Receipts for the tax office can be downloaded for ninety days, later ones are written by hand.",
    ],
    "shipping": [
        "A parcel more than five days overdue is traced and replaced if it stays lost.",
        "The destination can be altered until the label is printed, then only the carrier can redirect it.",
        "Goods damaged on the journey are replaced at once if photos reach us within a week.",
        "If an item is missing or mixed up we post the right item and you keep the wrong one.",
    ],
    "workshop": [
        "Brakes that fail to bite are adjusted free of charge in the first year, come without an appointment.",
        "Gears that slip are tuned once at no cost, a new chain is charged at 25 euros.",
        "A wheel that wobbles or loses spokes is trued on the spot, tyres and tubes are not covered.",
        "Electrical faults are checked by the maker, you get a loan bicycle for up to three weeks.",
    ],
}


@treadle.predict
def team(ticket: str) -> Literal["account", "payments", "shipping", "workshop"]:
    """Choose the team that owns the ticket."""
    ...


@treadle.predict
def urgency(ticket: str) -> Literal["high", "low", "normal"]:
    """Say how urgent the ticket is."""
    ...


@treadle.predict
def reply(ticket: str, policies: list[str]) -> str:
    """Answer the customer with the policy that applies."""
    ...


@treadle.program
def support(ticket: str) -> dict[str, str]:
    """Route a ticket, rate it, and answer it by the policies of its team."""
    owner = team(ticket)
    return {"team": owner, "urgency": urgency(ticket), "reply": reply(ticket, POLICIES[owner])}


def metric(example: Mapping[str, Any], answer: Mapping[str, str]) -> treadle.Score:
    """A third of the score for each step: the right team, the right urgency, the right policy word for word."""
    parts = {
        "team": treadle.exact_match("team")(example, answer),
        "urgency": treadle.exact_match("urgency")(example, answer),
        "reply": treadle.exact_match("reply")(example, answer),
    }
    return treadle.Score(
        value=sum(part.value for part in parts.values()) / len(parts),
        feedback="; ".join(part.feedback for part in parts.values() if part.feedback),
        objectives={name: part.value for name, part in parts.items()},
    )


def rows() -> list[dict[str, str]]:
    """The 300 tickets with their labels."""
    text = resources.files("treadle.demo").joinpath("support.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
