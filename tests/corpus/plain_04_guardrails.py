# Follows the control flow of: OpenAI Cookbook, examples/How_to_use_guardrails.ipynb (input and output guardrails)
import asyncio
from typing import Annotated, Any, Literal

from pydantic import Field

import treadle

TOPICS = ["cats", "dogs"]


@treadle.predict
async def topical_guardrail(user_request: str, topics: list[str]) -> Literal["allowed", "not_allowed"]:
    """Is the request about one of the topics?"""
    ...


@treadle.predict
async def get_chat_response(user_request: str) -> str:
    """Answer the visitor of a pet shop."""
    ...


@treadle.predict
async def moderation_guardrail(chat_response: str) -> Annotated[int, Field(ge=1, le=5)]:
    """Score how strongly the response tells the user what to do: 1 mild, 5 severe."""
    ...


@treadle.program
async def execute_all_guardrails(user_request: str) -> str:
    verdict, response = await asyncio.gather(
        topical_guardrail(user_request, TOPICS),
        get_chat_response(user_request),
    )
    if verdict == "not_allowed":
        return f"We know about {' and '.join(TOPICS)}, and about nothing else."

    score = await moderation_guardrail(response)
    if score >= 3:
        return "That is for a vet to say."
    return response


PROGRAM = execute_all_guardrails
EXAMPLES = [
    {"user_request": "What are good breeds of dogs?"},
    {"user_request": "What is a horse?"},
    {"user_request": "Should I adopt two cats?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    match request_step:
        case "topical_guardrail":
            on_topic = any(topic in inputs["user_request"] for topic in inputs["topics"])
            return "allowed" if on_topic else "not_allowed"
        case "get_chat_response":
            return "You must do it." if inputs["user_request"].startswith("Should") else "Beagles are well liked."
        case "moderation_guardrail":
            return 4 if "must" in inputs["chat_response"] else 1
    raise KeyError(request_step)
