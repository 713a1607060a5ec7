"""What a study needs of a program: to run candidates and proposers' steps. The study itself knows no program."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Caller
from treadle.compiler.trace.trace import Trace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """One run of a candidate.

    Attributes:
        value: What the program returned; ``None`` where it failed.
        trace: What it did, also where it failed.
        error: What it raised.
        in_order: Makes the same run again with nothing overlapping. Of a run that failed, what else had been done by
            then depends on timing; of this one it does not. ``None`` where nothing overlaps.
    """

    value: Any = None  # any value of the program's output type
    trace: Trace | None = None
    error: BaseException | None = None
    in_order: Callable[[Caller], Awaitable[Ran]] | None = None


class Runner(Protocol):
    """Runs candidates of one program. Called from the study's event loop, many runs at a time."""

    def run_calls(self, candidate: Candidate) -> int | None:
        """LM calls of one run at most, re-asks included; ``None`` where there is no bound."""
        ...

    def refusal(self, candidate: Candidate) -> str:
        """Why no run of ``candidate`` can be made as LMs are set up; empty where one can."""
        ...

    def step_calls(self, predictor: Predictor) -> int | None:
        """LM calls of one proposer's step at most, re-asks included; ``None`` where there is no bound."""
        ...

    async def run(self, candidate: Candidate, inputs: Mapping[str, Any], caller: Caller) -> Ran:
        """One run of the program under ``candidate``; every LM call goes through ``caller``.

        An exception of the program is part of the result. One that is raised is taken the same way, without a trace.
        """
        ...

    async def step(self, predictor: Predictor, inputs: Mapping[str, Any], caller: Caller) -> Any:
        """One proposer's step.

        Raises:
            ReplyError: The reply did not fit, also after the re-ask.
            LMError: The provider refused for good.
        """
        ...

    def judging(self, caller: Caller) -> AbstractContextManager[None]:
        """Inside the block LM calls that a metric makes, by predictors or programs, go through ``caller``."""
        ...
