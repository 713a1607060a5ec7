"""Do demos and instructions help the offline model on real text, and for real reasons?

Twelve intents of banking77 are drawn for each world, 300 test questions with them. Four conditions: the bare task,
demos only (12, one per intent), an instruction only (written by the offline model from 20 other examples), and both.
Each runs with the intents' names and with opaque labels Q01 to Q12, which say nothing until a prompt explains them.

    python benchmarks/banking.py --data path/to/banking77

Exits with 1 unless, for opaque labels, the start is under 15 %, demos alone and the instruction alone each add at least
15 points, and both together are at least as good as the better one alone.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import dataclasses
import math
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from treadle.compiler.errors import ReplyError
from treadle.compiler.lm.offline import Offline
from treadle.compiler.lm.protocol import Request
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.parse import parse
from treadle.compiler.prompt.render import render, response_schema
from treadle.compiler.signature import Signature, Slot

INTENTS = 12
QUESTIONS = 300
PROPOSAL_EXAMPLES = 20
CONDITIONS = ("start", "demos", "instruction", "both")
OPAQUE_START_MOST = 15.0  # percent
GAIN_LEAST = 15.0  # points

# Two-sided 95 % points of Student's t by degrees of freedom; between two entries the wider one holds.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 14: 2.14, 19: 2.09, 29: 2.05}

Row = tuple[str, str]
"""A question and its label."""


@dataclasses.dataclass(frozen=True)
class World:
    """One draw of intents.

    Attributes:
        labels: The labels to choose from; opaque ones in the order of the intents' names.
        demos: One example per label.
        examples: Other examples, for writing the instruction.
        questions: What is measured.
    """

    labels: tuple[str, ...]
    demos: Sequence[Row]
    examples: Sequence[Row]
    questions: Sequence[Row]


def world(train: Sequence[Row], test: Sequence[Row], seed: int, *, opaque: bool) -> World:
    """World number ``seed``; the same rows with either kind of label."""
    rng = random.Random(seed)
    intents = sorted(rng.sample(sorted({intent for _, intent in train}), INTENTS))
    mapping = {intent: f"Q{place:02d}" if opaque else intent for place, intent in enumerate(intents, start=1)}
    rows = [(text, mapping[intent]) for text, intent in train if intent in mapping]
    asked = [(text, mapping[intent]) for text, intent in test if intent in mapping]
    rng.shuffle(rows)
    rng.shuffle(asked)
    first = {label: (text, label) for text, label in reversed(rows)}
    demos = [first[label] for label in mapping.values()]
    rng.shuffle(demos)
    rest = [row for row in rows if row not in set(demos)]
    return World(tuple(mapping.values()), demos, rest[:PROPOSAL_EXAMPLES], asked[:QUESTIONS])


def classifier(labels: Sequence[str]) -> Signature:
    """The task: a customer's question in, its intent out."""
    annotation: Any = Literal[tuple(labels)]  # a type made from data
    return Signature(
        name="intent",
        inputs=(Slot(name="question", annotation=str),),
        outputs=(Slot(name="intent", annotation=annotation),),
        instruction="Choose the intent of the customer's question.",
    )


PROPOSER = Signature(
    name="propose",
    inputs=(Slot(name="dataset", annotation=list[dict[str, str]], description="questions with their right intents"),),
    outputs=(Slot(name="instruction", annotation=str, description="what to tell a clerk who sorts such questions"),),
    instruction="Study the rows and write down how a clerk can tell the intents apart.",
)


async def ask(signature: Signature, demos: tuple[Demo, ...], inputs: Mapping[str, object]) -> Any:
    """One step, answered by the offline model; ``None`` where its reply does not fit."""
    messages = render(signature, demos, inputs)
    request = Request(model="offline", messages=messages, max_tokens=4096, schema=response_schema(signature))
    completion = await Offline().complete(request)
    try:
        return parse(signature, completion.text)
    except ReplyError:
        return None


