"""Outcomes: what one candidate did on one example."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.protocol import Usage
from treadle.compiler.trace.trace import Trace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One cell of the score table: a candidate on an example.

    A failure is not a wrong answer: it counts as 0 in means, and it is counted apart.

    Attributes:
        example: Id of the example.
        score: The metric's value; ``None`` where the run or the metric failed.
        feedback: The metric's words, or the traceback of the failure.
        objectives: The metric's further numbers.
        notes: The metric's words on single steps or output fields, by name.
        failure: ``"TypeName: message"`` of what failed, or empty.
        prediction: The program's value as JSON.
        trace: What the run did, if traces were asked for.
        usage: Tokens of the run's LM calls as far as known.
        calls: LM calls of the run, re-asks counted.
        cost: Dollars of the run, or ``None`` where unknown.
        seconds: Duration of the run.
    """

    example: str
    score: float | None
    feedback: str = ""
    objectives: Mapping[str, float] = dataclasses.field(default_factory=dict)
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    failure: str = ""
    prediction: JSON = None
    trace: Trace | None = None
    usage: Usage = dataclasses.field(default_factory=lambda: Usage(0, 0))
    calls: int = 0
    cost: float | None = None
    seconds: float = 0.0

    @property
    def value(self) -> float:
        """The score as it counts in a mean: a failure is 0."""
        return 0.0 if self.score is None else self.score
