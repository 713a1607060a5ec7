"""DSPy's side: the program of ``programs.py``. Run by a Python that has DSPy; it need not have Treadle."""

from typing import Any, Literal

import dspy  # type: ignore[import-not-found,unused-ignore]


class Triage(dspy.Signature):  # type: ignore[misc,unused-ignore]
    """Which team should handle it?"""

    ticket: str = dspy.InputField()
    team: Literal["billing", "technical"] = dspy.OutputField()


class Urgency(dspy.Signature):  # type: ignore[misc,unused-ignore]
    """How urgent is it, from 1 to 5?"""

    ticket: str = dspy.InputField()
    team: str = dspy.InputField()
    urgency: int = dspy.OutputField()


class Reply(dspy.Signature):  # type: ignore[misc,unused-ignore]
    """Write a friendly reply."""

    ticket: str = dspy.InputField()
    team: str = dspy.InputField()
    urgency: int = dspy.InputField()
    reply: str = dspy.OutputField()


class Chain(dspy.Module):  # type: ignore[misc,unused-ignore]
    """Triage, then urgency, then a reply."""

    def __init__(self) -> None:
        super().__init__()
        self.triage = dspy.Predict(Triage)
        self.urgency = dspy.Predict(Urgency)
        self.reply = dspy.Predict(Reply)

    def forward(self, ticket: str) -> Any:
        """Run it."""
        team = self.triage(ticket=ticket).team
        level = self.urgency(ticket=ticket, team=team).urgency
        return self.reply(ticket=ticket, team=team, urgency=level)


chain = Chain()
