"""Route and Escalate."""

import pytest

from tests.modules.any_module import LABEL, TEXT, lms
from tests.modules.scripts import Script, run
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DeclarationError, SignatureError
from treadle.compiler.hints import from_string
from treadle.modules import ChainOfThought, Escalate, Predict, Route, Vote

KINDS = from_string("kind: Literal['lost', 'late'], ticket -> answer", name="reply", instruction="Reply.")


def test_a_router_chooses_by_what_the_arms_are_for() -> None:
    script = Script({"route": "hard", "reasoning,team": {"reasoning": "…", "team": "billing"}})
    module = Route(arms={"easy": Predict(), "hard": ChainOfThought()}, when={"hard": "needs thought"})
    assert run(module, script, LABEL, ticket="late") == "billing"
    assert [names for names, _ in script.asked] == ["route", "reasoning,team"]
    assert "hard: needs thought" in script.requests[0].messages[0].content


def test_an_input_chooses_without_a_call() -> None:
    script = Script({"": "Plain.", "reasoning,answer": {"reasoning": "…", "answer": "Thought through."}})
    module = Route(arms={"lost": ChainOfThought(), "late": Predict()}, by="kind")
    assert module.lm_calls() == 1
    assert run(module, script, KINDS, kind="lost", ticket="x") == "Thought through."
    assert run(module, script, KINDS, kind="late", ticket="x") == "Plain."


def test_arms_answer_the_step_and_may_run_on_other_models() -> None:
    module = Route(arms={"small": Predict(), "large": Vote()}, models={"large": "big"}, router=ChainOfThought())
    found = {node.address: node.model for node in lms(module.build(LABEL))}
    assert found == {
        "route.router/chain_of_thought/predict": None,
        "route:small/predict": None,
        "route:large/vote/predict": "big",
    }
    values: dict[str, JSON] = {"triage.instruction": "Tuned.", "triage/route:large/vote.n": 2}
    assert {k.address for k in module.knobs("triage")} >= {"triage/route:large/vote.n"}
    script = Script({"reasoning,route": {"reasoning": "…", "route": "small"}, "team": "billing"})
    run(module, script, LABEL, ticket="late", values=values)
    assert script.requests[1].messages[0].content.endswith("Tuned.")


def test_arms_have_to_fit() -> None:
    with pytest.raises(SignatureError, match="no arm is called late"):
        Route(arms={"lost": Predict(), "other": Predict()}, by="kind").build(KINDS)
    with pytest.raises(SignatureError, match="str is not enumerable"):
        Route(arms={"a": Predict(), "b": Predict()}, by="ticket").build(KINDS)
    for wrong, said in (
        ({"arms": {"a": Predict()}}, "arms"),
        ({"arms": {"a": Predict(), "b c": Predict()}}, "identifier"),
        ({"arms": {"a": Predict(), "b": Predict()}, "models": {"c": "m"}}, "no arm c"),
    ):
        with pytest.raises(DeclarationError, match=said):
            Route(**wrong)


def test_agreement_is_cheap_and_doubt_escalates() -> None:
    agreed = Script({"team": "billing"})
    assert run(Escalate(n=3), agreed, LABEL, ticket="late") == "billing"
    assert len(agreed.requests) == 3
    teams = ["billing", "shipping"]
    doubt = Script({"team": lambda _: teams.pop(), "reasoning,team": {"reasoning": "…", "team": "billing"}})
    assert run(Escalate(), doubt, LABEL, ticket="late") == "billing"
    assert len(doubt.requests) == 3
    addresses = [node.address for node in lms(Escalate(model="big").build(LABEL))]
    assert addresses == ["escalate/predict", "escalate:to/chain_of_thought/predict"]
    with pytest.raises(SignatureError, match="Escalate cannot count"):
        Escalate().build(TEXT)
