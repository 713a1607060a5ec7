# Follows the control flow of: "Recursively Summarizing Books with Human Feedback" (Wu et al. 2021), the task tree
from typing import Any

import treadle

LIMIT = 8


@treadle.predict
def summarise_passage(passage: str) -> str:
    """Summarise the passage in a few words."""
    ...


@treadle.predict
def join_summaries(first: str, second: str) -> str:
    """Make one summary of two that follow each other."""
    ...


@treadle.program
def summarise_book(text: str) -> str:
    words = text.split()
    if len(words) <= LIMIT:
        return summarise_passage(text)
    middle = len(words) // 2
    first = summarise_book(" ".join(words[:middle]))  # host: recursion
    second = summarise_book(" ".join(words[middle:]))  # host: recursion
    return join_summaries(first, second)


PROGRAM = summarise_book
EXAMPLES = [
    {"text": "The dog barked."},
    {"text": "It was late when the last ferry came in and the keeper, who had waited since noon, put out the lamp."},
]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "summarise_passage":
        return max(inputs["passage"].split(), key=len)
    if request_step == "join_summaries":
        return f"{inputs['first']} > {inputs['second']}"
    raise KeyError(request_step)
