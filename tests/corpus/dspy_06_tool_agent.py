# Follows the control flow of: DSPy documentation, tutorial "Advanced Tool Use" (dspy.ai)
from typing import Any, Literal

from pydantic import BaseModel

import treadle
from treadle.modules import ChainOfThought

MAX_STEPS = 5
BIRTHS = {"Curie": "1867", "Meitner": "1878"}


class Action(BaseModel):
    tool: Literal["birth_year", "difference", "finish"]
    argument: str


class Result(BaseModel):
    answer: str
    trajectory: list[str]


@treadle.op
def birth_year(argument: str) -> str:
    return BIRTHS.get(argument, "unknown person")


@treadle.op
def difference(argument: str) -> str:
    left, right = argument.split(" - ")
    return str(int(left) - int(right))


@treadle.op
def finish(argument: str) -> str:
    return argument


TOOLS = {"birth_year": birth_year, "difference": difference, "finish": finish}


@treadle.predict(ChainOfThought())
def react(question: str, trajectory: list[str]) -> Action:
    """Choose the next tool: birth_year(surname), difference("a - b") or finish(answer).

    Finish with the bare fact, not with a sentence.
    """
    ...


@treadle.program
def agent(question: str) -> Result:
    trajectory: list[str] = []
    output = ""

    for _ in range(MAX_STEPS):
        action = react(question=question, trajectory=trajectory)
        output = TOOLS[action.tool](action.argument)
        trajectory.append(f"{action.tool}({action.argument}) = {output}")

        if action.tool == "finish":
            break

    return Result(answer=output, trajectory=trajectory)


PROGRAM = agent
EXAMPLES = [
    {"question": "How many years was Curie older than Meitner?"},
    {"question": "When was Noether born?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    assert request_step == "react"
    done = inputs["trajectory"]
    if "Noether" in inputs["question"]:
        return {"tool": "birth_year", "argument": "Noether"}  # never finishes
    script = [("birth_year", "Curie"), ("birth_year", "Meitner"), ("difference", "1878 - 1867")]
    if len(done) < len(script):
        tool, argument = script[len(done)]
        return {"tool": tool, "argument": argument}
    return {"tool": "finish", "argument": done[-1].split(" = ")[1]}
