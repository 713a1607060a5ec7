# Follows the control flow of: DSPy documentation, tutorial "Multi-Hop Retrieval" (dspy.ai)
from typing import Any

from pydantic import BaseModel

import treadle
from treadle.modules import ChainOfThought

CORPUS = {
    "Ada Lovelace": "Ada Lovelace wrote notes on the analytical engine of Charles Babbage",
    "Charles Babbage": "Charles Babbage was born in London and designed the difference engine",
    "London": "London is a city on the river Thames",
    "Thames": "The Thames flows into the North Sea",
}


class Reading(BaseModel):
    new_notes: list[str]
    titles: list[str]


@treadle.op
def search(query: str, k: int) -> list[str]:
    """The k passages that share most words with the query."""
    words = set(query.lower().split())
    ranked = sorted(CORPUS.items(), key=lambda item: (-len(words & set(item[1].lower().split())), item[0]))
    return [f"{title} | {text}" for title, text in ranked[:k]]


@treadle.predict(ChainOfThought())
def generate_query(claim: str, notes: list[str]) -> str:
    """Write the next search query that helps to verify the claim."""
    ...


@treadle.predict(ChainOfThought())
def append_notes(claim: str, notes: list[str], context: list[str]) -> Reading:
    """Take new notes from the passages and name the titles that matter."""
    ...


class Hop:
    def __init__(self, num_docs: int = 2, num_hops: int = 3) -> None:
        self.num_docs, self.num_hops = num_docs, num_hops
        self.generate_query = generate_query
        self.append_notes = append_notes

    @treadle.program
    def forward(self, claim: str) -> dict[str, list[str]]:
        notes: list[str] = []
        titles: list[str] = []

        for _ in range(self.num_hops):
            query = self.generate_query(claim=claim, notes=notes)
            context = search(query, k=self.num_docs)
            prediction = self.append_notes(claim=claim, notes=notes, context=context)
            notes.extend(prediction.new_notes)
            titles.extend(prediction.titles)

        return {"notes": notes, "titles": sorted(set(titles))}


PROGRAM = Hop(num_docs=2, num_hops=3).forward
EXAMPLES = [
    {"claim": "Ada Lovelace knew a man born on the Thames"},
    {"claim": "The difference engine was designed in London"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "generate_query":
        return inputs["notes"][-1] if inputs["notes"] else inputs["claim"]
    if request_step == "append_notes":
        heads, texts = zip(*(passage.split(" | ") for passage in inputs["context"]), strict=True)
        fresh = [text for text in texts if text not in inputs["notes"]]
        return {"new_notes": fresh[:1], "titles": list(heads[:1])}
    raise KeyError(request_step)
