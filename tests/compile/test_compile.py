"""compile(), as a user calls it, on the offline model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

import treadle
from treadle.compiler.study.events import Event
from treadle.modules import ChainOfThought


@treadle.predict
def triage(ticket: str) -> Literal["Q1", "Q2"]:
    """Choose the queue."""
    ...


@treadle.program
def route(ticket: str) -> str:
    return triage(ticket)


@treadle.op(effects=True)
def notify(queue: str) -> str:
    raise AssertionError("a search must not send mail")


@treadle.program
def route_and_notify(ticket: str) -> str:
    return notify(triage(ticket))


@treadle.program
def shout(ticket: str) -> str:
    return ticket.upper()


def rows(count: int) -> list[dict[str, str]]:
    parts = (("Q1", "my card was charged twice"), ("Q2", "the parcel never came"))
    return [{"ticket": f"{parts[i % 2][1]} {i}", "triage": parts[i % 2][0]} for i in range(count)]


METRIC = treadle.exact_match("triage")


def compiled(count: int, **more: Any) -> treadle.Compiled[..., Any]:
    how: dict[str, Any] = {"optimizer": "labeled", "lm": "offline", "study": None, "events": None, **more}
    return treadle.compile(route, rows(count), METRIC, **how)


def test_from_100_examples_the_verdict_comes_from_examples_the_search_never_saw() -> None:
    seen: list[str] = []
    result = compiled(120, events=lambda event: seen.append(event.kind))
    found = result.report.comparison
    assert found is not None
    assert (found.n, found.cross_fitted) == (46, False)
    assert found.verdict == "better"
    assert result.report.emitted
    assert result(ticket="the parcel never came 900") == "Q2"
    assert route.candidate.values == {}, "the input program is left as it was"
    assert seen.index("estimate") < seen.index("settled") + 3
    assert seen[-1] == "done"


def test_under_100_examples_the_choice_is_cross_fitted() -> None:
    found = compiled(60).report.comparison
    assert found is not None
    assert (found.n, found.cross_fitted) == (40, True)


def test_under_30_examples_there_is_no_verdict() -> None:
    result = compiled(24)
    found = result.report.comparison
    assert found is not None
    assert found.verdict == "too few examples"
    assert result.report.emitted
    assert not compiled(24, gate="strict").report.emitted


def test_a_winner_that_is_not_shown_to_be_better_is_kept_beside_the_input_program() -> None:
    class Renaming:
        name = "renaming"

        def search(self, study: Any, space: Any) -> Any:
            changed = space.candidate({"triage.instruction": "Choose the  queue."}, origin="test")
            study.evaluate([changed], study.splits.select)
            return changed

        def plan(self, shape: Any) -> Mapping[str, int]:
            return {"task": round(shape.calls_per_run * shape.select)}

    result = compiled(120, optimizer=Renaming())
    assert result.report.comparison is not None
    assert result.report.comparison.verdict == "not shown"
    assert result.candidate.values == {}
    assert result.winner.candidate.values == {"triage.instruction": "Choose the  queue."}
    assert compiled(120, optimizer=Renaming(), gate="report").candidate.values != {}


def test_the_report_never_shows_the_search_maximum_as_the_score() -> None:
    text = str(compiled(120).report)
    assert "optimistic" in text
    assert "examples the search never saw" in text


def test_the_study_folder_keeps_the_program_and_the_winner(tmp_path: Path) -> None:
    result = compiled(40, study=tmp_path / "study")
    kept = {path.name for path in (tmp_path / "study").iterdir()}
    assert {"program.json", "winner.json"} <= kept
    again = treadle.load(tmp_path / "study" / "program.json", lm="offline")
    assert again(ticket="the parcel never came 900") == result(ticket="the parcel never came 900")
    assert (tmp_path / "study").stat().st_mode & 0o777 == 0o700


def test_the_same_call_again_sends_nothing(tmp_path: Path) -> None:
    first = compiled(40, optimizer="mipro", study=tmp_path / "study")
    before = first.report.spend.attempts
    second = compiled(40, optimizer="mipro", study=tmp_path / "study")
    assert second.report.spend.attempts == before
    assert treadle.dumps(second) == treadle.dumps(first)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"gate": "surely"}, treadle.ConfigurationError, "gate='surely': it is one of probable, strict, report"),
        ({"mode": "append"}, treadle.ConfigurationError, "mode='append': it is one of off, read, write, replay"),
        ({"optimizer": object()}, treadle.DataError, "is no optimizer: give the name of one"),
        ({"metric": "exact_match"}, treadle.DataError, "the metric is 'exact_match'; a metric is a function"),
        ({"data": None, "feedback": rows(9)}, treadle.DataError, "select= is missing"),
        ({"data": None, "select": rows(9)}, treadle.DataError, "feedback= is missing"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_asked(
    given: dict[str, Any], error: type[Exception], says: str
) -> None:
    arguments: dict[str, Any] = {"data": rows(40), "metric": METRIC, "optimizer": "labeled", "study": None, **given}
    with pytest.raises(error, match=says):
        treadle.compile(route, lm=treadle.Scripted([]), events=None, **arguments)


def test_own_splits() -> None:
    data = rows(120)
    result = treadle.compile(
        route, None, METRIC, "labeled", feedback=data[:40], select=data[40:80], confirm=data[80:], lm="offline",
        study=None, events=None,
    )  # fmt: skip
    assert result.report.comparison is not None
    assert result.report.comparison.n == 40
    with pytest.raises(treadle.DataError, match="not both"):
        treadle.compile(route, data, METRIC, "labeled", select=data, lm="offline", study=None, events=None)


def test_effects_are_refused_without_a_stub() -> None:
    with pytest.raises(treadle.DataError, match="notify, which has effects"):
        treadle.evaluate(route_and_notify, rows(4), METRIC, lm="offline")
    with pytest.raises(treadle.DataError, match="names mail; program"):
        treadle.evaluate(route_and_notify, rows(4), METRIC, lm="offline", stubs={"mail": str})
    for stub in (notify, "notify"):
        scored = treadle.evaluate(route_and_notify, rows(4), METRIC, lm="offline", stubs={stub: lambda queue: queue})
        assert not scored.failures


@pytest.mark.parametrize(
    ("program", "data", "metric", "says"),
    [
        (shout, rows(40), METRIC, "calls no predictor"),
        (triage, rows(40), METRIC, "is no program"),
        (route, [], METRIC, "no rows"),
        (route, rows(1), METRIC, "not enough"),
        (route, rows(40), None, "needs a metric"),
        (route, rows(40), lambda example: 1, "takes 1 arguments"),
        (route, [{"text": "a"}], METRIC, "row 1 has no 'ticket'"),
    ],
)
def test_what_cannot_be_compiled_is_said(program: Any, data: Any, metric: Any, says: str) -> None:
    with pytest.raises(treadle.DataError, match=says):
        treadle.compile(program, data, metric, lm="offline", study=None, events=None)


def test_a_metric_that_always_raises_stops_with_its_traceback() -> None:
    def metric(example: Any, prediction: Any) -> float:
        raise KeyError("label")

    with pytest.raises(treadle.EverythingFailed, match="KeyError: 'label'"):
        treadle.compile(route, rows(40), metric, lm="offline", study=None, events=None)


def test_a_dear_search_is_not_begun_unasked() -> None:
    lm = treadle.Scripted(lambda request: {"triage": "Q1"}, model="dear", price=(1000, 1000))
    with pytest.raises(treadle.ConfigurationError, match=r"more than \$1 and no budget"):
        compiled(60, lm=lm)
    assert compiled(60, lm=lm, budget=treadle.Budget(usd=500)).report.spend.search.usd


def test_a_budget_below_the_verdict_is_said_at_the_start() -> None:
    with pytest.raises(treadle.BudgetExhausted, match="does not reach for the verdict"):
        compiled(200, budget=treadle.Budget(calls=60))


def test_the_estimate_is_told_first_and_its_error_after() -> None:
    told: list[Event] = []
    report = compiled(120, optimizer="random_search", events=told.append).report
    estimate = next(event for event in told if event.kind == "estimate")
    assert estimate.fields["total_calls"] == report.estimate.total_calls
    assert "against the estimate" in str(report)
    alone = treadle.estimate(route, rows(120), METRIC, "random_search", lm="offline")
    assert alone.total_calls == report.estimate.total_calls
    assert "a gain below about" in str(alone)


def test_unknown_optimizers_and_settings_are_said() -> None:
    with pytest.raises(treadle.ConfigurationError, match="mipro"):
        compiled(40, optimizer="foo")
    with pytest.raises(treadle.ConfigurationError, match="its settings are"):
        treadle.optimizer_named("mipro", colour="red")


def test_the_report_is_json() -> None:
    report = compiled(120).report
    assert json.loads(json.dumps(report.to_json()))["comparison"]["verdict"] == "better"


def test_a_compiled_program_is_compiled_further_from_where_it_stands() -> None:
    first = compiled(40)
    assert first.space()["triage.demos"].default == first.candidate.values["triage.demos"]
    second = treadle.compile(first, rows(40), METRIC, "mipro", lm="offline", study=None, events=None)
    assert second.report.comparison is None or second.report.comparison.start >= 0.9
    assert second.winner.candidate.values["triage.demos"]


class Leftover:
    """Finds a program that still has a value of a module it has given up."""

    name = "leftover"

    def search(self, study: treadle.Study, space: treadle.ParameterSpace) -> treadle.Candidate:
        values: dict[str, Any] = {"triage.module": ChainOfThought().to_json(), "triage/vote.n": 3}
        found = treadle.Candidate(values=values, parents=(space.default().id,), origin="leftover")
        study.evaluate([found], study.splits.select)
        return found

    def plan(self, shape: treadle.Shape) -> Mapping[str, int]:
        return {"task": shape.select}


def test_what_is_emitted_holds_no_value_of_a_module_that_answers_no_step() -> None:
    result = compiled(120, optimizer=Leftover(), gate="report")
    assert sorted(result.candidate.values) == ["triage.module"]
    loaded = treadle.loads(treadle.dumps(result), lm="offline")
    assert loaded.candidate == result.candidate
