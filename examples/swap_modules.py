"""Measure without searching: the same step answered by one call, with reasoning, and by a vote of five.

python examples/swap_modules.py

The temperature makes single answers of the offline model waver, and a vote steadies them. It is no language model:
what reasoning is worth, only a real one can tell.
"""

from __future__ import annotations

from typing import Any

import treadle
from treadle.demo.program import rows, team
from treadle.modules import ChainOfThought, Module, Predict, Vote


@treadle.program
def sort(ticket: str) -> str:
    """The team a ticket goes to."""
    return team(ticket)


def main() -> None:
    """A step owns its worked examples: they stay when another module answers it."""
    lm = treadle.LM("offline", temperature=1.0)
    learn, measure = rows()[:16], rows()[100:]
    demos: list[Any] = [
        {"inputs": {"ticket": row["ticket"]}, "outputs": {"team": row["team"]}, "origin": "labelled"} for row in learn
    ]
    modules: list[Module] = [Predict(), ChainOfThought(), Vote(n=5)]
    for module in modules:
        candidate = treadle.Candidate(values={"team.module": module.to_json(), "team.demos": demos})
        found = treadle.evaluate(sort.with_candidate(candidate), measure, treadle.exact_match("team"), lm=lm)
        low, high = found.interval
        calls = found.spend.search.calls
        print(f"{type(module).__name__:15} {found.score:.0%} ({low:.0%} to {high:.0%}), {calls} calls")


if __name__ == "__main__":
    main()