async def accuracy(signature: Signature, demos: tuple[Demo, ...], questions: Sequence[Row]) -> float:
    """Percent answered right."""
    right: int = sum([await ask(signature, demos, {"question": text}) == label for text, label in questions])
    return 100.0 * right / len(questions)


async def measure(one: World) -> dict[str, float]:
    """Accuracy under each condition."""
    bare = classifier(one.labels)
    demos = tuple(Demo(inputs={"question": text}, outputs={"intent": label}) for text, label in one.demos)
    dataset = [{"question": text, "intent": label} for text, label in one.examples]
    told = bare.with_instruction(await ask(PROPOSER, (), {"dataset": dataset}))
    return {
        "start": await accuracy(bare, (), one.questions),
        "demos": await accuracy(bare, demos, one.questions),
        "instruction": await accuracy(told, (), one.questions),
        "both": await accuracy(told, demos, one.questions),
    }


# --- the report ------------------------------------------------------------------------------------------------------


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval over worlds."""
    if len(values) < 2:
        return values[0], math.inf
    quantile = _T[max(degrees for degrees in _T if degrees < len(values))]
    return statistics.fmean(values), quantile * statistics.stdev(values) / math.sqrt(len(values))


def paired(cells: Sequence[Mapping[str, float]], a: str, b: str) -> tuple[float, float]:
    """The difference of two conditions world by world, with its interval."""
    return interval([cell[a] - cell[b] for cell in cells])


def better(cells: Sequence[Mapping[str, float]]) -> str:
    """Which of demos and instruction is better alone, on average."""
    return max(("demos", "instruction"), key=lambda condition: statistics.fmean(cell[condition] for cell in cells))


def show(name: str, cells: Sequence[Mapping[str, float]]) -> None:
    """Means, then paired differences, with 95 % intervals over worlds."""
    print(f"{name} labels, {len(cells)} worlds, {INTENTS} intents, {QUESTIONS} questions; 95 % intervals over worlds")
    for condition in CONDITIONS:
        mean, half = interval([cell[condition] for cell in cells])
        print(f"  {condition:<24}{mean:6.1f} % ± {half:.1f}")
    for a, b in (("demos", "start"), ("instruction", "start"), ("both", "start"), ("both", better(cells))):
        mean, half = paired(cells, a, b)
        print(f"  {f'{a} - {b}':<24}{mean:+6.1f}   ± {half:.1f}")


def failures(cells: Sequence[Mapping[str, float]]) -> list[str]:
    """What the opaque cells should show and do not."""
    start = statistics.fmean(cell["start"] for cell in cells)
    demos, instruction = paired(cells, "demos", "start")[0], paired(cells, "instruction", "start")[0]
    checks = {
        f"the start is {start:.1f} %, not under {OPAQUE_START_MOST:.0f} %": start < OPAQUE_START_MOST,
        f"demos alone add less than {GAIN_LEAST:.0f} points": demos >= GAIN_LEAST,
        f"the instruction adds less than {GAIN_LEAST:.0f} points": instruction >= GAIN_LEAST,
        f"both are worse than {better(cells)} alone": paired(cells, "both", better(cells))[0] >= 0,
    }
    return [text for text, holds in checks.items() if not holds]


def read(path: Path) -> list[Row]:
    """Rows of one of the data set's files."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row["text"], row["category"]) for row in csv.DictReader(stream)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv and test.csv of banking77")
    parser.add_argument("--worlds", type=int, default=10)
    options = parser.parse_args(arguments)
    train, test = read(options.data / "train.csv"), read(options.data / "test.csv")
    found: list[str] = []
    for name in ("named", "opaque"):
        cells = [
            asyncio.run(measure(world(train, test, seed, opaque=name == "opaque"))) for seed in range(options.worlds)
        ]
        show(name, cells)
        if name == "opaque":
            found = failures(cells)
    for failure in found:
        print(f"FAILED: {failure}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
