import asyncio
import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, StudyError
from treadle.compiler.redact import Secret
from treadle.compiler.study import mounts
from treadle.compiler.study.store import Row, Store


class Counting(Store):
    """Counts commits."""

    commits = 0

    def _commit(self, rows: Sequence[Row]) -> None:
        super()._commit(rows)
        self.commits += 1


def fill(store: Store, count: int) -> None:
    async def main() -> None:
        await asyncio.gather(*[store.put("replies", f"k{number}", {"text": f"t{number}"}) for number in range(count)])

    asyncio.run(main())


def test_a_row_is_there_after_the_commit_and_not_before() -> None:
    async def main() -> None:
        store = Store(None)
        store.write("replies", "k", [1])
        assert store.get("replies", "k") is None
        await store.committed()
        assert store.get("replies", "k") == [1]

    asyncio.run(main())


def test_all_of_a_tick_is_one_commit(tmp_path: Path) -> None:
    async def main() -> None:
        await asyncio.gather(*[store.put("cells", str(number), number) for number in range(50)])
        await store.put("cells", "later", 1)

    store = Counting(tmp_path)
    asyncio.run(main())
    assert store.commits == 2
    store.close()


def test_what_was_put_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, 3)
    store.close()
    again = Store(tmp_path)
    assert list(again.scan("replies")) == [(f"k{number}", {"text": f"t{number}"}) for number in range(3)]
    again.close()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert modes == {"study.sqlite": 0o600, "study.sqlite-wal": 0o600, "study.sqlite-shm": 0o600}


def test_it_is_a_write_ahead_log_with_normal_synchronisation(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (journal,) = store._connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = store._connection.execute("PRAGMA synchronous").fetchone()
    store.close()
    assert (bytes(journal), synchronous) == (b"wal", 1)


def test_keys_do_not_reach_the_file(tmp_path: Path) -> None:
    secret = Secret("correct-horse-battery")
    store = Store(tmp_path)

    async def main() -> Any:
        body: JSON = {"text": f'say "{secret.reveal()}"', "url": 'https://h/?api_key=abc"def', secret.reveal(): [1]}
        return await store.put("replies", "k", body)

    kept = asyncio.run(main())
    assert kept == store.get("replies", "k")
    store.close()
    assert kept == {"text": 'say "[redacted]"', "url": 'https://h/?api_key=[redacted]"def', "[redacted]": [1]}
    assert secret.reveal().encode() not in (tmp_path / "study.sqlite").read_bytes()


@pytest.mark.parametrize("text", ["\ud800 lone", "nul \x00 inside", "‮ bidi", "💥", ""])
def test_any_text_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)

    async def main() -> None:
        await store.put("cells", "k", {"text": text})

    asyncio.run(main())
    assert store.get("cells", "k") == {"text": text}
    store.close()


# --- damage -----------------------------------------------------------------------------------------------------------


def damage(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "study.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE replies SET body = '{\"text\":\"forged\"}' WHERE key = 'k1'",
        "UPDATE replies SET mark = x'00' WHERE key = 'k1'",
        "UPDATE replies SET body = NULL WHERE key = 'k1'",
        "UPDATE replies SET body = x'ff00' WHERE key = 'k1'",
        "UPDATE replies SET body = (SELECT body FROM replies WHERE key = 'k2') WHERE key = 'k1'",
    ],
)
def test_a_damaged_row_is_a_miss_with_a_warning(tmp_path: Path, statement: str) -> None:
    store = Store(tmp_path)
    fill(store, 3)
    store.close()
    damage(tmp_path, statement)
    warnings: list[str] = []
    again = Store(tmp_path, warn=warnings.append)
    assert again.get("replies", "k0") == {"text": "t0"}
    assert again.get("replies", "k1") is None
    assert dict(again.scan("replies"))["k1"] is None
    assert warnings == ["a stored row of replies (k1) is damaged and is not used"] * 2
    fill(again, 2)
    assert again.get("replies", "k1") == {"text": "t1"}
    again.close()


