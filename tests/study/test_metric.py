import asyncio
from typing import Any

import pydantic
import pytest

from treadle.compiler.errors import DataError
from treadle.compiler.study.metric import Score, as_score, exact_match, f1, metric_hash, numeric, score, takes_trace


class Reply(pydantic.BaseModel):
    team: str


def test_exact_match_of_text_fields_and_models() -> None:
    metric = exact_match("team")
    assert metric({"team": "Billing"}, "billing.").value == 1
    assert metric({"team": "billing"}, Reply(team="billing")).value == 1
    assert metric({"team": "billing"}, {"team": "other"}).feedback == "team should be 'billing', was 'other'"
    with pytest.raises(DataError, match="no label 'team'"):
        metric({}, "x")


def test_f1_and_numeric() -> None:
    assert f1("a")({"a": "one two"}, "two three").value == 0.5
    assert f1("a")({"a": ""}, "").value == 1
    assert numeric("a")({"a": "#### 1,200"}, "so 1200").value == 1
    assert numeric("a")({"a": 3}, "none").value == 0
    with pytest.raises(DataError, match="holds no number"):
        numeric("a")({"a": "x"}, "1")


def test_two_or_three_arguments_sync_or_async() -> None:
    def two(example: Any, prediction: Any) -> bool:
        return True

    async def three(example: Any, prediction: Any, trace: Any) -> Score:
        return Score(0.5, trace)

    assert asyncio.run(score(two, ({}, 1))) == Score(1.0)
    assert asyncio.run(score(three, ({}, 1, "t"))) == Score(0.5, "t")
    assert not takes_trace(two)
    assert takes_trace(three)
    with pytest.raises(DataError, match="takes 1 arguments"):
        takes_trace(lambda example: 1)


@pytest.mark.parametrize(
    "result", [None, "1", float("nan"), float("inf"), Score(float("nan")), Score(1, objectives={"a": float("nan")})]
)
def test_what_is_no_score_is_refused(result: Any) -> None:
    with pytest.raises(DataError):
        as_score(result)


def test_the_hash_follows_source_and_settings() -> None:
    assert metric_hash(exact_match("a")) == metric_hash(exact_match("a"))
    assert metric_hash(exact_match("a")) != metric_hash(exact_match("b"))
    assert metric_hash(lambda e, p: 1) != metric_hash(lambda e, p: 2)
