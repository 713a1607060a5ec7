"""Vote, Panel: several answers made into one."""

import pytest

from tests.modules.any_module import LABEL, TEXT
from tests.modules.scripts import Script, run
from treadle.compiler.errors import ConfigurationError, DeclarationError, SignatureError
from treadle.compiler.graph.op import Op, library
from treadle.modules import Panel, Vote


def test_self_agreement_asks_once_more_and_serves_free_text() -> None:
    def reply(inputs: dict[str, str]) -> str:
        return "Tomorrow." if "answers" in inputs else said.pop()

    said = ["It comes tomorrow.", "Never.", "Tomorrow, I think."]
    script = Script({"": reply})
    assert run(Vote(n=3, how="self_agreement"), script, TEXT, question="When?") == "Tomorrow."
    assert len(script.requests) == 4
    assert script.asked[-1][1]["answers"].count("omorrow") == 2


def test_a_verifier_outvotes_a_majority_it_distrusts() -> None:
    def score(inputs: dict[str, str]) -> int:
        return 9 if inputs["answer"] == "billing" else 2

    def team(_: dict[str, str]) -> str:
        return teams.pop()

    teams = ["billing", "shipping", "shipping", "shipping"]
    script = Script({"team": team, "score": score})
    assert run(Vote(n=4, how="verifier"), script, LABEL, ticket="late") == "billing"
    assert len(script.requests) == 8 == Vote(n=4, how="verifier").lm_calls()
    closeness = Op(name="closeness", function=lambda answer, inputs: len(answer))
    assert Vote(n=4, how="verifier", judge=closeness).lm_calls() == 4


def test_weights_add_up_by_key() -> None:
    weighted = library()["treadle:weighted"].function
    assert weighted(["a", "b", "B"], ["a", "b", "b"], [3, 2, 2]) == "b"
    assert weighted(["a", "b"], ["a", "b"], [1, 1]) == "a"
    with pytest.raises(ValueError, match="a judge returns a number"):
        weighted(["a"], ["a"], ["much"])


def test_an_op_cannot_say_what_most_agree_on() -> None:
    with pytest.raises(SignatureError, match="give a module, not the op 'closeness'"):
        Vote(how="self_agreement", judge="closeness").build(TEXT)


def test_a_panel_answers_from_each_point_of_view_at_any_temperature() -> None:
    def team(inputs: dict[str, str]) -> str:
        return "billing" if "money" in inputs["point_of_view"] else "shipping"

    script = Script({"team": team}, temperature=0)
    module = Panel(members=("a lover of money", "a postman", "a sailor"))
    assert run(module, script, LABEL, ticket="late") == "shipping"
    assert {inputs["point_of_view"] for inputs in script.inputs("team")} == set(module.members)
    with pytest.raises(ConfigurationError, match="above 0"):
        run(Vote(), script, LABEL, ticket="late")
    with pytest.raises(DeclarationError, match="members"):
        Panel(members=("alone",))
