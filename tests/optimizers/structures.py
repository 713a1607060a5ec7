"""The worlds in which structure decides, as programs and studies: one step for COST, agents and a judge for EDGE."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tests.worlds.blocks import BlockWorld
from tests.worlds.edges import EdgeWorld
from treadle.compiler.frontend.captured import Capture, Captured
from treadle.compiler.frontend.declaration import FromFile
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.graph.rewrite import Rewrite, apply
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

World = BlockWorld | EdgeWorld
TEXT = Slot(name="text", annotation=str)
TEST_ROWS = 150


def lm_of(world: World, temperature: float | None = None) -> LM:
    """The world as an LM in this process."""
    return Scripted(lm_answer(world), max_tokens=256, temperature=temperature)


def lm_answer(world: World) -> Callable[[Request], str]:
    """From a request to the world's reply."""

    def answer(request: Request) -> str:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        schema = {"json_schema": {"schema": request.schema}} if request.schema else None
        return world.answer(messages, schema, request.sample)

    return answer


def answer_of(world: World) -> str:
    """Name of the program's result, which is the label in the rows."""
    return "sort" if isinstance(world, BlockWorld) else "verdict"


def program_of(world: World) -> Program[..., Any]:
    """The program a world expects, its edges all there."""
    graph = _sorting(world) if isinstance(world, BlockWorld) else _judging(world)
    made: dict[str, PredictorFunction[..., object]] = {
        name: PredictorFunction(predictor.signature) for name, predictor in graph.predictors.items()
    }
    captured = Captured(capture=Capture(mode="graph"), graph=graph, ops={}, predictors=made)
    result = Slot(name=answer_of(world), annotation=_labels(world))
    return Program(FromFile(signature=Signature(name="task", inputs=(TEXT,), outputs=(result,)), captured=captured))


def _labels(world: World) -> Any:
    return Literal[world.labels]


def _sorting(world: BlockWorld) -> Graph:
    sort = Signature(
        name="sort",
        inputs=(TEXT,),
        outputs=(Slot(name="sort", annotation=_labels(world)),),
        instruction="Answer with one label.",
    )
    g = GraphBuilder("task", Signature(name="task", inputs=(TEXT,), outputs=sort.outputs))
    return g.finish(g.step("sort", "sort", sort, g.inputs), {"sort": PredictorFunction(sort).declared})


def _judging(world: EdgeWorld) -> Graph:
    said = {
        f"agent_{number}": Signature(
            name=f"agent_{number}",
            inputs=(TEXT,),
            outputs=(Slot(name="opinion", annotation=str),),
            instruction=f"You are {agent}. Say what you think.",
        )
        for number, agent in enumerate(world.agents, start=1)
    }
    judge = Signature(
        name="judge",
        inputs=(TEXT,),
        outputs=(Slot(name="verdict", annotation=_labels(world)),),
        instruction=f"You are {world.judge}. Decide.",
    )
    g = GraphBuilder("task", Signature(name="task", inputs=(TEXT,), outputs=judge.outputs))
    for name, signature in said.items():
        g.step(name, name, signature, g.inputs)
    last = g.step("judge", "judge", judge, g.inputs)
    signatures = {**said, "judge": judge}
    graph = g.finish(last, {name: PredictorFunction(found).declared for name, found in signatures.items()})
    for name in said:
        graph = apply(graph, Rewrite(op="add_context_edge", target="judge", args={"source": name}))
    return graph


def study_of(
    world: World,
    *,
    seed: int = 0,
    rows: int = 300,
    calls: int | None = None,
    temperature: float | None = None,
    **how: Any,
) -> Study:
    """A study of the world's first rows."""
    program, lm = program_of(world), lm_of(world, temperature)
    data = load_data(world.rows[: min(rows, len(world.rows) - TEST_ROWS)], program.inputs)
    return open_study(
        program=program,
        runner=ProgramRunner(program, lm=lm),
        data=data,
        splits=split(data, seed),
        metric=world.metric,
        identity=identity_of(program, world.metric, lm, seed=seed),
        budget=Budget(calls=calls),
        seed=seed,
        **how,
    )


def accuracy(world: World, candidate: Candidate) -> float:
    """Share of fresh rows the program is right on."""
    program = program_of(world).bind(lm=lm_of(world)).with_candidate(candidate)
    rows: Sequence[Mapping[str, Any]] = world.rows[-TEST_ROWS:]
    predicted = program.batch([{"text": row["text"]} for row in rows], concurrency=64)
    return math.fsum(world.metric(row, found) for row, found in zip(rows, predicted, strict=True)) / len(rows)


def searched(world: World, optimizer: Optimizer, **how: Any) -> tuple[Candidate, Study]:
    """What a search finds, and its study, closed: the table and the findings stay."""
    with study_of(world, **how) as study:
        return optimizer.search(study, study.program.space()), study
