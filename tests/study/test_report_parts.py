"""The parts of a report, from small tables made by hand: candidates, curve, stages, examples, importance."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.budget import Amount
from treadle.compiler.study.data import Data, Example
from treadle.compiler.study.gate import compare_cross_fitted
from treadle.compiler.study.history import History
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.report_candidates import Tried, groups, tried
from treadle.compiler.study.report_curve import curve
from treadle.compiler.study.report_examples import LONGEST, finalists, judged, split_up
from treadle.compiler.study.report_importance import Effect, importance, in_words
from treadle.compiler.study.report_stages import stages
from treadle.compiler.study.report_words import Scale, seconds
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.table import ScoreTable

IDS = tuple("abcdefgh")
START = Candidate()


def made(origin: str = "op", parents: tuple[str, ...] = (START.id,), **values: JSON) -> Candidate:
    named = {address.replace("__", "."): value for address, value in values.items()}
    return Candidate(values=named, parents=parents, origin=origin)


X = made("first", x__instruction="X")
Y = made("second", (X.id,), x__instruction="Y", x__demos=[])


def outcomes(scores: Sequence[float | None], ids: Sequence[str] = IDS, cost: float | None = 0.5) -> list[Outcome]:
    return [
        Outcome(
            example=example,
            score=score,
            failure="" if score is not None else "ValueError: no",
            calls=2,
            cost=cost,
            prediction={"said": example},
            feedback=f"about {example}",
        )
        for example, score in zip(ids, scores, strict=False)
    ]


def table(rows: Mapping[Candidate, Sequence[float | None]], cost: float | None = 0.5) -> ScoreTable:
    found = ScoreTable(IDS)
    for candidate, scores in rows.items():
        found.record(candidate, outcomes(scores, cost=cost))
    return found


def history_of(*batches: tuple[Candidate, Sequence[str]]) -> History:
    history, used = History(), 0
    for number, (candidate, ids) in enumerate(batches):
        history.ask(number)
        used += 2 * len(ids)
        by_role = {"task": Amount(used, 0, 0.0)}
        history.settle(number, "evaluate", len(ids), by_role, float(number), [(candidate.id, i) for i in ids])
    return history


# --- candidates ------------------------------------------------------------------------------------------------------


def test_candidates_have_lineage_scores_and_which_values_they_have() -> None:
    found = table({START: [0] * 8, X: [1] * 4, Y: [0.5] * 8})
    history = history_of((START, IDS), (X, IDS[:4]), (Y, IDS), (START, ("not of select",)), (X, IDS[:4]))
    start, x, y = tried(found, IDS, START, history)
    assert (start.origin, start.parents, start.changed, start.gain) == ("start", (), (), 0)
    assert (x.origin, x.score, x.n, x.gain, x.calls, x.usd) == ("first", 1.0, 4, 1.0, 2.0, 0.5)
    assert (y.parents, y.options) == ((X.id,), {"x.instruction": 2, "x.demos": 1})
    assert [one.at for one in (start, x, y)] == [16, 24, 40]


def test_one_that_was_never_measured_on_the_choosing_examples_has_no_score() -> None:
    found = table({START: [0] * 8})
    found.record(X, outcomes([1], ids=["h"]))
    one = tried(found, IDS[:4], START, History())[1]
    assert math.isnan(one.score)
    assert (one.n, one.gain, one.calls, one.usd, one.at) == (0, None, None, None, None)
    assert one.to_json()["search_score"] is None


def test_one_unknown_cost_makes_the_cost_of_a_run_unknown() -> None:
    found = table({START: [0] * 8})
    found.record(START, outcomes([0], cost=None))
    assert tried(found, IDS, START, History())[0].usd is None


def test_groups_are_by_kind_and_compare_what_was_measured_most() -> None:
    lucky = made(x__instruction="lucky")
    found = table({START: [0] * 8, X: [0.5] * 8, lucky: [1, 1], Y: [0.25] * 8})
    rows = groups(tried(found, IDS, START, History()), {"x.instruction": "instruction", "x.demos": "demos"})
    assert [(group.name, group.candidates, group.best, group.n) for group in rows] == [
        ("nothing (start)", 1, 0.0, 8),
        ("instruction only", 2, 0.5, 8),
        ("demos and instruction", 1, 0.25, 8),
    ]


# --- the curve -------------------------------------------------------------------------------------------------------


def test_the_curve_is_the_best_so_far_and_can_fall_when_more_is_known() -> None:
    found = table({START: [0, 0, 0, 0, 1, 1, 1, 1], X: [1, 1, 1, 1, 0, 0, 0, 0], Y: [1, 0, 0, 0, 1, 1, 1, 1]})
    points = curve(history_of((START, IDS), (X, IDS[:4]), (X, IDS[4:]), (Y, IDS)), found, START, IDS)
    assert [(point.calls, point.score, point.candidate) for point in points] == [
        (16, 0.5, START.id),
        (24, 1.5, X.id),  # in pairs: all that was gained on the first half
        (32, 0.5, START.id),
        (48, 0.625, Y.id),
    ]


def test_a_candidate_on_few_examples_is_no_best_so_far() -> None:
    found = table({START: [0] * 8, X: [1, 1, 1]})
    points = curve(history_of((START, IDS), (X, IDS[:3])), found, START, IDS)
    assert {point.candidate for point in points} == {START.id}


def test_a_level_stretch_is_two_points_whatever_its_length() -> None:
    found = table({START: [1] * 8, X: [0] * 8})
    points = curve(history_of((START, IDS), *[(X, IDS)] * 9), found, START, IDS)
    assert [point.calls for point in points] == [16, 160]


def test_without_a_start_on_all_examples_there_is_no_curve() -> None:
    assert curve(history_of((START, IDS[:4])), table({START: [1] * 4}), START, IDS) == ()
    assert curve(History(), ScoreTable([]), START, ()) == ()


# --- stages ----------------------------------------------------------------------------------------------------------


def test_stages_say_what_was_done_charged_and_logged() -> None:
    history = History()
    history.log("stage", {"name": "demos"})
    history.ask(1)
    history.log("demos", {"message": "no trace passed"})
    history.log("stage", {"name": "write"})
    history.ask(2)
    history.log("proposal", {"refused": "empty"})
    history.log("proposal", {"refused": ["", "empty", "too\nlong"]})
    history.settle(1, "evaluate", 2, {"task": Amount(4, 40, 0.5)}, 1.0, [("a", "x"), ("b", "x")])
    history.settle(2, "propose", 3, {"task": Amount(4, 40, 0.5), "proposer": Amount(3, 9, None)}, 4.0)
    demos, write = stages(history)
    assert (demos.name, demos.runs, demos.candidates, demos.total) == ("demos", 2, 2, Amount(4, 40, 0.5))
    assert demos.notes == ("1 × demos", "no trace passed")
    assert (write.proposals, write.candidates, write.seconds) == (3, 0, 3.0)
    assert write.spent == {"proposer": Amount(3, 9, None)}
    assert write.notes == ("2 × proposal (refused: 2 empty, 1 too long)",)


def test_a_stage_in_which_nothing_happened_is_left_out() -> None:
    history = History()
    for name in ("search", "trials"):
        history.log("stage", {"name": name})
    history.log("trial", {})
    assert [stage.name for stage in stages(history)] == ["trials"]


# --- examples --------------------------------------------------------------------------------------------------------

SPLITS = Splits(feedback=(), select=IDS, confirm=(), examples=8)


def data(**labels: str) -> Data:
    return Data(tuple(Example(id=i, inputs={"q": f"q{i}"}, labels=labels, row=n) for n, i in enumerate(IDS, 1)))


def test_examples_are_told_where_the_programs_differ() -> None:
    found = table({START: [0, 1, 0, None, 0, 0, 0, 0], X: [1, 0, 0, 0, 0, 0, 0, 0.5]})
    splits = Splits(feedback=(), select=IDS[:2], confirm=IDS[2:], examples=8)
    rows = judged(found, START, X, splits, data(label="l" * 1000))
    assert [row.example for row in rows] == list(IDS[2:])
    assert [row.difference for row in rows] == [0, 0, 0, 0, 0, 0.5]
    assert (rows[0].fields, rows[0].before.prediction) == ({}, "")
    failed = rows[1]
    assert (failed.before.failure, failed.before.feedback, failed.after.feedback) == ("ValueError: no", "", "about d")
    assert rows[5].fields["q"] == "qh"
    assert len(rows[5].fields["label"]) == LONGEST


def test_where_the_choice_is_cross_fitted_each_is_judged_by_what_the_other_folds_chose() -> None:
    found = table({START: [0, 1] * 4, X: [1, 0, 1, 0, 1, 0, 1, 0], Y: [1, 1, 0, 0, 1, 1, 0, 0]})
    rows = judged(found, START, X, SPLITS, data())
    verdict = compare_cross_fitted(found, START, finalists(found, START, SPLITS), SPLITS)
    assert sum(row.difference for row in rows) / 8 == pytest.approx(verdict.difference)
    wins, losses = split_up(rows)
    assert (len(wins), len(losses)) == (verdict.wins, verdict.losses)


# --- importance ------------------------------------------------------------------------------------------------------


def planted(gains: Sequence[float], options: Mapping[str, Sequence[int]]) -> tuple[Effect, ...]:
    """The effects in candidates with these gains, each with the given option of each parameter."""
    rows = [dict(zip(options, numbers, strict=True)) for numbers in zip(*options.values(), strict=True)]
    candidates = [
        Candidate(values={address: f"v{number}" for address, number in row.items() if number}) for row in rows
    ]
    first = {address: list(dict.fromkeys(n for n in numbers if n)) for address, numbers in options.items()}
    known = [
        Tried(
            id=f"{index}",
            origin="",
            parents=(),
            score=gain,
            n=10,
            changed=(),
            options={address: first[address].index(number) + 1 for address, number in row.items() if number},
            gain=gain,
        )
        for index, (gain, row) in enumerate(zip(gains, rows, strict=True))
    ]
    return importance(known, candidates, dict.fromkeys(options, "as it was"))


GRID = list(itertools.product(range(3), range(3), range(2)))


def test_the_parameter_that_does_it_gets_the_share() -> None:
    rng = random.Random(5)
    gains = [0.1 * a + rng.gauss(0, 0.005) for a, _, _ in GRID]
    strong, *weak = planted(
        gains, {"a.x": [g[0] for g in GRID], "b.x": [g[1] for g in GRID], "c.x": [g[2] for g in GRID]}
    )
    assert strong.address == "a.x"
    assert strong.share is not None
    assert strong.share > 0.95
    assert strong.p is not None
    assert strong.p <= 0.002
    assert all(effect.share is not None and effect.share < 0.2 for effect in weak)
    assert [option.text for option in strong.options] == ["as it was", "v1", "v2"]
    assert [round(option.gain, 1) for option in strong.options] == [0.0, 0.1, 0.2]


def test_chance_explains_nothing_on_average_whatever_the_number_of_values() -> None:
    shares = []
    for seed in range(60):
        rng = random.Random(seed)
        gains = [rng.gauss(0, 1) for _ in range(24)]
        numbers = [rng.randrange(6) for _ in range(24)]
        shares += [effect.share or 0.0 for effect in planted(gains, {"a.x": numbers})]
    assert sum(share == 0 for share in shares) > 20  # a plain share of variance would be about 0.22 every time
    assert sum(shares) / len(shares) < 0.1


def test_too_few_candidates_are_said_to_be_too_few() -> None:
    (few,) = planted([0.1] * 3 + [0.2] * 4, {"a.x": [0, 0, 0, 1, 1, 1, 1]})
    assert (few.share, few.p) == (None, None)
    (many,) = planted([n / 10 for n in range(10)], {"a.x": list(range(10))})
    assert many.share is None


def test_where_all_scores_are_one_nothing_has_a_share() -> None:
    (effect,) = planted([0.5] * 12, {"a.x": [0, 1] * 6})
    assert (effect.share, effect.p) == (None, None)


def test_parameters_that_always_change_together_are_named() -> None:
    numbers = [n % 3 for n in range(12)]
    a, b = planted([n % 3 / 10 + n / 1000 for n in range(12)], {"a.x": numbers, "b.x": numbers})
    assert (a.together, b.together) == (("b.x",), ("a.x",))
    assert a.share == b.share


def test_it_is_the_same_every_time() -> None:
    gains, numbers = [0.1, 0.3, 0.2, 0.5, 0.4, 0.1, 0.2, 0.6], [0, 1, 0, 1, 1, 0, 0, 1]
    assert planted(gains, {"a.x": numbers}) == planted(gains, {"a.x": numbers})


def test_values_in_words() -> None:
    demos: list[JSON] = [{"inputs": {}, "outputs": {}, "origin": o} for o in ("labelled", "repaired", "labelled")]
    assert in_words(demos) == "3 demos: 2 labelled, 1 repaired"
    values: list[JSON] = ["", [], None, {"a": 1}, True]
    assert [in_words(value) for value in values] == [
        "nothing",
        "nothing",
        "none of its own",
        '{"a": 1}',
        "true",
    ]


# --- words -----------------------------------------------------------------------------------------------------------


def test_scores_of_another_range_are_not_per_cent() -> None:
    scale = Scale.of([0.5, 12.0, None, math.nan])
    assert (scale.score(12.0), scale.difference(-2.5), scale.change(None), scale.score(math.nan)) == (
        "12",
        "-2.5",
        "–",
        "–",
    )


def test_durations() -> None:
    assert [seconds(value) for value in (0.004, 9.94, 59, 3725)] == ["0.004 s", "9.9 s", "59 s", "1 h 2 min"]
