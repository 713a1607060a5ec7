import subprocess
import sys
from collections.abc import Mapping
from typing import get_args

import pytest

from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.program import OpenLab, names_drawn, space
from tests.optimizers.world import rows
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.study.optimizer import Shape
from treadle.optimizers.effort import Effort
from treadle.optimizers.mipro import MIPRO

ZERO_SHOT = MIPRO(max_bootstrapped=0, max_labeled=0)


class TestConformance(OptimizerConformance):
    optimizer = MIPRO(max_labeled=6, trials=12)


class TestZeroShot(OptimizerConformance):
    optimizer = ZERO_SHOT


def plan(effort: Effort, **size: int) -> Mapping[str, int]:
    given = {"predictors": 1, "calls_per_run": 1, "feedback": 0, "select": 1, **size}
    return MIPRO(effort=effort).plan(Shape(cross_fitted=True, **given))


def test_the_original_is_option_0_and_needs_no_proposal(lab: OpenLab) -> None:
    opened = lab()
    MIPRO().search(opened.study, space())
    assert len([said for said in opened.logged("proposal") if said["key"] == "instruction"]) == 2 * 6
    (menu,) = opened.logged("menu")
    assert menu["options"].keys() == {"reply.demos", "reply.instruction", "triage.demos", "triage.instruction"}
    assert all(2 <= count <= (12 if at.endswith("demos") else 7) for at, count in menu["options"].items())


def test_no_combination_is_measured_twice(lab: OpenLab) -> None:
    opened = lab(count=30)
    MIPRO(trials=30).search(opened.study, space())
    choices = [tuple(trial["choice"].values()) for trial in opened.logged("trial")]
    assert len(choices) == len(set(choices)) == 30
    assert (0, 0, 0, 0) not in choices


def test_a_small_menu_is_tried_out_whole(lab: OpenLab) -> None:
    opened = lab()
    MIPRO(max_bootstrapped=0, max_labeled=0, proposals=2, trials=20, rounds=1).search(opened.study, space())
    choices = [tuple(trial["choice"].values()) for trial in opened.logged("trial")]
    assert len(choices) == len(set(choices)) == 3 * 3 - 1
    table, ids = opened.study.table, opened.study.splits.select
    assert all(table.covers(candidate, ids) for candidate in opened.tried("mipro"))


def test_under_100_examples_every_candidate_has_full_cells(lab: OpenLab) -> None:
    opened = lab(count=60)
    MIPRO().search(opened.study, space())
    table, ids = opened.study.table, opened.study.splits.select
    assert all(table.covers(candidate, ids) for candidate in opened.tried("mipro"))


def test_from_100_on_all_share_the_first_rung_and_the_finalists_are_full(lab: OpenLab) -> None:
    opened = lab(count=160)
    table, ids = opened.study.table, opened.study.splits.select
    winner = MIPRO(trials=24).search(opened.study, space())
    tried = opened.tried("mipro")
    shortest = min((table.outcomes(candidate) for candidate in tried), key=len)
    assert len(shortest) < len(ids) / 3
    assert all(table.covers(candidate, [outcome.example for outcome in shortest]) for candidate in tried)
    assert table.covers(winner, ids)
    assert 4 <= sum(table.covers(candidate, ids) for candidate in tried) < len(tried)


def test_two_batches_are_under_way_and_told_in_order(lab: OpenLab) -> None:
    opened = lab(count=30)
    MIPRO(trials=32, rounds=1).search(opened.study, space())
    kinds = [event.kind for event in opened.events if event.kind in ("trial", "asked")]
    asks = [place for place, kind in enumerate(kinds) if kind == "asked"]
    first = kinds.index("trial")
    assert sum(place < first for place in asks) == 1 + 2 + 2 + 2  # the start, the teachers, the proposers, two batches
    assert [kinds[place + 1] for place in asks[7:-1]] == ["trial"] * 6  # each further batch waits for one to land
    said = [trial["candidate"] for trial in opened.logged("trial")]
    assert said == [candidate.id for candidate in opened.tried("mipro")]


def test_at_most_a_quarter_of_the_trials_is_random(lab: OpenLab, monkeypatch: pytest.MonkeyPatch) -> None:
    study = lab(count=30).study
    drawn = names_drawn(study, monkeypatch)
    MIPRO(trials=24, rounds=1).search(study, space())
    assert drawn.count("mipro.thompson") == 18


def test_zero_shot_searches_instructions_only_and_makes_no_run_for_demos(lab: OpenLab) -> None:
    opened = lab()
    winner = ZERO_SHOT.search(opened.study, space())
    assert set(winner.values) <= {"reply.instruction", "triage.instruction"}
    assert not opened.tried("teacher")
    assert len([said for said in opened.logged("proposal") if said["key"] == "instruction"]) == 2 * 6


def test_zero_shot_runs_the_teacher_where_labels_give_no_examples(lab: OpenLab) -> None:
    opened = lab(host=True)
    ZERO_SHOT.search(opened.study, space())
    assert opened.tried("teacher")


def test_efforts_try_more_and_more() -> None:
    plans = [plan(effort, predictors=2, calls_per_run=2, feedback=200, select=40) for effort in get_args(Effort)]
    sizes = ((48 + 24, 20), (96 + 2 * 48, 56), (144 + 4 * 72, 132))
    assert [given["task"] for given in plans] == [2 * (rows + 40 * trials) for rows, trials in sizes]
    assert [given["proposer"] for given in plans] == [1 + 2 * (6 + 3), 1 + 2 * (12 + 2 * 6), 1 + 2 * (18 + 4 * 9)]


def test_the_trials_of_the_docstring_are_right() -> None:
    trials: dict[Effort, tuple[int, int, int]] = {
        "light": (10, 20, 31),
        "medium": (36, 56, 86),
        "heavy": (108, 132, 200),
    }
    for effort, counts in trials.items():
        assert tuple(plan(effort, predictors=predictors)["task"] for predictors in (1, 2, 3)) == counts


def test_seed_0_is_a_seed(lab: OpenLab) -> None:
    first, second = (MIPRO(trials=4).search(lab(seed=seed).study, space()) for seed in (0, 9))
    assert first != second


@pytest.mark.parametrize("trials", [1, 2, 3, 5, 11])
def test_any_number_of_trials_is_run(lab: OpenLab, trials: int) -> None:
    opened = lab(count=30)
    MIPRO(trials=trials).search(opened.study, space())
    assert len(opened.logged("trial")) == trials


def test_a_start_that_is_hard_to_beat_stays(lab: OpenLab) -> None:
    study = lab(metric=lambda *_: 1.0).study
    assert MIPRO(trials=4).search(study, space()) == space().default()


def test_where_nothing_can_be_proposed_the_program_stays(lab: OpenLab) -> None:
    opened = lab(rows=[{"ticket": row["ticket"]} for row in rows(30)], metric=lambda *_: 0.0)
    assert MIPRO(proposals=0).search(opened.study, space()) == space().default()
    assert opened.logged("menu")[0]["options"] == dict.fromkeys(
        ("reply.demos", "reply.instruction", "triage.demos", "triage.instruction"), 1
    )


def test_an_unknown_effort_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"effort='huge'.*light, medium, heavy"):
        MIPRO(effort="huge")  # type: ignore[arg-type]  # what a user may write


def test_optuna_is_not_imported_with_it() -> None:
    script = "import sys, treadle.optimizers.mipro; sys.exit('optuna' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