def test_flipped_bytes_never_give_a_wrong_row_or_stop_the_study(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    store = Store(source)
    fill(store, 200)
    store.close()
    original = (source / "study.sqlite").read_bytes()
    rng = random.Random(0)
    moved = missed = 0
    for turn in range(60):
        folder = tmp_path / str(turn)
        folder.mkdir()
        broken = bytearray(original)
        for _ in range(rng.choice((1, 20))):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        (folder / "study.sqlite").write_bytes(broken)
        try:
            again = Store(folder, warn=lambda text: None)
        except StudyError as error:  # the one place that says which version wrote it
            assert "another version" in str(error)  # noqa: PT017
            continue
        rows = {key: row for key, row in again.scan("replies") if row is not None}
        assert all(row == {"text": f"t{key[1:]}"} for key, row in rows.items())
        missed += len(rows) < 200
        moved += any("damaged" in path.name for path in folder.iterdir())
        fill(again, 3)
        assert again.get("replies", "k2") == {"text": "t2"}
        again.close()
    assert 0 < moved < missed


def test_a_file_that_is_none_is_moved_aside_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    warnings: list[str] = []
    store = Store(tmp_path, warn=warnings.append)
    fill(store, 1)
    store.close()
    assert len(warnings) == 1
    assert "study.sqlite.damaged-1" in warnings[0]
    assert (tmp_path / "study.sqlite.damaged-1").read_bytes().startswith(b"this is no")


def test_a_file_of_another_format_is_refused_and_kept(tmp_path: Path) -> None:
    Store(tmp_path).close()
    damage(tmp_path, "PRAGMA user_version = 99")
    with pytest.raises(StudyError, match="format 99"):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite"]


# --- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["read", "replay"])
def test_reading_leaves_no_trace(tmp_path: Path, mode: Any) -> None:
    store = Store(tmp_path)
    fill(store, 2)
    store.close()
    os.chmod(tmp_path / "study.sqlite", 0o400)
    os.chmod(tmp_path, 0o500)
    reader = Store(tmp_path, mode=mode)
    fill(reader, 5)
    assert reader.get("replies", "k4") == {"text": "t4"}
    reader.close()
    os.chmod(tmp_path, 0o700)
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite"]
    again = Store(tmp_path, mode="read")
    assert [key for key, _ in again.scan("replies")] == ["k0", "k1"]
    again.close()


def test_reading_sees_what_a_running_study_has_committed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, 2)
    reader = Store(tmp_path, mode="read")
    assert reader.get("replies", "k1") == {"text": "t1"}
    reader.close()
    store.close()


def test_there_must_be_something_to_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no study"):
        Store(tmp_path, mode="read")


def test_off_touches_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, mode="off")
    fill(store, 1)
    store.close()
    assert list(tmp_path.iterdir()) == []


# --- where it cannot be -----------------------------------------------------------------------------------------------


def test_a_network_file_system_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / {tmp_path}/net rw shared:1 - nfs4 host:/ rw\n")
    monkeypatch.setattr(mounts, "_TABLE", table)
    (tmp_path / "net").mkdir()
    with pytest.raises(ConfigurationError, match=r"network file system \(nfs4\).*study=None"):
        Store(tmp_path / "net")
    Store(tmp_path).close()


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("", ""),
        ("garbage\n- -\n", ""),
        ("1 0 8:1 / / rw - ext4 /dev/sda rw", "ext4"),
        ("1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / /a rw - cifs d rw", "cifs"),
        ("1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / /a/b\\040c rw - cifs d rw", "ext4"),
        ("1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / /a rw - cifs d rw\n3 1 0:9 / /a rw - tmpfs d rw", "tmpfs"),
        ("1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / /ab rw - cifs d rw", "ext4"),
    ],
)
def test_finds_the_mount_a_folder_is_on(table: str, kind: str) -> None:
    assert mounts.file_system(Path("/a/b"), table) == kind


def test_a_link_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "study.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="link"):
        Store(tmp_path)


FULL = """
import asyncio, resource, sys
from pathlib import Path
from treadle.compiler.errors import StudyError
from treadle.compiler.study.store import Store
store = Store(Path(sys.argv[1]))
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
async def main():
    for number in range(10_000):
        try:
            await store.put("replies", f"k{number:05d}", {"text": "x" * 500})
        except StudyError as error:
            print(number, error)
            try:
                await store.put("replies", "more", 1)
            except StudyError as again:
                print(again is error)
            return
asyncio.run(main())
"""


def test_a_full_disk_is_an_error_that_says_so_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(200_000)], capture_output=True, text=True, check=False
    )
    number, _, text = done.stdout.splitlines()[0].partition(" ")
    assert "cannot be written" in text, done.stderr
    assert "run the same command again" in text
    assert done.stdout.splitlines()[1] == "True"
    store = Store(tmp_path)
    rows = dict(store.scan("replies"))
    assert list(rows) == [f"k{n:05d}" for n in range(int(number))]
    assert all(row == {"text": "x" * 500} for row in rows.values())
    store.close()
    assert resource.RLIMIT_FSIZE  # the limit was the child's
