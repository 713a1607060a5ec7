from pathlib import Path

import pytest

from tests.study.world import WRITE, Chain, Provider, candidate, study
from treadle.compiler.errors import BudgetExhausted
from treadle.compiler.study.budget import Amount, Budget
from treadle.compiler.study.history import History, total

A, B = candidate(""), candidate("b")


def test_what_is_asked_belongs_to_the_stage_under_way_whenever_it_is_settled() -> None:
    history = History()
    history.log("stage", {"name": "one"})
    history.ask(1)
    history.ask(2)
    history.log("stage", {"name": "two"})
    history.ask(3)
    history.settle(1, "evaluate", 2, {"task": Amount(2, 20, 0.5)}, 1.0, [("a", "x"), ("a", "y")])
    history.settle(3, "propose", 1, {"task": Amount(2, 20, 0.5), "proposer": Amount(1, 9, 0.25)}, 2.0)
    history.settle(2, "evaluate", 0, {"task": Amount(2, 20, 0.5), "proposer": Amount(1, 9, 0.25)}, 2.5)
    assert [(batch.stage, batch.spent) for batch in history.settled] == [
        ("one", {"task": Amount(2, 20, 0.5)}),
        ("two", {"proposer": Amount(1, 9, 0.25)}),
        ("one", {}),
    ]
    assert history.settled[-1].total == Amount(3, 29, 0.75)


def test_a_stage_that_is_begun_again_goes_on_and_keeps_its_place() -> None:
    history = History()
    for name in ("one", "two", "one"):
        history.log("stage", {"name": name})
        history.log("note", {"in": name})
    assert [begun.name for begun in history.stages] == ["one", "two"]
    assert [fields["in"] for _, fields in history.stages[0].notes] == ["one", "one"]


def test_what_is_logged_before_any_stage_has_a_place() -> None:
    history = History()
    history.log("note", {})
    assert [begun.name for begun in history.stages] == [""]


def test_an_unknown_price_stays_unknown_in_the_total() -> None:
    assert total({"b": Amount(1, 1, None), "a": Amount(1, 1, 0.5)}) == Amount(2, 2, None)


def test_a_study_keeps_its_history_and_it_adds_up() -> None:
    with study(Chain(Provider().lm(), 2)) as s:
        s.log("stage", name="measure")
        s.evaluate([A, B], s.splits.select)
        s.log("stage", name="write")
        s.propose(WRITE, [{"topic": "t"}, {"topic": "impossible"}], key="k")
        first, second = s.history.settled
        assert (first.stage, first.kind, first.done) == ("measure", "evaluate", 2 * len(s.splits.select))
        assert first.cells[: len(s.splits.select)] == tuple((A.id, example) for example in s.splits.select)
        assert (second.stage, second.kind, second.done) == ("write", "propose", 2)
        assert (
            second.total.calls
            == s.spend.search.calls
            == sum(a.calls for b in (first, second) for a in b.spent.values())
        )


def test_it_is_the_same_when_the_study_is_run_again(tmp_path: Path) -> None:
    def histories() -> list[object]:
        with study(Chain(Provider(scramble=1).lm(), 2), folder=tmp_path) as s:
            s.evaluate([A, B], s.splits.select)
            return [(b.stage, b.kind, b.done, b.cells, b.spent, b.total) for b in s.history.settled]

    assert histories() == histories()


def test_a_batch_that_was_cut_is_in_it_with_what_counts() -> None:
    with study(Chain(Provider().lm(), 1), budget=Budget(calls=3)) as s:
        with pytest.raises(BudgetExhausted):
            s.evaluate([A, B], s.splits.select)
        (batch,) = s.history.settled
        assert batch.done == len(batch.cells) == s.spend.search.calls < 2 * len(s.splits.select)


def test_warnings_are_kept_once_each() -> None:
    with study(Chain(Provider().lm())) as s:
        for text in ("odd", "odd", "even"):
            s._engine.events.warn(text)
        assert s.warnings == ("odd", "even")
