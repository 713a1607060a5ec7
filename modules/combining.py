"""Several answers made into one: by counting, by asking for the most agreed one, or by a verifier's scores."""

from __future__ import annotations

from typing import Literal, TypeAlias

from treadle.compiler.annotations import type_name
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.capabilities import votable
from treadle.compiler.module import Module
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import product
from treadle.modules.fields import about, free_name
from treadle.modules.judging import AnyJudge, judge_calls, score
from treadle.modules.ops import majority, text_key, value_key, weighted

How: TypeAlias = Literal["majority", "self_agreement", "verifier"]
"""``majority`` counts equal answers; ``self_agreement`` asks the judge which answer most of them agree on (Lin et al.,
arXiv 2311.08154), which free text needs; ``verifier`` weighs each answer by the judge's score (Li et al., arXiv
2206.02336, section 2.2)."""

AGREEING = (
    "Several answers to the same task are given. Reply with the answer most of them agree on, however they word it; "
    "judge by what they say, not by which sounds best."
)


def combine(
    g: GraphBuilder, signature: Signature, answers: Value, *, count: int, how: How, key: str, judge: AnyJudge
) -> Value:
    """One answer of several.

    Args:
        g: Builds the module that combines; its inputs are the step's.
        signature: The step's.
        answers: A list of answers.
        count: The most answers there can be.
        how: See ``How``.
        key: Op from answer to key; answers with equal keys count as one.
        judge: Who is asked by ``self_agreement`` (a module) and ``verifier``.

    Raises:
        SignatureError: The answers are free text, and are to be counted without a key of their own.
    """
    if how == "self_agreement":
        return _agreed(g, signature, answers, judge)
    check_countable(g.name, signature, key)
    (keys,) = g.map(answers, lambda answer: g.call(key, {"0": answer}), bound=count)
    kind = signature.value.annotation
    if how == "majority":
        return g.op(majority, [answers, keys], returns=kind)
    (scores,) = g.map(answers, lambda answer: score(g, judge, signature, answer), bound=count)
    return g.op(weighted, [answers, keys, scores], returns=kind)


def combine_calls(count: int, how: How, judge: AnyJudge) -> int | None:
    """LM calls of combining ``count`` answers."""
    return product({"majority": 0, "self_agreement": 1, "verifier": count}[how], judge_calls(judge))


def check_countable(module: str, signature: Signature, key: str) -> None:
    """Refuse to count answers that are seldom equal.

    Raises:
        SignatureError: Says what to do instead.
    """
    kind = signature.value.annotation
    if key == value_key.name and not votable(kind):
        who = "".join(part.capitalize() for part in module.split("_"))
        msg = (
            f"{who} cannot count the answers of {signature.name!r}: two samples of {type_name(kind)} are seldom "
            f"equal. Return a Literal, a number or a record of them, or say what makes two answers the same: "
            f"{who}(key={text_key.name!r}) for text, or an op of your own; or let the model say which answer most "
            f'agree on: {who}(how="self_agreement")'
        )
        raise SignatureError(msg)


def _agreed(g: GraphBuilder, signature: Signature, answers: Value, judge: AnyJudge) -> Value:
    name = free_name(signature, "answers")
    slot = Slot(name=name, annotation=list[signature.value.annotation])  # type: ignore[name-defined]  # a run-time type
    asked = Signature(
        name="judge",
        inputs=(*signature.inputs, slot),
        outputs=signature.outputs,
        instruction=about(AGREEING, signature),
    )
    if not isinstance(judge, Module):
        msg = f"{g.name}(how='self_agreement') asks its judge for an answer: give a module, not the op {judge!r}"
        raise SignatureError(msg)
    return g.module(judge, asked, {**g.inputs, name: answers}, role="judge")
