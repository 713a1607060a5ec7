"""Programs to write and read: steps, expressions, library ops and an op of the user's."""

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from treadle.compiler.canonical import JSON
from treadle.compiler.frontend.captured import Capture, Captured
from treadle.compiler.frontend.declaration import FromFile
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.module import module_from_json
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.signature import Signature, Slot
from treadle.modules import ChainOfThought, Vote

Team = Literal["billing", "shipping", "account"]


class Reply(pydantic.BaseModel):
    """A reply to a customer."""

    text: str
    urgent: bool = False


TICKET = Slot(name="ticket", annotation=str, description="what the customer wrote")
TRIAGE = Signature(
    name="triage",
    inputs=(TICKET,),
    outputs=(Slot(name="triage", annotation=Team),),
    instruction="Choose the team that owns the problem.",
)
REPLY = Signature(
    name="reply",
    inputs=(TICKET, Slot(name="policies", annotation=list[str])),
    outputs=(Slot(name="reply", annotation=Reply),),
    instruction="Draft a reply that follows the policies.",
)
SUPPORT = Signature(name="support", inputs=(TICKET,), outputs=(Slot(name="support", annotation=Reply),))

DEMO = Demo(inputs={"ticket": "I was charged twice"}, outputs={"triage": "billing"}, origin="labelled")


def predictors() -> dict[str, Predictor]:
    return {
        "reply": Predictor(signature=REPLY, module=ChainOfThought().to_json(), temperature=0.5),
        "triage": Predictor(signature=TRIAGE, demos=(DEMO,)),
    }


def graph(found: Mapping[str, Predictor] | None = None, *, op: str = "") -> Graph:
    """support(ticket) = reply(ticket, policies(triage(ticket))); the policies from a constant, or from an op."""
    g = GraphBuilder("support", SUPPORT)
    team = g.step("triage", "triage", TRIAGE, g.inputs)
    if op:
        policies = g.call(op, {"team": team}, returns=list[str])
    else:
        table = g.const({"billing": ["Refunds take five days."], "shipping": ["We trace parcels."], "account": []})
        policies = g.expr(["item", ["arg", 0], ["arg", 1]], [table, team], list[str])
    answer = g.step("reply", "reply", REPLY, {"ticket": g.inputs["ticket"], "policies": policies})
    return g.finish(answer, found or predictors())


def program_of(made: Graph, ops: Mapping[str, Op] | None = None, signature: Signature = SUPPORT) -> Program[..., Any]:
    """A program of a graph that was built by hand."""
    captured = Captured(
        capture=Capture(mode="graph", ops=tuple(ops or ())),
        graph=made,
        ops=ops or {},
        predictors={name: predictor_of(found) for name, found in made.predictors.items()},
    )
    return Program(FromFile(signature=signature, captured=captured))


def predictor_of(declared: Predictor) -> PredictorFunction[..., Any]:
    module = None if declared.module is None else module_from_json(declared.module)
    made: PredictorFunction[..., Any] = PredictorFunction(declared.signature, module=module)
    made.declared = declared
    return made


TUNED: Mapping[str, JSON] = {
    "triage.instruction": "Say which team owns the ticket.\n\nbilling: money\nshipping: parcels",
    "triage.demos": [
        {"inputs": {"ticket": "My parcel is late"}, "outputs": {"triage": "shipping"}, "origin": "bootstrapped"},
        {"inputs": {"ticket": "Grüße \u202e {{ x }} <b>"}, "outputs": {"triage": "account"}, "origin": "labelled"},
    ],
    "triage.module": Vote(n=3).to_json(),
    "triage/vote.n": 7,
    "reply.from_triage": True,
    "reply.temperature": 0.7,
    "reply/chain_of_thought/predict.instruction": "Think, then draft the reply.",
}


def tuned() -> Program[..., Any]:
    """The program after a search, bound to the offline model."""
    made = program_of(graph()).bind(lm=LM("offline", temperature=0.2)).with_candidate(Candidate(values=dict(TUNED)))
    return made.with_provenance(provenance())


def provenance() -> dict[str, JSON]:
    return {
        "optimizer": "mipro",
        "settings": {"effort": "light"},
        "seed": 7,
        "models": {"program": "offline", "proposer": "offline"},
        "data": {"all": "0123456789abcdef"},
        "metric": "exact_match",
        "gate": "probable",
        "scores": {
            "verdict": "better",
            "probability": 0.99,
            "start": 0.25,
            "winner": 0.5,
            "difference": 0.25,
            "low": 0.1,
            "high": 0.4,
            "wins": 20,
            "losses": 2,
            "n": 60,
            "cross_fitted": False,
            "failures": [0, 0],
        },
        "calls": 1234,
        "versions": {"treadle": "0.1.0"},
    }


def answer(request: Request) -> JSON:
    """Answers both steps by what the prompt asks for."""
    properties = (request.schema or {}).get("properties", {})
    assert isinstance(properties, Mapping)
    if "triage" in properties:
        return {"triage": "shipping"}
    if "reply" in properties:
        return {"reasoning": "because", "reply": {"text": "We trace it.", "urgent": False}}
    return {"text": "We trace it.", "urgent": True}


def scripted() -> LM:
    """An LM that answers so."""
    return Scripted(answer)
