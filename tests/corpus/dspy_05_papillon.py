# Follows the control flow of: DSPy documentation, tutorial "GEPA for Privacy-Conscious Delegation" (PAPILLON) (dspy.ai)
from dataclasses import dataclass
from typing import Any

import treadle
from treadle.modules import ChainOfThought


@dataclass(frozen=True)
class Delegation:
    llm_request: str
    llm_response: str
    response: str


@treadle.predict(ChainOfThought())
def craft_redacted_request(user_query: str) -> str:
    """Write a request for a powerful but untrusted model that gives no private detail away."""
    ...


@treadle.op
def untrusted_model(request: str) -> list[str]:
    """A model of another company: refuses to answer an empty request."""
    if not request.strip():
        raise ValueError("empty request")
    return [f"Here is what I would write about {request}"]


@treadle.predict
def respond_to_query(related_llm_request: str, related_llm_response: str, user_query: str) -> str:
    """Answer the user with the help of the other model's response."""
    ...


@treadle.program
def papillon(user_query: str) -> Delegation:
    try:  # host: try
        llm_request = craft_redacted_request(user_query=user_query)
        llm_response = untrusted_model(llm_request)[0]
        response = respond_to_query(
            related_llm_request=llm_request, related_llm_response=llm_response, user_query=user_query
        )
    except Exception:
        return Delegation(llm_request="", llm_response="", response="")

    return Delegation(llm_request=llm_request, llm_response=llm_response, response=response)


PROGRAM = papillon
EXAMPLES = [
    {"user_query": "Write to my doctor, Dr Moss, about a sore knee"},
    {"user_query": "My pin is 4711"},
]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "craft_redacted_request":
        return "" if "pin" in inputs["user_query"] else "a letter to a doctor about a sore knee"
    if request_step == "respond_to_query":
        return f"{inputs['related_llm_response']}. Signed for: {inputs['user_query']}"
    raise KeyError(request_step)
