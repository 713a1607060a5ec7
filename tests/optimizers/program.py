"""The program of the small planted world, as a graph and as host mode runs it, and studies of it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.optimizers import world
from treadle.compiler.canonical import JSON
from treadle.compiler.frontend.captured import Capture, Captured
from treadle.compiler.frontend.declaration import FromFile
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, NodeId, Predictor, Ref
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate, ParameterSpace
from treadle.compiler.lm.protocol import Caller, Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.interpreter import run_graph, run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.space import parameters_of
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.data import load_data
from treadle.compiler.study.events import Event
from treadle.compiler.study.metric import Metric
from treadle.compiler.study.opening import most_lm_calls
from treadle.compiler.study.runner import Ran
from treadle.compiler.study.splits import split
from treadle.compiler.study.study import Study, open_study
from treadle.compiler.trace.tracer import Tracer

TICKET = Slot(name="ticket", annotation=str)
PREDICTORS = {
    "triage": Predictor(
        signature=Signature(
            name="triage",
            inputs=(TICKET,),
            outputs=(Slot(name="triage", annotation=world.Team),),
            instruction="Choose.",
        )
    ),
    "reply": Predictor(
        signature=Signature(
            name="reply",
            inputs=(TICKET, Slot(name="team", annotation=str)),
            outputs=(Slot(name="reply", annotation=str),),
            instruction="Reply.",
        )
    ),
}


def node(number: int) -> NodeId:
    """The id of a graph's node."""
    return NodeId(f"n{number}")


def ref(number: int) -> Ref:
    """The only result of a node."""
    return Ref(f"n{number}")


GRAPH = Graph(
    name="support",
    predictors=PREDICTORS,
    nodes=(
        nodes.Input(id=node(0), slot=TICKET, types=(str,)),
        nodes.Step(id=node(1), name="triage", predictor="triage", inputs=(("ticket", ref(0)),), types=(world.Team,)),
        nodes.Step(
            id=node(2), name="reply", predictor="reply", inputs=(("ticket", ref(0)), ("team", ref(1))), types=(str,)
        ),
        nodes.Output(id=node(3), value=ref(2)),
    ),
)


SIGNATURE = Signature(
    name="support", inputs=(TICKET,), outputs=(Slot(name="support", annotation=str),), instruction="Answer tickets."
)


@dataclasses.dataclass(frozen=True)
class Support:
    """What a study shows optimizers of the program."""

    graph: Graph | None = GRAPH
    predictors: Mapping[str, Predictor] = dataclasses.field(default_factory=lambda: PREDICTORS)
    signature: Signature = SIGNATURE
    ops: Mapping[str, Op] = dataclasses.field(default_factory=dict)


def space() -> ParameterSpace:
    """All parameters of the program."""
    return ParameterSpace(tuple(p for name, given in PREDICTORS.items() for p in parameters_of(name, given)))


def program(graph: Graph = GRAPH) -> Program[..., Any]:
    """The program as users have it, made from its graph."""
    predictors: Mapping[str, PredictorFunction[..., object]] = {
        name: PredictorFunction(given.signature) for name, given in graph.predictors.items()
    }
    captured = Captured(capture=Capture(mode="graph"), graph=graph, ops={}, predictors=predictors)
    return Program(FromFile(signature=SIGNATURE, captured=captured))


Answers: TypeAlias = Callable[[Request], Any]
"""From a request to its reply, or to an awaitable of it."""


