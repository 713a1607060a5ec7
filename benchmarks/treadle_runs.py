"""Treadle's side of the benchmarks of search: a task as a program, a search in it under a cap on LM calls."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from benchmarks.tasks import Stage, Task
from treadle.compiler.frontend.captured import Capture, Captured
from treadle.compiler.frontend.declaration import FromFile
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.nodes import Graph, Input, NodeId, Output, Ref, Step
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.data import load_data
from treadle.compiler.study.opening import identity_of
from treadle.compiler.study.optimizer import Optimizer
from treadle.compiler.study.program_runner import ProgramRunner
from treadle.compiler.study.splits import split
from treadle.compiler.study.study import Study, open_study

TEXT = Slot(name="text", annotation=str)


def program_of(task: Task) -> Program[..., Any]:
    """The task's program: its steps in a chain, or side by side where they read the text."""
    made = {stage.name: PredictorFunction[..., object](_signature(stage)) for stage in task.stages}
    predictors = {name: function.declared for name, function in made.items()}
    values = {"text": Ref("n0")}
    nodes: list[Any] = [Input(id=NodeId("n0"), slot=TEXT, types=(str,))]
    for number, stage in enumerate(task.stages, start=1):
        step = Step(
            id=NodeId(f"n{number}"), name=stage.name, predictor=stage.name, types=(_type(stage),),
            inputs=((stage.input, values[stage.input]),),
        )  # fmt: skip
        nodes.append(step)
        values[stage.name] = step.results[0]
    nodes.append(Output(id=NodeId(f"n{len(nodes)}"), value=values[task.stages[-1].name]))
    graph = Graph(name="task", predictors=predictors, nodes=tuple(nodes))
    last = Slot(name="task", annotation=_type(task.stages[-1]))
    signature = Signature(name="task", inputs=(TEXT,), outputs=(last,))
    captured = Captured(capture=Capture(mode="graph"), graph=graph, ops={}, predictors=made)
    return Program(FromFile(signature=signature, captured=captured))


def _type(stage: Stage) -> Any:
    return Literal[stage.labels]


def _signature(stage: Stage) -> Signature:
    return Signature(
        name=stage.name,
        inputs=(Slot(name=stage.input, annotation=str),),
        outputs=(Slot(name=stage.name, annotation=_type(stage)),),
        instruction="Answer with one label.",
    )


def lm_of(task: Task) -> LM:
    """The world as an LM in this process."""

    def answer(request: Request) -> str:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        schema = {"json_schema": {"schema": request.schema}} if request.schema else None
        sample = f"{request.seed if request.sample else ''}|{request.temperature}" if request.temperature else ""
        return task.world.answer(messages, schema, sample)

    return Scripted(answer, max_tokens=256)


def study_of(task: Task, *, seed: int, calls: int | None = None, lm: LM | None = None, **how: Any) -> Study:
    """A study of the task whose search may make ``calls`` LM calls, all roles counted."""
    program, chosen = program_of(task), lm or lm_of(task)
    data = load_data(task.search, program.inputs)
    return open_study(
        program=program,
        runner=ProgramRunner(program, lm=chosen),
        data=data,
        splits=split(data, seed),
        metric=task.right,
        identity=identity_of(program, task.right, chosen, seed=seed, task=task.name),
        budget=Budget(calls=None if calls is None else math.ceil(calls / 0.9)),  # a tenth is for retries
        seed=seed,
        **how,
    )


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        accuracy: Of its program, on the test rows.
        calls: LM calls it made, all roles.
        candidates: Programs it measured.
    """

    accuracy: float
    calls: int
    candidates: int


def search(task: Task, optimizer: Optimizer, *, seed: int, calls: int | None, **how: Any) -> Found:
    """One search in this process."""
    with study_of(task, seed=seed, calls=calls, **how) as study:
        winner = optimizer.search(study, study.program.space())
        return Found(accuracy(task, winner), study.spend.search.calls, len(study.table.candidates))


def accuracy(task: Task, candidate: Candidate) -> float:
    """Share of the test rows the program is right on."""
    program = program_of(task).bind(lm=lm_of(task)).with_candidate(candidate)
    rows: Sequence[Mapping[str, Any]] = [{"text": row["text"]} for row in task.test]
    predicted = program.batch(rows, concurrency=64)
    return math.fsum(task.right(row, found) for row, found in zip(task.test, predicted, strict=True)) / len(rows)
