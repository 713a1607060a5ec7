"""What a search says of itself, programs measured beside the winner, and views for searches inside searches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

import treadle
from tests.pages import Page, check_accessible, check_harmless
from tests.study.quiz import report as quiz_report
from tests.study.world import Chain, Provider, study
from treadle.compiler.errors import DataError
from treadle.compiler.graph.parameters import Candidate, ParameterSpace
from treadle.compiler.lm.protocol import Request
from treadle.compiler.study.baselines import measured
from treadle.compiler.study.optimizer import Shape
from treadle.compiler.study.study import Study


@treadle.predict
def answer(question: str) -> str:
    """Answer."""
    ...


@treadle.program
def quiz(question: str) -> str:
    """One question, one answer."""
    return answer(question)


@dataclasses.dataclass(frozen=True)
class Says:
    """An optimizer that tries one instruction, says two things and names two baselines."""

    name: ClassVar[str] = "says"
    more: tuple[str, ...] = ()

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The instruction that helps."""
        start = space.default()
        better = space.candidate({"answer.instruction": "Help."}, parents=(start.id,), origin="better")
        other = space.candidate({"answer.instruction": "Other."}, parents=(start.id,), origin="other")
        study.evaluate([start, better], study.splits.select)
        study.finding("helping helps", gain=1.0)
        study.finding("helping helps", gain=1.0)
        study.findings.baselines["something else"] = other
        study.findings.baselines["nothing"] = "there is none"
        for name in self.more:
            values = {"answer.instruction": name}
            study.findings.baselines[name] = space.candidate(values, parents=(start.id,), origin="other")
        return better

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """One candidate."""
        return {"task": shape.select}


def reply(request: Request) -> str:
    return "yes" if "Help." in request.messages[0].content else "no"


def compiled(rows: int, *more: str, **how: Any) -> treadle.Compiled[..., Any]:
    data = [{"question": f"question {number}", "answer": "yes"} for number in range(rows)]
    how = {"budget": treadle.Budget(calls=2_000), "lm": treadle.Scripted(reply), "study": None, "events": None, **how}
    return treadle.compile(quiz, data, lambda row, got: got == row["answer"], Says(more), **how)


@pytest.mark.parametrize(("rows", "judged"), [(60, 40), (150, 57)])
def test_findings_and_baselines_stand_in_the_report(rows: int, judged: int) -> None:
    report = compiled(rows).report
    assert report.findings == ("helping helps",)
    names = [baseline.name for baseline in report.baselines]
    assert names == ["the program as it was", "something else", "nothing", "the winner"]
    was, other, nothing, winner = report.baselines
    assert (was.score, other.score, winner.score) == (0.0, 0.0, 1.0)
    assert (was.n, winner.n, winner.calls) == (judged, judged, 1.0)
    assert winner.tokens > 10
    assert nothing.note == "there is none"
    text = str(report)
    assert "What the search found:\n  helping helps" in text
    assert "  nothing                there is none" in text
    assert "1.0 LM calls and" in text
    data = report.to_json()
    assert data["findings"] == ["helping helps"]
    assert isinstance(data["baselines"], list)
    assert len(data["baselines"]) == 4


def test_findings_and_baselines_stand_on_the_page() -> None:
    page = Page(compiled(60).report.html())
    check_harmless(page)
    check_accessible(page)
    assert "What the search found" in page.text
    for said in ("helping helps", "something else", "there is none", "the program as it was", "tokens a run"):
        assert said in page.text
    assert "What the search found" not in Page(quiz_report().html()).text


def test_baselines_are_in_no_choice() -> None:
    found = compiled(60)
    assert found.report.comparison is not None
    assert found.report.comparison.winner == 1.0
    assert [one.origin for one in found.report.candidates if one.n] == ["start", "better", "other"]


def test_a_budget_that_does_not_reach_is_said() -> None:
    report = compiled(150, "third", "fourth", budget=treadle.Budget(calls=380)).report
    notes = {baseline.name: baseline.note for baseline in report.baselines}
    assert notes["something else"] == notes["third"] == ""
    assert notes["fourth"] == "the budget did not reach for it"


def test_nothing_is_measured_where_nothing_was_asked_for() -> None:
    with study(Chain(Provider().lm())) as opened:
        assert opened.findings.baselines == {}
        assert measured(opened.table, [("x", Candidate())], ())[0].score is None


def test_a_view_has_numbers_and_proposals_of_its_own_and_fewer_examples() -> None:
    with study(Chain(Provider().lm()), examples=8) as opened:
        few = opened.splits.select[:3]
        view = opened.view("inner", select=few)
        assert view.splits.select == few
        assert view.splits.cross_fitted == opened.splits.cross_fitted
        assert view.rng("a").random() != opened.rng("a").random()
        assert view.rng("a").random() == opened.view("inner").rng("a").random()
        assert view.view("deeper").rng("a").random() != view.rng("a").random()
        assert view.slice(0.5).name == "inner"
        assert view.table is opened.table
        with pytest.raises(DataError, match="none of this search's"):
            view.view("more", select=opened.splits.select)
