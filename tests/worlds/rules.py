"""Tier 1b: a task LM that obeys a rule only if its prompt states it or a demo shows it, and a proposer LM.

``RuleWorld`` is KEY with one step and MULTI with more.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.worlds.chat import Prompt, chance, pick, read, write
from tests.worlds.words import made_up, mentioned, sentence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a family varies.

    Attributes:
        steps: Number of steps; 1 is KEY.
        clues: Clue words of each step.
        labels: Labels of each step.
        interacting: Whether a step reads the answer of the step before instead of the text.
        slip: Rate of wrong answers where the rule is known.
        capacity: Links a prompt can hold before slips grow.
        crowding: What each link beyond the capacity adds to the slip rate.
        misdiagnosis: Rate at which the proposer blames a wrong word.
        rules_written: Most rules the proposer writes in one instruction.
        rows: Examples.
    """

    steps: int = 1
    clues: int = 12
    labels: int = 4
    interacting: bool = False
    slip: float = 0.03
    capacity: int = 16
    crowding: float = 0.01
    misdiagnosis: float = 0.2
    rules_written: int = 6
    rows: int = 300


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the program a world expects.

    Attributes:
        name: The step's name, also the name of its label in the rows.
        input: The field it reads.
        rules: Its label by clue word.
        labels: Its labels.
    """

    name: str
    input: str
    rules: Mapping[str, str]
    labels: tuple[str, ...]


class RuleWorld:
    """Clue words decide labels, step by step.

    Attributes:
        steps: What the program must do, in order.
        rows: Examples: ``text``, and under each step's name its label.
        asked: Requests answered so far, by role: ``task`` and ``proposer``.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        rng = random.Random(f"rules-{seed}")
        self._distractors = made_up(30, rng)
        self.steps = self._make_steps(rng)
        self.rows = [self._row(rng) for _ in range(settings.rows)]
        self.asked = {"task": 0, "proposer": 0}

    def _make_steps(self, rng: random.Random) -> tuple[Step, ...]:
        steps: list[Step] = []
        taken = set(self._distractors)
        for number in range(self.settings.steps):
            labels = made_up(self.settings.labels, rng, taken)
            taken.update(labels)
            reads_before = self.settings.interacting and bool(steps)
            clues = list(steps[-1].labels) if reads_before else made_up(self.settings.clues, rng, taken)
            taken.update(clues)
            rules = {clue: labels[index % len(labels)] for index, clue in enumerate(clues)}
            steps.append(Step(f"step{number + 1}", f"step{number}" if reads_before else "text", rules, tuple(labels)))
        return tuple(steps)

    def _row(self, rng: random.Random) -> dict[str, str]:
        row: dict[str, str] = {}
        clues = [rng.choice(list(step.rules)) for step in self.steps if step.input == "text"]
        words = [*clues, *rng.sample(self._distractors, 5)]
        rng.shuffle(words)
        row["text"] = sentence(words)
        for step in self.steps:
            [clue] = mentioned(row[step.input], step.rules)
            row[step.name] = step.rules[clue]
        return row

    # --- the two models ----------------------------------------------------------------------------------------------

    def reply(self, request: Mapping[str, Any]) -> str:
        """The reply to an OpenAI-shaped request: what a fake server needs."""
        sample = f"{request.get('seed', '')}|{request.get('temperature', '')}"
        return self.answer(request["messages"], request.get("response_format"), sample)

    def answer(
        self, messages: Sequence[Mapping[str, str]], response_format: Mapping[str, Any] | None = None, sample: str = ""
    ) -> str:
        """The reply of the task LM where labels are offered, else of the proposer."""
        prompt = read(messages, response_format, sample)
        step = self._step_asked(prompt)
        if step is None:
            self.asked["proposer"] += 1
            return write(prompt, {"": self._propose(prompt)})
        self.asked["task"] += 1
        return write(prompt, {"": self._solve(step, prompt), "reasoning": "The words decide."})

    def _step_asked(self, prompt: Prompt) -> Step | None:
        """The step whose labels the reply may hold, or ``None`` where prose is asked for."""
        for step in self.steps:
            if set(step.labels) <= set(mentioned(prompt.offered, set(step.labels))):
                return step
        return None

    def links(self, step: Step, prompt: Prompt) -> dict[str, str]:
        """What the prompt says of the step: label by clue; the last word on a clue counts."""
        found: dict[str, str] = {}
        pieces = [*prompt.system, *(f"{demo.question}\n{demo.answer}" for demo in prompt.demos)]
        for piece in pieces:
            labels = mentioned(piece, set(step.labels))
            words = mentioned(piece, {*step.rules, *self._distractors})
            if len(labels) == 1:
                found.update((word, labels[0]) for word in words)
        return found

    def _solve(self, step: Step, prompt: Prompt) -> str:
        links = self.links(step, prompt)
        clue = next(iter(mentioned(prompt.question, step.rules)), "")
        crowd = max(0, len(links) - self.settings.capacity) * self.settings.crowding
        key = (self.seed, step.name, prompt.question, sorted(links.items()), prompt.sample)
        if clue in links and chance("slip", *key) >= self.settings.slip + crowd:
            return links[clue]
        return str(pick(step.labels, "guess", self.seed, step.name, prompt.question, prompt.sample))

    def _propose(self, prompt: Prompt) -> str:
        """Rules about the worked examples in the prompt, some of them misdiagnosed."""
        text = "\n".join((*prompt.system, *(f"{d.question} {d.answer}" for d in prompt.demos), prompt.question))
        lines = []
        for index, (words, label, step) in enumerate(self._examples_in(text)):
            key = (self.seed, text, prompt.sample, index)
            clues = mentioned(" ".join(words), step.rules)
            others = [word for word in words if word not in clues]
            blame_wrong = others and chance("misdiagnosis", *key) < self.settings.misdiagnosis
            word = pick(others, "other", *key) if blame_wrong else clues[0]
            lines.append(f"- when {word} occurs, answer {label}.")
        chosen = sorted(dict.fromkeys(lines), key=lambda line: chance("order", self.seed, text, prompt.sample, line))
        return "\n".join(["Answer with one label.", *chosen[: self.settings.rules_written]])

    def _examples_in(self, text: str) -> list[tuple[list[str], str, Step]]:
        """Stretches of text that begin with clue words of a step and end with one of its labels.

        Where a step's answer is shown first and the right one behind it, in words such as "the right answer is", that
        one counts: so reflective prompts of any framework are understood.
        """
        owner = {label: step for step in self.steps for label in step.labels}
        vocabulary = {*self._distractors, *owner, *(clue for step in self.steps for clue in step.rules)}
        found: list[tuple[list[str], str, Step]] = []
        words: list[str] = []
        for before, word in _occurrences(text, vocabulary):
            step = owner.get(word)
            if step is not None and mentioned(" ".join(words), step.rules):
                found.append((words, word, step))
                words = [word]
            elif found and step is found[-1][2] and words == [found[-1][1]] and _CORRECTION.search(before):
                found[-1] = (found[-1][0], word, step)
                words = [word]
            else:
                words = [*words, word]
        return found

    # --- the truth ---------------------------------------------------------------------------------------------------

    def metric(self, row: Mapping[str, Any], prediction: str) -> float:
        """1 where the last step's label is right."""
        return float(str(prediction).strip() == row[self.steps[-1].name])


_CORRECTION = re.compile(r"\b(right|correct|should|expected|instead)\b")


def _occurrences(text: str, vocabulary: set[str]) -> list[tuple[str, str]]:
    """Each word of the vocabulary in the text, with what stands between it and the one before."""
    found: list[tuple[str, str]] = []
    end = 0
    lowered = text.lower()
    for match in re.finditer(r"[a-z]+", lowered):
        if match.group() in vocabulary:
            found.append((lowered[end : match.start()], match.group()))
            end = match.end()
    return found
