"""Runs a small study that kills itself at its n-th commit; see test_kill.py.

As a program it is a fork server, so that the imports are paid for once: it reads one JSON object of ``search``'s
or ``spend``'s arguments a line, runs each in a child of its own, and answers with how the child ended.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.study.world import IMPATIENT, WRITE, Chain, candidate, study
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import StudyError
from treadle.compiler.lm import http  # imported here, so that no child has to
from treadle.compiler.lm.lm import LM
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.store import Row, Store
from treadle.compiler.study.study import Study

assert http
A, B, C = candidate(""), candidate("b"), candidate("c")
CONCURRENCY = 8


class Dying(Store):
    """Kills its process before or after the n-th commit."""

    commits = 0
    at = 0
    before = False

    def _commit(self, rows: Sequence[Row]) -> None:
        type(self).commits += 1
        if self.before and self.commits == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        super()._commit(rows)
        if self.commits == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def searched(s: Study) -> dict[str, Any]:
    """A search with all a study has: batches in flight, proposals, a choice, a random number."""
    ids = s.splits.select
    first, second = s.start([A, B], ids), s.start([C], ids, traces=True)
    first.wait()
    second.wait()
    best = s.table.best([A, B, C])
    texts = s.propose(WRITE, [{"topic": best.id}, {"topic": str(s.rng("topic").random())}], key="k")
    new = [candidate(text) for text in texts if text]
    s.evaluate(new, ids[:5])
    means = {one.id: s.table.mean(one).mean for one in s.table.candidates}
    return {"best": s.table.best([A, B, C, *new], ids[:5]).id, "means": means, "calls": s.spend.search.calls}


def spend(folder: str, url: str, *, at: int = 0, before: bool = False, result: str, budget: dict[str, float]) -> None:
    """Evaluate 400 examples, 64 calls at a time, under a budget that does not reach; write what was spent."""
    Dying.at, Dying.before = at, before
    runner = Chain(LM(url, model="fake", max_tokens=20, price=(1.0, 3.0), timeout=0.3))
    settings: dict[str, Any] = {"concurrency": 64, "make_store": Dying, "policy": IMPATIENT}
    with study(runner, examples=402, folder=Path(folder), budget=Budget(**budget), **settings) as s:  # type: ignore[arg-type]  # as it was given
        why = ""
        try:
            s.evaluate([A], s.splits.select)
        except StudyError as error:
            why = type(error).__name__
        sent = s.spend.sent
    Path(result).write_text(canonical({"why": why, "commits": Dying.commits, "sent": sent.to_json()}))


def search(folder: str, url: str, *, at: int = 0, before: bool = False, result: str, cap: int = 200) -> None:
    """Run the search in ``folder``, and write what it found and how many commits it took."""
    Dying.at, Dying.before = at, before
    runner = Chain(LM(url, model="fake", max_tokens=50), 2)
    settings: dict[str, Any] = {"concurrency": CONCURRENCY, "make_store": Dying, "budget": Budget(calls=cap)}
    with study(runner, examples=12, folder=Path(folder), **settings) as s:
        found = searched(s)
        sent = s.spend.sent.calls
    Path(result).write_text(canonical({"found": found, "commits": Dying.commits, "sent": sent}))


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                asked = json.loads(line)
                (spend if "budget" in asked else search)(**asked)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    main()
