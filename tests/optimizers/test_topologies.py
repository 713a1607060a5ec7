"""Structure is checked in one place: legality, cost, duplicates."""

from tests.optimizers.program import START, OpenLab, space
from tests.optimizers.structures import program_of, study_of
from tests.worlds.edges import EdgeWorld
from tests.worlds.edges import Settings as EdgeSettings
from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate
from treadle.modules import ChainOfThought, Debate, Predict, Vote
from treadle.optimizers.based import widened
from treadle.optimizers.topologies import Topologies


def made(topologies: Topologies, **values: JSON) -> Candidate | None:
    named = {address.replace("__", "."): value for address, value in values.items()}
    return topologies.candidate(named, parents=(START.id,), origin="test")


def test_what_costs_too_much_is_refused_before_it_runs(lab: OpenLab) -> None:
    opened = lab()
    topologies = Topologies(opened.study, space(), max_lm_calls=4)
    assert made(topologies, triage__module=Vote(n=3).to_json()) is not None
    assert made(topologies, triage__module=Vote(n=4).to_json()) is None
    assert topologies.refused == [("test", "LM calls of a run: 5, and 4 is the most")]
    assert opened.logged("refused")[0]["reason"].endswith("4 is the most")
    assert not opened.requests


def test_what_cannot_serve_or_is_no_candidate_is_refused_with_the_reason(lab: OpenLab) -> None:
    topologies = Topologies(lab().study, space())
    assert made(topologies, reply__module=Vote().to_json()) is None
    assert made(topologies, nobody__module=None) is None
    reasons = [reason for _, reason in topologies.refused]
    assert "Vote cannot count the answers of 'reply'" in reasons[0]
    assert "no parameter 'nobody.module'" in reasons[1]


def test_what_comes_to_the_same_calls_is_one_candidate(lab: OpenLab) -> None:
    study = lab().study
    wide = widened(study, space(), {"triage": [Vote()]})
    topologies = Topologies(study, wide)
    first = made(topologies, triage__module=Vote(n=3).to_json())
    again = topologies.candidate(
        {"triage.module": Vote().to_json(), "triage/vote.n": 3}, parents=(), origin="test", again=True
    )
    assert first is not None
    assert again == first
    assert made(topologies, triage__module=Vote(n=3).to_json()) is None
    assert topologies.duplicates == 2
    assert made(topologies, triage__module=Predict().to_json()) is not None
    assert made(topologies) is None  # a plain call again
    assert made(topologies, triage__module=ChainOfThought().to_json()) is not None
    assert made(topologies, triage__instruction="Other.") is not None


def test_edges_and_edits_count_and_are_part_of_what_a_program_is() -> None:
    world = EdgeWorld(EdgeSettings(honest=2, liars=1), 0)
    with study_of(world, rows=40) as study:
        given = program_of(world).space()
        topologies = Topologies(study, given, max_lm_calls=4)
        start = given.default()
        assert topologies.lm_calls(start) == 4
        without = topologies.candidate({"judge.from_agent_1": False}, parents=(), origin="test")
        assert without is not None
        assert topologies.identity(without) != topologies.identity(start)
        insert: JSON = {
            "op": "insert_step",
            "target": "judge",
            "args": {"field": "text", "name": "shorten", "instruction": "Shorten."},
        }
        assert topologies.candidate({".edits": [insert]}, parents=(), origin="test") is None
        assert topologies.refused[-1][1].startswith("LM calls of a run: 5")
        wrong: JSON = {"op": "bypass", "target": "judge", "args": {"input": "text"}}
        assert topologies.candidate({".edits": [wrong]}, parents=(), origin="test") is None
        assert "cannot be bypassed" in topologies.refused[-1][1]


def test_in_host_mode_every_predictor_counts_once(lab: OpenLab) -> None:
    topologies = Topologies(lab(host=True).study, space())
    assert topologies.lm_calls(START) == 2
    assert topologies.lm_calls(Candidate(values={"triage.module": Debate().to_json()})) == 7
