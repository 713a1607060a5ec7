"""Compiles in children of one process, so that imports are paid for once, and kills them where it is told to.

As a program it is a fork server: it reads one JSON object of ``run``'s arguments a line, runs each in a child of its
own, and answers with how the child ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.compile import desk
from tests.fake_server import FakeServer
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.study.store import Row, Store


def run(
    result: str,
    url: str,
    folder: str,
    *,
    effects: str = "",
    at: int = 0,
    before: bool = False,
    interrupts: Sequence[int] = (),
    **settings: Any,
) -> None:
    """Compile, and write what came out to ``result``; but die, or get Ctrl-C, at a commit.

    Args:
        result: A file.
        url: The provider's.
        folder: The study's.
        effects: File to which the op with effects adds.
        at: The commit at which the process dies; 0 for none.
        before: Whether it dies before that commit, instead of after it.
        interrupts: Commits after which the process gets SIGINT, as from Ctrl-C.
        settings: The rest of ``desk.compiled``'s.
    """
    os.environ[desk.EFFECTS] = effects
    commits = _watch(at, before, interrupts)
    done = desk.compiled(url, folder, **settings)
    spend = done.report.spend
    found: dict[str, JSON] = {
        "artifact": dumps(done),
        "commits": commits(),
        "sent": spend.sent.calls,
        "used": spend.search.calls,
    }
    Path(result).write_text(canonical(found))


def _watch(at: int, before: bool, interrupts: Sequence[int]) -> Callable[[], int]:
    commit, count = Store._commit, 0

    def counted(self: Store, rows: Sequence[Row]) -> None:
        nonlocal count
        count += 1
        if before and count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, rows)
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in range(interrupts.count(count)):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    Store._commit = counted  # type: ignore[method-assign]  # what it is there for
    return lambda: count


def main() -> None:
    """Serve until the input ends. One compile first, so that no child has to fill caches."""
    with FakeServer(reply=desk.answer) as server, TemporaryDirectory() as folder:
        desk.compiled(server.base_url, folder)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                run(**json.loads(line))
            except KeyboardInterrupt:
                os._exit(130)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    main()
