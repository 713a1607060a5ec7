"""The demo bank: worked examples of each predictor, taken from the feedback examples.

*Labelled* demos come from labels named like a step, or ``step.field`` for one of its outputs. No other label counts,
not even for the program's last step: nothing says that a metric compares a label with that step's whole answer.
Where a step reads the program's inputs, constants or other labelled steps, its demo needs no run.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pydantic

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import DataError
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.study.data import Example, step_labels
from treadle.compiler.values import shown
from treadle.optimizers.wiring import inputs_from_labels

if TYPE_CHECKING:
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Worked:
    """A demo in the bank.

    Attributes:
        demo: The demo.
        example: Id of the feedback example it comes from.
    """

    demo: Demo
    example: str

    @property
    def label(self) -> str:
        """What demos are stratified by: the answer, which is the last output."""
        return canonical(list(self.demo.outputs.values())[-1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoBank:
    """Demos by predictor, in the order of the feedback examples; at most one an example in each of the two.

    Attributes:
        labelled: Labelled and repaired demos.
        bootstrapped: Demos from traces that passed.
    """

    labelled: Mapping[str, tuple[Worked, ...]]
    bootstrapped: Mapping[str, tuple[Worked, ...]] = dataclasses.field(default_factory=dict)

    def all(self, predictor: str) -> tuple[Worked, ...]:
        """Every demo of a predictor, one an example, labelled before bootstrapped."""
        found = {w.example: w for w in (*self.bootstrapped.get(predictor, ()), *self.labelled.get(predictor, ()))}
        return tuple(found.values())


def stratified(pool: Sequence[Worked], count: int, rng: random.Random, *, shown: Iterable[Worked] = ()) -> list[Worked]:
    """At most ``count`` demos of ``pool`` at random, each time one whose answer has been shown least.

    Args:
        pool: Demos to draw from; those of examples already ``shown`` are left out.
        count: Most demos to draw.
        rng: Decides between answers shown equally often, and between demos of one answer.
        shown: Demos that stand in the prompt already.
    """
    used = {w.example for w in shown}
    order = [w for w in pool if w.example not in used]
    rng.shuffle(order)
    seen = Counter(w.label for w in shown)
    drawn: list[Worked] = []
    while order and len(drawn) < count:
        least = min(order, key=lambda w: seen[w.label])
        order.remove(least)
        seen[least.label] += 1
        drawn.append(least)
    return drawn


def as_values(demos: Iterable[Worked]) -> list[JSON]:
    """Demos as the value of a ``<predictor>.demos`` parameter."""
    return [w.demo.to_json() for w in demos]


def shown_in(bank: DemoBank, candidate: Candidate, predictor: str = "") -> set[str]:
    """Ids of the bank's examples whose demos the candidate shows: a run on them proves nothing.

    Args:
        bank: The demos that count.
        candidate: What shows them.
        predictor: Only those shown to this predictor; all by default.
    """
    address = f"{predictor}.demos"
    values = [value for at, value in candidate.values.items() if at == address or not predictor]
    shown = {canonical(demo) for value in values for demo in _list(value)}
    pools = [*bank.labelled.values(), *bank.bootstrapped.values()]
    return {w.example for pool in pools for w in pool if canonical(w.demo.to_json()) in shown}


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


# --- labelled --------------------------------------------------------------------------------------------------------


def labelled_bank(study: Study, space: ParameterSpace) -> DemoBank:
    """The demos the feedback examples' labels give without a run.

    Raises:
        DataError: A label named like a step does not fit the step's output; names row and field.
    """
    return DemoBank(labelled={name: tuple(_labelled(study, name)) for name in searched(space)})


def searched(space: ParameterSpace) -> list[str]:
    """The predictors whose own demos are searched, in canonical order."""
    return [p.predictor for p in space.only(kind="demos").values() if p.address == f"{p.predictor}.demos"]


def labels_of(example: Example, name: str, predictor: Predictor) -> dict[str, JSON] | None:
    """The outputs a row labels a predictor's step with; ``None`` unless it gives all of them.

    Raises:
        DataError: A label does not fit its output field.
    """
    given = step_labels(example, name, predictor.signature.outputs)
    if given is None or any(slot.name not in given for slot in predictor.signature.outputs):
        return None
    checked: dict[str, JSON] = {}
    for slot in predictor.signature.outputs:
        try:
            checked[slot.name] = slot.dump(slot.read(given[slot.name]))
        except pydantic.ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            msg = (
                f"row {example.row}: the label of step {name!r} is {shown(given[slot.name])}, which its output "
                f"{slot.name!r} cannot be: {reason}. Correct it, or rename the label with fields={{…}}"
            )
            raise DataError(msg) from None
    return checked


def _labelled(study: Study, name: str) -> Iterable[Worked]:
    predictor = study.program.predictors[name]
    for example in map(study.example, study.splits.feedback):
        outputs = labels_of(example, name, predictor)
        inputs = inputs_from_labels(study.program, name, example) if outputs else None
        if outputs and inputs is not None:
            yield Worked(demo=Demo(inputs=inputs, outputs=outputs, origin="labelled"), example=example.id)
