"""What an optimizer is. Here, below the optimizers, because the driver takes one without knowing any.

An optimizer is a frozen dataclass whose fields are its settings. It owns its loop, and everything it spends, draws at
random, learns and writes down goes through the study it is given; so it can be stopped after any call and run again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """The size of a search, as far as it is known before the first call.

    Attributes:
        predictors: Predictors whose prompts are searched.
        calls_per_run: LM calls of one run of the program.
        feedback: Examples proposals and demos may come from.
        select: Examples that choose between candidates.
        cross_fitted: Every candidate is measured on all of ``select``; otherwise poor ones are dropped early.
        independent: Share of a run's calls that read no other call's reply. Candidates that share the prompt of such a
            step share its calls, which are charged once.
    """

    predictors: int
    calls_per_run: float
    feedback: int
    select: int
    cross_fitted: bool
    independent: float = 0.0


MOST_DEMOS = 16
"""Demos in a prompt at most, where an optimizer does not say."""


def most_demos(optimizer: Optimizer) -> int:
    """Demos that ``optimizer`` shows in a prompt at most: its attribute ``most_demos``, if it has one."""
    return int(getattr(optimizer, "most_demos", MOST_DEMOS))


class Optimizer(Protocol):
    """A search algorithm. One object may be used for any number of searches; it keeps nothing between them."""

    @property
    def name(self) -> str:
        """Its name in reports, artifacts and on the command line."""
        ...

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best candidate found; ``space.default()`` where nothing better was.

        Called once per study. It may not touch examples outside ``study.splits.feedback`` and ``.select``, and takes
        every random number from ``study.rng``. A budget that runs out ends it early, with what is known by then.
        """
        ...

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """LM calls a search of this shape is expected to make, by role: ``"task"`` and ``"proposer"``.

        Runs of the input program on the select examples, and the verdict's, are not among them.
        """
        ...
