import dataclasses
import math
import random

import pytest

from tests.optimizers.program import START, OpenLab, space
from tests.optimizers.world import KEYWORDS
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.optimizer import Shape
from treadle.optimizers.rungs import (
    FINALISTS,
    Heats,
    affordable,
    best,
    charged_share,
    gain,
    halve,
    ranked,
    rungs,
    runs_left,
)


def knowing(*words: str) -> Candidate:
    """The program told the teams of some keywords: the more, the better."""
    text = "\n".join(f"{word}: {KEYWORDS[word]}" for word in words)
    return space().candidate({"triage.instruction": text}, parents=(START.id,), origin="test")


LADDER = [knowing(*list(KEYWORDS)[:count]) for count in range(1, 12)]
BEST = LADDER[-1]
APART = LADDER[1::2]  # each does better than the one before even on few examples


def test_under_100_examples_there_is_one_rung(lab: OpenLab) -> None:
    study = lab(count=99).study
    assert rungs(study) == (tuple(study.splits.select),)


def test_from_100_on_each_rung_begins_the_next(lab: OpenLab) -> None:
    study = lab(count=200).study
    first, second, last = rungs(study)
    assert (len(first), len(second), len(last)) == (18, 37, 74)
    assert (last[:18], last[:37]) == (first, second)
    assert sorted(last) == sorted(study.splits.select)
    assert rungs(study) == (first, second, last)


def test_a_rung_has_at_least_twelve_examples(lab: OpenLab) -> None:
    assert [len(ids) for ids in rungs(lab(count=100).study)] == [12, 18, 37]


def test_the_winner_is_who_gains_most_and_nobody_without_a_gain(lab: OpenLab) -> None:
    study = lab().study
    ids = study.splits.select
    worse = space().candidate({"triage.instruction": "k0: T2\nk4: T2\nk8: T2"})
    study.evaluate([START, *LADDER, worse], ids)
    assert best(study, START, LADDER) == study.table.best(LADDER, ids)
    assert best(study, START, []) == START
    assert best(study, START, [worse]) == START


def test_who_has_not_been_measured_in_full_cannot_win_where_the_verdict_is_cross_fitted(lab: OpenLab) -> None:
    study = lab().study
    study.evaluate([START], study.splits.select)
    study.evaluate([BEST], study.splits.select[:-1])
    assert best(study, START, [BEST]) == START


def test_the_luckiest_on_few_examples_does_not_win_over_those_measured_in_full(lab: OpenLab) -> None:
    study = lab(count=300).study
    ids, lucky = study.splits.select, knowing("k1")
    study.evaluate([START, *LADDER[1:5]], ids)
    won = [example for example in ids if "k1 " in study.example(example).inputs["ticket"]]
    study.evaluate([lucky], won)
    assert gain(study, lucky, START, won) > max(gain(study, one, START, ids) for one in LADDER[1:5])
    assert best(study, START, [lucky, *LADDER[1:5]]) == LADDER[3]  # as good as the next, and earlier
    assert best(study, START, [lucky, *LADDER[1:4]]) == lucky  # of so few nobody is left out


def test_a_gain_on_few_examples_counts_for_less(lab: OpenLab) -> None:
    study = lab().study
    study.evaluate([START, knowing(*KEYWORDS)], study.splits.select)
    missed = [i for i in study.splits.select if study.table.outcomes(START, [i])[0].value == 0.0]
    few, many = (gain(study, knowing(*KEYWORDS), START, ids) for ids in (missed[:2], missed))
    assert 0 < few < many < 0.5


def test_ranks_are_by_mean_and_the_earlier_first_in_a_tie(lab: OpenLab) -> None:
    study = lab().study
    twins = [space().candidate({"reply.instruction": text}) for text in ("One.", "Two.")]
    ids = study.splits.select
    study.evaluate([*twins, BEST], ids)
    assert ranked(study, [*twins, BEST], ids) == [BEST, *twins]
    assert ranked(study, [BEST, *twins[::-1]], ids) == [BEST, *twins[::-1]]


def test_halving_drops_the_worse_half_and_measures_the_finalists_in_full(lab: OpenLab) -> None:
    study = lab(count=200).study
    halve(study, LADDER)
    sizes = [len(study.table.outcomes(candidate)) for candidate in LADDER]
    assert (sizes.count(18), sizes.count(37), sizes.count(74)) == (5, 2, FINALISTS)
    assert sizes[-1] == 74


