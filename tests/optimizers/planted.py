"""The worlds in which optimizers are held to what they owe their users: of each a program, its LM, rows, a metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.optimizers import program, world
from tests.optimizers.program import PREDICTORS, Support
from tests.optimizers.structures import lm_answer, program_of
from tests.worlds.edges import EdgeWorld, Settings
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.parameters import ParameterSpace
from treadle.compiler.lm.protocol import Request


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planted:
    """A world with something to find.

    Attributes:
        rows: So many rows.
        answer: The LM's reply.
        settings: Of a ``Lab``, beside rows.
        program: The program as users have it.
        shown: What a study shows of it.
        space: What a search is given.
        inputs: Names of its inputs.
        calls: LM calls of a run.
    """

    rows: Callable[[int], Sequence[Mapping[str, Any]]]
    answer: Callable[[Request], str]
    settings: Mapping[str, Any]
    program: Callable[[], Program[..., Any]]
    shown: Callable[[], Support]
    space: Callable[[], ParameterSpace]
    inputs: tuple[str, ...]
    calls: int


SUPPORT = Planted(
    rows=world.rows,
    answer=world.answer,
    settings={},
    program=program.program,
    shown=lambda: Support(predictors=dict(PREDICTORS)),
    space=program.space,
    inputs=("ticket",),
    calls=2,
)
"""Prompts decide: what a step is told or shown."""


def _listening(settings: Settings, *, shift: int = 0) -> Planted:
    known = EdgeWorld(settings, shift)
    made = program_of(known)
    shown = Support(graph=made.graph, predictors=made.predictors, signature=made.signature)
    answer = lm_answer(known)
    return Planted(
        rows=lambda count: known.rows[:count],
        answer=answer,
        settings={"shown": shown, "answer": answer, "metric": known.metric},
        program=lambda: program_of(known),
        shown=lambda: shown,
        space=made.space,
        inputs=("text",),
        calls=len(known.agents) + 1,
    )


LIARS = _listening(Settings(honest=1, liars=1, accuracy=0.95))
"""Structure decides: whom the judge reads; half of the agents lie."""
