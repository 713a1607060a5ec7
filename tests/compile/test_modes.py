"""How a compile uses what an earlier one has stored."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.compile import desk
from tests.fake_server import FakeServer
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.errors import StudyError
from treadle.compiler.study.store import Mode


def contents(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((path.name, path.read_bytes()) for path in folder.iterdir())


@pytest.mark.parametrize("mode", ["write", "read", "replay"])
def test_what_is_stored_is_used_and_only_write_touches_the_folder(tmp_path: Path, mode: Mode) -> None:
    with FakeServer(reply=desk.answer) as server:
        first = desk.compiled(server.base_url, str(tmp_path))
        asked, before = server.counters().requests, contents(tmp_path)
        again = desk.compiled(server.base_url, str(tmp_path), mode=mode)
        assert dumps(again) == dumps(first)
        assert server.counters().requests == asked
    assert (contents(tmp_path) == before) == (mode != "write")


def test_off_asks_anew_and_makes_no_folder(tmp_path: Path) -> None:
    with FakeServer(reply=desk.answer) as server:
        first = desk.compiled(server.base_url, str(tmp_path / "a"))
        asked = server.counters().requests
        again = desk.compiled(server.base_url, str(tmp_path / "b"), mode="off")
        assert again.winner.candidate == first.winner.candidate
        assert server.counters().requests > asked
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_replay_that_misses_a_reply_says_so_and_sends_nothing(tmp_path: Path) -> None:
    with FakeServer(reply=desk.answer) as server:
        desk.compiled(server.base_url, str(tmp_path))
        asked = server.counters().requests
        with contextlib.closing(sqlite3.connect(tmp_path / "study.sqlite", isolation_level=None)) as connection:
            connection.execute("DELETE FROM cells")
            connection.execute("DELETE FROM replies WHERE key < '8'")
        with pytest.raises(StudyError, match="is not stored, and a replay sends nothing"):
            desk.compiled(server.base_url, str(tmp_path), mode="replay")
        assert server.counters().requests == asked
