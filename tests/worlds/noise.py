"""Tier 1a, NOISE: a response model over a closed list of instructions.

An answer is right when the instruction's ability, plus how that instruction suits that example, exceeds the example's
difficulty: logistic in the ability, fixed given both, with replicate noise on top.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.worlds.chat import Prompt, chance, pick, read, write
from tests.worlds.words import made_up, mentioned, sentence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a family varies.

    Attributes:
        start: Accuracy of an instruction that is none of the list.
        variants: Instructions in the list.
        mean: Mean ability of the list, in score points above the start.
        spread: Standard deviation of abilities, in score points.
        difficulty: Standard deviation of difficulties, on the logit scale.
        interaction: Standard deviation of how an instruction suits an example, on the logit scale.
        flips: Rate at which a sample differs from the fixed outcome.
        rows: Examples.
    """

    start: float = 0.6
    variants: int = 40
    mean: float = 0.0
    spread: float = 0.05
    difficulty: float = 1.8
    interaction: float = 0.7
    flips: float = 0.02
    rows: int = 300


class NoiseWorld:
    """Instructions differ in ability by a known amount; the proposer draws from the list."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        rng = random.Random(f"noise-{seed}")
        words = made_up(settings.variants + 4 + 2 * settings.rows, rng)
        self._variants = words[: settings.variants]
        self.labels = tuple(words[settings.variants : settings.variants + 4])
        self._ability = {v: settings.start + settings.mean + rng.gauss(0, settings.spread) for v in self._variants}
        marks = words[settings.variants + 4 :]
        self.rows = [
            {"text": sentence(marks[2 * index : 2 * index + 2]), "sort": rng.choice(self.labels)}
            for index in range(settings.rows)
        ]
        self._hard = {row["text"]: rng.gauss(0, settings.difficulty) for row in self.rows}
        self._right = {row["text"]: row["sort"] for row in self.rows}
        self.asked = {"task": 0, "proposer": 0}

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
            return write(prompt, {"": f"Work in the manner called {pick(self._variants, self.seed, prompt)}."})
        self.asked["task"] += 1
        return write(prompt, {"": self._solve(prompt), "reasoning": "So be it."})

    def _solve(self, prompt: Prompt) -> str:
        text = next((text for text in self._hard if text in prompt.question), "")
        variant = next(iter(mentioned("\n".join(prompt.system), set(self._variants))), "")
        right = self.outcome(variant, text) != (
            chance("flip", self.seed, variant, text, prompt.sample) < self.settings.flips
        )
        truth = self._right.get(text, self.labels[0])
        wrong = [label for label in self.labels if label != truth]
        return truth if right else str(pick(wrong, self.seed, text, variant))

    def outcome(self, variant: str, text: str) -> bool:
        """Whether the variant is right on the example, before flips."""
        suits = self.settings.interaction * _normal(chance("suit", self.seed, variant, text), chance(text, variant))
        return _ability(self.accuracy(variant), self.settings) + suits > self._hard.get(text, 0.0)

    def accuracy(self, variant: str = "") -> float:
        """The accuracy the variant was planted with; of the start for one that is not in the list."""
        return min(0.99, max(0.01, self._ability.get(variant, self.settings.start)))

    def metric(self, row: Mapping[str, Any], prediction: str) -> float:
        """1 where the label is right."""
        return float(str(prediction).strip() == row["sort"])


def _ability(accuracy: float, settings: Settings) -> float:
    """The ability with that accuracy over normal difficulties and interactions."""
    from statistics import NormalDist

    scale = math.hypot(settings.difficulty, settings.interaction)
    return NormalDist(0, scale).inv_cdf(accuracy)


def _normal(u: float, v: float) -> float:
    """A standard normal number from two uniform ones."""
    return math.sqrt(-2 * math.log(max(u, 1e-12))) * math.cos(2 * math.pi * v)
