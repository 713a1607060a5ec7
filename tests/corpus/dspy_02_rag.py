# Follows the control flow of: DSPy documentation, "Building AI Applications by Customizing DSPy Modules" (dspy.ai)
from typing import Any

import treadle
from treadle.modules import ChainOfThought

PAGES = [
    "The blue whale is the largest animal known to have lived.",
    "The cheetah reaches about 100 kilometres an hour over short distances.",
    "The albatross sleeps while it glides over the sea.",
]


@treadle.op
def search_encyclopedia(query: str) -> list[str]:
    """Pages that hold at least one word of the query, best first."""
    words = {word.strip("?.,") for word in query.lower().split()}
    scored = [(len(words & set(page.lower().rstrip(".").split())), page) for page in PAGES]
    return [page for score, page in sorted(scored, key=lambda pair: -pair[0]) if score > 1]


@treadle.predict
def query_generator(question: str) -> str:
    """Write a search query that fetches context for the question."""
    ...


@treadle.predict(ChainOfThought())
def answer_generator(question: str, context: str) -> str:
    """Answer the question from the context."""
    ...


class RAG:
    """Query, retrieve, answer."""

    def __init__(self) -> None:
        self.query_generator = query_generator
        self.answer_generator = answer_generator

    @treadle.program
    def forward(self, question: str) -> str:
        query = self.query_generator(question=question)
        pages = search_encyclopedia(query)
        context = pages[0] if pages else "Nothing was found."
        return self.answer_generator(question=question, context=context)


rag = RAG()

PROGRAM = rag.forward
EXAMPLES = [
    {"question": "Which is the largest animal?"},
    {"question": "Who won the chess championship?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "query_generator":
        return inputs["question"].lower().removeprefix("which is ").rstrip("?")
    if request_step == "answer_generator":
        return "I do not know." if inputs["context"].startswith("Nothing") else f"It says: {inputs['context']}"
    raise KeyError(request_step)
