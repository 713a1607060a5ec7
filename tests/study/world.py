"""A small world for tests of the study: a program of LM calls in a row, and everything around it."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ReplyError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Caller, Message, Request
from treadle.compiler.lm.retry import RetryPolicy
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.study.data import Data, Example, load_data
from treadle.compiler.study.metric import Score
from treadle.compiler.study.runner import Ran
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.study import Study, open_study

IMPATIENT = RetryPolicy(attempts=3, shortest_wait=0.0, longest_wait=0.0)
IDENTITY: dict[str, JSON] = {"program": "p1", "data": "d1", "metric": "m1", "optimizer": "o1", "seed": 0}

WRITE = Predictor(
    signature=Signature(
        name="write",
        inputs=(Slot(name="topic", annotation=str),),
        outputs=(Slot(name="text", annotation=str),),
        instruction="Write.",
    )
)


def candidate(text: str) -> Candidate:
    return Candidate(values={"answer.instruction": text} if text else {})


def rows(count: int) -> Data:
    return load_data([{"question": f"q{number}", "answer": number} for number in range(count)], [QUESTION])


QUESTION = Slot(name="question", annotation=str)


class Provider:
    """Counts what it is asked; answers with a function of the request, in scrambled order if told so."""

    def __init__(
        self, *, scramble: int | None = None, fail: Callable[[Request, int], Exception | None] | None = None
    ) -> None:
        self.asked: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self._rng = None if scramble is None else random.Random(scramble)
        self._fail = fail

    @property
    def calls(self) -> int:
        return sum(self.asked.values())

    def lm(self, **settings: Any) -> LM:
        return Scripted(self._answer, **settings)

    async def _answer(self, request: Request) -> str | Exception:
        self.asked[request.key] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        error = self._fail(request, self.asked[request.key]) if self._fail else None
        for _ in range(0 if self._rng is None else self._rng.randrange(8)):
            await asyncio.sleep(0)
        self.in_flight -= 1
        return error or f"reply {request.key[:6]} {request.key.count('a')}"


class Chain:
    """A program of ``steps`` calls, each reading the last reply, as a runner."""

    def __init__(self, lm: LM, steps: int = 1, *, bound: int | None = 0) -> None:
        self.lm = lm
        self.steps = steps
        self.bound = steps if bound == 0 else bound
        self.runs = 0
        self.judge: Caller | None = None

    def run_calls(self, candidate: Candidate) -> int | None:
        return self.bound

    def refusal(self, candidate: Candidate) -> str:
        return ""

    def step_calls(self, predictor: Predictor) -> int | None:
        return None if self.bound is None else 1

    async def run(self, candidate: Candidate, inputs: Mapping[str, Any], caller: Caller) -> Ran:
        self.runs += 1
        text = f"{candidate.values.get('answer.instruction', '')} {inputs['question']}"
        try:
            for step in range(self.steps):
                text = await self.ask(caller, text, f"step{step}")
        except Exception as error:
            return Ran(error=error)
        return Ran(value=text)

    async def ask(self, caller: Caller, text: str, sample: str) -> str:
        return (await caller(self.lm, self.lm.request([Message("user", text)], sample=sample))).text

    async def step(self, predictor: Predictor, inputs: Mapping[str, Any], caller: Caller) -> Any:
        text = await self.ask(caller, f"write {inputs['topic']}", "write~0")
        if inputs["topic"] == "impossible":
            raise ReplyError("the reply does not fit")
        return text

    @contextlib.contextmanager
    def judging(self, caller: Caller) -> Iterator[None]:
        self.judge = caller
        yield


def vowels(example: Mapping[str, Any], prediction: str) -> Score:
    return Score(sum(letter in "aeiou" for letter in prediction) / len(prediction), feedback=prediction[:9])


def study(
    runner: Any, *, examples: int = 6, folder: Path | None = None, metric: Any = vowels, **settings: Any
) -> Study:
    data = settings.pop("data", None) or rows(examples)
    splits = settings.pop("splits", None) or Splits(feedback=data.ids[:2], select=data.ids[2:], examples=len(data))
    settings.setdefault("identity", IDENTITY)
    settings.setdefault("policy", IMPATIENT)
    return open_study(
        program="the program", runner=runner, data=data, splits=splits, metric=metric, folder=folder, **settings
    )


def example_of(found: Study, number: int) -> Example:
    return found.example((*found.splits.feedback, *found.splits.select)[number])
