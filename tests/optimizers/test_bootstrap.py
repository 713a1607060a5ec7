from collections.abc import Mapping
from typing import Any, cast

from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.program import START, OpenLab, space
from tests.optimizers.world import rows
from treadle.optimizers.bootstrap import BootstrapFewShot


class TestConformance(OptimizerConformance):
    optimizer = BootstrapFewShot(max_labeled=8)


def test_the_winner_shows_bootstrapped_demos_and_labelled_ones_behind_them(lab: OpenLab) -> None:
    winner = BootstrapFewShot(max_bootstrapped=3, max_labeled=5).search(lab().study, space())
    demos = cast("list[Mapping[str, Any]]", winner.values["triage.demos"])
    assert [demo["origin"] for demo in demos] == ["bootstrapped"] * 3 + ["labelled"] * 2


def test_without_labels_and_passing_traces_the_program_stays_as_it_is(lab: OpenLab) -> None:
    given = [{"ticket": row["ticket"], "answer": row["reply"]} for row in rows(60)]
    opened = lab(rows=given, metric=lambda *_: 0.0)
    assert BootstrapFewShot().search(opened.study, space()) == START
    assert [fields["message"] for fields in opened.logged("demos")] == [
        "no trace of reply passed in 20 runs",
        "no trace of triage passed in 20 runs",
    ]


def test_rows_bound_the_teachers_runs(lab: OpenLab) -> None:
    for bound in (1, 6):
        opened = lab()
        BootstrapFewShot(rows=bound).search(opened.study, space())
        teachers = opened.tried("teacher")
        assert sum(len(opened.study.table.outcomes(teacher)) for teacher in teachers) == (0 if bound == 1 else 6)
