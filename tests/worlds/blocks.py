"""COST: what is wrong with an answer decides which way of answering puts it right, and each way costs calls.

The task LM needs to be told which clue means which label, as in KEY. Even then it errs, in a way that depends on the
row: *shaky* rows come out otherwise each time they are asked; *crowded* ones say so much that the clue is overlooked;
*blind* ones are misread until somebody objects; *contested* ones are understood once several answers lie side by side.
So sampling and voting, summarising, criticism and debate each help with one kind of row. A way that is set to harm does
so on all rows, and none of them has the trouble it is good for.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from tests.worlds.chat import Prompt, chance, pick, read, write
from tests.worlds.words import made_up, mentioned, occurrences, sentence

Effect: TypeAlias = Literal["helps", "nothing", "harms"]

KINDS = {"vote": "shaky", "summarize": "crowded", "refine": "blind", "debate": "contested"}
"""The kind of row each way of answering is good for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a family varies.

    Attributes:
        vote: What sampling several answers and taking the most frequent does.
        summarize: What shortening the input does.
        refine: What criticism does.
        debate: What reading other answers does.
        clues: Number of clue words.
        labels: Number of labels.
        plain: Share of rows without any trouble.
        steady: How often a shaky row is answered rightly.
        single: How often a contested row is answered rightly by one alone.
        harm: How often a way that harms does so.
        slip: Rate of wrong answers on any row.
        rows: Examples.
    """

    vote: Effect = "helps"
    summarize: Effect = "helps"
    refine: Effect = "helps"
    debate: Effect = "helps"
    clues: int = 6
    labels: int = 4
    plain: float = 0.3
    steady: float = 0.65
    single: float = 0.4
    harm: float = 0.4
    slip: float = 0.02
    rows: int = 300


class BlockWorld:
    """One step, and four ways of answering it.

    Attributes:
        labels: What the step may say.
        rules: The label by clue word.
        rows: Examples: ``text`` and ``sort``.
        kinds: The kind of each row, by text.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        rng = random.Random(f"blocks-{seed}")
        words = made_up(settings.labels + settings.clues + 42 + settings.rows, rng)
        self.labels = tuple(words[: settings.labels])
        clues = words[settings.labels :][: settings.clues]
        self.rules = {clue: self.labels[index % settings.labels] for index, clue in enumerate(clues)}
        rest = words[settings.labels + settings.clues :]
        self._fillers, (self._objection, self._misled), self._tags = rest[:40], rest[40:42], rest[42:]
        self.rows: list[dict[str, str]] = []
        self.kinds: dict[str, str] = {}
        self._row_of: dict[str, dict[str, str]] = {}
        troubles = [kind for way, kind in KINDS.items() if getattr(settings, way) == "helps"]
        for tag in self._tags:
            self._add_row(tag, troubles, rng)
        self.asked = {"task": 0, "proposer": 0, "critic": 0, "summarizer": 0}

    def _add_row(self, tag: str, troubles: Sequence[str], rng: random.Random) -> None:
        kind = "plain" if not troubles or rng.random() < self.settings.plain else rng.choice(troubles)
        words = [tag, rng.choice(list(self.rules)), *rng.sample(self._fillers, 16 if kind == "crowded" else 4)]
        rng.shuffle(words)
        [clue] = mentioned(" ".join(words), self.rules)
        row = {"text": sentence(words), "sort": self.rules[clue]}
        self.rows.append(row)
        self.kinds[row["text"]] = kind
        self._row_of[tag] = row

    # --- the model ---------------------------------------------------------------------------------------------------

    def reply(self, request: Mapping[str, Any]) -> str:
        """The reply to an OpenAI-shaped request."""
        sample = f"{request.get('seed', '')}|{request.get('temperature', '')}"
        return self.answer(request["messages"], request.get("response_format"), sample)

    def answer(
        self, messages: Sequence[Mapping[str, str]], response_format: Mapping[str, Any] | None = None, sample: str = ""
    ) -> str:
        """The reply of whoever is asked: told by what may be answered, and by how many rows the prompt speaks of."""
        prompt = read(messages, response_format, sample)
        kinds = {str(part.get("type")) for part in prompt.schema.get("properties", {}).values()}
        if "boolean" in kinds:
            return self._criticise(prompt)
        if set(self.labels) <= set(mentioned(prompt.offered, set(self.labels))):
            self.asked["task"] += 1
            return write(prompt, {"": self._solve(prompt), "reasoning": "The words decide."})
        tags = mentioned("\n".join((*prompt.system, prompt.question)), self._row_of)
        if len(tags) == 1 and not prompt.demos:
            return self._summarise(prompt, tags[0])
        return self._propose(prompt)

    def _row(self, prompt: Prompt) -> dict[str, str] | None:
        return next((self._row_of[tag] for tag in mentioned(prompt.question, self._row_of)), None)

    def links(self, prompt: Prompt) -> dict[str, str]:
        """What the prompt says: label by clue; the last word on a clue counts."""
        found: dict[str, str] = {}
        for piece in (*prompt.system, *(f"{demo.question}\n{demo.answer}" for demo in prompt.demos)):
            labels = mentioned(piece, set(self.labels))
            if len(labels) == 1:
                found.update((word, labels[0]) for word in mentioned(piece, self.rules))
        return found

    def _solve(self, prompt: Prompt) -> str:
        row = self._row(prompt)
        clue = next(iter(mentioned(prompt.question, self.rules)), "")
        known = self.links(prompt).get(clue)
        key = (self.seed, prompt.question, prompt.sample)
        if row is None or known is None:
            return str(pick(self.labels, "guess", *key))
        wrong = [label for label in self.labels if label != known]
        return known if self._understood(prompt, row, key) else str(pick(wrong, "wrong", self._how(row, key), row))

    def _how(self, row: Mapping[str, str], key: tuple[object, ...]) -> object:
        """Whether an error is the same each time, or another one with each sample."""
        varies = self.kinds[row["text"]] in ("shaky", "contested")
        return key if varies else self.seed

    def _understood(self, prompt: Prompt, row: Mapping[str, str], key: tuple[object, ...]) -> bool:
        if chance("slip", self.seed, row["text"]) < self.settings.slip or self._is_harmed(prompt, key):
            return False
        match self.kinds[row["text"]]:
            case "shaky":
                return chance("steady", *key) < self.settings.steady
            case "crowded":
                return len(mentioned(prompt.question, set(self._fillers))) <= 8
            case "blind":
                return self._objection in prompt.question
            case "contested":
                return self._compared(prompt, row) or chance("single", *key) < self.settings.single
        return True

    def _compared(self, prompt: Prompt, row: Mapping[str, str]) -> bool:
        """Whether other answers lie beside the question, the right one among them, which shows on comparing."""
        said = occurrences(prompt.question, set(self.labels))
        return len(said) > 1 and len(set(said)) > 1 and row["sort"] in said

    def _is_harmed(self, prompt: Prompt, key: tuple[object, ...]) -> bool:
        said = occurrences(prompt.question, set(self.labels))
        swayed = self.settings.debate == "harms" and len(said) > 1 and chance("swayed", *key) < self.settings.harm
        return swayed or self._misled in prompt.question

    def _criticise(self, prompt: Prompt) -> str:
        self.asked["critic"] += 1
        row = self._row(prompt)
        said = [*occurrences(prompt.question, set(self.labels)), ""]
        values: dict[str, Any] = {"": "Nothing to object."}
        right = True
        if row is not None and self.settings.refine == "helps":
            right = self.kinds[row["text"]] != "blind" or said[-2:][0] == row["sort"]  # the last is what is judged
            values[""] = values[""] if right else f"Look again: {self._objection}."
        elif self.settings.refine == "harms":
            right = chance("objects", self.seed, prompt.question, prompt.sample) >= self.settings.harm
            values[""] = values[""] if right else f"It cannot be: {self._misled}."
        verdicts = [name for name, part in prompt.schema["properties"].items() if part.get("type") == "boolean"]
        return write(prompt, {**values, **dict.fromkeys(verdicts, right)})

    def _summarise(self, prompt: Prompt, tag: str) -> str:
        self.asked["summarizer"] += 1
        row = self._row_of[tag]
        kept = [tag, *mentioned(row["text"], self.rules), *mentioned(row["text"], set(self._fillers))[:3]]
        if self.settings.summarize == "harms" and chance("dropped", self.seed, tag) < self.settings.harm:
            kept = [word for word in kept if word not in self.rules]
        return write(prompt, {"": sentence(kept if self.settings.summarize != "nothing" else row["text"].split()[1:])})

    def _propose(self, prompt: Prompt) -> str:
        """Rules about the worked examples in the prompt: a line for each clue that stands beside one label."""
        self.asked["proposer"] += 1
        text = "\n".join((*prompt.system, *(f"{d.question} {d.answer}" for d in prompt.demos), prompt.question))
        seen: dict[str, str] = {}
        clue = ""
        for word in occurrences(text, {*self.rules, *self.labels}):
            if word in self.rules:
                clue = word
            elif clue:
                seen[clue], clue = word, ""
        lines = [f"- when {clue} occurs, answer {label}." for clue, label in sorted(seen.items())]
        order = sorted(lines, key=lambda line: chance("order", self.seed, text, prompt.sample, line))
        return "\n".join(["Answer with one label.", *order[: max(2, len(self.rules) // 2)]])

    def metric(self, row: Mapping[str, Any], prediction: str) -> float:
        """1 where the label is right."""
        return float(str(prediction).strip() == row["sort"])
