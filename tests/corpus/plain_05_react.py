# Follows the control flow of: "A simple Python implementation of the ReAct pattern for LLMs" (til.simonwillison.net)
import operator
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

import treadle

ARTICLES = {"England": "England shares land borders with Wales and Scotland.", "Wales": "Wales has 22 counties."}
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


class Turn(BaseModel):
    thought: str
    action: Literal["wikipedia", "calculate", "answer"]
    text: str


class Finding(NamedTuple):
    answer: str
    turns: int


@treadle.op
def wikipedia(title: str) -> str:
    return ARTICLES.get(title, "no such article")


@treadle.op
def calculate(expression: str) -> str:
    left, sign, right = expression.split()
    return str(OPERATORS[sign](int(left), int(right)))


@treadle.predict
def next_turn(question: str, transcript: str) -> Turn:
    """Think about the question, then choose: wikipedia(title), calculate(expression) or answer(text)."""
    ...


@treadle.program
def query(question: str) -> Finding:
    transcript = ""
    for turn in range(5):
        step = next_turn(question, transcript)
        if step.action == "answer":
            return Finding(step.text, turn + 1)
        elif step.action == "wikipedia":
            observation = wikipedia(step.text)
        else:
            observation = calculate(step.text)
        transcript += f"Thought: {step.thought}\nAction: {step.action}: {step.text}\nObservation: {observation}\n"
    return Finding("I could not find out.", 5)


PROGRAM = query
EXAMPLES = [
    {"question": "What does England share borders with?"},
    {"question": "Twice the counties of Wales?"},
    {"question": "What is the capital of Atlantis?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    assert request_step == "next_turn"
    question, transcript = inputs["question"], inputs["transcript"]
    last = transcript.strip().split("Observation: ")[-1]
    if "England" in question:
        step = ("answer", last) if transcript else ("wikipedia", "England")
    elif "Wales" in question:
        steps = [("wikipedia", "Wales"), ("calculate", "2 * 22"), ("answer", last)]
        step = steps[transcript.count("Observation")]
    else:
        step = ("wikipedia", "Atlantis")
    return {"thought": f"{len(last)} characters so far", "action": step[0], "text": step[1]}
