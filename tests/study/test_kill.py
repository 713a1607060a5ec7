"""Crashes and interruptions: what was committed is never asked for again, and the end is the same.

The kills of every commit of a compile come with the compile; here are some, of a small study.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_server import FakeServer, Fault, JsonObject
from tests.study.kill_child import CONCURRENCY
from treadle.compiler.canonical import digest
from treadle.compiler.study.attempts import recover
from treadle.compiler.study.store import Store

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL


def reply(request: JsonObject) -> str:
    return f"reply {digest(request['messages'])}"


class Forks:
    """Runs searches in children of one process."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, server: FakeServer, study: Path, **settings: Any) -> int:
        assert self._process.stdin
        assert self._process.stdout
        arguments = {"folder": str(study), "url": server.base_url, "result": str(self._folder / "result"), **settings}
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._folder / "result").read_text())
        return found


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.study.kill_child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        yield Forks(process, tmp_path_factory.mktemp("forks"))
        process.communicate()


@pytest.fixture(scope="module")
def straight(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The search without a kill."""
    with FakeServer(reply=reply) as server:
        assert forks.run(server, tmp_path_factory.mktemp("straight")) == 0
        assert server.counters().repeats == 0
        assert server.counters().requests == forks.result["sent"]
    return forks.result


def committed(study: Path) -> int:
    store = Store(study, mode="read")
    count = sum(1 for _ in store.scan("replies"))
    store.close()
    return count


def kill(forks: Forks, server: FakeServer, study: Path, at: int, before: bool) -> int:
    """One killed run; the calls it lost. It may end before it dies: replies that arrive together share a commit."""
    known = committed(study) if (study / "study.sqlite").exists() else 0
    asked = server.counters().requests
    ended = forks.run(server, study, at=at, before=before)
    assert ended == KILLED or (ended == 0 and at > 20)
    sent = server.counters().requests - asked
    lost = sent - (committed(study) - known)
    assert 0 <= lost <= (CONCURRENCY if ended else 0)
    return lost


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
def test_a_study_killed_at_a_commit_ends_the_same_and_repeats_no_committed_call(
    forks: Forks, straight: dict[str, Any], tmp_path: Path, share: float, before: bool
) -> None:
    at = max(1, round(share * straight["commits"]))
    with FakeServer(reply=reply, latency_ms=2, latency_cv=1) as server:
        study = tmp_path / "study"
        lost = kill(forks, server, study, at, before)
        kept, asked = committed(study), server.counters().requests
        assert forks.run(server, study) == 0
        assert forks.result["found"] == straight["found"]
        assert server.counters().requests - asked == committed(study) - kept  # nothing committed was asked for again
        assert server.counters().repeats <= lost
        assert forks.result["sent"] >= server.counters().requests


def test_a_study_killed_again_while_it_resumes_ends_the_same(
    forks: Forks, straight: dict[str, Any], tmp_path: Path
) -> None:
    with FakeServer(reply=reply, latency_ms=2, latency_cv=1) as server:
        lost = sum(kill(forks, server, tmp_path, at, before) for at, before in ((9, True), (7, False), (11, True)))
        assert forks.run(server, tmp_path) == 0
        assert forks.result["found"] == straight["found"]
        assert server.counters().repeats <= lost
        assert server.counters().requests <= 200


def test_a_killed_study_leaves_no_lock_and_its_lost_calls_count(forks: Forks, tmp_path: Path) -> None:
    with FakeServer(reply=reply) as server:
        lost = kill(forks, server, tmp_path, 8, before=True)
        store = Store(tmp_path, mode="read")
        found = recover(store)
        store.close()
        assert found.lost >= lost
        assert found.spent.calls >= server.counters().requests


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------

INTERRUPTED = """
import sys
from tests.study.kill_child import search
try:
    search(sys.argv[1], sys.argv[2], result=sys.argv[3])
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def interrupted(tmp_path: Path) -> Callable[[FakeServer], "subprocess.Popen[bytes]"]:
    def start(server: FakeServer) -> "subprocess.Popen[bytes]":
        arguments = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "study"), server.base_url, str(tmp_path / "r")]
        process = subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        while server.counters().in_flight < CONCURRENCY:  # the study has as many in flight as it may
            assert process.poll() is None
        return process

    return start


Start = Callable[[FakeServer], "subprocess.Popen[bytes]"]


def test_the_first_interrupt_lets_calls_in_flight_end_and_keeps_them(
    interrupted: Start, forks: Forks, straight: dict[str, Any], tmp_path: Path
) -> None:
    with FakeServer(reply=reply, gate=CONCURRENCY + 1, gate_timeout=2) as server:
        process = interrupted(server)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        asked = server.counters().requests
        assert committed(tmp_path / "study") == asked == CONCURRENCY
        server.reset()
        assert forks.run(server, tmp_path / "study") == 0
        assert forks.result["found"] == straight["found"]
        assert server.counters().requests == straight["sent"] - asked


def test_a_second_interrupt_ends_at_once_and_the_calls_given_up_count_as_sent(
    interrupted: Start, forks: Forks, straight: dict[str, Any], tmp_path: Path
) -> None:
    with FakeServer(reply=reply, faults=[Fault("timeout", times=None)]) as server:
        process = interrupted(server)
        process.send_signal(signal.SIGINT)
        while process.poll() is None:  # whenever it is ready for it
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
        assert process.returncode in (130, -signal.SIGINT)
        assert committed(tmp_path / "study") == 0
        store = Store(tmp_path / "study", mode="read")
        assert recover(store).spent.calls == CONCURRENCY
        store.close()
        server.set_faults()
        assert forks.run(server, tmp_path / "study") == 0
        assert forks.result["found"] == straight["found"]
        assert forks.result["sent"] == straight["sent"] + CONCURRENCY


def test_a_full_disk_stops_the_study_and_room_lets_it_go_on(
    forks: Forks, straight: dict[str, Any], tmp_path: Path
) -> None:
    program = (
        "import resource, sys\n"
        "from tests.study.kill_child import search\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, resource.RLIM_INFINITY))\n"
        "search(sys.argv[1], sys.argv[2], result=sys.argv[3])\n"
    )
    with FakeServer(reply=reply) as server:
        arguments = [sys.executable, "-c", program, str(tmp_path / "study"), server.base_url, str(tmp_path / "r")]
        done = subprocess.run(
            arguments,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "StudyError: the study in" in done.stderr.splitlines()[-1]
        assert "make room" in done.stderr.splitlines()[-1]
        kept, asked = committed(tmp_path / "study"), server.counters().requests
        assert 0 <= asked - kept <= CONCURRENCY
        assert forks.run(server, tmp_path / "study") == 0
        assert forks.result["found"] == straight["found"]
        assert server.counters().requests - asked == committed(tmp_path / "study") - kept
