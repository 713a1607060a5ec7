"""One signature per kind of output, with a demo each: what the golden files and the property tests go through."""

import dataclasses
import enum
from typing import Annotated, Any, Literal

import pydantic

from treadle.compiler.canonical import JSON
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.signature import Signature, Slot


class Team(enum.Enum):
    """Who owns a ticket."""

    BILLING = "billing"
    SHIPPING = "shipping"


class Address(pydantic.BaseModel):
    """Where a parcel goes."""

    street: str = pydantic.Field(description="street and number")
    city: str


class Customer(pydantic.BaseModel):
    name: str
    address: Address | None = None


@dataclasses.dataclass
class Reply:
    greeting: str
    tone: Literal["warm", "plain"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One prompt."""

    signature: Signature
    inputs: dict[str, object]
    demos: tuple[Demo, ...] = ()
    context: tuple[tuple[str, object], ...] = ()


TICKET = Slot(name="ticket", annotation=str, description="what the customer wrote")
MESSAGE = "My card is late."
EARLIER = "Where is my parcel? {{ it }} {% is %} </ticket> late — “très” 🚚"


def case(annotation: Any, shown: JSON = None, description: str = "") -> Case:
    """A signature with one output of the type, and a demo where a value is given."""
    signature = Signature(
        name="answer",
        inputs=(TICKET,),
        outputs=(Slot(name="answer", annotation=annotation, description=description),),
        instruction="Read the ticket and answer.",
    )
    demos = () if shown is None else (Demo(inputs={"ticket": EARLIER}, outputs={"answer": shown}),)
    return Case(signature, {"ticket": MESSAGE}, demos)


_TRIAGE = Signature(
    name="triage",
    inputs=(TICKET, Slot(name="policies", annotation=list[str])),
    outputs=(Slot(name="triage", annotation=Literal["billing", "shipping"], description="the team that owns it"),),
    instruction="Choose the team.\n\nbilling: money, cards and refunds.\nshipping: parcels.",
)
_THOUGHT = _TRIAGE.with_outputs(Slot(name="reasoning", annotation=str, description="steps that lead to the answer"))
_INPUTS: dict[str, object] = {"ticket": MESSAGE, "policies": ["Refund in 30 days.", "Ship in 2 days."]}
_LABELLED = Demo(inputs={"ticket": EARLIER, "policies": []}, outputs={"triage": "shipping"})
_REASONED = Demo(
    inputs={"ticket": "Refund me", "policies": ["Refund in 30 days."]},
    outputs={"reasoning": "It asks for money.", "triage": "billing"},
)
_LINKED = Demo(inputs={"ticket": "Lost it", "policies": [], "from_triage": "billing"}, outputs={"triage": "billing"})

CASES: dict[str, Case] = {
    "str": case(str, "It is on its way."),
    "str_constrained": case(Annotated[str, pydantic.Field(max_length=80)]),
    "int": case(int, 3, "days until it arrives"),
    "float": case(float, 0.5),
    "bool": case(bool, True),
    "literal": case(Literal["billing", "shipping"], "billing"),
    "enum": case(Team, "shipping"),
    "model": case(Customer, {"name": "Ada", "address": {"street": "1 Rue", "city": "Lyon"}}),
    "dataclass": case(Reply, {"greeting": "Hello", "tone": "warm"}),
    "list": case(list[str], ["late", "parcel"]),
    "list_of_models": case(list[Address]),
    "dict": case(dict[str, int], {"late": 2}),
    "optional": case(int | None),
    "optional_str": case(str | None, "soon"),
    "no_instruction": Case(case(str).signature.with_instruction(""), {"ticket": MESSAGE}),
    "no_inputs": Case(Signature(name="idea", inputs=(), outputs=(Slot(name="idea", annotation=str),)), {}),
    "several": Case(
        dataclasses.replace(_TRIAGE, outputs=(*_TRIAGE.outputs, Slot(name="urgent", annotation=bool))),
        _INPUTS,
        (Demo(inputs=_LABELLED.inputs, outputs={"triage": "shipping", "urgent": False}),),
    ),
    "demos": Case(_TRIAGE, _INPUTS, (_LABELLED, _LINKED)),
    "reasoning": Case(_THOUGHT, _INPUTS, (_LABELLED, _REASONED)),
    "context": Case(
        _TRIAGE,
        _INPUTS,
        (_LABELLED, _LINKED),
        (("triage", Team.BILLING), ("look_up", Address(street="1 Rue", city="Lyon"))),
    ),
}
