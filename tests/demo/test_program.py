"""The demo's task: its rows fit, each step has room, and better prompts for all steps help much."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import fmean
from types import ModuleType
from typing import Any, get_args

import pytest

import treadle
from tests.lm.offline_prompts import answer
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.signature import Signature, Slot

pytestmark = pytest.mark.skipif(not hasattr(treadle, "predict"), reason="the public names are not exported yet")

STEPS = ("team", "urgency", "reply")
Prompts = Mapping[str, tuple[Signature, Sequence[Demo]]]

PROPOSER = Signature(
    name="propose",
    inputs=(Slot(name="task", annotation=str), Slot(name="examples", annotation=list[dict[str, Any]])),
    outputs=(Slot(name="instruction", annotation=str),),
    instruction="Improve the task's wording.",
)


@cache
def demo() -> ModuleType:
    from treadle.demo import program

    return program


@cache
def halves() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows to learn from and rows to measure on."""
    rows = demo().rows()
    random.Random(0).shuffle(rows)
    return rows[:80], rows[80:200]


def start() -> dict[str, tuple[Signature, Sequence[Demo]]]:
    return {name: (getattr(demo(), name).signature, ()) for name in STEPS}


def score(prompts: Prompts, *, right: Sequence[str] = ()) -> float:
    """Mean score; the steps in ``right`` answer rightly as far as their inputs allow."""
    return fmean(demo().metric(row, run(row, prompts, right)).value for row in halves()[1])


def run(row: Mapping[str, str], prompts: Prompts, right: Sequence[str]) -> dict[str, str]:
    def step(name: str, inputs: dict[str, object]) -> str:
        signature, demos = prompts[name]
        found: str = answer(signature, inputs, demos)
        return row[name] if name in right else found

    ticket = row["ticket"]
    team = step("team", {"ticket": ticket})
    policies = demo().POLICIES[team]
    reply = step("reply", {"ticket": ticket, "policies": policies})
    return {
        "team": team,
        "urgency": step("urgency", {"ticket": ticket}),
        "reply": reply if reply in policies or "reply" not in right else "",
    }


def test_the_rows_fit_the_program() -> None:
    rows = demo().rows()
    assert len(rows) == len({row["ticket"] for row in rows}) == 300
    for name in ("team", "urgency"):
        labels = set(get_args(getattr(demo(), name).signature.outputs[0].annotation))
        counts = Counter(row[name] for row in rows)
        assert set(counts) == labels
        assert min(counts.values()) > 60
    assert all(row["reply"] in demo().POLICIES[row["team"]] for row in rows)
    assert len({row["reply"] for row in rows}) == sum(map(len, demo().POLICIES.values())) == 16


def test_the_metric_gives_partial_credit() -> None:
    row = demo().rows()[0]
    wrong = {"team": "none", "urgency": "none", "reply": ""}
    assert demo().metric(row, row).value == 1
    assert demo().metric(row, wrong).value == 0
    for name in STEPS:
        found = demo().metric(row, {**wrong, name: row[name]})
        assert found.value == pytest.approx(1 / 3)
        assert found.objectives[name] == 1
        assert name not in found.feedback


def test_at_the_start_there_is_room_and_each_step_alone_moves_the_score() -> None:
    plain = score(start())
    assert 0.3 < plain < 0.5
    for name in STEPS:
        assert score(start(), right=[name]) > plain + 0.02


def test_better_prompts_help_each_step_and_all_of_them_together_most() -> None:
    better = {name: improved(name) for name in STEPS}
    plain = score(start())
    for name in STEPS:
        assert score({**start(), name: better[name]}) > plain + 0.01, name
    assert score(better) > plain + 0.25


def improved(name: str) -> tuple[Signature, Sequence[Demo]]:
    """A step with the best of four instructions that the offline model wrote from 20 rows each."""
    signature, _ = start()[name]
    learn = halves()[0]

    def written(seed: int) -> Signature:
        rows = random.Random(seed).sample(learn, 20)
        cases = [{"inputs": inputs(name, row), "output": row[name]} for row in rows]
        text = answer(PROPOSER, {"task": signature.instruction, "examples": cases})
        return signature.with_instruction(f"{signature.instruction}\n{text}")

    def right(candidate: Signature) -> int:
        return sum(answer(candidate, inputs(name, row)) == row[name] for row in learn)

    return max(map(written, range(4)), key=right), ()


def inputs(name: str, row: Mapping[str, str]) -> dict[str, object]:
    policies = {"policies": demo().POLICIES[row["team"]]} if name == "reply" else {}
    return {"ticket": row["ticket"], **policies}
