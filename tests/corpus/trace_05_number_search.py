# Follows the control flow of: microsoft/Trace, tutorial "Optimization" (search for a number by text feedback)
from dataclasses import dataclass, field
from typing import Any

import treadle


@dataclass
class Search:
    number: int
    feedback: str
    history: list[tuple[int, str]] = field(default_factory=list)


@treadle.op
def user(number: int, target: int) -> str:
    """What the user says to a guess."""
    if number < target:
        return "Think of something larger."
    if number > target:
        return "Think of something smaller."
    return "Success."


@treadle.predict
def propose(number: int, low: int, high: int, feedback: str) -> int:
    """Change the number as the feedback says; it lies between low and high."""
    ...


@treadle.program
def number_search(target: int, start: int = 0, low: int = 0, high: int = 100) -> Search:
    assert low <= start <= high, f"{start} is not between {low} and {high}"
    number = start
    feedback = user(number, target)
    history = [(number, feedback)]
    for _ in range(8):
        if feedback == "Success.":
            break
        elif "larger" in feedback:
            low = number + 1
        else:
            high = number - 1
        number = min(max(propose(number, low, high, feedback), low), high)
        feedback = user(number, target)
        history = history + [(number, feedback)]
    return Search(number=number, feedback=feedback, history=history)


PROGRAM = number_search
EXAMPLES = [{"target": 37}, {"target": 50, "start": 50}, {"target": -4, "start": 1, "low": -40, "high": 1}]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    assert request_step == "propose"
    return (inputs["low"] + inputs["high"]) // 2
