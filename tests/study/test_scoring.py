"""Metrics at work are watched together: each has its own time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from treadle.compiler.study.scoring import MetricHung, Scoring

SECONDS = 0.1


class Judged:
    """What a metric's watch looks at."""

    made = 0
    flying = 0


async def hang(example: Any, prediction: Any) -> float:
    await asyncio.Event().wait()
    return 1.0


async def measured(scoring: Scoring, judge: Any, after: float = 0.0) -> float:
    """Seconds until a metric that hangs is abandoned."""
    await asyncio.sleep(after)
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(MetricHung):
        await scoring.score({}, "x", None, judge)
    return loop.time() - start


def test_each_of_several_that_hang_is_abandoned_after_its_own_time() -> None:
    async def main() -> list[float]:
        scoring = Scoring(hang, SECONDS)
        return await asyncio.gather(*(measured(scoring, Judged(), after) for after in (0.0, 0.03, 0.06)))

    assert min(asyncio.run(main())) > 0.9 * SECONDS


def test_one_that_makes_calls_gets_as_long_again_and_does_not_hold_up_the_others() -> None:
    async def main() -> tuple[float, float]:
        scoring, busy = Scoring(hang, SECONDS), Judged()
        first = asyncio.create_task(measured(scoring, busy))
        second = asyncio.create_task(measured(scoring, Judged(), 0.02))
        await asyncio.sleep(SECONDS / 2)
        busy.made += 1
        return await first, await second

    first, second = asyncio.run(main())
    assert first > 1.9 * SECONDS
    assert second > 0.9 * SECONDS


def test_nothing_is_left_when_all_have_scored() -> None:
    async def one(example: Any, prediction: Any) -> float:
        await asyncio.sleep(0)
        return 1.0

    async def main() -> Scoring:
        scoring = Scoring(one, SECONDS)
        judge: Any = Judged()
        found = await asyncio.gather(*(scoring.score({}, "x", None, judge) for _ in range(5)))
        assert {score.value for score in found} == {1.0}
        return scoring

    watch = asyncio.run(main())._watch
    assert not watch._open
    assert watch._timer is None
