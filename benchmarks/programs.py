"""The programs that are measured, as a user of Treadle writes them; ``dspy_programs.py`` has DSPy's."""

from typing import Literal

import treadle


@treadle.predict
def triage(ticket: str) -> Literal["billing", "technical"]:
    """Which team should handle it?"""


@treadle.predict
def urgency(ticket: str, team: str) -> int:
    """How urgent is it, from 1 to 5?"""


@treadle.predict
def reply(ticket: str, team: str, urgency: int) -> str:
    """Write a friendly reply."""


@treadle.program
def chain(ticket: str) -> str:
    """Triage, then urgency, then a reply."""
    team = triage(ticket=ticket)
    level = urgency(ticket=ticket, team=team)
    return reply(ticket=ticket, team=team, urgency=level)
