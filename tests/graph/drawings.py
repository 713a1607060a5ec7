"""Small graphs for drawing: as people write them."""

from typing import Literal

import pydantic

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.rewrite import Rewrite, apply
from treadle.compiler.hints import from_string
from treadle.compiler.module import Module
from treadle.compiler.signature import Signature, Slot
from treadle.modules import BestOf, ChainOfThought, Vote


class Reply(pydantic.BaseModel):
    """What the customer reads."""

    text: str
    refund: bool


Team = Literal["billing", "shipping", "account"]
TICKET = Slot(name="ticket", annotation=str)


def signature(name: str, inputs: dict[str, object], output: object, instruction: str = "") -> Signature:
    return Signature(
        name=name,
        inputs=tuple(Slot(name=field, annotation=kind) for field, kind in inputs.items()),
        outputs=(Slot(name=name, annotation=output),),
        instruction=instruction,
    )


def predictor(found: Signature, module: Module | None = None) -> Predictor:
    return Predictor(signature=found, module=None if module is None else module.to_json())


def support() -> Graph:
    """Three steps, an op and a context edge."""
    triage = signature("triage", {"ticket": str}, Team, "Choose the team that owns the problem.")
    reply = signature("reply", {"ticket": str, "policies": list[str]}, Reply, "Draft a reply.")
    check = signature("check", {"text": str}, bool, "Is it polite?")
    g = GraphBuilder("support", from_string("ticket -> answer"))
    ticket = g.inputs["ticket"]
    team = g.step("triage", "triage", triage, {"ticket": ticket})
    policies = g.call("policies", {"0": team}, returns=list[str])
    draft = g.step("reply", "reply", reply, {"ticket": ticket, "policies": policies})
    g.step("check", "check", check, {"text": draft.field("text")})
    known = {
        "triage": predictor(triage, Vote(ChainOfThought(), n=7)),
        "reply": predictor(reply, ChainOfThought()),
        "check": predictor(check),
    }
    edge = Rewrite(op="add_context_edge", target="reply", args={"source": "triage"})
    return apply(g.finish(draft, known), edge)


def digest() -> Graph:
    """A map, a branch and a loop, nested."""
    split = signature("split", {"text": str}, list[str])
    summarise = signature("summarise", {"part": str}, str)
    merge = signature("merge", {"notes": list[str]}, str)
    grade = signature("grade", {"note": str}, Literal["good", "poor"])
    revise = signature("revise", {"note": str}, str)
    g = GraphBuilder("digest", from_string("text, style -> answer"))
    parts = g.step("split", "split", split, {"text": g.inputs["text"]})

    def one(part: object) -> object:
        note = g.step("summarise", "summarise", summarise, {"part": part})  # type: ignore[dict-item]
        verdict = g.step("grade", "grade", grade, {"note": note})
        poor = g.expr(["compare", ["arg", 0], "==", ["const", "poor"]], [verdict], bool)
        return g.branch(poor, lambda: g.step("revise", "revise", revise, {"note": note}), lambda: note)[0]

    (notes,) = g.map(parts, one, bound=20)  # type: ignore[arg-type]
    merged = g.step("merge", "merge", merge, {"notes": notes})
    (final,) = g.loop([merged], lambda turn, text: g.step("revise#2", "revise", revise, {"note": text}), bound=3)
    shown: JSON = ["text", "In ", ["format", ["arg", 1], "", None], ": ", ["format", ["arg", 0], "", None]]
    styled = g.expr(shown, [final, g.inputs["style"]], str)
    known = {"split": split, "summarise": summarise, "merge": merge, "grade": grade, "revise": revise}
    return g.finish(styled, {name: predictor(found) for name, found in known.items()})


def judged() -> Graph:
    """The graph of a module."""
    asked = from_string("question, context: list[str] -> answer: Literal['yes', 'no']", name="decide")
    return Vote(BestOf(ChainOfThought(), n=3), n=5).build(asked)


HOSTILE = '"><script>alert(1)</script>]]>&amp; `x` #quot; \x1b[31m\u202e end; subgraph\nn1 --> n2 ﷽'


def hostile() -> Graph:
    """Names as an attacker would choose them, in every place that is drawn."""
    step = signature(HOSTILE, {HOSTILE: str}, str)
    g = GraphBuilder(HOSTILE, Signature(name="p", inputs=(Slot(name=HOSTILE, annotation=str),), outputs=(TICKET,)))
    given = g.inputs[HOSTILE]
    said = g.step(HOSTILE, HOSTILE, step, {HOSTILE: given})
    g.call(HOSTILE, {HOSTILE: said})
    g.map(g.const([HOSTILE]), lambda item: g.expr(["attr", ["arg", 0], HOSTILE], [item]))
    known = Predictor(signature=step, module={"module": HOSTILE, HOSTILE: HOSTILE})
    return g.finish(said, {HOSTILE: known})


GOLDEN = {"support": support, "digest": digest, "judged": judged}
