"""The two ledgers of a study.

The *real* ledger counts what was sent: every attempt is a call, and one that may have been billed or was lost in a
crash counts at its worst case. The user's cap binds it.

The *logical* ledger counts what the search used: one charge per reply, the same whether the reply was paid for now or
comes from the store. It is all that a search sees, so that a rerun sees the same, and nine tenths of the cap bind it.
Charges are made at barriers, in canonical order; before that, room is held. There are two ways of holding room: a job
whose worst case is known is *admitted* with all of it; one whose worst case is unknown is *metered*: each of its calls
holds its own worst case, and waits for room as long as anything in flight could free some. A reply that several jobs
use is charged once, and so holds room once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from treadle.compiler.errors import BudgetExhausted, StudyError
from treadle.compiler.study.budget import NOTHING, SEARCH_TENTHS, Amount, Budget, Caps


class Room:
    """Wakes those who wait for room, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def changed(self) -> None:
        """Wait for the next change."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiting:  # cancelled
                self._waiting.remove(waiter)

    def change(self) -> None:
        """Something was freed, or can no longer be."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class RealLedger:
    """What was sent, against the user's cap.

    Args:
        budget: The user's.
        spent: What earlier runs of the study sent.
    """

    def __init__(self, budget: Budget, spent: Amount = NOTHING) -> None:
        self.budget = budget
        self.spent = spent
        self._reserved = NOTHING
        self._in_flight = 0
        self._room = Room()

    async def reserve(self, worst: Amount, explain: Callable[[str], StudyError]) -> None:
        """Hold ``worst`` for an attempt; waits while attempts in flight may turn out cheaper than their worst case.

        Args:
            worst: The attempt's worst case.
            explain: Makes the error from the name of the cap that has no room.

        Raises:
            StudyError: It does not fit and nothing is in flight.
        """
        while self.budget.bounded and (cap := self.budget.exceeded(self.spent + self._reserved + worst)):
            if not self._in_flight:
                raise explain(cap)
            await self._room.changed()
        self._reserved += worst
        self._in_flight += 1

    def settle(self, worst: Amount, actual: Amount) -> None:
        """The attempt that held ``worst`` used ``actual``."""
        self._in_flight -= 1
        self._reserved = self._reserved - worst if self._in_flight else NOTHING  # sums of floats drift: start anew
        self.spent += actual
        self._room.change()

    def cap_to_finish(self, cap: str, left: Amount) -> str:
        """The setting that would let a search finish that still may use ``left``, such as ``calls=1200``."""
        spent = self.spent + left
        needed = {"calls": spent.calls, "tokens": spent.tokens, "usd": spent.usd or 0.0}[cap] * 10 / SEARCH_TENTHS
        return f"usd={needed:.4g}" if cap == "usd" else f"{cap}={math.ceil(needed)}"


class Hold:
    """Room one job holds between its start and its barrier.

    Attributes:
        worst: What it was admitted with; ``NOTHING`` for a metered job.
        typical: What its other calls will use if it is like the jobs before it; keeps a wave from starting more jobs
            than can be finished.
        used: Replies that calls it was admitted for have used so far, by key.
        keys: Replies it holds room for one by one.
        flying: Its calls in flight.
        waiting: Its calls that wait for room.
        ended: No more calls will come.
    """

    __slots__ = ("ended", "flying", "keys", "typical", "used", "waiting", "worst")

    def __init__(self, worst: Amount, typical: Amount) -> None:
        self.worst = worst
        self.typical = typical
        self.used: dict[str, Amount] = {}
        self.keys: set[str] = set()
        self.flying = 0
        self.waiting = 0
        self.ended = False

    @property
    def blocked(self) -> bool:
        """Whether it can neither use nor free anything until there is room."""
        return self.waiting > 0 and self.flying == 0


class _Room:
    """Room for one reply, however many jobs use it."""

    __slots__ = ("amount", "users")

    def __init__(self, amount: Amount) -> None:
        self.amount = amount
        self.users = 1


