"""Events: what a study tells while it runs, to a callback and as JSON lines in the study folder.

=================  ====================================================================================================
**by the study**
opened             folder, mode, budget, run, search, attempts, lost: it was opened; what earlier runs sent and lost
asked              number, what: ``evaluate`` (candidates, examples) or ``propose`` (predictor, contexts) was begun
candidate          candidate, origin, parents, changed: is measured for the first time; changed are addresses
cell               candidate, example, score or failure, calls, stored: one run was scored, or the store answered
settled            done, of (runs) or proposals; search, by_role, sent: a batch reached its barrier; spend so far
unfit              predictor, key, index, failure: a proposal whose reply never fitted its signature
warning            text: something was unusable, unknown or abandoned
stopped            reason, text: the study stopped before the search did
**by compile**
stage              name: ``estimate``, ``start``, ``search``, ``verdict``; what is asked from here on belongs to it
estimate           text, and the numbers of ``CostEstimate.to_json``: told before the search is paid for
verdict            candidate, and the numbers of ``Comparison.to_json``: the winner against the input program
done               text: the report
**by optimizers**
stage              name: ``demos``, ``trials``, …; a name that comes again goes on with its stage
demos              predictor, labelled, bootstrapped, passed, runs, message: the demo bank of one predictor
proposal           parameter, number, text, refused, and how it was asked for: kept where refused is empty
ways               ways: how proposals are asked for, and what each has brought
menu               options: how many values each parameter may take
trial              candidate, choice, gain: a combination was measured; gain is over the start, drawn towards 0
front              candidates, gains: those no other is better than in every objective
edges              round, probabilities: of each context edge by its address, after a round of sampled graphs
part               name, candidate, score, n: demos only, instructions only, both
promoted           candidate, over: a race has a new leader
finding            text, and the numbers behind it: what the search has found out; it stands in the report
refused            origin, reason: a change of structure that is not legal, or costs too much
share_ended        reason: a part of the budget ran out, and the next part begins
budget_ended       reason: the budget ran out, and the search ends with what is known
proposed           round, reasoning, stop, changes, refused: what a reflection suggests
tried              round, candidate, outcome, kept: what came of it
rejected           round, reason: nothing came of it
unreachable        round, parameters: feedback has no path to these
=================  ====================================================================================================

Optimizers tell theirs with ``study.log``, and may add kinds: of any kind a report says how often it came in its stage,
and tells its ``message``, ``reason`` and ``refused``. A test holds that no kind is missing here.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from treadle.compiler.canonical import JSON
from treadle.compiler.redact import redact
from treadle.compiler.study.clean import clean

FILE = "events.jsonl"
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What; see the module's docstring.
        fields: The particulars, as JSON.
        seconds: Time since the study was opened, by a monotonic clock.
    """

    kind: str
    fields: Mapping[str, JSON]
    seconds: float

    def to_json(self) -> dict[str, JSON]:
        """The event as one object."""
        return {"event": self.kind, "seconds": round(self.seconds, 3), **self.fields}


Listener: TypeAlias = Callable[[Event], None]
"""Called with every event, from the thread in which it happened; must be quick and must not call the study."""


class Events:
    """Hands events to a listener and to a file. Usable from any thread.

    Args:
        folder: Where ``events.jsonl`` is added to; ``None`` for no file.
        listener: Called with every event. What it raises is logged and changes nothing.
    """

    def __init__(self, folder: Path | None = None, listener: Listener | None = None) -> None:
        self._listener = listener
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self.warnings: dict[str, None] = {}  # each told once, in order
        self._file = -1
        if folder is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(folder / FILE, flags, 0o600)

    def emit(self, kind: str, **fields: JSON) -> None:
        """Tell one event."""
        if self._file < 0 and self._listener is None:
            return
        event = Event(kind=kind, fields=fields, seconds=time.monotonic() - self._start)
        with self._lock:
            self._append(event)
        if self._listener is not None:
            try:
                self._listener(event)
            except Exception:
                _log.exception("the listener of a study's events failed on %r", kind)

    def warn(self, text: str) -> None:
        """Tell a warning, also to the log and to the report; what has been told is not told again."""
        if text in self.warnings:
            return
        self.warnings[text] = None
        _log.warning("%s", redact(text))
        self.emit("warning", text=text)

    def _append(self, event: Event) -> None:
        if self._file < 0:
            return
        try:
            os.write(self._file, clean(event.to_json())[1].encode() + b"\n")
        except OSError as error:  # the log of a study is no reason to lose it
            self._close_file()
            _log.warning("events are no longer written: %s", error.strerror)

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._close_file()
