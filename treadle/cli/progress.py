"""Progress of a study: a live display on a terminal, one plain line per event elsewhere. Both go to standard error.

Results go to standard output, so that a command's result can be piped while its progress is watched.
"""

from __future__ import annotations

import collections
import contextlib
import math
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from treadle.cli.sayings import UNSAID, amount, is_amount, said
from treadle.compiler.canonical import JSON
from treadle.compiler.escape import line, plain
from treadle.compiler.redact import redact
from treadle.compiler.study.events import Event

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESHES = 4
"""Redraws of the live display in a second."""
_RECENT = 20.0  # seconds over which calls per second are counted
_LONGEST_LINE = 200


class Progress(Protocol):
    """Something that shows events."""

    def __call__(self, event: Event) -> None:
        """Take in one event. From any thread; quick."""
        ...


class State:
    """What has happened so far, in numbers."""

    def __init__(self) -> None:
        self.budget: Mapping[str, JSON] = {}
        self.spent: tuple[int, int, float | None] = (0, 0, 0.0)
        self.calls = 0
        self.stored = 0
        self.again = 0  # calls sent beyond one a reply: retries, and calls a crash lost
        self.failures = 0
        self.cells = 0
        self.stage = ""
        self.doing = "opening the study"
        self.seconds = 0.0
        self.warnings: collections.deque[str] = collections.deque(maxlen=3)
        self._scores: dict[str, dict[str, float]] = {}  # by candidate, then by example; the input program comes first
        self._recent: collections.deque[tuple[float, int]] = collections.deque()

    def take(self, event: Event) -> None:
        """Count one event."""
        self.seconds = event.seconds
        take = getattr(self, f"_take_{event.kind}", None)
        if take is not None:
            take(event.fields, event.seconds)

    def _take_opened(self, fields: Mapping[str, Any], _seconds: float) -> None:
        self.budget = fields.get("budget") or {}
        self.doing = "starting"

    def _take_stage(self, fields: Mapping[str, Any], _seconds: float) -> None:
        self.stage = str(fields.get("name", ""))

    def _take_asked(self, fields: Mapping[str, Any], _seconds: float) -> None:
        self.doing = f"{_doing(fields)} (batch {fields.get('number', '')})"

    def _take_cell(self, fields: Mapping[str, Any], seconds: float) -> None:
        self.cells += 1
        calls = int(fields.get("calls") or 0)
        if fields.get("stored"):
            self.stored += calls
        else:
            self.calls += calls
            self._recent.append((seconds, calls))
        score = fields.get("score")
        if score is None:
            self.failures += 1
        scores = self._scores.setdefault(str(fields.get("candidate", "")), {})
        scores[str(fields.get("example", ""))] = float(score or 0.0)

    def _take_settled(self, fields: Mapping[str, Any], _seconds: float) -> None:
        sent: Any = fields.get("sent")
        if is_amount(sent):
            self.spent = (sent[0], sent[1], sent[2])
            replies: Any = fields.get("search")
            self.again = max(0, sent[0] - replies[0]) if is_amount(replies) else 0

    def _take_warning(self, fields: Mapping[str, Any], _seconds: float) -> None:
        self.warnings.append(str(fields.get("text", "")))

    def _take_stopped(self, fields: Mapping[str, Any], _seconds: float) -> None:
        self.doing = f"stopped: {fields.get('reason', '')}"

    @property
    def best(self) -> float | None:
        """What the start scores, and the most that any candidate adds on the examples both were measured on.

        Candidates that share less than half of the start's examples do not count.
        """
        first = next(iter(self._scores.values()), {})
        gains = [0.0]
        for scores in self._scores.values():
            shared = scores.keys() & first.keys()
            if 2 * len(shared) >= len(first):
                gains.append(math.fsum(scores[example] - first[example] for example in shared) / len(shared))
        return None if self.start is None else self.start + max(gains)

    @property
    def start(self) -> float | None:
        """The mean of the candidate measured first: the input program."""
        first = next(iter(self._scores.values()), {})
        return math.fsum(first.values()) / len(first) if first else None

    @property
    def rate(self) -> float:
        """LM calls sent in a second, lately."""
        while self._recent and self._recent[0][0] < self.seconds - _RECENT:
            self._recent.popleft()
        return sum(calls for _, calls in self._recent) / max(1.0, min(_RECENT, self.seconds))


