"""Proposing instructions again, from what the present ones get wrong.

The paper's MIPRO proposes once and never sees an error. Here a step that looks like a reflective one (Agrawal et al.
2025, GEPA, section 3) is shown the failures of the best program so far on feedback examples, with what should have been
answered where labels say so, and beside them cases it gets right, so that a new text does not lose these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.signature import Signature, Slot
from treadle.optimizers.failures import FailedCase, Failure, failures_of
from treadle.optimizers.proposals import (
    Proposed,
    Request,
    WorkedExample,
    asked,
    grounding,
    instructions,
    worked_examples,
)

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, Parameter, ParameterSpace
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study
    from treadle.optimizers.demo_bank import DemoBank
    from treadle.optimizers.proposer_options import Way

REVISE = Predictor(
    signature=Signature(
        name="revise_instruction",
        inputs=(
            Slot(name="data", annotation=str, description="What the dataset is like."),
            Slot(name="program", annotation=str, description="The program the step belongs to."),
            Slot(name="step", annotation=str, description="The step, where it reads from and who reads its answer."),
            Slot(name="current_instruction", annotation=str, description="What the step is told at present."),
            Slot(name="failures", annotation=list[FailedCase], description="Cases the step got wrong."),
            Slot(name="solved", annotation=list[WorkedExample], description="Cases it must go on solving."),
            Slot(name="tip", annotation=str, description="How to go about it; may be empty."),
        ),
        outputs=(
            Slot(
                name="instruction",
                annotation=str,
                description="The new instruction of the step, complete and ready to use.",
            ),
        ),
        instruction=(
            "A language model carries out one step of a program and fails on some cases. Find what its instruction "
            "does not tell it, and write the instruction anew: keep what works, state the rules whose absence explains "
            "the failures, and do not copy cases."
        ),
    ),
    temperature=1.0,
)


def revise_instructions(
    study: Study,
    space: ParameterSpace,
    bank: DemoBank,
    outcomes: Sequence[Outcome],
    *,
    ways: Mapping[str, Sequence[Way]],
    base: Candidate,
    data: str,
    threshold: float,
    key: str,
) -> dict[str, list[Proposed]]:
    """New instructions by address for the predictors that failed somewhere; one for each way at most.

    Args:
        study: Where they are asked for and paid.
        space: Gives the predictors.
        bank: The worked examples cases that are solved are drawn from.
        outcomes: Runs of ``base``, with traces, on feedback examples.
        ways: How to ask, by address.
        base: What is revised.
        data: What ``summary`` said.
        threshold: Lowest score of a run that did not fail.
        key: Tells this round of revisions from others.

    Raises:
        BudgetExhausted: The budget ended before all were written.
    """
    failed = {p.address: failures_of(study, p.predictor, outcomes, threshold=threshold) for p in instructions(space)}
    wanted = [
        _request(study, space, bank, data, base, parameter, number, way, failed[parameter.address], key)
        for parameter in instructions(space)
        if failed[parameter.address]
        for number, way in enumerate(ways.get(parameter.address, ()))
    ]
    return asked(study, space, REVISE, wanted, key=key, base=base)


def _request(
    study: Study, space: ParameterSpace, bank: DemoBank, data: str, base: Candidate, parameter: Parameter, number: int,
    way: Way, failed: Sequence[Failure], key: str,
) -> Request:  # fmt: skip
    """Half of what is shown are failures, other ones for each request; the rest cases that did not fail."""
    rng = study.rng("revision", key, parameter.address, number)
    shown = rng.sample(failed, min(len(failed), max(1, way.examples // 2)))
    wrong = {failure.example for failure in failed}
    solved = [worked for worked in bank.all(parameter.predictor) if worked.example not in wrong]
    beside = rng.sample(solved, min(len(solved), way.examples - len(shown)))
    return Request(
        parameter=parameter, number=number, way=way, shown=tuple(failure.example for failure in shown),
        context={
            **grounding(study, space, parameter, way, data, base),
            "failures": [failure.case() for failure in shown],
            "solved": worked_examples(beside),
        },
    )  # fmt: skip
