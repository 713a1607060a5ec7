"""A disk that fills up at any commit stops the compile; with room it goes on where it stopped."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.compile import desk
from tests.compile.forks import committed
from tests.fake_server import FakeServer
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.errors import StudyError
from treadle.compiler.study.store import Row, Store


class Disk:
    """Lets so many commits through, and no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: float = float("inf")
        self.used = 0
        commit = Store._commit

        def limited(store: Store, rows: Sequence[Row]) -> None:
            if self.used >= self.room:
                raise sqlite3.OperationalError("database or disk is full")
            commit(store, rows)
            self.used += 1

        monkeypatch.setattr(Store, "_commit", limited)


def test_a_disk_that_fills_up_at_any_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    with FakeServer(reply=desk.answer) as server:
        straight = dumps(desk.compiled(server.base_url, str(tmp_path / "straight")))
        calls, commits = server.counters().requests, disk.used
        for room in range(0, commits - 20, 9):
            server.reset()
            study = tmp_path / str(room)
            disk.used, disk.room = 0, room
            with pytest.raises(StudyError, match=r"cannot be written .*disk is full.*; make room"):
                desk.compiled(server.base_url, str(study))
            lost = server.counters().requests - len(committed(study))
            assert 0 <= lost <= desk.CONCURRENCY
            disk.room = float("inf")
            assert dumps(desk.compiled(server.base_url, str(study))) == straight
            assert server.counters().requests == calls + lost
