"""Proposing instructions by predictors of our own, grounded in data and program (Opsahl-Ong et al. 2024, section 4.1).

One step looks at rows of the data and sums them up; one writes an instruction from that summary, the program's text,
the role of the step in it, worked examples, the present instruction and a tip. Where we depart from MIPROv2:

- the summary is one call on at most 20 rows; program and role come from the graph and cost no call;
- each proposal is shown other examples, at most 20, drawn evenly over the answers; how many, and what else it is shown,
  is learned (``proposer_options``);
- a proposal is kept as it came. It is refused only if it is empty, a duplicate, or longer than the parameter takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pydantic

from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import dump
from treadle.optimizers.demo_bank import DemoBank, Worked, stratified
from treadle.optimizers.proposer_options import SHOWN, TIPS, Way
from treadle.optimizers.wiring import program_in_words, role_in_words

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.parameters import Candidate, Parameter, ParameterSpace
    from treadle.compiler.study.study import Study


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
class Proposed:
    """An instruction and the way it was asked for."""

    text: str
    way: Way


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One request for an instruction, before it is answered.

    Attributes:
        parameter: The instruction it is for.
        number: Which of the requests for it.
        way: How it is asked for.
        shown: Ids of the examples it is shown.
        context: The proposer's inputs.
    """

    parameter: Parameter
    number: int
    way: Way
    shown: tuple[str, ...]
    context: Mapping[str, object]


def propose_instructions(
    study: Study,
    space: ParameterSpace,
    bank: DemoBank,
    *,
    ways: Mapping[str, Sequence[Way]],
    base: Candidate,
    data: str,
) -> dict[str, list[Proposed]]:
    """New instructions by parameter address: one for each way at most, fewer where some are refused.

    Args:
        study: Where they are asked for and paid.
        space: Gives the predictors.
        bank: The worked examples to show.
        ways: How to ask, by address; an address that is missing gets no proposal.
        base: Its instructions are shown as the present ones.
        data: What ``summary`` said.

    Raises:
        BudgetExhausted: The budget ended before all were written.
    """
    wanted = [
        _request(study, space, bank, data, base, parameter, number, way)
        for parameter in instructions(space)
        for number, way in enumerate(ways.get(parameter.address, ()))
    ]
    return asked(study, space, WRITE, wanted, key="instruction", base=base)


def asked(
    study: Study, space: ParameterSpace, writer: Predictor, wanted: Sequence[Request], *, key: str, base: Candidate
) -> dict[str, list[Proposed]]:
    """What the writer makes of each request, kept as it came; refused only if empty, a duplicate or too long.

    Raises:
        BudgetExhausted: The budget ended before all were written.
    """
    found: dict[str, list[Proposed]] = {request.parameter.address: [] for request in wanted}
    if not wanted:
        return found
    texts = study.propose(writer, [request.context for request in wanted], key=key)
    for request, text in zip(wanted, texts, strict=True):
        address = request.parameter.address
        known = [str(space.value(base, address)), *(proposed.text for proposed in found[address])]
        refusal = _refusal(request.parameter, text, known)
        if text is not None and not refusal:
            found[address].append(Proposed(text=text, way=request.way))
        study.log(
            "proposal", parameter=address, number=request.number, key=key, **request.way.to_json(),
            shown=list(request.shown), text=text, refused=refusal,
        )  # fmt: skip
    return found


def instructions(space: ParameterSpace) -> list[Parameter]:
    """The predictors' own instructions and those of their modules' helpers, in canonical order.

    An inner call that answers the step itself has the step's instruction.
    """
    found = space.only(kind="instruction").values()
    return [p for p in found if p.address == f"{p.predictor}.instruction" or _helper(p.address)]


def _helper(address: str) -> str:
    """The role of whoever gets the instruction: a critic, a summariser, a judge; empty for the step itself.

    >>> _helper("reply/vote/refine.critic/predict.instruction")
    'critic'
    """
    _, dot, role = address.rpartition(".")[0].rpartition(".")
    return role.partition("/")[0] if dot else ""


def summary(study: Study) -> str:
    """What the data are like, in one call on at most 20 rows; empty where the reply did not fit."""
    ids = list(study.splits.feedback)
    study.rng("summary").shuffle(ids)
    rows = [{name: dump(value) for name, value in study.example(i).fields.items()} for i in ids[:SHOWN]]
    return study.propose(SUMMARISE, [{"rows": rows}], key="summary")[0] or ""


def grounding(study: Study, space: ParameterSpace, parameter: Parameter, way: Way, data: str, base: Candidate) -> Any:
    """The proposer's inputs that do not depend on what it writes from."""
    return {
        "data": data if way.data else "",
        "program": program_in_words(study.program) if way.program else "",
        "step": _step_in_words(study, parameter) if way.program or _helper(parameter.address) else "",
        "current_instruction": space.value(base, parameter.address),
        "tip": TIPS[way.tip],
    }


def _step_in_words(study: Study, parameter: Parameter) -> str:
    said, role = role_in_words(study.program, parameter.predictor), _helper(parameter.address)
    return f"The {role} of the step below, asked beside it; the solved cases are the step's.\n{said}" if role else said


def _request(
    study: Study, space: ParameterSpace, bank: DemoBank, data: str, base: Candidate, parameter: Parameter, number: int,
    way: Way,
) -> Request:  # fmt: skip
    rng = study.rng("proposal", parameter.address, number)
    worked = stratified(bank.all(parameter.predictor), way.examples, rng)
    return Request(
        parameter=parameter, number=number, way=way, shown=tuple(w.example for w in worked),
        context={
            **grounding(study, space, parameter, way, data, base),
            "examples": worked_examples(worked),
        },
    )  # fmt: skip


def worked_examples(demos: Iterable[Worked]) -> list[WorkedExample]:
    """Demos as the proposer sees them: several outputs as an object, one as its value."""
    return [WorkedExample(inputs=dict(w.demo.inputs), output=_output(w.demo.outputs)) for w in demos]


def _output(outputs: Any) -> JSON:
    return next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)


def _refusal(parameter: Parameter, text: str | None, known: Sequence[str]) -> str:
    if text is None:
        return "no usable reply"
    if not text.strip():
        return "empty"
    if text == parameter.default or text in known:
        return "duplicate"
    return "too long" if len(text) > parameter.max_length else ""
