"""The programs of the worlds of ``tests/worlds/traces.py``, and searches of them."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import treadle
from tests.worlds.traces import FiveSteps, PlantedBug, Router, Target
from treadle.compiler.frontend.program import Program
from treadle.compiler.frontend.trainable import Parameter
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Request
from treadle.compiler.runtime.isolate import Isolated
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.data import load_data
from treadle.compiler.study.events import Event
from treadle.compiler.study.metric import Metric
from treadle.compiler.study.optimizer import Optimizer
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.program_runner import ProgramRunner
from treadle.compiler.study.splits import own_splits
from treadle.compiler.study.study import open_study

LIMITS = Isolated(isolation="limits")
Answer = Callable[[Request], Any]


@dataclasses.dataclass(frozen=True)
class Searched:
    """A search that has ended.

    Attributes:
        winner: What it found.
        start: Outcomes of the program as it was on the select examples.
        end: Outcomes of the winner on them.
        runs: Runs of the program it took.
        problems: What its LM was asked, re-asks and repairs among it.
        events: What it told.
    """

    winner: Candidate
    start: list[Outcome]
    end: list[Outcome]
    runs: int
    problems: list[str]
    events: list[Event]

    @property
    def gains(self) -> list[float]:
        """The winner's scores minus the start's."""
        return [after.value - before.value for after, before in zip(self.end, self.start, strict=True)]

    def logged(self, kind: str) -> list[Mapping[str, Any]]:
        """The events of one kind."""
        return [event.fields for event in self.events if event.kind == kind]


def search(
    program: Program[..., Any],
    rows: Sequence[Mapping[str, Any]],
    metric: Metric,
    answer: Answer,
    optimizer: Optimizer,
    *,
    seed: int = 0,
    calls: int | None = None,
    folder: Path | None = None,
) -> Searched:
    """Search a program: half of the rows to learn from, half to choose by."""
    problems: list[str] = []
    events: list[Event] = []

    def noted(request: Request) -> Any:
        if any("<problem>" in message.content for message in request.messages):
            problems.append(request.messages[-1].content)
        return answer(request)

    bound = program.bind(executor=LIMITS)
    half = len(rows) // 2
    parts = [load_data(part, program.inputs) for part in (list(rows[:half]), list(rows[half:]))]
    data, splits = own_splits(parts[0], parts[1], None)
    study = open_study(
        program=bound, runner=ProgramRunner(bound, lm=treadle.Scripted(noted)), data=data, splits=splits,
        metric=metric, identity={"program": program.name, "seed": seed}, seed=seed, budget=Budget(calls=calls),
        folder=folder, listener=events.append,
    )  # fmt: skip
    with study:
        space = program.space()
        winner = optimizer.search(study, space)
        [start, end] = study.evaluate([space.default(), winner], splits.select)
    runs = sum(event.kind == "cell" and not event.fields["stored"] for event in events)
    return Searched(winner, start, end, runs, problems, events)


def asks(world: Any, change: Callable[[str], str] = lambda text: text) -> Answer:
    """A world as an LM; ``change`` is done to each problem before the world reads it."""

    def answer(request: Request) -> Any:
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        if "<problem>" in messages[-1]["content"]:
            messages[-1]["content"] = change(messages[-1]["content"])
        return world.answer(messages, request.sample)

    return answer


# --- programs --------------------------------------------------------------------------------------------------------


def target(world: Target) -> tuple[Program[..., Any], list[dict[str, Any]], Metric]:
    """Two numbers, no LM."""
    a = Parameter("a", 50.0, low=0.0, high=100.0)
    b = Parameter("b", 50.0, low=0.0, high=100.0)

    @treadle.program
    def shoot(shot: int) -> list[float]:
        return [a(), b()]

    def metric(example: Mapping[str, Any], prediction: Any) -> treadle.Score:
        return treadle.Score(world.score(*prediction), world.feedback(*prediction))

    return shoot, [{"shot": n} for n in range(4)], metric


def planted_bug(world: PlantedBug, folder: Path) -> tuple[Program[..., Any], list[dict[str, Any]], Metric]:
    """One op, its code trainable."""
    path = folder / f"planted_{world.seed}.py"
    path.write_text(f"import treadle\n\n\n@treadle.op(trainable=True)\n{world.code}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parse: Callable[[str], float] = module.parse

    @treadle.program
    def total(text: str) -> float:
        return parse(text)

    def metric(example: Mapping[str, Any], prediction: Any) -> float:
        return float(prediction == example["total"])

    return total, world.rows, metric


def five_steps(world: FiveSteps) -> tuple[Program[..., Any], list[dict[str, Any]], Metric]:
    """Five steps in a row."""
    s1, s2, s3, s4, s5 = (
        treadle.predict(f"record -> {step}", name=step, instruction=world.instruction_of(step)) for step in world.STEPS
    )

    @treadle.program
    def tidy(record: str) -> str:
        tidied: str = s5(record=s4(record=s3(record=s2(record=s1(record=record)))))
        return tidied

    def metric(example: Mapping[str, Any], prediction: Any) -> treadle.Score:
        record = example["record"]
        return treadle.Score(world.score(record, prediction), world.feedback(record, prediction))

    return tidy, world.rows, metric


def router(world: Router) -> tuple[Program[..., Any], list[dict[str, Any]], Metric]:
    """A step that decides a branch, and three desks."""

    @treadle.predict
    def route(ticket: str) -> Literal["billing", "shipping", "account"]:
        """Choose the desk."""
        ...

    billing, shipping, account = (
        treadle.predict(f"ticket -> {desk}", name=desk, instruction="Answer the ticket.") for desk in world.DESKS
    )

    @treadle.program
    def answer(ticket: str) -> str:
        desk = route(ticket)
        if desk == "billing":
            text = billing(ticket=ticket)
        elif desk == "shipping":
            text = shipping(ticket=ticket)
        else:
            text = account(ticket=ticket)
        return f"{desk}: {text}"

    def metric(example: Mapping[str, Any], prediction: Any) -> treadle.Score:
        right = prediction.startswith(example["desk"])
        return treadle.Score(float(right), "" if right else f"this belongs to {example['desk']}")

    return answer, world.rows, metric