class Runner:
    """Runs the program for a study, all calls answered by a function."""

    def __init__(self, answer: Answers, graph: Graph = GRAPH) -> None:
        self._lm = Scripted(answer)
        self._graph = graph
        self._program = program(graph)

    def run_calls(self, candidate: Candidate) -> int | None:
        """The calls of all steps' modules, re-asks included."""
        return most_lm_calls(self._program, candidate, reasks=True)

    def refusal(self, candidate: Candidate) -> str:
        """Nothing is refused: the LM states no temperature."""
        return ""

    def step_calls(self, predictor: Predictor) -> int:
        """A call and its re-ask."""
        return 2

    async def run(self, candidate: Candidate, inputs: Mapping[str, Any], caller: Caller) -> Ran:
        """One run."""
        tracer = Tracer()
        session = Session(lm=self._lm, caller=caller, tracer=tracer, candidate=candidate)
        try:
            value = await run_graph(self._graph, {}, inputs, session)
        except Exception as error:
            return Ran(error=error, trace=tracer.traces[0])
        return Ran(value=value, trace=tracer.traces[0])

    async def step(self, predictor: Predictor, inputs: Mapping[str, Any], caller: Caller) -> Any:
        """One proposal."""
        return await run_step(predictor.signature.name, predictor, inputs, Session(lm=self._lm, caller=caller))

    def judging(self, caller: Caller) -> AbstractContextManager[None]:
        """The metric calls nothing."""
        return nullcontext()


class Lab:
    """A study of the program in the planted world, and what was seen of it.

    Args:
        rows: The data; by default ``count`` of the world's own.
        count: How many rows.
        seed: The study's.
        calls: Its budget.
        host: The program shows no graph, as in host mode.
        metric: Scores replies.
        answer: The LM.
        concurrency: Calls in flight at most.
        folder: Where the study is kept.
        shown: The program, where it is another than the world's.
    """

    def __init__(
        self,
        *,
        rows: Sequence[Mapping[str, Any]] | None = None,
        count: int = 60,
        seed: int = 0,
        calls: int | None = None,
        host: bool = False,
        metric: Metric = world.metric,
        answer: Answers = world.answer,
        concurrency: int = 16,
        folder: Path | None = None,
        shown: Support | None = None,
    ) -> None:
        shown = shown or Support(graph=None if host else GRAPH)
        self.events: list[Event] = []
        self.requests: list[Request] = []
        data = load_data(world.rows(count) if rows is None else rows, shown.signature.inputs)
        self.study = open_study(
            program=shown,
            runner=Runner(self._noted(answer), shown.graph or GRAPH),
            data=data,
            splits=split(data, seed),
            metric=metric,
            identity={"program": "support", "seed": seed},
            folder=folder,
            budget=Budget(calls=calls),
            seed=seed,
            concurrency=concurrency,
            listener=self.events.append,
        )

    def _noted(self, answer: Answers) -> Answers:
        def noted(request: Request) -> Any:
            self.requests.append(request)
            return answer(request)

        return noted

    @property
    def calls(self) -> int:
        """LM calls the search was charged."""
        return self.study.spend.search.calls

    def logged(self, kind: str) -> list[Mapping[str, Any]]:
        """The events of one kind."""
        return [event.fields for event in self.events if event.kind == kind]

    def asked(self, field: str) -> list[dict[str, str]]:
        """Inputs, as texts by field, of the requests that have an input of this name."""
        found = [world.fields(request.messages[-1].content) for request in self.requests]
        return [fields for fields in found if field in fields]

    def tried(self, origin: str = "") -> list[Candidate]:
        """Candidates whose origin begins so, in the order they were measured."""
        known = self.study.table.candidates
        return [candidate for candidate in known if candidate.origin.startswith(origin) and candidate != START]


OpenLab: TypeAlias = Callable[..., Lab]
"""The fixture ``lab``: opens a lab, and closes it after the test."""

START = space().default()
"""The program as it is."""


def names_drawn(study: Study, patch: pytest.MonkeyPatch) -> list[str]:
    """The first part of every key that a random number is drawn for, from now on."""
    drawn: list[str] = []
    draw = study.rng

    def noted(name: str, *key: JSON) -> random.Random:
        drawn.append(name)
        return draw(name, *key)

    patch.setattr(study, "rng", noted)
    return drawn
