# Follows the control flow of: LangGraph documentation, "Workflows and agents", routing
from typing import Any, Literal

from pydantic import BaseModel, Field

import treadle


class Route(BaseModel):
    step: Literal["poem", "story", "joke"] = Field(description="who shall write")


@treadle.predict
def route(request: str) -> Route:
    """Decide what kind of text the request asks for."""
    ...


@treadle.predict
def story_writer(request: str) -> str:
    """Write a story."""
    ...


@treadle.predict
def joke_writer(request: str) -> str:
    """Write a joke."""
    ...


@treadle.predict
def poem_writer(request: str) -> str:
    """Write a poem."""
    ...


WRITERS = {"story": story_writer, "joke": joke_writer, "poem": poem_writer}


@treadle.program
def router_workflow(request: str) -> dict[str, str]:
    decision = route(request)
    output = WRITERS[decision.step](request)
    return {"kind": decision.step, "output": output}


PROGRAM = router_workflow
EXAMPLES = [
    {"request": "Write me a joke about cats"},
    {"request": "A poem for the autumn, please"},
    {"request": "Tell me of a dragon"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    request = inputs["request"]
    if request_step == "route":
        return {"step": next((kind for kind in ("joke", "poem") if kind in request), "story")}
    return f"[{request_step}] {request}"