def test_heats_move_the_better_half_up_and_count_only_what_has_landed(lab: OpenLab) -> None:
    study = lab(count=200).study
    study.evaluate([START], study.splits.select)
    heats = Heats(study, START, rungs(study))
    first, second = heats.send(APART[:4]), heats.send(APART[4:])
    assert all(heats.gain(candidate) is None for candidate in APART)
    assert not heats.can_deepen(APART[0])
    heats.land(first)
    assert [heats.gain(candidate) is None for candidate in APART] == [False] * 4 + [True]
    assert heats.can_deepen(APART[0])
    third = heats.send([])
    assert [(rung, len(group)) for rung, group, _ in third.groups] == [(1, 2)]
    heats.land(second)
    heats.land(third)
    heats.final()
    complete = [candidate for candidate in APART if study.table.covers(candidate, study.splits.select)]
    assert len(complete) == FINALISTS
    assert APART[-1] in complete


def test_of_candidates_that_do_the_same_one_moves_up(lab: OpenLab) -> None:
    study = lab(count=200).study
    heats = Heats(study, START, rungs(study))
    words = list(KEYWORDS)[:6]
    twins = [knowing(*words), knowing(*words[::-1])]
    heats.land(heats.send([*twins, *APART[:2]]))
    ((rung, group, _),) = (rising := heats.send([])).groups
    assert (rung, group) == (1, twins[:1])
    heats.land(rising)
    heats.final()
    assert [study.table.covers(twin, study.splits.select) for twin in twins] == [True, False]


def test_that_all_are_right_does_not_make_two_candidates_alike(lab: OpenLab) -> None:
    study = lab(count=200, metric=lambda *_: 1.0).study
    heats = Heats(study, START, rungs(study))
    heats.land(heats.send(APART[:4]))
    assert [len(group) for _, group, _ in heats.send([]).groups] == [2]


def test_with_one_rung_nothing_is_deepened(lab: OpenLab) -> None:
    study = lab().study
    heats = Heats(study, START, rungs(study))
    heats.land(heats.send(LADDER[:2]))
    assert not heats.can_deepen(LADDER[0])
    assert heats.send([]).groups == []


def test_where_the_budget_is_short_fewer_examples_are_used(lab: OpenLab) -> None:
    study = lab(count=300).study
    whole, short, none = rungs(study), rungs(study, 400), rungs(study, 5)
    assert len(whole[-1]) == len(study.splits.select) == 111
    assert [len(ids) for ids in short] == [12, 20, 40]
    assert [len(ids) for ids in none] == [12]
    assert whole[-1][:40] == short[-1]


def test_as_many_candidates_as_the_runs_pay_for(lab: OpenLab) -> None:
    ladder = rungs(lab(count=300).study)
    counts = [affordable(ladder, runs, 40) for runs in (0, 300, 700, 2000, math.inf)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 40)
    assert 4 <= counts[2] < 20


def test_steps_that_share_a_prompt_are_charged_once_where_they_read_no_reply() -> None:
    shape = Shape(predictors=2, calls_per_run=2, feedback=9, select=9, cross_fitted=True, independent=1.0)
    drawn = [{random.Random(f"{seed} {trial}").randrange(6) for trial in range(20)} for seed in range(200)]
    assert charged_share(shape, 20, 6) == pytest.approx(sum(map(len, drawn)) / 200 / 20, rel=0.02)
    half = dataclasses.replace(shape, independent=0.5)
    assert charged_share(half, 20, 6) == pytest.approx((1 + charged_share(shape, 20, 6)) / 2)
    assert charged_share(dataclasses.replace(shape, independent=0.0), 20, 6) == 1
    assert charged_share(dataclasses.replace(shape, predictors=1), 20, 6) == 1


def test_runs_left_are_those_the_budget_pays_for(lab: OpenLab) -> None:
    free, capped = lab(count=60), lab(count=60, calls=200)
    for opened in (free, capped):
        opened.study.evaluate([START], opened.study.splits.select[:10])
    assert runs_left(free.study, START) == math.inf
    used = capped.study.spend.search.calls
    assert runs_left(capped.study, START) == pytest.approx((180 - used) / (used / 10))
