import json

from tests.optimizers.program import START, Lab, OpenLab, space
from treadle.optimizers.demo_bank import labelled_bank
from treadle.optimizers.proposals import Proposed, instructions
from treadle.optimizers.proposer_options import Way
from treadle.optimizers.revisions import revise_instructions

WAYS = [Way(tip="none", examples=10), Way(tip="simple", examples=10, data=False, program=False)]


def revised(lab: Lab, count: int = 20) -> dict[str, list[Proposed]]:
    [outcomes] = lab.study.evaluate([START], lab.study.splits.feedback[:count], traces=True)
    ways = {parameter.address: WAYS for parameter in instructions(space())}
    bank = labelled_bank(lab.study, space())
    return revise_instructions(
        lab.study, space(), bank, outcomes, ways=ways, base=START, data="orders", threshold=1.0, key="round 1"
    )


def test_half_of_what_is_shown_failed_and_the_rest_did_not(lab: OpenLab) -> None:
    opened = lab(count=99)
    found = revised(opened)
    assert set(found) == {"reply.instruction", "triage.instruction"}
    for asked in opened.asked("failures"):
        failures, solved = json.loads(asked["failures"]), json.loads(asked["solved"])
        assert 1 <= len(failures) <= 5
        assert len(failures) + len(solved) <= 10
        assert not {case["inputs"]["ticket"] for case in failures} & {case["inputs"]["ticket"] for case in solved}


def test_only_feedback_examples_are_shown(lab: OpenLab) -> None:
    opened = lab(count=99)
    revised(opened)
    allowed = {opened.study.example(i).inputs["ticket"] for i in opened.study.splits.feedback}
    for asked in opened.asked("failures"):
        for case in (*json.loads(asked["failures"]), *json.loads(asked["solved"])):
            assert case["inputs"]["ticket"] in allowed


def test_the_way_decides_what_else_is_shown(lab: OpenLab) -> None:
    opened = lab(count=99)
    revised(opened)
    asked = opened.asked("failures")
    assert {fields["data"] for fields in asked} == {"orders", ""}
    assert {bool(fields["program"]) for fields in asked} == {True, False}


def test_each_text_remembers_how_it_was_asked_for(lab: OpenLab) -> None:
    found = revised(lab(count=99))
    assert {proposed.way for texts in found.values() for proposed in texts} <= set(WAYS)


def test_where_nothing_failed_nothing_is_asked(lab: OpenLab) -> None:
    opened = lab(metric=lambda *_: 1.0, rows=[{"ticket": f"order {n} about k0 please"} for n in range(30)])
    assert revised(opened) == {}
    assert not opened.asked("failures")
