from pathlib import Path
from typing import Any

import pytest

import treadle


@treadle.predict
def answer(question: str) -> str:
    """Answer."""
    ...


@treadle.program
def ask(question: str) -> str:
    return answer(question)


ROWS = [{"question": str(number), "answer": str(number)} for number in range(10)]


def echo(request: Any) -> str:
    text: str = request.messages[-1].content
    return "".join(character for character in text if character.isdigit())


LM = treadle.Scripted(echo)
METRIC = treadle.exact_match("answer")


def test_results_one_by_one_with_interval_cost_and_latency() -> None:
    found = treadle.evaluate(ask, ROWS, METRIC, lm=LM)
    assert found.score == 1.0
    assert found.interval[0] < 1.0
    assert [outcome.score for outcome in found.outcomes] == [1.0] * 10
    assert found.spend.search.calls == 10
    assert found.cost == 0.0
    assert found.latency[0] <= found.latency[1]
    assert "10 examples" in str(found)


def test_failures_are_apart_from_wrong_answers() -> None:
    def metric(example: Any, prediction: str) -> float:
        if prediction == "3":
            raise ValueError("three")
        return float(prediction != "4")

    found = treadle.evaluate(ask, ROWS, metric, lm=LM)
    assert found.score == 0.8
    [failure] = found.failures
    assert failure.failure == "ValueError: three"
    assert "raise ValueError" in failure.feedback
    assert found.to_json()["failures"] == 1


def test_a_step_that_fails_is_a_failure_with_its_place() -> None:
    def lm(request: Any) -> str:
        if "7" in request.messages[-1].content:
            raise treadle.RequestRefused("no sevens")
        return echo(request)

    found = treadle.evaluate(ask, ROWS, METRIC, lm=treadle.Scripted(lm))
    [failure] = found.failures
    assert failure.failure == "RequestRefused: no sevens"
    assert "step 'answer'" in failure.feedback


def test_metrics_get_the_trace() -> None:
    def metric(example: Any, prediction: str, trace: treadle.Trace) -> float:
        [span] = trace.of("answer")
        return float(span.output == prediction == example["answer"])

    assert treadle.evaluate(ask, ROWS, metric, lm=LM).score == 1.0


def test_a_study_folder_makes_the_second_time_free(tmp_path: Path) -> None:
    first = treadle.evaluate(ask, ROWS, METRIC, lm=LM, study=tmp_path / "e")
    silent = treadle.Scripted([])
    again = treadle.evaluate(ask, ROWS, METRIC, lm=silent, study=tmp_path / "e")
    assert again.spend.attempts == first.spend.attempts
    assert [o.prediction for o in again.outcomes] == [o.prediction for o in first.outcomes]


def test_a_judge_is_metered_like_every_other_call() -> None:
    verdict: dict[str, str | float] = {"feedback": "short", "score": 0.5}
    judged = treadle.evaluate(
        ask, ROWS, treadle.judge("It is right."), lm=LM, judge_lm=treadle.Scripted(lambda r: verdict)
    )
    assert judged.score == 0.5
    assert judged.outcomes[0].feedback == "short"
    assert judged.spend.search.calls == 20
    assert judged.spend.by_role["judge"].calls == 10


def test_a_budget_that_does_not_reach_is_said() -> None:
    with pytest.raises(treadle.BudgetExhausted):
        treadle.evaluate(ask, ROWS, METRIC, lm=LM, budget=treadle.Budget(calls=5))


def test_objectives_are_averaged() -> None:
    def metric(example: Any, prediction: str) -> treadle.Score:
        return treadle.Score(1.0, objectives={"even": float(int(prediction) % 2 == 0)})

    assert treadle.evaluate(ask, ROWS, metric, lm=LM).objectives == {"even": 0.5}
