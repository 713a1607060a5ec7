from collections.abc import Mapping
from typing import Any, cast

import pytest

from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.program import START, OpenLab, space
from tests.optimizers.world import TEAMS, rows
from treadle.compiler.errors import DataError
from treadle.optimizers.labeled import LabeledFewShot


class TestConformance(OptimizerConformance):
    optimizer = LabeledFewShot(k=8)


def test_it_needs_no_call_but_those_of_two_candidates(lab: OpenLab) -> None:
    opened = lab()
    LabeledFewShot().search(opened.study, space())
    assert len(opened.study.table.candidates) == 2
    assert len(opened.requests) == 2 * 2 * len(opened.study.splits.select)


def test_demos_are_even_over_the_answers(lab: OpenLab) -> None:
    winner = LabeledFewShot(k=8).search(lab().study, space())
    demos = cast("list[Mapping[str, Any]]", winner.values["triage.demos"])
    assert sorted(demo["outputs"]["triage"] for demo in demos) == sorted(2 * TEAMS)


def test_demos_that_do_not_help_are_not_kept(lab: OpenLab) -> None:
    assert LabeledFewShot().search(lab(metric=lambda *_: 0.5).study, space()) == START


def test_labels_of_other_names_are_an_error_with_the_remedy(lab: OpenLab) -> None:
    given = [{"ticket": row["ticket"], "team": row["triage"]} for row in rows(40)]
    with pytest.raises(DataError, match=r"steps are reply, triage, the data's labels team.*fields=\{'label': 'step'\}"):
        LabeledFewShot().search(lab(rows=given).study, space())
