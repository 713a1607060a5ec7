"""DEMO: skills that no instruction can state; only demos show them.

Each row needs one skill, told by a mark in its text. A demo with the same mark shows the skill. Some skills need two
demos; rows marked as misleading carry a wrong answer and make the task LM doubt their skill.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.worlds.chat import Prompt, chance, pick, read, write
from tests.worlds.words import made_up, mentioned, sentence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a family varies.

    Attributes:
        skills: Number of skills.
        in_pairs: How many of them need two demos.
        misleading: Share of rows whose answer is wrong.
        labels: Number of labels.
        slip: Rate of wrong answers where the skill is shown.
        rows: Examples.
    """

    skills: int = 8
    in_pairs: int = 3
    misleading: float = 0.15
    labels: int = 4
    slip: float = 0.03
    rows: int = 300


class DemoWorld:
    """A task LM that learns from demos only; its proposer can write nothing of use."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        rng = random.Random(f"demos-{seed}")
        self.labels = tuple(made_up(settings.labels, rng))
        self._marks = made_up(settings.skills, rng, self.labels)
        self._fillers = made_up(20, rng, {*self.labels, *self._marks})
        self._pairs = set(self._marks[: settings.in_pairs])
        self.rows = [self._row(rng) for _ in range(settings.rows)]
        self.asked = {"task": 0, "proposer": 0}

    def _truth(self, mark: str, text: str) -> str:
        """The skill itself: a function of the mark and the text that no rule over words can say."""
        return str(pick(self.labels, "skill", self.seed, mark, text))

    def _row(self, rng: random.Random) -> dict[str, str]:
        mark = rng.choice(self._marks)
        words = [mark, *rng.sample(self._fillers, 6)]
        rng.shuffle(words)
        text = sentence(words)
        right = self._truth(mark, text)
        wrong = rng.random() < self.settings.misleading
        label = rng.choice([other for other in self.labels if other != right]) if wrong else right
        return {"text": text, "sort": label}

    def reply(self, request: Mapping[str, Any]) -> str:
        """The reply to an OpenAI-shaped request."""
        sample = f"{request.get('seed', '')}|{request.get('temperature', '')}"
        return self.answer(request["messages"], request.get("response_format"), sample)

    def answer(
        self, messages: Sequence[Mapping[str, str]], response_format: Mapping[str, Any] | None = None, sample: str = ""
    ) -> str:
        """The reply of the task LM, or of the proposer where the labels are not offered."""
        prompt = read(messages, response_format, sample)
        if len(mentioned(prompt.offered, set(self.labels))) < len(self.labels):
            self.asked["proposer"] += 1
            return write(prompt, {"": f"Sort with care ({prompt.sample})."})
        self.asked["task"] += 1
        return write(prompt, {"": self._solve(prompt), "reasoning": "As shown."})

    def _solve(self, prompt: Prompt) -> str:
        [mark, *_] = [*mentioned(prompt.question, set(self._marks)), ""]
        text = next((row["text"] for row in self.rows if row["text"] in prompt.question), prompt.question)
        right, shown = self._truth(mark, text), 0
        for demo in prompt.demos:
            if mark in mentioned(demo.question, {mark}):
                source = next((row["text"] for row in self.rows if row["text"] in demo.question), "")
                shown += 1 if self._truth(mark, source) in demo.answer else -2
        known = shown >= (2 if mark in self._pairs else 1)
        if known and chance("slip", self.seed, text, shown, prompt.sample) >= self.settings.slip:
            return right
        return str(pick(self.labels, "guess", self.seed, text, prompt.sample))

    def metric(self, row: Mapping[str, Any], prediction: str) -> float:
        """1 where the label is the row's; a misleading row counts against whoever is right."""
        return float(str(prediction).strip() == row["sort"])
