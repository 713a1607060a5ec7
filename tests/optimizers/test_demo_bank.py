import random
from collections import Counter

import pytest

from tests.optimizers.program import OpenLab, space
from tests.optimizers.world import TEAMS, rows
from treadle.compiler.errors import DataError
from treadle.compiler.prompt.demo import Demo
from treadle.optimizers.demo_bank import DemoBank, Worked, as_values, labelled_bank, searched, stratified


def worked(number: int, label: str, origin: str = "labelled") -> Worked:
    return Worked(demo=Demo(inputs={"x": number}, outputs={"y": label}, origin=origin), example=f"e{number}")


def test_labels_named_like_a_step_make_its_demos(lab: OpenLab) -> None:
    study = lab().study
    bank = labelled_bank(study, space())
    for name in ("triage", "reply"):
        assert [w.example for w in bank.labelled[name]] == list(study.splits.feedback)
    for w in bank.labelled["reply"]:
        example = study.example(w.example)
        assert w.demo.inputs == {"ticket": example.inputs["ticket"], "team": example.labels["triage"]}
        assert w.demo.outputs == {"reply": example.labels["reply"]}
        assert w.demo.origin == "labelled"


def test_a_label_for_each_field_is_a_whole_label(lab: OpenLab) -> None:
    given = [{"ticket": row["ticket"], "triage.triage": row["triage"]} for row in rows(40)]
    assert len(labelled_bank(lab(rows=given).study, space()).labelled["triage"]) == 13


def test_a_label_of_another_name_makes_none(lab: OpenLab) -> None:
    given = [{"ticket": row["ticket"], "team": row["triage"]} for row in rows(40)]
    assert not any(labelled_bank(lab(rows=given).study, space()).labelled.values())


def test_demos_come_from_feedback_examples_only(lab: OpenLab) -> None:
    study = lab().study
    bank = labelled_bank(study, space())
    assert not {w.example for pool in bank.labelled.values() for w in pool} & set(study.splits.select)


def test_a_label_the_step_cannot_answer_names_row_and_remedy(lab: OpenLab) -> None:
    given = [{**row, "triage": "T9"} for row in rows(40)]
    with pytest.raises(DataError, match=r"row \d+: the label of step 'triage' is 'T9'.*rename the label"):
        labelled_bank(lab(rows=given).study, space())


def test_draws_are_even_over_the_answers() -> None:
    pool = [worked(number, "common") for number in range(50)] + [worked(50 + n, f"rare{n}") for n in range(3)]
    drawn = stratified(pool, 8, random.Random(1))
    assert Counter(w.label for w in drawn).most_common(1)[0][1] == 5
    assert len({w.label for w in drawn}) == 4
    assert len({w.example for w in drawn}) == 8


def test_a_draw_takes_account_of_what_is_shown() -> None:
    pool = [worked(number, TEAMS[number % 4]) for number in range(20)]
    shown = pool[:3]
    assert stratified(pool, 1, random.Random(1), shown=shown)[0].label == pool[3].label
    everything = stratified(pool, 100, random.Random(1), shown=shown)
    assert sorted(w.example for w in everything) == sorted(w.example for w in pool[3:])


def test_draws_differ_by_seed_and_agree_for_one() -> None:
    pool = [worked(number, TEAMS[number % 4]) for number in range(40)]
    draws = [[w.example for w in stratified(pool, 6, random.Random(seed))] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_values_of_a_demos_parameter_are_demos_as_json() -> None:
    (value,) = as_values([worked(1, "a")])
    assert value == {"inputs": {"x": 1}, "outputs": {"y": "a"}, "origin": "labelled"}


def test_labelled_stands_before_bootstrapped_for_the_same_example() -> None:
    bank = DemoBank(
        labelled={"p": (worked(1, "right"),)},
        bootstrapped={"p": (worked(1, "other", "bootstrapped"), worked(2, "b", "bootstrapped"))},
    )
    assert [(w.example, w.label) for w in bank.all("p")] == [("e1", '"right"'), ("e2", '"b"')]
    assert bank.all("q") == ()


def test_only_the_steps_own_demos_are_searched() -> None:
    assert searched(space()) == ["reply", "triage"]
