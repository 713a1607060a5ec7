# Follows the control flow of: LangGraph documentation, "Workflows and agents", orchestrator-worker (report of sections)
from typing import Any

from pydantic import BaseModel, Field

import treadle
from treadle.modules import ChainOfThought


class Section(BaseModel):
    name: str = Field(description="its heading")
    description: str = Field(description="what it has to tell, in a sentence")


class Report(BaseModel):
    topic: str
    body: str
    words: int


@treadle.predict(ChainOfThought())
def plan_report(topic: str) -> list[Section]:
    """Plan the sections of a report on the topic."""
    ...


@treadle.predict
def draft_section(name: str, description: str) -> str:
    """Write the section in markdown."""
    ...


@treadle.predict
def expand_section(draft: str, description: str) -> str:
    """The draft is too short: write it out."""
    ...


@treadle.program
def write_section(section: Section, min_words: int = 6) -> str:
    """One worker: a draft, written out if it is too short."""
    draft = draft_section(name=section.name, description=section.description)
    if len(draft.split()) >= min_words:
        return draft
    return expand_section(draft=draft, description=section.description)


@treadle.program
def orchestrator_worker(topic: str) -> Report:
    sections = plan_report(topic)
    completed = [write_section(section) for section in sections]
    body = "\n\n---\n\n".join(completed)
    return Report(topic=topic, body=body, words=sum(len(part.split()) for part in completed))


PROGRAM = orchestrator_worker
EXAMPLES = [{"topic": "scaling laws"}, {"topic": "tea"}]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    match request_step:
        case "plan_report":
            names = ["Introduction", "Evidence", "Outlook"][: len(inputs["topic"].split()) + 1]
            about = inputs["topic"]
            return [{"name": name, "description": f"{name.lower()} to {about}"} for name in names]
        case "draft_section":
            return f"# {inputs['name']}\n{inputs['description']}"
        case "expand_section":
            return f"{inputs['draft']} told at length with three worked cases"
    raise KeyError(request_step)
