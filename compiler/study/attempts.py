"""The books of the attempts: written before one is sent, settled after, so that a crash cannot lose one.

They are a log: one row for all that was sent and settled within a tick of the event loop. An attempt that was committed
and never settled was in flight when the process died: it may have been sent and billed, and counts at its worst case
for ever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import StudyError
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion
from treadle.compiler.study.budget import NOTHING, Amount, Budget
from treadle.compiler.study.events import Events
from treadle.compiler.study.ledger import LogicalLedger, RealLedger
from treadle.compiler.study.replies import used
from treadle.compiler.study.store import Store


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recovered:
    """What earlier runs of a study sent.

    Attributes:
        spent: All their attempts.
        attempts: How many there were.
        lost: How many were in flight when a process died.
    """

    spent: Amount = NOTHING
    attempts: int = 0
    lost: int = 0


def recover(store: Store) -> Recovered:
    """Add up the attempts of earlier runs. What a damaged row says was sent counts like the largest of the others."""
    spent, attempts, most = NOTHING, 0, Amount(calls=1)
    flying: dict[tuple[str, int], Amount | None] = {}
    for key, row in store.scan("attempts"):
        run, _, numbers = key.partition("-")
        sent, settled = _read(numbers, row)
        attempts += len(sent)
        flying.update({(run, number): amount for number, amount in sent.items()})
        for number, amount in settled.items():
            flying.pop((run, number), None)
            spent += amount
        for known in (*sent.values(), *settled.values()):
            most = most.at_least(known or NOTHING)
    for worst in flying.values():
        spent += worst or most
    return Recovered(spent=spent, attempts=attempts, lost=len(flying))


def _read(numbers: str, row: JSON) -> tuple[Mapping[int, Amount | None], Mapping[int, Amount]]:
    """What a row says was sent, at its worst case, and what was settled, at what it used.

    Of a damaged row only the key is known, which says how many were sent.
    """
    if row is None:
        first, _, count = numbers.rpartition("-")[2].partition("+")
        if not (first.isdecimal() and count.isdecimal()):  # the key is damaged too
            return {-1: None}, {}
        return {int(first) + further: None for further in range(int(count))}, {}
    body = cast("dict[str, list[list[JSON]]]", row)
    sent = {cast(int, number): Amount.from_json(amount) for number, _, _, *amount in body["sent"]}
    return sent, {cast(int, number): Amount.from_json(amount) for number, *amount in body["settled"]}


class _Tick:
    """What was sent and settled within one tick."""

    def __init__(self) -> None:
        self.sent: list[list[JSON]] = []
        self.settled: list[list[JSON]] = []


class Attempts:
    """Every attempt of a study: its row, and its place in the real ledger.

    Args:
        store: Where rows are written.
        budget: The user's.
        search: The logical ledger of the whole search, for the advice when the reserve is gone.
        run: Number of this run of the study; part of the rows' keys.
        events: Is told of replies that do not say their usage.
    """

    def __init__(self, store: Store, budget: Budget, search: LogicalLedger, *, run: int, events: Events) -> None:
        self.budget = budget
        self.recovered = recover(store)
        self.ledger = RealLedger(budget, self.recovered.spent)
        self.sent = 0
        self.without_usage = 0
        self.reserve_used_up = False
        self._store = store
        self._search = search
        self._run = run
        self._events = events
        self._rows = 0
        self._tick: _Tick | None = None

    def open(self, lm: LM, worst: Amount, role: str, check: Callable[[], None]) -> _Call:
        """The books of one call.

        Args:
            lm: Who is asked.
            worst: What an attempt uses at most.
            role: Whose call it is.
            check: Raises if nothing more may be sent.
        """
        return _Call(self, lm, worst, role, check)

    async def enter(self, worst: Amount, role: str, lm: LM) -> int:
        """Reserve room for an attempt and commit that it will be sent; returns its number.

        Raises:
            StudyError: There is no room, or the commit failed.
        """
        await self.ledger.reserve(worst, self._reserve_is_gone)
        self.sent += 1
        number = self.sent
        try:
            self._now().sent.append([number, role, lm.model, *worst.to_json()])
            await self._store.committed()
        except BaseException:
            self.leave(number, worst, NOTHING)
            raise
        return number

    def leave(self, number: int, worst: Amount, actual: Amount) -> None:
        """Settle an attempt; that is committed with this tick."""
        self.ledger.settle(worst, actual)
        self._now().settled.append([number, *actual.to_json()])

    def _now(self) -> _Tick:
        """What this tick's row will say."""
        if self._tick is None:
            self._store.write_last("attempts", self._row)
            self._tick = _Tick()
        return self._tick

    def _row(self) -> tuple[str, JSON]:
        """The tick's row. Its key says which attempts were sent: the first one's number, and how many."""
        tick, self._tick = self._now(), None
        self._rows += 1
        first = self.sent - len(tick.sent) + 1
        key = f"{self._run:06d}-{self._rows:09d}-{first}+{len(tick.sent)}"
        return key, {"sent": tick.sent, "settled": tick.settled}

    def note_missing_usage(self, lm: LM) -> None:
        """A reply did not say its usage: under a cap on tokens or dollars it counts at its worst case."""
        self.without_usage += 1
        if self.without_usage == 1 and (self.budget.tokens is not None or self.budget.usd is not None):
            self._events.warn(
                f"{lm.model!r} does not say how many tokens a call used, so each counts at its worst case under "
                f"Budget({self.budget}); cap calls instead, Budget(calls=…), or have the provider report usage"
            )

    def _reserve_is_gone(self, cap: str) -> StudyError:
        self.reserve_used_up = True
        caps = self._search.caps
        search = self._search.settled
        left = Amount(
            calls=max(0, (caps.calls or 0) - search.calls),
            tokens=max(0, (caps.tokens or 0) - search.tokens),
            usd=max(0.0, (caps.usd or 0.0) - (search.usd or 0.0)),
        )
        return StudyError(
            f"the study stopped: with retries and lost calls it has sent {_count(self.ledger.spent, cap)} {cap}, and "
            f"the next call does not fit under Budget({self.budget}); what it paid for is kept: run it again with "
            f"Budget({self.ledger.cap_to_finish(cap, left)}) to finish the same search"
        )


def _count(amount: Amount, cap: str) -> float | None:
    return {"calls": amount.calls, "tokens": amount.tokens, "usd": amount.usd}[cap]


class _Call:
    """The books of one call: what ``retry.call`` tells before and after each attempt."""

    def __init__(self, attempts: Attempts, lm: LM, worst: Amount, role: str, check: Callable[[], None]) -> None:
        self._attempts = attempts
        self._lm = lm
        self._worst = worst
        self._role = role
        self._check = check
        self._number = 0

    async def before(self, number: int) -> None:
        """Reserve and commit."""
        self._check()
        self._number = await self._attempts.enter(self._worst, self._role, self._lm)

    def after(self, number: int, outcome: Completion | BaseException) -> None:
        """Settle."""
        if isinstance(outcome, Completion) and outcome.usage is None:
            self._attempts.note_missing_usage(self._lm)
        actual = used(outcome, self._worst)
        self._attempts.leave(self._number, self._worst, actual)
