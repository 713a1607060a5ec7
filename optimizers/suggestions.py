"""Replies of an optimizer's LM: typed by the parameters, checked before anything is changed, all or nothing.

The runtime reads a reply against a schema made from the parameters, and asks once more where it does not fit. What only
the optimizer can check, code above all, is checked here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import pydantic
from pydantic import Field

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import CodeRefused, GraphError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.runtime.code_check import check_code
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import dump
from treadle.optimizers.problem import Problem, Variable
from treadle.optimizers.problem_text import label

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace

MOST_DEMOS = 8
"""Worked examples a suggestion may give one step."""

REASONING = Slot(
    name="reasoning",
    annotation=str,
    description=(
        "First what the feedback asks for; then which step, op or value caused it, from what each of them gave; then "
        "what to change."
    ),
)
STOP = Slot(
    name="stop",
    annotation=bool,
    description="True if no variable can make the results better; then give no suggestions.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One change that an LM suggests.

    Attributes:
        values: New values by address; those of the variables it leaves as they are are not among them.
        changes: The same by the names of the variables, as the LM gave them.
        refused: Why it cannot be made; empty where it can.
    """

    values: Mapping[str, JSON]
    changes: Mapping[str, JSON]
    refused: str = ""


def suggestions_slot(problem: Problem, predictors: Mapping[str, Predictor], most: int) -> Slot:
    """The output in which an LM suggests up to ``most`` changes: for each variable a value by its schema, or none."""
    kind = suggestion_type(problem.variables, predictors)
    return Slot(
        name="suggestions",
        annotation=Annotated[list[kind], Field(max_length=most)],  # type: ignore[valid-type]  # a type at run time
        description=(
            f"{'Up to ' + str(most) + ' different changes, the best first' if most > 1 else 'One change'}. For each "
            "variable its whole new value; leave out, or give null for, what stays as it is."
        ),
    )


def suggestion_type(variables: Sequence[Variable], predictors: Mapping[str, Predictor]) -> type[pydantic.BaseModel]:
    """A model with one optional field for each variable."""
    fields: dict[str, Any] = {
        f"v{number}": (value_type(variable, predictors) | None, Field(default=None, alias=variable.name))
        for number, variable in enumerate(variables)
    }
    config = pydantic.ConfigDict(extra="forbid", frozen=True)
    return cast("type[pydantic.BaseModel]", pydantic.create_model("Suggestion", __config__=config, **fields))


def value_type(variable: Variable, predictors: Mapping[str, Predictor]) -> Any:
    """The type of a variable's values."""
    parameter = variable.parameter
    match parameter.kind:
        case "number":
            kind = int if parameter.integer else float
            return Annotated[kind, Field(ge=parameter.low, le=parameter.high)]
        case "choice" | "module" | "model":
            return Literal[tuple(_option(label(choice)) for choice in parameter.choices)]
        case "demos":
            demo = _demo_type(parameter.predictor, predictors[parameter.predictor].signature)
            return Annotated[list[demo], Field(max_length=MOST_DEMOS)]  # type: ignore[valid-type]  # at run time
    return Annotated[str, Field(min_length=1, max_length=parameter.max_length)]


def _option(choice: JSON) -> JSON:
    return str(choice) if isinstance(choice, float) else choice  # Literal knows no fractions


def _demo_type(name: str, signature: Signature) -> type[pydantic.BaseModel]:
    run = (int, Field(description="The run whose inputs of this step are shown.", ge=1))
    output = (signature.value.annotation, Field(description="What the step should have answered."))
    config = pydantic.ConfigDict(extra="forbid", frozen=True)
    return pydantic.create_model(f"{name}_example", __config__=config, run=run, output=output)


# --- checking --------------------------------------------------------------------------------------------------------


def checked(
    given: pydantic.BaseModel,
    problem: Problem,
    space: ParameterSpace,
    current: Candidate,
    seen: Mapping[str, str],
    predictors: Mapping[str, Predictor],
) -> Suggestion:
    """The suggestion with everything checked that the schema cannot say.

    Args:
        given: As the LM gave it.
        problem: What it was asked.
        space: All parameters.
        current: What it would change.
        seen: What came of candidates tried before, by their id.
        predictors: The program's predictors.
    """
    changes: dict[str, JSON] = {}
    values: dict[str, JSON] = {}
    try:
        for number, variable in enumerate(problem.variables):
            value = getattr(given, f"v{number}")
            if value is not None:
                changes[variable.name] = dump(value)
                values[variable.parameter.address] = _value(variable, value, problem, predictors)
        refused = _refusal(values, problem, space, current, seen)
    except (GraphError, CodeRefused) as error:
        return Suggestion(values={}, changes=changes, refused=str(error))
    return Suggestion(values={} if refused else values, changes=changes, refused=refused)


def _refusal(
    values: Mapping[str, JSON], problem: Problem, space: ParameterSpace, current: Candidate, seen: Mapping[str, str]
) -> str:
    now = {variable.parameter.address: variable.value for variable in problem.variables}
    if all(canonical(value) == canonical(now[address]) for address, value in values.items()):
        return "it changes nothing: give at least one variable another value, or set stop to true"
    tried = seen.get(merged(space, current, values, origin="").id)
    return f"it was tried before: {tried}" if tried else ""


def merged(space: ParameterSpace, current: Candidate, values: Mapping[str, JSON], *, origin: str) -> Candidate:
    """``current`` with these values, all of them or, if one is not allowed, none.

    Raises:
        GraphError: A value is not allowed.
    """
    return space.candidate({**current.values, **values}, parents=(current.id,), origin=origin)


def _value(variable: Variable, value: Any, problem: Problem, predictors: Mapping[str, Predictor]) -> JSON:
    """The parameter's value.

    Raises:
        CodeRefused: Code cannot take the place of the present one.
        GraphError: A worked example names a run that is not there.
    """
    parameter = variable.parameter
    match parameter.kind:
        case "code":
            check_code(value, str(parameter.default), parameter.field)
        case "choice" | "module" | "model":
            return next(choice for choice in parameter.choices if _option(label(choice)) == value)
        case "demos":
            name = parameter.predictor
            return [_demo(variable, demo, problem, name, predictors[name].signature) for demo in value]
        case "instruction" | "text" if not value.strip():
            raise GraphError(f"{variable.name} is empty")
    return cast(JSON, value)


def _demo(variable: Variable, given: Any, problem: Problem, predictor: str, signature: Signature) -> JSON:
    spans = list(_ran(problem, given.run, predictor))
    if not spans:
        msg = f"{variable.name} shows run {given.run}, in which {predictor} did not run; runs 1 to {len(problem.runs)}"
        raise GraphError(msg)
    output = dump(given.output)
    several = len(signature.outputs) > 1
    outputs = cast("Mapping[str, JSON]", output) if several else {signature.outputs[0].name: output}
    return Demo(inputs=spans[0].inputs, outputs=outputs, origin="repaired").to_json()


def _ran(problem: Problem, number: int, predictor: str) -> Iterator[Any]:
    if number <= len(problem.runs):
        run = problem.runs[number - 1]
        yield from (run.span(n) for n in run.spans if run.span(n).predictor == predictor)
