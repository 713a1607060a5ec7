import pytest

from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.program import START, OpenLab, space
from treadle.compiler.errors import ConfigurationError
from treadle.optimizers.auto import Auto
from treadle.optimizers.rungs import FINALISTS


class TestConformance(OptimizerConformance):
    optimizer = Auto(max_labeled=6, patience=2)


def test_demos_come_first_then_instructions_with_these_demos_in_place(lab: OpenLab) -> None:
    opened = lab(count=60)
    Auto().search(opened.study, space())
    stages = [stage["name"] for stage in opened.logged("stage")]
    assert stages == ["demos", "instructions", "parts"]
    assert all(set(c.values) <= {"reply.demos", "triage.demos"} for c in opened.tried("auto demos"))
    for candidate in opened.tried("auto instructions trial"):
        assert any(address.endswith(".demos") for address in candidate.values)


def test_the_parts_are_told_apart(lab: OpenLab) -> None:
    opened = lab(count=60)
    Auto().search(opened.study, space())
    parts = opened.logged("part")
    assert [part["name"] for part in parts] == ["start", "demos only", "instructions only", "both"]
    assert {part["n"] for part in parts} == {len(opened.study.splits.select)}
    by_id = {candidate.id: candidate for candidate in opened.study.table.candidates}
    alone, both = (by_id[parts[place]["candidate"]] for place in (2, 3))
    assert alone.values == {a: v for a, v in both.values.items() if not a.endswith(".demos")}
    assert parts[0]["candidate"] == START.id
    (told,) = opened.study.findings.said
    assert all(f"{part['name']} {100 * part['score']:.1f}" in told for part in parts)


def test_under_100_examples_nothing_races_and_every_candidate_has_full_cells(lab: OpenLab) -> None:
    opened = lab(count=60)
    Auto().search(opened.study, space())
    table, ids = opened.study.table, opened.study.splits.select
    assert all(table.covers(candidate, ids) for candidate in opened.tried("auto"))
    assert not opened.tried("reflect")


def test_from_100_on_children_race_and_the_last_four_are_compared_in_full(lab: OpenLab) -> None:
    opened = lab(count=200)
    winner = Auto().search(opened.study, space())
    assert [stage["name"] for stage in opened.logged("stage")][-2:] == ["races", "finalists"]
    ways = {"reflect", "demo", "redraw", "merge"}
    raced = [c for c in opened.tried() if c.origin.split()[0] in ways]
    assert raced
    table, ids = opened.study.table, opened.study.splits.select
    assert table.covers(winner, ids)
    assert sum(table.covers(candidate, ids) for candidate in opened.tried()) >= FINALISTS


def test_races_end_after_patience(lab: OpenLab) -> None:
    long, short = lab(count=160), lab(count=160)
    Auto(patience=9).search(long.study, space())
    Auto(patience=1).search(short.study, space())
    assert len(short.tried()) < len(long.tried())


@pytest.mark.parametrize(("setting", "value"), [("effort", "huge"), ("sampler", "gp"), ("patience", 0)])
def test_impossible_settings_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=setting):
        Auto(**{setting: value})  # type: ignore[arg-type]  # what a user may write
