"""What went wrong in runs, step by step, as material for a new instruction.

A step with a label fails where it answered otherwise although the labelled steps before it were right: so a mistake is
blamed on the first step that made it. A step without a label fails with its run. The runs are of feedback examples;
nothing here reads any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pydantic

from treadle.optimizers.demo_bank import labels_of
from treadle.optimizers.spans import answer_of, ended_well, right_before

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study
    from treadle.compiler.trace.trace import Span


class FailedCase(pydantic.BaseModel, frozen=True):
    """One case a step got wrong, as the proposer sees it: what is right stands before what was answered."""

    inputs: dict[str, Any]
    expected: Any
    answered: Any
    feedback: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """One case a step got wrong.

    Attributes:
        example: Id of the feedback example.
        inputs: What the step read.
        answered: What it answered; ``None`` where it gave no answer.
        expected: Its label; ``None`` where it has none.
        feedback: What the metric said, or the traceback.
    """

    example: str
    inputs: Mapping[str, JSON]
    answered: JSON
    expected: JSON
    feedback: str

    def case(self) -> FailedCase:
        """The failure as the proposer sees it."""
        return FailedCase(
            inputs=dict(self.inputs), expected=self.expected, answered=self.answered, feedback=self.feedback
        )


def failures_of(study: Study, name: str, outcomes: Sequence[Outcome], *, threshold: float) -> list[Failure]:
    """The predictor's failures in runs with traces, in the order of the runs, one an example.

    Args:
        study: Gives the examples and the predictors.
        name: The predictor.
        outcomes: Runs of one candidate on feedback examples.
        threshold: Lowest score of a run that did not fail.
    """
    found = [_failure(study, name, outcome, threshold) for outcome in outcomes]
    return [failure for failure in found if failure is not None]


def _failure(study: Study, name: str, outcome: Outcome, threshold: float) -> Failure | None:
    predictor, example = study.program.predictors[name], study.example(outcome.example)
    steps = ended_well(outcome.trace, name)
    labels = labels_of(example, name, predictor)
    failed = outcome.score is None or outcome.score < threshold
    if labels is None:
        return _of(outcome, steps[0], _said(answer_of(predictor, steps[0])), None) if failed and steps else None
    for step in steps:
        answer = answer_of(predictor, step)
        assert outcome.trace is not None
        if answer != labels and right_before(study, example, outcome.trace, step):
            return _of(outcome, step, _said(answer), _said(labels))
    return None


def _of(outcome: Outcome, step: Span, answered: JSON, expected: JSON) -> Failure:
    return Failure(
        example=outcome.example, inputs=step.inputs, answered=answered, expected=expected, feedback=outcome.feedback
    )


def _said(answer: Mapping[str, JSON]) -> JSON:
    return next(iter(answer.values())) if len(answer) == 1 else dict(answer)
