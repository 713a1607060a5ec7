# Follows the control flow of: LangGraph documentation, "Workflows and agents", prompt chaining (functional API)
from typing import Any

import treadle


@treadle.predict
def generate_joke(topic: str) -> str:
    """Tell a joke on the topic in one or two lines."""
    ...


@treadle.predict
def improve_joke(joke: str) -> str:
    """Work a pun into the joke."""
    ...


@treadle.predict
def polish_joke(joke: str) -> str:
    """Give the joke an end nobody expects."""
    ...


def check_punchline(joke: str) -> str:
    """A gate: does the joke have a punchline?"""
    if "?" in joke or "!" in joke:
        return "Pass"
    return "Fail"


@treadle.program
def prompt_chaining_workflow(topic: str) -> str:
    original_joke = generate_joke(topic)
    if check_punchline(original_joke) == "Pass":
        return original_joke

    improved_joke = improve_joke(original_joke)
    return polish_joke(improved_joke)


PROGRAM = prompt_chaining_workflow
EXAMPLES = [{"topic": "cats"}, {"topic": "tax forms"}]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    match request_step:
        case "generate_joke":
            return "Why do cats type badly? Paws." if inputs["topic"] == "cats" else f"{inputs['topic']} are long."
        case "improve_joke":
            return f"{inputs['joke']} Form over function."
        case "polish_joke":
            return f"{inputs['joke']} And then they are returned!"
    raise KeyError(request_step)
