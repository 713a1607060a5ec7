"""EDGE: agents say what they think, and a judge who reads some of them decides. Some agents lie; some only talk.

Honest agents are right at a set rate, each in its own way. Liars all say the same wrong label. Idle agents talk at
length and say nothing. The judge takes the label that most of what it reads says; without any it has little judgement
of its own. So who reads whom decides how good and how dear the program is, and no prompt does.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.worlds.chat import Prompt, chance, pick, read, write
from tests.worlds.words import made_up, mentioned, occurrences, sentence

TALK = "There is much to be said on either side, and one should not be hasty; as so often, it depends on many things. "


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a family varies.

    Attributes:
        honest: Agents that say what they think.
        liars: Agents that lie.
        idle: Agents that talk and say nothing.
        accuracy: How often an honest agent is right.
        truthful: How often a liar slips and tells the truth.
        judgement: How often the judge is right by itself.
        labels: Number of labels.
        rows: Examples.
    """

    honest: int = 3
    liars: int = 3
    idle: int = 0
    accuracy: float = 0.75
    truthful: float = 0.05
    judgement: float = 0.4
    labels: int = 4
    rows: int = 300


class EdgeWorld:
    """Agents and a judge.

    Attributes:
        labels: What the judge may say.
        agents: Names of the agents in the order they speak; each stands in the instruction of its step.
        judge: Name of the judge, which stands in the instruction of its step.
        kinds: ``"honest"``, ``"liar"`` or ``"idle"`` by agent.
        rows: Examples: ``text`` and ``verdict``.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        rng = random.Random(f"edges-{seed}")
        count = settings.honest + settings.liars + settings.idle
        words = made_up(settings.labels + count + 1 + 5 * settings.rows, rng)
        self.labels = tuple(words[: settings.labels])
        self.judge = words[settings.labels]
        self.agents = tuple(words[settings.labels + 1 :][:count])
        kinds = ["honest"] * settings.honest + ["liar"] * settings.liars + ["idle"] * settings.idle
        rng.shuffle(kinds)
        self.kinds = dict(zip(self.agents, kinds, strict=True))
        rest = words[settings.labels + 1 + count :]
        self.rows = [
            {"text": sentence(rest[5 * index : 5 * index + 5]), "verdict": rng.choice(self.labels)}
            for index in range(settings.rows)
        ]
        self._truth = {row["text"]: row["verdict"] for row in self.rows}
        self.asked = {"task": 0, "proposer": 0}

    def reply(self, request: Mapping[str, Any]) -> str:
        """The reply to an OpenAI-shaped request."""
        sample = f"{request.get('seed', '')}|{request.get('temperature', '')}"
        return self.answer(request["messages"], request.get("response_format"), sample)

    def answer(
        self, messages: Sequence[Mapping[str, str]], response_format: Mapping[str, Any] | None = None, sample: str = ""
    ) -> str:
        """The reply of the agent or judge the system text names; of a proposer who knows nothing otherwise."""
        prompt = read(messages, response_format, sample)
        named = mentioned("\n".join(prompt.system), {*self.agents, self.judge})
        if not named:
            self.asked["proposer"] += 1
            return write(prompt, {"": "Decide with care."})
        self.asked["task"] += 1
        text = next((text for text in self._truth if text in prompt.question), "")
        said = self._decided(prompt, text) if self.judge in named else self.said(named[0], text)
        return write(prompt, {"": said, "reasoning": "As it seems."})

    def said(self, agent: str, text: str) -> str:
        """What an agent says of a row."""
        right = self._truth.get(text, self.labels[0])
        wrong = [label for label in self.labels if label != right]
        kind = self.kinds[agent]
        if kind == "idle":
            return TALK * 3
        rate = self.settings.accuracy if kind == "honest" else self.settings.truthful
        if chance("right", self.seed, agent, text) < rate:
            return right
        return str(pick(wrong, "wrong", self.seed, text, agent if kind == "honest" else "liars"))

    def _decided(self, prompt: Prompt, text: str) -> str:
        votes = Counter(occurrences(prompt.question, set(self.labels)))
        if votes:
            most = max(votes.values())
            return str(pick([label for label in votes if votes[label] == most], "tie", self.seed, text))
        right = self._truth.get(text, self.labels[0])
        if chance("judgement", self.seed, text) < self.settings.judgement:
            return right
        return str(pick([label for label in self.labels if label != right], "own", self.seed, text))

    def metric(self, row: Mapping[str, Any], prediction: str) -> float:
        """1 where the verdict is right."""
        return float(str(prediction).strip() == row["verdict"])

    def accuracy(self, readers: Sequence[str]) -> float:
        """How often the judge is right when it reads these agents, over all rows."""
        right = 0
        for row in self.rows:
            said = "\n".join(self.said(agent, row["text"]) for agent in readers)
            prompt = read([{"role": "user", "content": f"{row['text']}\n{said}"}], None)
            right += self._decided(prompt, row["text"]) == row["verdict"]
        return right / len(self.rows)
