"""Modules as they run: who is asked what, and which answer comes back."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.hints import from_string
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.module import Module
from treadle.compiler.runtime.interpreter import run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Signature
from treadle.modules import BestOf, ChainOfThought, Predict, Vote

TEAM = from_string("ticket -> team: Literal['billing', 'shipping']", name="triage", instruction="Choose.")
SEVERAL = from_string("ticket -> team: str, sure: bool", name="triage")


class Asked:
    """A scripted LM that answers by the sample index, and what it was asked."""

    def __init__(self, answers: Mapping[str, JSON], temperature: float | None = None) -> None:
        self.requests: list[Request] = []
        self.answers = answers
        self.lm = Scripted(self.answer, temperature=temperature)

    def answer(self, request: Request) -> JSON:
        self.requests.append(request)
        fields: Any = request.schema["properties"] if request.schema else {}
        return {name: self.answers[name] for name in fields}


def run(
    module: Module, lm: Scripted, signature: Signature = TEAM, ops: Mapping[str, Op] | None = None, **values: JSON
) -> Any:
    predictor = Predictor(signature=signature, module=module.to_json())
    session = Session(lm=lm, candidate=Candidate(values={key.replace("__", "."): values[key] for key in values}))
    return asyncio.run(run_step("triage", predictor, {"ticket": "late"}, session, ops=ops))


def test_chain_of_thought_gives_the_answer_without_the_reasoning() -> None:
    asked = Asked({"reasoning": "It is about money.", "team": "billing", "sure": True})
    assert run(ChainOfThought(), asked.lm) == "billing"
    assert len(asked.requests) == 1
    both = run(ChainOfThought(), asked.lm, SEVERAL)
    assert both == SEVERAL.value.annotation(team="billing", sure=True)
    assert type(both) is SEVERAL.value.annotation


def replies(*teams: str) -> Scripted:
    """Answers by the replica's number, in whatever order they are asked."""
    order: dict[str, str] = {}

    def answer(request: Request) -> JSON:
        order.setdefault(request.sample, teams[len(order)])
        fields: Any = request.schema["properties"] if request.schema else {}
        return dict.fromkeys(fields, order[request.sample])

    return Scripted(answer)


@pytest.mark.parametrize("module", [Vote(n=3), Vote(ChainOfThought(), n=3)])
def test_the_majority_wins(module: Module) -> None:
    assert run(module, replies("billing", "shipping", "shipping")) == "shipping"


def test_samples_are_different_requests_at_a_temperature() -> None:
    asked = Asked({"team": "billing"})
    assert run(Vote(n=4), asked.lm) == "billing"
    assert len({request.sample for request in asked.requests}) == 4
    assert len({request.key for request in asked.requests}) == 4
    assert {request.temperature for request in asked.requests} == {0.7}
    warm = Asked({"team": "billing"}, temperature=0.3)
    run(Vote(n=2), warm.lm)
    assert {request.temperature for request in warm.requests} == {0.3}


@pytest.mark.parametrize("module", [Vote(), BestOf()])
def test_a_cold_lm_is_refused(module: Module) -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        run(module, Scripted(["x"], temperature=0))


def test_the_judge_module_scores_every_sample() -> None:
    scores = {"billing": 3, "shipping": 8}

    def answer(request: Request) -> JSON:
        if "score" in json.dumps(request.schema):
            said = request.messages[-1].content
            return {"score": next(score for team, score in scores.items() if team in said)}
        return {"team": "billing" if request.seed % 2 else "shipping"}

    seen: Counter[str] = Counter()
    lm = Scripted(lambda request: seen.update([request.sample]) or answer(request))
    assert run(BestOf(n=6), lm) == "shipping"
    assert len(seen) == 12


def test_the_judge_op_gets_the_answer_and_the_inputs() -> None:
    given: list[tuple[str, dict[str, str]]] = []

    def longest(answer: str, inputs: dict[str, str]) -> float:
        given.append((answer, inputs))
        return len(answer)

    op = Op(name="longest", function=longest)
    module = BestOf(ChainOfThought(), n=2, judge=op)
    assert run(module, replies("billing", "shipping"), ops=module.ops()) == "shipping"
    assert sorted(given) == [("billing", {"ticket": "late"}), ("shipping", {"ticket": "late"})]


def test_free_text_is_voted_on_without_case_and_spacing() -> None:
    text = from_string("ticket -> answer", name="triage")
    lm = Scripted(["No.", "Yes", " yes "])
    assert run(Vote(n=3, key="treadle:text"), lm, text) in ("Yes", "yes", " yes ")


def test_knobs_in_a_candidate_take_part() -> None:
    asked = Asked({"team": "billing", "reasoning": "…"})
    values: dict[str, JSON] = {"triage.module": Vote(ChainOfThought()).to_json(), "triage/vote.n": 2}
    session = Session(lm=asked.lm, candidate=Candidate(values=values))
    asyncio.run(run_step("triage", Predictor(signature=TEAM), {"ticket": "late"}, session))
    assert len(asked.requests) == 2


def test_predict_is_the_plain_call() -> None:
    asked = Asked({"team": "billing"})
    assert run(Predict(), asked.lm) == "billing"
    plain = Asked({"team": "billing"})
    asyncio.run(run_step("triage", Predictor(signature=TEAM), {"ticket": "late"}, Session(lm=plain.lm)))
    assert asked.requests == plain.requests
