# Follows the control flow of: OpenAI Cookbook, "Long document content extraction" (chunks from a generator)
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

import treadle


class Facts(BaseModel):
    people: list[str] = []
    amounts: list[str] = []


@treadle.predict
def extract_chunk(document: str, template: str) -> Facts:
    """Find what the template names in this part of a longer text."""
    ...


@treadle.predict
def answer_question(question: str, facts: Facts) -> str:
    """Answer the question from the extracted facts."""
    ...


@treadle.program
def extract(document: str, question: str, size: int = 60) -> str:
    def create_chunks(text: str) -> Iterator[str]:
        chunk = ""
        for sentence in text.split(". "):
            if chunk and len(chunk) + len(sentence) > size:
                yield chunk  # host: yield
                chunk = ""
            chunk += sentence.rstrip(".") + ". "
        yield chunk  # host: yield

    facts = Facts()
    for chunk in create_chunks(document):
        found = extract_chunk(chunk.strip(), "names of people; amounts of money")
        facts = Facts(people=facts.people + found.people, amounts=facts.amounts + found.amounts)
    if not facts.people and not facts.amounts:
        return "Nothing was extracted."
    return answer_question(question, facts)


DOCUMENT = (
    "Ms Wolff set the limit. It is 900 euros a season. Mr Vale asked for more. The board gave 50 euros. It rained."
)

PROGRAM = extract
EXAMPLES = [
    {"document": DOCUMENT, "question": "Who set the limit?"},
    {"document": "It rained. It snowed.", "question": "Who was there?", "size": 10},
]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "extract_chunk":
        words = inputs["document"].replace(".", "").split()
        pairs = list(pairwise(words))
        return {
            "people": [second for first, second in pairs if first in ("Ms", "Mr")],
            "amounts": [first for first, second in pairs if second == "euros"],
        }
    if request_step == "answer_question":
        facts = Facts.model_validate(inputs["facts"])
        return f"{facts.people[0]} ({len(facts.people)} people, {' and '.join(facts.amounts)} euros)"
    raise KeyError(request_step)
