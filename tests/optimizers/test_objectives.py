from collections.abc import Mapping
from typing import Any

import pytest

from tests.optimizers import world
from tests.optimizers.program import START, OpenLab, names_drawn, space
from tests.optimizers.test_rungs import BEST
from treadle.compiler.errors import ConfigurationError, DataError
from treadle.compiler.study.metric import Score
from treadle.optimizers.mipro import MIPRO
from treadle.optimizers.objectives import Objectives

LONG = space().candidate({"triage.instruction": "Please. " * 200 + str(BEST.values["triage.instruction"])})


def scored(example: Mapping[str, Any], prediction: str) -> Score:
    return Score(world.metric(example, prediction), objectives={"team": float(prediction[:2] == example["triage"])})


def test_gains_are_over_the_start_and_more_is_better(lab: OpenLab) -> None:
    opened = lab(metric=scored)
    ids = opened.study.splits.select
    opened.study.evaluate([START, BEST, LONG], ids)
    weighed = Objectives(opened.study, START, ("tokens", "team"))
    assert weighed.gains(START, ids) == (0.0, 0.0)
    tokens, team = weighed.gains(BEST, ids)
    assert tokens < 0 < team
    assert weighed.gains(LONG, ids)[0] < tokens


def test_the_front_leaves_out_who_is_beaten_in_everything(lab: OpenLab) -> None:
    opened = lab()
    ids = opened.study.splits.select
    opened.study.evaluate([START, BEST, LONG], ids)
    assert Objectives(opened.study, START, ("tokens",)).front([START, BEST, LONG], ids) == [START, BEST]


def test_of_two_as_good_the_cheaper_is_preferred(lab: OpenLab) -> None:
    opened = lab()
    ids = opened.study.splits.select
    opened.study.evaluate([START, BEST, LONG], ids)
    weighed = Objectives(opened.study, START, ("tokens",))
    assert weighed.prefer(LONG, [START, LONG, BEST], ids) == BEST
    assert weighed.prefer(BEST, [START, LONG, BEST], ids) == BEST


def test_mipro_follows_them_and_tells_the_front(lab: OpenLab) -> None:
    opened = lab(count=60)
    plain = MIPRO(trials=16).search(lab(count=60).study, space())
    cheap = MIPRO(trials=16, objectives=("tokens",)).search(opened.study, space())
    (front,) = opened.logged("front")
    assert cheap.id in front["candidates"]
    assert START.id in front["candidates"]
    study = opened.study
    used = Objectives(study, START, ("tokens",))
    study.evaluate([plain, cheap], study.splits.select)
    assert used.gains(cheap, study.splits.select) >= used.gains(plain, study.splits.select)


def test_an_unknown_objective_says_which_there_are(lab: OpenLab) -> None:
    with pytest.raises(DataError, match=r"'speed' is unknown.*tokens"):
        MIPRO(trials=4, objectives=("speed",)).search(lab(count=45).study, space())


def test_only_tpe_follows_several(lab: OpenLab, monkeypatch: pytest.MonkeyPatch) -> None:
    study = lab(count=45).study
    drawn = names_drawn(study, monkeypatch)
    MIPRO(trials=12, objectives=("tokens",)).search(study, space())
    assert "mipro.tpe" in drawn
    assert "mipro.thompson" not in drawn
    with pytest.raises(ConfigurationError, match="only 'tpe'"):
        MIPRO(sampler="thompson", objectives=("tokens",))


def test_halving_goes_with_them(lab: OpenLab) -> None:
    opened = lab(count=160)
    winner = MIPRO(trials=16, objectives=("calls",)).search(opened.study, space())
    assert opened.study.table.covers(winner, opened.study.splits.select)
