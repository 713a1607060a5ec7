# Follows the control flow of: LangGraph documentation, tutorial "Corrective RAG (CRAG)", one shared state
from typing import Any, Literal, TypedDict

import treadle

LIBRARY = {
    "agent memory": "Agent memory is kept in a short list and a long list.",
    "prompt engineering": "Prompt engineering is the craft of wording a request.",
    "agent tools": "Agent tools are functions a model may call.",
}


class GraphState(TypedDict, total=False):
    question: str
    documents: list[str]
    web_search: bool
    generation: str


@treadle.op
def retrieve(question: str) -> list[str]:
    words = set(question.lower().split())
    return [text for key, text in LIBRARY.items() if words & set(key.split())]


@treadle.op
def web(query: str) -> str:
    return f"A page found for '{query}'."


@treadle.predict
def grade_document(question: str, document: str) -> Literal["yes", "no"]:
    """Is the document relevant to the question?"""
    ...


@treadle.predict
def rewrite_question(question: str) -> str:
    """Rewrite the question for a web search."""
    ...


@treadle.predict
def generate(question: str, documents: list[str]) -> str:
    """Answer the question from the documents."""
    ...


@treadle.program
def corrective_rag(state: GraphState) -> GraphState:
    question = state["question"]
    filtered = []
    search = False
    for document in retrieve(question):
        if grade_document(question, document) == "yes":
            filtered.append(document)
        else:
            search = True
    state["documents"] = filtered  # host: argument
    state["web_search"] = search  # host: argument
    if search:
        better = rewrite_question(question)
        state["documents"] = [*filtered, web(better)]  # host: argument
    state["generation"] = generate(question, state["documents"])  # host: argument
    return state


PROGRAM = corrective_rag
EXAMPLES = [
    {"state": {"question": "what is prompt engineering"}},
    {"state": {"question": "how is agent memory kept"}},
]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    match request_step:
        case "grade_document":
            return "no" if "tools" in inputs["document"] else "yes"
        case "rewrite_question":
            return inputs["question"].replace("how is", "ways in which") + " today"
        case "generate":
            return f"{inputs['question']}? " + " ".join(inputs["documents"])
    raise KeyError(request_step)
