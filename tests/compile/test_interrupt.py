"""Ctrl-C during a compile: the first lets calls in flight end and keeps them, the second gives them up.

Neither is a decision of the search: the same call again ends with the artifact of a compile nobody interrupted.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compile import desk
from tests.compile.desk import CONCURRENCY
from tests.compile.forks import INTERRUPTED, ROOT, Forks, committed, forks
from tests.fake_server import FakeServer
from treadle.compiler.errors import StudyLocked
from treadle.compiler.study.lock import FolderLock

CAP = 180


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with forks(tmp_path_factory.mktemp("forks"), calls=CAP) as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with FakeServer(reply=desk.answer, latency_ms=1, latency_cv=1) as found:
        yield found


@pytest.fixture(scope="module")
def straight(child: Forks, server: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    assert child.run(server, tmp_path_factory.mktemp("straight")) == 0
    return child.found


def test_the_first_keeps_every_call_that_was_sent(
    child: Forks, server: FakeServer, straight: dict[str, Any], tmp_path: Path
) -> None:
    interrupted = 0
    for at in range(1, straight["commits"] - 2, 5):
        server.reset()
        study = tmp_path / str(at)
        ended = child.run(server, study, interrupts=[at])
        interrupted += ended == INTERRUPTED
        assert len(committed(study)) == server.counters().requests  # none was lost
        assert ended == 0 or child.run(server, study) == 0
        assert child.found["artifact"] == straight["artifact"]
        assert child.found["used"] == straight["used"] == server.counters().requests == child.found["sent"]
        assert server.counters().repeats == 0
    assert interrupted >= 10


@pytest.mark.parametrize("later", [0, 1, 3])
def test_the_second_gives_up_the_calls_in_flight_and_they_count_as_sent(
    child: Forks, server: FakeServer, straight: dict[str, Any], tmp_path: Path, later: int
) -> None:
    interrupted = 0
    for at in range(2, straight["commits"] - 4, 9):
        server.reset()
        study = tmp_path / str(at)
        ended = child.run(server, study, interrupts=[at, at + later])
        interrupted += ended == INTERRUPTED
        lost = server.counters().requests - len(committed(study))
        assert 0 <= lost <= CONCURRENCY
        assert ended == 0 or child.run(server, study) == 0
        assert child.found["artifact"] == straight["artifact"]
        assert server.counters().requests == straight["sent"] + lost
        assert server.counters().repeats <= lost
        assert server.counters().requests <= child.found["sent"] <= CAP
    assert interrupted >= 5


HOLDING = """
import sys
from pathlib import Path
from treadle.compiler.study.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_on_the_folder_fails_at_once_and_names_the_first(server: FakeServer, tmp_path: Path) -> None:
    asked = server.counters().requests
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(StudyLocked, match=rf"in use by process {holder.pid} on \S+; wait for it to end"):
            desk.compiled(server.base_url, str(tmp_path))
        holder.kill()
    assert server.counters().requests == asked
    FolderLock(tmp_path).release()  # the kernel has let go of it
