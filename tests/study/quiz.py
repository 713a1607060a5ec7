"""A small program and a search over three instructions, for tests of reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import treadle
from tests.test_escape import HOSTILE
from treadle.compiler.canonical import digest
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study

KEY = "correct-horse-battery-staple-17"
"""A planted key, set by tests in ``PLANTED_API_KEY``."""


@treadle.predict
def answer(question: str) -> str:
    """Answer the question."""
    ...


@treadle.program
def quiz(question: str) -> str:
    return answer(question)


def reply(request: Request) -> str:
    """Right for a share of the questions that depends on the instruction; some questions cannot be answered."""
    text = "\n".join(message.content for message in request.messages)
    question = text.rpartition("<question>")[2].partition("<")[0].strip()
    number = int(digest(question, length=4), 16) % 100
    bar = 70 if "good" in text else 45 if "fair" in text else 30
    return f"right {question}" if number < bar else f"wrong {number}"


def metric(example: Mapping[str, Any], prediction: str) -> treadle.Score:
    """Right or wrong; one question in twenty makes it fail."""
    if int(example["number"]) % 20 == 7:
        raise ValueError(f"no such question: {example['note']}")
    right = prediction.startswith("right")
    return treadle.Score(float(right), feedback=f"should be right: {example['note']}", objectives={"length": 0.25})


def rows(count: int, note: str = "") -> list[dict[str, Any]]:
    """Questions with a label that holds ``note``."""
    return [
        {"question": f"question {number}", "number": number, "note": note or f"n{number}"} for number in range(count)
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tries:
    """Measures instructions one after another, each made from the one before."""

    name: str = "tries"
    instructions: tuple[str, ...] = ("Be fair.", "Be good.", "Be bad.")
    note: str = ""

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best instruction."""
        study.log("stage", name="tries" + self.note)
        found = [space.default()]
        for number, text in enumerate(self.instructions):
            parents = (found[-1].id,)
            one = space.candidate({"answer.instruction": text}, parents=parents, origin=f"try {number}{self.note}")
            study.evaluate([one], study.splits.select)
            study.log("trial", message=f"tried {number}{self.note}", refused=f"never{self.note}" if number == 2 else "")
            found.append(one)
        return study.table.best(found, study.splits.select)

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """A run on each select example, for each."""
        return {"task": round(shape.calls_per_run * shape.select * len(self.instructions))}


def lm(**settings: Any) -> Scripted:
    """The LM."""
    return Scripted(reply, **settings)


def compiled(count: int = 200, **settings: Any) -> Any:
    """A compile of the quiz."""
    settings = {"lm": lm(), "study": None, "events": None, "optimizer": Tries(), **settings}
    data = settings.pop("data", None) or rows(count)
    return treadle.compile(quiz, data, metric, budget=treadle.Budget(calls=100_000), **settings)


@cache
def report(count: int = 200) -> treadle.Report:
    """The report of a compile of the quiz, made once."""
    found: treadle.Report = compiled(count).report
    return found


def hostile() -> str:
    """A text that tries everything, with the planted key in it."""
    return f"{HOSTILE} {KEY} <img src=x onerror=alert(1)> [bold]rich[/bold] \u202bשלום\u202c مرحبا ' \" --> ]]> &lt;"


def hostile_report(**settings: Any) -> treadle.Report:
    """A report in which every text is hostile. ``PLANTED_API_KEY`` must be set."""
    text = hostile().replace("\ud800", "")  # data with a lone surrogate are refused
    optimizer = Tries(instructions=(f"Be fair. {text}", f"Be good. {text}", f"Be bad. {text}"), note=text)
    data = [{**row, f"label {text}": text} for row in rows(200, note=text)]
    found: treadle.Report = compiled(data=data, optimizer=optimizer, lm=Scripted(_hostile_reply), **settings).report
    text = hostile()
    return dataclasses.replace(
        found, warnings=(*found.warnings, text), metric=text, optimizer=text, models={text: text}, program=text
    )


def _hostile_reply(request: Request) -> str:
    return reply(request) + hostile()
