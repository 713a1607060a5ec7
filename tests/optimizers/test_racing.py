from tests.optimizers.program import START, Lab, OpenLab, space
from tests.optimizers.world import KEYWORDS
from treadle.compiler.graph.parameters import Candidate
from treadle.optimizers.demo_bank import DemoBank, as_values, labelled_bank
from treadle.optimizers.racing import GATE, Race

NOTHING = DemoBank(labelled={})


def knowing(*words: str, wrong: bool = False) -> Candidate:
    """The program told the teams of some keywords: the more, the better; or all the wrong ones."""
    text = "\n".join(f"{word}: {'T1' if wrong and KEYWORDS[word] != 'T1' else KEYWORDS[word]}" for word in words)
    return space().candidate({"triage.instruction": text}, parents=(START.id,), origin="test")


ALL, HALF = knowing(*KEYWORDS), knowing(*list(KEYWORDS)[:6])
SAME = space().candidate({"reply.instruction": "Reply, then."}, parents=(START.id,), origin="test")


def race(lab: Lab, incumbent: Candidate = START, bank: DemoBank = NOTHING) -> Race:
    return Race(lab.study, bank, incumbent)


def test_who_is_better_wins_and_becomes_the_incumbent(lab: OpenLab) -> None:
    opened = lab(count=200)
    running = race(opened)
    assert running.run([SAME, HALF, ALL]) == ALL
    assert running.incumbent == ALL
    assert running.elites == [ALL, START]
    assert opened.logged("promoted") == [{"candidate": ALL.id, "over": START.id}]


def test_who_is_not_better_is_dropped_early_and_the_incumbent_stays(lab: OpenLab) -> None:
    opened = lab(count=200)
    running = race(opened, ALL)
    worse = knowing(*KEYWORDS, wrong=True)
    assert running.run([worse, HALF]) is None
    assert running.incumbent == ALL
    select = opened.study.splits.select
    assert all(len(opened.study.table.outcomes(child, select)) < len(select) / 2 for child in (worse, HALF))


def test_each_race_has_an_order_of_its_own_shared_by_its_children(lab: OpenLab) -> None:
    opened = lab(count=300)
    running = race(opened, ALL)
    select = set(opened.study.splits.select)
    seen = []
    for first, second in ((HALF, knowing("k1", "k2")), (knowing("k3", "k4"), knowing("k5", "k6"))):
        running.run([first, second])
        of = [{o.example for o in opened.study.table.outcomes(c)} & select for c in (first, second)]
        assert of[0] <= of[1] or of[1] <= of[0]
        seen.append(min(of, key=len))
    shortest = min(map(len, seen))
    assert shortest == 0 or seen[0] != seen[1]


def test_the_gate_is_on_feedback_examples_nobody_shows_and_its_traces_are_kept(lab: OpenLab) -> None:
    opened = lab(count=200)
    bank = labelled_bank(opened.study, space())
    shown = bank.labelled["triage"][:10]
    child = space().candidate({"triage.demos": as_values(shown)}, parents=(START.id,), origin="test")
    running = race(opened, START, bank)
    running.run([child])
    evidence = running.evidence(START)
    assert len(evidence) == GATE
    assert all(outcome.trace is not None for outcome in evidence)
    ids = {outcome.example for outcome in evidence}
    assert ids <= set(opened.study.splits.feedback)
    assert not ids & {worked.example for worked in shown}
    assert {outcome.example for outcome in running.evidence(child)} == ids


def test_evidence_of_who_never_raced_is_empty(lab: OpenLab) -> None:
    assert race(lab(count=200)).evidence(ALL) == []
