"""Tune a prompt and a parser together: an instruction, and the Python code of the op that reads the answer.

    python examples/optoprime_math.py
    TREADLE_LM=openai/gpt-4o-mini python examples/optoprime_math.py --data path/to/gsm8k/train.jsonl

Without TREADLE_LM a scripted model stands in, for the one that answers and for the one that improves the program: it
slips unless it is told to go step by step, and it closes its answers in several ways, on which the parser fails. Either
change alone is not enough. With TREADLE_LM and --data the same program is tuned on grade-school problems (GSM8K: Cobbe
and others 2021, arXiv 2110.14168) by that model; with one of the two alone it says what is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import treadle
from treadle.optimizers.optoprime import OptoPrime


@treadle.predict
def solve(question: str) -> str:
    """Solve the problem."""
    ...


@treadle.op(trainable=True)
def parse(text: str) -> float:
    """The number an answer ends with."""
    return float(text.split()[-1])


@treadle.program
def answer(question: str) -> float:
    """Solve it, and read the number off the answer."""
    return parse(solve(question))


def metric(example: dict[str, Any], prediction: float) -> treadle.Score:
    """Whether the result is right; if not, what it should be."""
    right = abs(prediction - example["result"]) < 1e-6
    return treadle.Score(float(right), "" if right else f"the result should be {example['result']:g}")


# --- data ------------------------------------------------------------------------------------------------------------


def made_up(count: int) -> list[dict[str, Any]]:
    """Problems of one kind."""
    rng = random.Random(0)
    rows = []
    for _ in range(count):
        boxes, pens, gone = rng.randrange(3, 9), rng.randrange(6, 30), rng.randrange(1, 9)
        question = f"Ann has {boxes} boxes of {pens} pens and gives {gone} pens away. How many are left?"
        rows.append({"question": question, "result": float(boxes * pens - gone)})
    return rows


def gsm8k(path: Path, count: int) -> list[dict[str, Any]]:
    """The first problems of a GSM8K file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()[:count]]
    return [{"question": x["question"], "result": float(x["answer"].split("####")[1].replace(",", ""))} for x in lines]


# --- a model that needs no key ---------------------------------------------------------------------------------------


def scripted(request: Any) -> str:
    """Both models."""
    text = request.messages[-1].content
    if "<problem>" in text:
        return improve(text)
    boxes, pens, gone = map(int, re.findall(r"\d+", text))
    slips = "step by step" not in request.messages[0].content and pens % 2
    left = boxes * pens - (0 if slips else gone)
    return [f"That makes {left}", f"So {left:,} pens are left.", f"The answer is {left}!"][gone % 3]


PARSER = """import re


def parse(text: str) -> float:
    numbers = re.findall(r"-?[\\d,]*\\d(?:\\.\\d+)?", text)
    return float(numbers[-1].replace(",", ""))
"""


def improve(problem: str) -> str:
    """What a language model would make of the problem: the traceback points at the parser, the words at the step."""
    change = {}
    if "op parse failed" in problem:
        change["parse"] = PARSER
    if "the result should be" in problem:
        change["solve_instruction"] = "Solve the problem step by step, and end with the number."
    return json.dumps({"reasoning": "The first wrong values.", "stop": not change, "suggestions": [change]})


def main() -> None:
    """Tune, show what changed, and load what was tuned."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    path = parser.parse_args().data
    model = os.environ.get("TREADLE_LM")
    real = bool(model and path)
    if not real:
        lacking = "TREADLE_LM" if path else "--data with a GSM8K file" if model else "TREADLE_LM and --data"
        print(f"skipped: problems of GSM8K, for want of {lacking}; a scripted model and made-up problems instead\n")
    compiled = treadle.compile(
        answer.bind(executor=treadle.Isolated(isolation="limits")),
        gsm8k(path, 120) if real and path else made_up(60),
        metric,
        OptoPrime(rounds=6, candidates=1),
        lm=None if real else treadle.Scripted(scripted),
        budget=treadle.Budget(usd=1) if real else None,
        study=None,
        events=None,
    )
    print(compiled.report)
    text = treadle.dumps(compiled)
    again = treadle.loads(text, ops=[parse], accept_code=["parse"])
    print(f"\nThe file carries the parser as data; it runs because it was accepted: {again!r}")


if __name__ == "__main__":
    main()
