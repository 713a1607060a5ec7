# Follows the control flow of: OpenAI Cookbook, "Summarizing Long Documents" (part by part; the last call is our own)
from typing import Any

import treadle


def split_into_sections(text: str, max_words: int) -> list[str]:
    """Paragraphs, joined as long as they stay under the limit."""
    sections: list[str] = []
    for paragraph in text.split("\n\n"):
        if sections and len((sections[-1] + paragraph).split()) <= max_words:
            sections[-1] += "\n\n" + paragraph
        else:
            sections.append(paragraph)
    return sections


@treadle.predict
def summarise_section(section: str, instructions: str) -> str:
    """Shorten the section as instructed."""
    ...


@treadle.predict
def combine(summaries: list[str]) -> str:
    """Make one coherent summary of the summaries of the sections."""
    ...


@treadle.program
def summarise(text: str, max_words: int = 12, extra: str | None = None) -> str:
    instructions = "Tell it in a few words."
    if extra is not None:
        instructions += f" {extra}"

    sections = split_into_sections(text, max_words)
    summaries = []
    for number, section in enumerate(sections, start=1):
        summary = summarise_section(section, instructions)
        summaries.append(f"({number}/{len(sections)}) {summary}")

    if len(summaries) == 1:
        return summaries[0]
    return combine(summaries)


TEXT = """The river rose in the night and by dawn it stood at the doors.

Nobody slept.

The mayor had sand brought from the quarry, and the school was opened for those who lived near the bridge."""

PROGRAM = summarise
EXAMPLES = [
    {"text": TEXT, "extra": "Use plain words."},
    {"text": "A short note about a cat.", "max_words": 40},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "summarise_section":
        words = inputs["section"].split()
        return " ".join(words[:2] if "plain" in inputs["instructions"] else words[:3])
    if request_step == "combine":
        return " / ".join(inputs["summaries"])
    raise KeyError(request_step)
