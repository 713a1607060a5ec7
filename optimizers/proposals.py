"""Proposing instructions by predictors of our own, grounded in data and program (Opsahl-Ong et al. 2024, section 4.1).

One step looks at rows of the data and sums them up; one writes an instruction from that summary, the program's text,
the role of the step in it, worked examples, the present instruction and a tip. Where we depart from MIPROv2:

- the summary is one call on at most 20 rows; program and role come from the graph and cost no call;
- each proposal is shown other examples, at most 20, drawn evenly over the answers;
- a proposal is kept as it came. It is refused only if it is empty, a duplicate, or longer than the parameter takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pydantic

from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import dump
from treadle.optimizers.demo_bank import DemoBank, Worked, stratified
from treadle.optimizers.wiring import program_in_words, role_in_words

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.parameters import Parameter, ParameterSpace
    from treadle.compiler.study.study import Study

SHOWN = 20
"""Most rows or worked examples in one prompt."""

TIPS = {
    "none": "",
    "creative": "Be inventive: look at the task from another side than the present wording does.",
    "simple": "Be brief and plain.",
    "description": "Be thorough: spell out every distinction the examples show.",
    "high_stakes": "Stress what goes wrong for people when the answer is wrong.",
    "persona": "Address the reader as an expert whose daily work this is.",
}
"""What a proposal may be nudged with, by name: the six kinds of MIPROv2."""


class WorkedExample(pydantic.BaseModel, frozen=True):
    """One solved case of a step, as the proposer sees it."""

    inputs: dict[str, Any]
    output: Any


SUMMARISE = Predictor(
    signature=Signature(
        name="summarise_data",
        inputs=(Slot(name="rows", annotation=list[dict[str, Any]], description="Rows of the dataset."),),
        outputs=(Slot(name="summary", annotation=str, description="Two or three sentences."),),
        instruction=(
            "Sum up this dataset for a colleague who will brief others on the task behind it: topics, style, "
            "what the answers look like, what makes rows hard. Do not repeat single rows."
        ),
    )
)

WRITE = Predictor(
    signature=Signature(
        name="write_instruction",
        inputs=(
            Slot(name="data", annotation=str, description="What the dataset is like."),
            Slot(name="program", annotation=str, description="The program the step belongs to."),
            Slot(name="step", annotation=str, description="The step, where it reads from and who reads its answer."),
            Slot(
                name="current_instruction",
                annotation=str,
                description="What the step is told at present; may be empty.",
            ),
            Slot(name="examples", annotation=list[WorkedExample], description="Solved cases of the step."),
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
            "A language model carries out one step of a program. Write the instruction it gets, so that it answers "
            "unseen inputs as the solved cases do. State the rules that lead from input to output; do not copy cases."
        ),
    ),
    temperature=1.0,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proposal:
    """One request for an instruction, before it is answered."""

    parameter: Parameter
    number: int
    tip: str
    shown: tuple[Worked, ...]


def propose_instructions(study: Study, space: ParameterSpace, bank: DemoBank, *, count: int) -> dict[str, list[str]]:
    """New instructions by parameter address: at most ``count`` for each predictor, fewer where some are refused.

    Raises:
        BudgetExhausted: The budget ended before all were written.
    """
    wanted = [_proposal(study, parameter, number, bank) for parameter in instructions(space) for number in range(count)]
    found: dict[str, list[str]] = {parameter.address: [] for parameter in instructions(space)}
    if not wanted:
        return found
    study.log("stage", name="proposals")
    data = _summary(study)
    texts = study.propose(WRITE, [_context(study, proposal, data) for proposal in wanted], key="instruction")
    for proposal, text in zip(wanted, texts, strict=True):
        kept = found[proposal.parameter.address]
        refusal = _refusal(proposal.parameter, text, kept)
        if text is not None and not refusal:
            kept.append(text)
        study.log(
            "proposal", parameter=proposal.parameter.address, number=proposal.number, tip=proposal.tip,
            shown=[w.example for w in proposal.shown], text=text, refused=refusal,
        )  # fmt: skip
    return found


def instructions(space: ParameterSpace) -> list[Parameter]:
    """The predictors' own instructions, in canonical order."""
    return [p for p in space.only(kind="instruction").values() if p.address == f"{p.predictor}.instruction"]


def _proposal(study: Study, parameter: Parameter, number: int, bank: DemoBank) -> Proposal:
    rng = study.rng("proposal", parameter.address, number)
    tip = rng.choice(list(TIPS))
    return Proposal(
        parameter=parameter, number=number, tip=tip, shown=tuple(stratified(bank.all(parameter.predictor), SHOWN, rng))
    )


def _summary(study: Study) -> str:
    ids = list(study.splits.feedback)
    study.rng("summary").shuffle(ids)
    rows = [{name: dump(value) for name, value in study.example(i).fields.items()} for i in ids[:SHOWN]]
    return study.propose(SUMMARISE, [{"rows": rows}], key="summary")[0] or ""


def _context(study: Study, proposal: Proposal, data: str) -> dict[str, object]:
    return {
        "data": data,
        "program": program_in_words(study.program),
        "step": role_in_words(study.program, proposal.parameter.predictor),
        "current_instruction": proposal.parameter.default,
        "examples": worked_examples(proposal.shown),
        "tip": TIPS[proposal.tip],
    }


def worked_examples(demos: Iterable[Worked]) -> list[WorkedExample]:
    """Demos as the proposer sees them: several outputs as an object, one as its value."""
    return [WorkedExample(inputs=dict(w.demo.inputs), output=_output(w.demo.outputs)) for w in demos]


def _output(outputs: Any) -> JSON:
    return next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)


def _refusal(parameter: Parameter, text: str | None, kept: Sequence[str]) -> str:
    if text is None:
        return "no usable reply"
    if not text.strip():
        return "empty"
    if text == parameter.default or text in kept:
        return "duplicate"
    return "too long" if len(text) > parameter.max_length else ""
