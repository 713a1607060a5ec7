"""Talks to the fork server of child.py."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.fake_server import FakeServer
from treadle.compiler.study.store import FILE, Store

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
INTERRUPTED = 130


class Forks:
    """Runs compiles in children of one process."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, settings: Mapping[str, Any]) -> None:
        self._process = process
        self._settings = settings
        self._result = folder / "result"

    def run(self, server: FakeServer, study: Path, **settings: Any) -> int:
        """How the child ended: 0, or minus the signal that killed it."""
        assert self._process.stdin
        assert self._process.stdout
        arguments = {"folder": str(study), "url": server.base_url, "result": str(self._result)}
        self._process.stdin.write(json.dumps({**arguments, **self._settings, **settings}) + "\n")
        self._process.stdin.flush()
        ended = int(self._process.stdout.readline())
        quiet(server)
        return ended

    @property
    def found(self) -> dict[str, Any]:
        """What the last child that was not killed found."""
        found: dict[str, Any] = json.loads(self._result.read_text())
        return found


@contextlib.contextmanager
def forks(folder: Path, *, hash_seed: int = 0, **settings: Any) -> Iterator[Forks]:
    """A fork server for the length of the block; ``settings`` hold for every run."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.compile.child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
    ) as process:  # fmt: skip
        yield Forks(process, folder, settings)
        process.communicate()


def quiet(server: FakeServer) -> None:
    """Wait until the server has seen all that a child that is no more had sent."""
    address = urlsplit(server.base_url)
    for _ in range(1000):
        asking = http.client.HTTPConnection(address.hostname or "", address.port or 0)
        asking.request("GET", "/_connections")
        asking.getresponse().read()
        asking.close()
        if not server.counters().in_flight:
            return
        time.sleep(0.005)
    raise AssertionError("calls of a dead process are still in flight")


def committed(study: Path) -> set[str]:
    """Keys of the replies a study has stored."""
    if not (study / FILE).exists():
        return set()
    store = Store(study, mode="read")
    keys = {key for key, _ in store.scan("replies")}
    store.close()
    return keys
