import pytest

from tests.optimizers.program import START, OpenLab, space
from tests.optimizers.world import CODES, KEYWORDS
from treadle.compiler.graph.parameters import Candidate
from treadle.optimizers.stages import Stages

TRIAGE = "\n".join(f"{word}: {team}" for word, team in KEYWORDS.items())
REPLY = "\n".join(f"{team}: {code}" for team, code in CODES.items())


def tuned(**instructions: str) -> Candidate:
    values = {f"{name}.instruction": text for name, text in instructions.items()}
    return space().candidate(values, parents=(START.id,), origin="test")


@pytest.mark.parametrize("count", [45, 160])
def test_what_is_better_is_kept_and_what_is_not_is_rolled_back(lab: OpenLab, count: int) -> None:
    study = lab(count=count).study
    stages = Stages(study)
    good, same = tuned(triage=TRIAGE, reply=REPLY), tuned(reply="Other words.")
    ids = stages.choosing.splits.select
    study.evaluate([START, good, same], study.splits.select if study.splits.cross_fitted else ids)
    kept = stages.decide("first", START, good, [good], evidence=0.95)
    assert kept.kept
    assert kept.difference > 0.3
    worse = stages.decide("second", good, same, [same], evidence=0.5)
    assert not worse.kept
    assert study.findings.said[0].startswith(f"first: +{100 * kept.difference:.1f} points on {kept.n} held-out")
    assert study.findings.said[1].endswith("rolled back")


def test_from_100_examples_on_what_decides_is_not_what_chooses(lab: OpenLab) -> None:
    opened = lab(count=160)
    stages = Stages(opened.study)
    whole, chosen = set(opened.study.splits.select), set(stages.choosing.splits.select)
    assert chosen < whole
    held = whole - chosen
    assert len(held) == len(whole) // 3
    good = tuned(triage=TRIAGE, reply=REPLY)
    decision = stages.decide("only", START, good, [good], evidence=0.5)
    assert decision.n == len(held)
    assert {outcome.example for outcome in opened.study.table.outcomes(good)} == held


def test_below_each_fold_is_judged_by_what_the_others_choose(lab: OpenLab) -> None:
    opened = lab(count=45)
    stages = Stages(opened.study)
    assert stages.choosing.splits.select == opened.study.splits.select
    good, lucky = tuned(triage=TRIAGE), tuned(reply=REPLY)
    opened.study.evaluate([START, good, lucky], opened.study.splits.select)
    decision = stages.decide("only", START, good, [good, lucky], evidence=0.5)
    assert decision.n == len(opened.study.splits.select)


def test_nothing_new_is_nothing_kept(lab: OpenLab) -> None:
    stages = Stages(lab(count=45).study)
    decision = stages.decide("idle", START, START, [], evidence=0.5)
    assert (decision.kept, decision.n, decision.difference) == (False, 0, 0.0)


def test_more_evidence_is_asked_for_where_it_costs_more(lab: OpenLab) -> None:
    study = lab(count=45).study
    stages = Stages(study)
    slightly = tuned(reply="T1: alpha")
    study.evaluate([START, slightly], study.splits.select)
    easy = stages.decide("easy", START, slightly, [slightly], evidence=0.5)
    hard = stages.decide("hard", START, slightly, [slightly], evidence=1.01)
    assert easy.difference == hard.difference
    assert not hard.kept
