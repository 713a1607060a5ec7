"""The worlds of ``tests/worlds`` as tasks for optimizers: a program, rows to search with, rows to test on, a metric.

The same world is a Treadle program here and a DSPy program in ``dspy_runs.py``; both see its rows in the same order.
"""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Mapping
from typing import Any, Literal

from tests.worlds.demos import DemoWorld
from tests.worlds.families import SEALED, TUNING, World
from tests.worlds.noise import NoiseWorld
from tests.worlds.rules import RuleWorld

SEARCH_ROWS = 300
TEST_ROWS = 300

SETS = {"tuning": TUNING, "sealed": SEALED}
Control = Literal["", "shuffled", "misdiagnosis 0", "misdiagnosis 50"]
CONTROLS: tuple[Control, ...] = ("", "shuffled", "misdiagnosis 0", "misdiagnosis 50")


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of a task's program.

    Attributes:
        name: The step's name, its output field, and its label in the rows.
        input: The field it reads: ``text`` or the step before.
        labels: What it may answer.
    """

    name: str
    input: str
    labels: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Task:
    """A world, set up for a search.

    Attributes:
        name: Family, seed and control, for reports.
        world: Answers requests and scores predictions.
        stages: The steps, in order.
        search: Rows a search may use.
        test: Rows for the final accuracy.
    """

    name: str
    world: World
    stages: tuple[Stage, ...]
    search: list[dict[str, str]]
    test: list[dict[str, str]]

    def right(self, row: Mapping[str, Any], prediction: Any) -> float:
        """1 where the last label is right."""
        return self.world.metric(row, str(prediction))


def task(kind: str, family: str, number: int, control: Control = "") -> Task:
    """World ``number`` of a family.

    Args:
        kind: ``tuning`` or ``sealed``.
        family: The family's name.
        number: Which of its seeds, from 0.
        control: ``shuffled`` gives the search rows each other's labels; the others set the misdiagnosis rate.
    """
    base = SETS[kind][family].worlds(number + 1)[number]
    changed: dict[str, Any] = {"rows": SEARCH_ROWS + TEST_ROWS}
    if control.startswith("misdiagnosis"):
        changed["misdiagnosis"] = int(control.split()[1]) / 100
    world: World = type(base)(dataclasses.replace(base.settings, **changed), base.seed)  # type: ignore[arg-type]
    search, test = world.rows[:SEARCH_ROWS], world.rows[SEARCH_ROWS:]
    if control == "shuffled":
        search = _shuffled(search, base.seed)
    return Task(f"{family}/{base.seed}/{control}", world, _stages(world), search, test)


def _stages(world: World) -> tuple[Stage, ...]:
    match world:
        case RuleWorld():
            return tuple(Stage(step.name, step.input, step.labels) for step in world.steps)
        case DemoWorld() | NoiseWorld():
            return (Stage("sort", "text", world.labels),)
    msg = f"no program is known for {type(world).__name__}"
    raise TypeError(msg)


def _shuffled(rows: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """The rows with the labels of others: nothing can be learned from them."""
    others = list(rows)
    random.Random(seed).shuffle(others)
    return [{**other, "text": row["text"]} for row, other in zip(rows, others, strict=True)]


# --- over the fake server ---------------------------------------------------------------------------------------------


def reply(request: dict[str, Any]) -> str:
    """What the fake server answers: the model's name is ``kind/family/number/control`` and says which world."""
    return _served(str(request["model"])).world.reply(request)


@functools.lru_cache(maxsize=8)
def _served(model: str) -> Task:
    kind, family, number, control = model.split("/")
    return task(kind, family, int(number), control)  # type: ignore[arg-type]  # the clients are ours
