# Follows the control flow of: LangGraph documentation, "Workflows and agents", evaluator-optimizer (functional API)
from typing import Any, Literal

from pydantic import BaseModel

import treadle


class Feedback(BaseModel):
    grade: Literal["funny", "not funny"]
    feedback: str = ""


@treadle.predict
def write_joke(topic: str, feedback: str | None) -> str:
    """Tell a joke on the topic. If an editor has sent one back, mind what was said."""
    ...


@treadle.predict
def grade_joke(joke: str) -> Feedback:
    """Be the editor: would anyone laugh? If not, say what to change."""
    ...


@treadle.program
def optimizer_workflow(topic: str) -> str:
    feedback = None
    while True:  # host: while
        joke = write_joke(topic, feedback)
        review = grade_joke(joke)
        if review.grade == "funny":
            break
        feedback = review.feedback
    return joke


PROGRAM = optimizer_workflow
EXAMPLES = [{"topic": "cats"}, {"topic": "mortgages"}]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "write_joke":
        start = f"A joke about {inputs['topic']}"
        return f"{start} ({inputs['feedback']})" if inputs["feedback"] else start
    if request_step == "grade_joke":
        if "cats" in inputs["joke"] or "shorter" in inputs["joke"]:
            return {"grade": "funny"}
        return {"grade": "not funny", "feedback": "make it shorter" if "drier" in inputs["joke"] else "make it drier"}
    raise KeyError(request_step)