_PAUSE = 1.0
"""Seconds between two lines on batches that were settled."""
_FAILURES = 5
"""Failed runs of a batch that are told one by one."""


class Plain:
    """One line per event that tells a person something. Of runs only failed ones are told, the first few."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._settled = -_PAUSE
        self._failed = 0

    def __call__(self, event: Event) -> None:
        """Write one line."""
        if event.kind in UNSAID or not self._worth_a_line(event):
            return
        if event.kind == "estimate":
            self._write(plain(redact(str(event.fields.get("text", "")))))
            return
        self._say(event.seconds, said(event))

    def _worth_a_line(self, event: Event) -> bool:
        if event.kind == "cell":
            self._failed += bool(event.fields.get("failure"))
            return bool(event.fields.get("failure")) and self._failed <= _FAILURES
        if event.kind == "settled":
            if self._failed > _FAILURES:
                self._say(event.seconds, f"… and {self._failed - _FAILURES:,} more runs failed")
            self._failed = 0
            if event.seconds - self._settled < _PAUSE:
                return False
            self._settled = event.seconds
        return True

    def _say(self, seconds: float, text: str) -> None:
        self._write(line(redact(f"{seconds:.1f}s {text}"), _LONGEST_LINE))

    def _write(self, text: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):  # a closed pipe is no reason to stop a search
            self._out.write(text + "\n")
            self._out.flush()


def _doing(fields: Mapping[str, Any]) -> str:
    return "writing proposals" if '"ask":"propose"' in str(fields.get("what", "")) else "measuring"


class Live:
    """A display that is redrawn in place; the estimate is written above it and stays.

    Args:
        console: Where it is shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = State()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Count one event; the next redraw shows it."""
        with self._lock:
            self._state.take(event)
        if event.kind == "estimate":
            self._console.print(plain(redact(str(event.fields.get("text", "")))), soft_wrap=True)

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            rows = list(_rows(self._state))
        table = Table.grid(padding=(0, 2))
        for name, value in rows:
            table.add_row(Text(name, style="dim"), Text(line(redact(value), _LONGEST_LINE)))
        return table


def _rows(state: State) -> Iterator[tuple[str, str]]:
    yield "now", f"{state.stage}: {state.doing}" if state.stage else state.doing
    if state.start is not None and state.best is not None:
        yield "score", f"start {state.start:.3f}, best {state.best:.3f} (where measured; the verdict comes at the end)"
    yield "spent", amount(state.spent, state.budget)
    counts = [
        (state.stored, "calls from the store"),
        (state.again, "calls sent again"),
        (state.failures, "failed runs"),
    ]
    told = [f"{count:,} {what}" for count, what in counts if count]
    yield "pace", ", ".join([f"{state.rate:.1f} calls/s", f"{state.cells:,} runs", *told])
    for text in state.warnings:
        yield "warning", text


@contextlib.contextmanager
def shown(out: TextIO, *, display: str = "auto") -> Iterator[Progress | None]:
    """A listener for a study's events, for as long as the block lasts.

    Args:
        out: Where it is shown; standard error.
        display: ``"live"``, ``"plain"`` or ``"none"``; ``"auto"`` is live on a terminal and plain elsewhere.
    """
    if display == "none":
        yield None
    elif display == "plain" or (display == "auto" and not out.isatty()):
        yield Plain(out)
    else:
        with _live(out) as live:
            yield live


@contextlib.contextmanager
def _live(out: TextIO) -> Iterator[Live]:
    from rich.live import Live as RichLive

    console = _console(out)
    live = Live(console)
    with RichLive(get_renderable=live.__rich__, console=console, refresh_per_second=REFRESHES, transient=True):
        yield live


def _console(out: TextIO) -> Console:
    from rich.console import Console

    return Console(file=out, markup=False, emoji=False, highlight=False)
