from tests.optimizers.program import START, Lab, OpenLab, space
from treadle.compiler.graph.parameters import Candidate
from treadle.optimizers.demo_bank import DemoBank, as_values, labelled_bank
from treadle.optimizers.variations import WAYS, Variations
from treadle.optimizers.writing import Writing


def variations(lab: Lab, *, most: int = 6) -> tuple[Variations, DemoBank]:
    bank = labelled_bank(lab.study, space())
    writing = Writing(lab.study, space(), bank, threshold=1.0, learn=False)
    return Variations(lab.study, space(), bank, writing, threshold=1.0, most=most), bank


def shown(lab: Lab, count: int) -> Candidate:
    bank = labelled_bank(lab.study, space())
    return space().candidate({"triage.demos": as_values(bank.labelled["triage"][:count])})


def many(lab: Lab, base: Candidate, elites: list[Candidate], *, most: int = 6) -> dict[Candidate, str]:
    made, _ = variations(lab, most=most)
    [evidence] = lab.study.evaluate([base], lab.study.splits.feedback[:12], traces=True)
    found: dict[Candidate, str] = {}
    for _ in range(8):
        found.update(made.children(base, elites, evidence, 6))
    return found


def test_children_are_made_in_every_way_and_say_from_whom(lab: OpenLab) -> None:
    opened = lab(count=99)
    base, other = (
        shown(opened, 4),
        space().candidate({"reply.instruction": "T1: alpha", "triage.instruction": "k0: T1"}),
    )
    found = many(opened, base, [base, other])
    assert set(found.values()) == set(WAYS)
    for child, way in found.items():
        assert child != base
        assert child.parents == ((base.id, other.id) if way == "merge" else (base.id,))
        assert space().candidate(child.values) == child


def test_a_changed_set_has_a_demo_more_or_less_or_another(lab: OpenLab) -> None:
    opened = lab(count=99)
    base = shown(opened, 4)
    for child, way in many(opened, base, [base]).items():
        demos = child.values.get("triage.demos", ())
        if way == "demo" and child.values.keys() <= {"triage.demos"}:
            assert isinstance(demos, list)
            assert 3 <= len(demos) <= 5


def test_without_room_for_demos_only_texts_change(lab: OpenLab) -> None:
    opened = lab(count=99)
    found = many(opened, START, [START], most=0)
    assert set(found.values()) == {"reflect"}
    assert all(set(child.values) <= {"triage.instruction", "reply.instruction"} for child in found)


def test_a_merge_takes_something_from_each(lab: OpenLab) -> None:
    opened = lab(count=99)
    base, other = (
        shown(opened, 4),
        space().candidate({"reply.instruction": "T1: alpha", "triage.instruction": "k0: T1"}),
    )
    merged = [child for child, way in many(opened, base, [base, other]).items() if way == "merge"]
    assert merged
    for child in merged:
        assert child not in (base, other)
        assert {**base.values, **other.values}.items() >= child.values.items()


def test_what_wins_is_done_more_often(lab: OpenLab) -> None:
    opened = lab(count=99)
    made, _ = variations(opened)
    base = shown(opened, 4)
    [evidence] = opened.study.evaluate([base], opened.study.splits.feedback[:12], traces=True)
    for _ in range(40):
        made.credit("redraw", won=True)
        for way in WAYS:
            if way != "redraw":
                made.credit(way, won=False)
    children = made.children(base, [base], evidence, 12)
    assert list(children.values()).count("redraw") > len(children) / 2
