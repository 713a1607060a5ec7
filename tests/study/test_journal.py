import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ReplayDiverged
from treadle.compiler.study.journal import Journal
from treadle.compiler.study.store import Store

FIRST: dict[str, JSON] = {"ask": "evaluate", "candidates": ["a", "b"], "examples": ["1", "2"], "traces": False}
SECOND: dict[str, JSON] = {"ask": "propose", "predictor": "write", "key": "k", "contexts": ["c1"]}


def ask(folder: Path, *asks: Mapping[str, JSON], plan: int = 1) -> list[int]:
    async def main() -> list[int]:
        store = Store(folder)
        try:
            journal = Journal(store, plan)
            numbers = [journal.ask(what, 1.5) for what in asks]
            await store.committed()
            return numbers
        finally:
            store.close()

    return asyncio.run(main())


def test_asks_are_numbered_and_kept(tmp_path: Path) -> None:
    assert ask(tmp_path, FIRST, SECOND) == [0, 1]
    store = Store(tmp_path)
    journal = Journal(store, 1)
    assert journal.replaying
    assert journal.elapsed() == 1.5
    assert not Journal(store, 2).replaying
    store.close()


def test_the_same_asks_pass_and_new_ones_are_added(tmp_path: Path) -> None:
    ask(tmp_path, FIRST)
    assert ask(tmp_path, FIRST, SECOND) == [0, 1]
    assert ask(tmp_path, FIRST, SECOND, FIRST) == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"candidates": ["a", "c"]}, r'candidates\[1\] was "b", now it is "c"'),
        ({"candidates": ["a"]}, "candidates had 2 elements, now it has 1"),
        ({"examples": ["2", "1"]}, r'examples\[0\] was "1", now it is "2"'),
        ({"traces": True}, "traces was false, now it is true"),
        ({"more": 1}, "more was null, now it is 1"),
    ],
)
def test_the_first_difference_is_named(tmp_path: Path, change: dict[str, JSON], told: str) -> None:
    ask(tmp_path, SECOND, FIRST)
    with pytest.raises(ReplayDiverged, match=rf"2\. step: {told}\. .*new study folder"):
        ask(tmp_path, SECOND, {**FIRST, **change})


def test_another_plan_is_another_search(tmp_path: Path) -> None:
    ask(tmp_path, FIRST)
    assert ask(tmp_path, SECOND, plan=2) == [0]


def test_decisions_are_kept_with_their_ask(tmp_path: Path) -> None:
    async def decide() -> None:
        store = Store(tmp_path)
        journal = Journal(store, 1)
        await journal.decide(journal.ask(FIRST, 0.0), {"why": "seconds"})
        store.close()

    asyncio.run(decide())
    store = Store(tmp_path)
    assert Journal(store, 1).stop(0) == {"why": "seconds"}
    assert Journal(store, 1).stop(1) is None
    assert Journal(store, 2).stop(0) is None
    store.close()


def test_a_damaged_row_is_taken_as_it_comes(tmp_path: Path) -> None:
    ask(tmp_path, FIRST, SECOND)
    store = Store(tmp_path, warn=lambda text: None)
    store._connection.execute("UPDATE journal SET mark = x'00' WHERE key = '0001-0000000'")
    assert Journal(store, 1).replaying
    store.close()
    assert ask(tmp_path, {**FIRST, "candidates": []}, SECOND) == [0, 1]
