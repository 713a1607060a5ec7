"""A search that stops at its cap and goes on where it stopped: nothing that was paid for is paid for again.

python examples/budget_and_resume.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import treadle
from treadle.demo.program import rows


@treadle.predict
def team(ticket: str) -> Literal["account", "payments", "shipping", "workshop"]:
    """Choose the team that owns the ticket."""
    ...


@treadle.program
def sort(ticket: str) -> str:
    """The team a ticket goes to."""
    return team(ticket)


def main() -> None:
    """The same call three times: with a small budget, with a larger one, and once more."""
    metric = treadle.exact_match("team")
    print(treadle.estimate(sort, rows(), metric, optimizer="mipro", lm="offline"))
    with tempfile.TemporaryDirectory() as folder:
        for calls in (800, 4000, 4000):
            compiled = treadle.compile(
                sort,
                rows(),
                metric,
                optimizer="mipro",
                lm="offline",
                budget=treadle.Budget(calls=calls),
                study=Path(folder, "study"),
                events=None,
            )
            found, spent = compiled.report.comparison, compiled.report.spend
            verdict = f"{found.verdict}, {found.difference:+.2f}" if found else "no verdict"
            print(
                f"at most {calls} calls: {verdict}; {spent.search.calls} calls, {spent.sent_now} of them sent by this "
                f"run, {spent.sent.calls} by all"
            )


if __name__ == "__main__":
    main()
