from typing import Any

import pytest

from tests.modules.any_module import LABEL, SEVERAL, calls, lms
from tests.modules.scripts import Script, run
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.op import Op
from treadle.compiler.hints import from_string
from treadle.modules import ChainOfThought, Predict, Refine, Vote

WRONG = {"feedback": "It is about money.", "correct": False}
RIGHT = {"feedback": "Fine.", "correct": True}


def test_an_approved_answer_stays_and_costs_one_look() -> None:
    script = Script({"team": "shipping", "feedback,correct": RIGHT})
    assert run(Refine(rounds=3), script, LABEL, ticket="late") == "shipping"
    assert [names for names, _ in script.asked] == ["team", "feedback,correct"]


def test_feedback_reaches_the_next_answer() -> None:
    script = Script({"team": ["shipping", "billing"], "feedback,correct": [WRONG, RIGHT]})
    assert run(Refine(rounds=3), script, LABEL, ticket="late") == "billing"
    assert [names for names, _ in script.asked] == ["team", "feedback,correct"] * 2
    assert script.inputs("team")[1] == {
        "ticket": "late",
        "earlier_answer": "shipping",
        "feedback": "It is about money.",
    }
    assert script.inputs("feedback,correct")[1] == {"ticket": "late", "answer": "billing"}


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_a_critic_that_is_never_content_ends_with_the_rounds(rounds: int) -> None:
    script = Script({"team": "shipping", "feedback,correct": WRONG})
    assert run(Refine(rounds=rounds), script, LABEL, ticket="late") == "shipping"
    assert len(script.asked) == Refine(rounds=rounds).lm_calls() == 1 + 2 * rounds


def test_it_stops_when_the_answer_stays_the_same_or_never() -> None:
    settled = Script({"team": ["shipping", "billing", "billing", "shipping"], "feedback,correct": WRONG})
    assert run(Refine(rounds=4, stop="unchanged"), settled, LABEL, ticket="late") == "billing"
    assert len(settled.inputs("team")) == 3
    through = Script({"team": "shipping", "feedback,correct": RIGHT})
    run(Refine(rounds=3, stop="never"), through, LABEL, ticket="late")
    assert len(through.inputs("team")) == 4


def test_an_op_is_a_critic_too_and_may_ask_a_person() -> None:
    seen: list[Any] = []

    async def ask_a_person(answer: str, inputs: dict[str, str]) -> str:
        seen.append((answer, inputs))
        return "" if answer == "billing" else "Look again."

    module = Refine(critic=Op(name="ask_a_person", function=ask_a_person), rounds=3)
    script = Script({"team": ["shipping", "billing"]})
    assert run(module, script, LABEL, ticket="late") == "billing"
    assert seen == [("shipping", {"ticket": "late"}), ("billing", {"ticket": "late"})]
    assert module.lm_calls() == 4


def test_the_critic_may_run_on_another_model() -> None:
    models = {node.purpose: node.model for node in lms(Refine(critic_model="large").build(LABEL))}
    assert models == {"": None, "critic": "large", "#2": None}
    inner = Refine(Predict(), critic=Vote(key="treadle:text"), critic_model="large")
    assert {node.model for node in lms(inner.build(LABEL)) if "critic" in node.address} == {"large"}


def test_revisions_have_text_of_their_own_only_where_search_gave_it() -> None:
    script = Script({"team": "shipping", "feedback,correct": WRONG})
    values = {"triage.instruction": "Tuned.", "triage/refine:revision/predict.instruction": "Now again."}
    run(Refine(), script, LABEL, ticket="late", values=values)
    heads = [request.messages[0].content.rpartition("# Instruction\n")[2].strip() for request in script.requests]
    assert heads[0] == "Tuned."
    assert heads[2] == "Now again."
    assert heads[1].endswith("What was asked:\nTuned.")


def test_records_are_refined_whole() -> None:
    script = Script(
        {"answer,sure": [{"answer": 1, "sure": False}, {"answer": 2, "sure": True}], "feedback,correct": WRONG}
    )
    assert run(Refine(), script, SEVERAL, question="?") == SEVERAL.value.annotation(answer=2, sure=True)


def test_fields_of_the_same_name_are_told_apart() -> None:
    signature = from_string("earlier_answer, feedback -> team: Literal['a', 'b']", name="triage")
    (_, critic, revision) = lms(Refine().build(signature))
    names = [slot.name for slot in revision.signature.inputs]
    assert names == ["earlier_answer", "feedback", "earlier_answer_2", "feedback_2"]
    assert critic.signature.inputs[-1].name == "answer"


def test_it_nests() -> None:
    assert Refine(Vote(ChainOfThought(), n=3), critic=Vote(key="treadle:text", n=2), rounds=2).lm_calls() == 3 + 2 * 5
    assert calls(Vote(Refine(), n=3).build(LABEL)) == 9


def test_what_cannot_be_shown_to_a_critic_is_refused() -> None:
    with pytest.raises(SignatureError, match="Refine cannot criticise the answers of 'triage'"):
        Refine().build(from_string("ticket -> nothing: None", name="triage"))
