# Follows the control flow of: OpenAI Cookbook, "Techniques to improve reliability", self-consistency (Wang et al. 2022)
from collections import Counter
from typing import Any

import treadle
from treadle.modules import ChainOfThought


@treadle.predict(ChainOfThought())
def solve(question: str) -> str:
    """Solve the word problem; answer with a number only, or with "unknown"."""
    ...


@treadle.predict(ChainOfThought())
def solve_in_parts(question: str, parts: list[str]) -> str:
    """Solve the parts one by one, then the whole; answer with a number only."""
    ...


def split_question(question: str) -> list[str]:
    return [part.strip() for part in question.replace("?", ".").split(".") if part.strip()]


def majority(answers: list[str]) -> tuple[str, int]:
    return Counter(answers).most_common(1)[0]


@treadle.program
def self_consistency(question: str) -> str:
    answers = [solve(question) for _ in range(5)]
    cleaned = [text.strip().rstrip(".") for text in answers]
    winner, votes = majority(cleaned)
    if votes > len(answers) // 2 and winner != "unknown":
        return winner
    return solve_in_parts(question, split_question(question))


PROGRAM = self_consistency
EXAMPLES = [
    {"question": "Tom has 3 apples and buys 4. How many has he?"},
    {"question": "A train leaves at noon. It takes 5 hours with one stop of 15 minutes. When does it arrive?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "solve":
        return " 7." if "apples" in inputs["question"] else "unknown"
    if request_step == "solve_in_parts":
        return str(len(inputs["parts"]))
    raise KeyError(request_step)