class Charged:
    """Which replies the search has been charged for: each is charged once, whoever asks again."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.by_role: dict[str, Amount] = {}

    def add(self, key: str, role: str, amount: Amount) -> Amount:
        """What ``key`` costs now: ``amount`` the first time, nothing after that."""
        if key in self.keys:
            return NOTHING
        self.keys.add(key)
        self.by_role[role] = self.by_role.get(role, NOTHING) + amount
        return amount


class LogicalLedger:
    """What the search used, against its share of the cap.

    Args:
        caps: Bounds on it.
        parent: The ledger this one is a part of: whatever is held or charged here is there, too.
    """

    def __init__(self, caps: Caps, parent: LogicalLedger | None = None) -> None:
        self.caps = caps
        self.settled = NOTHING
        self._any_metered = False  # of the root
        self._line: tuple[LogicalLedger, ...] = (self, *(parent._line if parent else ()))
        self._root = self._line[-1]
        self._bounded = any(ledger.caps.bounded for ledger in self._line)  # otherwise nobody asks what room is held
        self.charged: Charged = parent.charged if parent else Charged()
        self._admitted = NOTHING  # changes at starts and barriers only, so that admission is reproducible
        self._now = NOTHING
        self._rooms: dict[str, _Room] = {}  # of replies that jobs use which have not reached their barrier
        self._holds = 0
        self._typical: dict[str, Amount] = {}  # of the root
        self._open: dict[Hold, None] = {}  # of the root: jobs that may still make calls
        self._room: Room = parent._room if parent else Room()

    @property
    def left(self) -> Caps:
        """Room for what has not been started yet."""
        left = self.caps.left(self.settled + self._admitted)
        return left if len(self._line) == 1 else _smaller(left, self._line[1].left)

    def admit(self, worst: Amount, typical: Amount = NOTHING, *, alone: bool = False) -> Hold | None:
        """Room for a job, or ``None`` where it does not fit.

        Args:
            worst: Its worst case; ``NOTHING`` for a metered job.
            typical: What its metered calls will use if it is like the jobs before it.
            alone: Nothing else is under way, so it may as well be tried: only the worst case counts.
        """
        if self.over(worst if alone else worst + typical):
            return None
        hold = Hold(worst, typical)
        for ledger in self._line:
            ledger._admitted += worst + typical
            ledger._now += worst
            ledger._holds += 1
        return hold

    def begin(self, hold: Hold) -> None:
        """The job begins, and may make calls until its end."""
        self._root._open[hold] = None

    def over(self, worst: Amount) -> str:
        """The cap under which a job with this worst case does not fit, or empty."""
        for ledger in self._line:
            if cap := ledger.caps.exceeded(ledger.settled + ledger._admitted + worst):
                return cap
        return ""

    @property
    def metered(self) -> bool:
        """Whether any job has made a metered call: then a cut may depend on timing."""
        return self._root._any_metered

    async def meter(self, hold: Hold, key: str, worst: Amount) -> None:
        """Room for one call of a job that was not admitted with it.

        Args:
            hold: The job's.
            key: The reply's; where another job holds room for it already, that is room enough.
            worst: What the call uses at most.

        Raises:
            BudgetExhausted: It does not fit, and nothing in flight can free room.
        """
        self._root._any_metered = True
        while cap := self._over_now(key, worst):
            hold.waiting += 1
            try:
                if all(other.blocked for other in self._root._open):
                    self._room.change()  # the others that wait cannot go on either
                    raise self.exhausted(cap, worst)
                await self._room.changed()
            finally:
                hold.waiting -= 1
        self._take(hold, key, worst)

    def _over_now(self, key: str, worst: Amount) -> str:
        for ledger in self._line:
            if key in ledger._rooms:
                continue
            if cap := ledger.caps.exceeded(ledger.settled + ledger._now + worst):
                return cap
        return ""

    def landed(self, hold: Hold) -> None:
        """A call of the job has landed: where its others wait for room, those who wait look again who can free some."""
        if hold.blocked:
            self._room.change()

    def _take(self, hold: Hold, key: str, amount: Amount) -> None:
        """Hold room for a reply until the job's barrier."""
        if key in hold.keys:
            return
        hold.keys.add(key)
        for ledger in self._line:
            room = ledger._rooms.get(key)
            if room is not None:
                room.users += 1
            else:
                ledger._rooms[key] = _Room(amount)
                ledger._now += amount

    def _resize(self, key: str, amount: Amount) -> None:
        for ledger in self._line:
            if room := ledger._rooms.get(key):
                ledger._now += amount - room.amount
                room.amount = amount

    def exhausted(self, cap: str, worst: Amount) -> BudgetExhausted:
        """The error for a call or job with this worst case that does not fit under ``cap``."""
        needs = {"calls": worst.calls, "tokens": worst.tokens, "usd": worst.usd}[cap]
        used = {"calls": self.settled.calls, "tokens": self.settled.tokens, "usd": self.settled.usd}[cap]
        return BudgetExhausted(
            f"the budget is used up: the next step may take {needs} {cap}; of {self.caps} for this search {used} {cap} "
            "are used (a tenth of every cap is kept for retries)"
        )

    def arrived(self, key: str, actual: Amount) -> None:
        """A metered call has been answered and used ``actual``."""
        self._resize(key, actual)
        self._room.change()

    def give_back(self, hold: Hold, key: str) -> None:
        """A metered call came to nothing."""
        self._drop(hold, key)
        self._room.change()

    def _drop(self, hold: Hold, key: str) -> None:
        hold.keys.discard(key)
        for ledger in self._line:
            room = ledger._rooms.get(key)
            if room is None:
                continue
            room.users -= 1
            if not room.users:
                ledger._now -= room.amount
                del ledger._rooms[key]

    def learn(self, role: str, metered: Amount) -> None:
        """A job of ``role`` used so much in metered calls. At barriers only."""
        before = self._root._typical.get(role, NOTHING)
        self._root._typical[role] = before.at_least(metered)

    def typical(self, role: str) -> Amount | None:
        """The most a job of ``role`` has used in metered calls; ``None`` while no job has been settled."""
        return self._root._typical.get(role)

    def end(self, hold: Hold) -> None:
        """The job makes no more calls; what it used stays held until its barrier."""
        hold.ended = True
        for ledger in self._line:
            ledger._now -= hold.worst
        if self._bounded:
            for key, amount in hold.used.items():
                if key not in self.charged.keys:
                    self._take(hold, key, amount)
        self._root._open.pop(hold, None)
        self._room.change()

    def charge(self, key: str, role: str, amount: Amount) -> None:
        """Charge a reply, once in the life of the study. At barriers only, in canonical order."""
        amount = self.charged.add(key, role, amount)
        self._resize(key, NOTHING)
        for ledger in self._line:
            ledger.settled += amount

    def release(self, hold: Hold) -> None:
        """Free what an ended job held: its charges are made."""
        for key in sorted(hold.keys):
            self._drop(hold, key)
        for ledger in self._line:
            ledger._holds -= 1
            ledger._admitted -= hold.worst + hold.typical
            if not ledger._holds:  # sums of floats drift: start anew
                ledger._admitted = ledger._now = NOTHING
        self._room.change()


def _smaller(a: Caps, b: Caps) -> Caps:
    def least(x: float | None, y: float | None) -> float | None:
        return y if x is None else x if y is None else min(x, y)

    calls, tokens = least(a.calls, b.calls), least(a.tokens, b.tokens)
    return Caps(
        calls=None if calls is None else int(calls),
        tokens=None if tokens is None else int(tokens),
        usd=least(a.usd, b.usd),
        seconds=a.seconds,
    )
