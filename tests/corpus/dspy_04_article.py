# Follows the control flow of: DSPy documentation, home page, "Multi-stage pipelines" (DraftArticle) (dspy.ai)
from typing import Annotated, Any

from pydantic import BaseModel, Field

import treadle
from treadle.modules import ChainOfThought


class Outline(BaseModel):
    title: str
    section_subheadings: dict[str, list[str]] = Field(description="section headings and what stands under each")


@treadle.predict(ChainOfThought())
def build_outline(topic: str) -> Outline:
    """Plan an article: its title, its sections and their parts."""
    ...


@treadle.predict(ChainOfThought())
def draft_section(
    topic: str, section_heading: str, section_subheadings: list[str]
) -> Annotated[str, "a section in markdown"]:
    """Write this section, with a paragraph for each part."""
    ...


class DraftArticle:
    def __init__(self) -> None:
        self.build_outline = build_outline
        self.draft_section = draft_section

    @treadle.program
    def forward(self, topic: str) -> tuple[str, list[str]]:
        outline = self.build_outline(topic=topic)
        sections = []
        for heading, subheadings in outline.section_subheadings.items():
            section, parts = f"## {heading}", [f"### {subheading}" for subheading in subheadings]
            content = self.draft_section(topic=outline.title, section_heading=section, section_subheadings=parts)
            sections.append(content)
        return outline.title, sections


draft_article = DraftArticle()

PROGRAM = draft_article.forward
EXAMPLES = [{"topic": "bread"}, {"topic": "the history of the bicycle"}]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "build_outline":
        topic = inputs["topic"]
        headings = {"Origins": ["First signs", "Spread"], "Today": ["Uses"]}
        if len(topic) > 10:
            headings["Critics"] = []
        return {"title": topic.title(), "section_subheadings": headings}
    if request_step == "draft_section":
        return "\n".join([inputs["section_heading"], *inputs["section_subheadings"], f"About {inputs['topic']}."])
    raise KeyError(request_step)
