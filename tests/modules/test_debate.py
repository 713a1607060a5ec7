import pytest

from tests.modules.any_module import LABEL, TEXT, lms
from tests.modules.scripts import Script, run
from treadle.compiler.errors import ConfigurationError, SignatureError
from treadle.compiler.graph.op import library
from treadle.modules import Debate, Vote


def test_agents_read_the_others_and_may_change_their_minds() -> None:
    def agent(inputs: dict[str, str]) -> str:
        if "other_answers" not in inputs:
            return first.pop()
        return "billing" if "billing" in inputs["other_answers"] else inputs["your_answer"]

    first = ["shipping", "billing", "shipping"]
    script = Script({"team": agent})
    assert run(Debate(agents=3, rounds=1), script, LABEL, ticket="late") == "billing"
    later = [inputs for inputs in script.inputs("team") if "other_answers" in inputs]
    assert len(later) == 3
    assert sorted(inputs["your_answer"] for inputs in later) == ["billing", "shipping", "shipping"]
    assert all(inputs["ticket"] == "late" for inputs in later)


def test_who_reads_whom() -> None:
    readings = library()["treadle:readings"].function
    assert readings(["a", "b", "c"], "all") == [["a", ["b", "c"]], ["b", ["a", "c"]], ["c", ["a", "b"]]]
    assert readings(["a", "b", "c"], "ring") == [["a", ["b"]], ["b", ["c"]], ["c", ["a"]]]
    assert readings(["a", "b", "c"], "star") == [["a", ["b", "c"]], ["b", ["a"]], ["c", ["a"]]]


def test_a_debate_without_a_round_is_a_vote() -> None:
    def chosen(module: Debate | Vote) -> str:
        left = ["shipping", "billing", "billing"]
        return str(run(module, Script({"team": lambda _: left.pop()}), LABEL, ticket="late"))

    assert chosen(Debate(agents=3, rounds=0)) == chosen(Vote(n=3)) == "billing"


@pytest.mark.parametrize(("agents", "rounds"), [(2, 1), (3, 2), (5, 4)])
def test_it_costs_what_it_says(agents: int, rounds: int) -> None:
    script = Script({"team": "billing"})
    run(Debate(agents=agents, rounds=rounds), script, LABEL, ticket="late")
    assert len(script.requests) == agents * (1 + rounds) == Debate(agents=agents, rounds=rounds).lm_calls()
    assert len({request.sample for request in script.requests}) == len(script.requests)


def test_first_answers_are_samples_and_need_a_temperature() -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        run(Debate(), Script({"team": "billing"}, temperature=0), LABEL, ticket="late")
    script = Script({"team": "billing"}, temperature=0.2)
    run(Debate(temperature=0.9), script, LABEL, ticket="late")
    assert [request.temperature for request in script.requests] == [0.9] * 3 + [0.2] * 3


def test_free_text_needs_a_way_to_combine() -> None:
    with pytest.raises(SignatureError, match=r'Debate\(how="self_agreement"\)'):
        Debate().build(TEXT)
    asked = [node.address for node in lms(Debate(how="self_agreement").build(TEXT))]
    assert asked == ["debate/predict", "debate:round/predict", "debate.judge/predict"]
