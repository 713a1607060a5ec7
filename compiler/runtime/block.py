"""Blocks: regions made ready to run, and the schedule that runs one.

A block is run by one coroutine. It starts every action whose inputs are there, in program order. What needs no waiting
runs at once; the action that is alone is awaited without a task; tasks are made only where waits really overlap.

What a run does is what running the actions one after another would do: the value, or the exception that comes first in
program order. When an action fails nothing that stands after it is started, what was started is cancelled, what stands
before it goes on, and then the failure that stands first is raised.
"""

from __future__ import annotations

import abc
import asyncio
import copy
import dataclasses
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any, ClassVar

from treadle.compiler.runtime.scope import Scope
from treadle.compiler.trace.tracer import Origin


class Frame:
    """The values of one turn of a block, by slot.

    Attributes:
        values: Written once each.
        origins: What each value was made from; ``None`` where nothing is recorded.
    """

    __slots__ = ("origins", "values")

    def __init__(self, values: list[Any], origins: list[Origin] | None) -> None:
        self.values = values
        self.origins = origins

    def origin(self, slots: Sequence[int]) -> Origin:
        """What the values in ``slots`` were made from together."""
        if self.origins is None:
            return None
        found = tuple(origin for slot in slots if (origin := self.origins[slot]) is not None)
        return found if len(found) > 1 else (found[0] if found else None)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Action(abc.ABC):
    """A node made ready to run: its references are slots of a frame.

    Attributes:
        index: Its place in the block, in program order.
        node: Id of the graph node.
        line: The user's source line.
        results: Slots it writes.
    """

    index: int
    node: str
    line: int | None
    results: tuple[int, ...]

    waits: ClassVar[bool] = True
    """Whether it is run by ``perform``; otherwise ``run`` does it at once."""

    @property
    def label(self) -> str:
        """What an error note calls it; empty for what is noted where it stands."""
        return ""

    @abc.abstractmethod
    async def perform(self, frame: Frame, scope: Scope) -> None:
        """Run and write the results."""

    def run(self, frame: Frame, scope: Scope) -> None:
        """Run at once and write the results. Only for actions that do not wait."""
        raise TypeError(f"{type(self).__name__} has to be awaited")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """A region made ready to run.

    Attributes:
        program: The program or predictor it belongs to, for error notes.
        arguments: Number of values it is entered with; they have the first slots.
        constants: First values of all other slots.
        fresh: Constants that somebody could change: each turn gets its own copy.
        captures: Slots of the frame around and the slots of this one they are copied to.
        actions: In program order.
        waiting: How many actions each action waits for.
        followers: Which actions wait for each action.
        first: Actions that wait for none.
        results: Slots of the results.
        overlaps: Whether turns of it may run at the same time to some use: it waits, and has no effects.
    """

    program: str
    arguments: int
    constants: tuple[Any, ...]
    fresh: tuple[tuple[int, Any], ...]
    captures: tuple[tuple[int, int], ...]
    actions: tuple[Action, ...]
    waiting: tuple[int, ...]
    followers: tuple[tuple[int, ...], ...]
    first: tuple[int, ...]
    results: tuple[int, ...]
    overlaps: bool

    def enter(self, arguments: Sequence[Any], around: Frame | None, origins: Sequence[Origin] | None) -> Frame:
        """A frame for one turn.

        Args:
            arguments: The values it is entered with.
            around: The frame of the block around.
            origins: What the arguments were made from; ``None`` where nothing is recorded.
        """
        values = [*arguments, *self.constants]
        for slot, value in self.fresh:
            values[slot] = copy.deepcopy(value)
        made: list[Origin] | None = None
        if origins is not None:
            made = [*origins, *([None] * len(self.constants))]
        if around is not None:
            for outside, inside in self.captures:
                values[inside] = around.values[outside]
            if made is not None and around.origins is not None:
                for outside, inside in self.captures:
                    made[inside] = around.origins[outside]
        return Frame(values, made)

    async def run(self, frame: Frame, scope: Scope) -> None:
        """Run every action; afterwards the results are in the frame.

        Raises:
            BaseException: What the action that fails first in program order raised.
        """
        if len(self.actions) == 1 or scope.run.session.in_order:
            for action in self.actions:
                try:
                    if action.waits:
                        await action.perform(frame, scope)
                    else:
                        action.run(frame, scope)
                except BaseException as error:
                    note(error, action, self.program, scope)
                    raise
        elif self.actions:
            await _Schedule(self, frame, scope).run()


class _Schedule:
    """One turn of a block on its way."""

    __slots__ = ("block", "failure", "frame", "limit", "ready", "running", "scope", "waiting")

    def __init__(self, block: Block, frame: Frame, scope: Scope) -> None:
        self.block = block
        self.frame = frame
        self.scope = scope
        self.waiting = list(block.waiting)
        self.ready = list(block.first)  # ascending, and so a heap
        self.limit = len(block.actions)  # nothing from here on is started
        self.failure: BaseException | None = None
        self.running: Overlap | None = None

    async def run(self) -> None:
        actions = self.block.actions
        while True:
            launch = self._run_ready()
            if launch and len(launch) == 1 and not self.running:
                await self._alone(actions[launch[0]])
            elif launch or self.running:
                await self._together(launch)
            else:
                break
        if self.failure is not None:
            raise self.failure

    def _run_ready(self) -> list[int]:
        """Run what is ready and need not wait; return what is ready and has to."""
        actions, ready, launch = self.block.actions, self.ready, []
        while ready:
            index = heappop(ready)
            if index >= self.limit:
                continue
            action = actions[index]
            if action.waits:
                launch.append(index)
                continue
            try:
                action.run(self.frame, self.scope)
            except BaseException as error:
                self._failed(index, error)
            else:
                self._done(index)
        return [index for index in launch if index < self.limit]

    def _done(self, index: int) -> None:
        waiting = self.waiting
        for follower in self.block.followers[index]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heappush(self.ready, follower)

    def _failed(self, index: int, error: BaseException) -> None:
        if index < self.limit:
            self.limit, self.failure = index, error
            note(error, self.block.actions[index], self.block.program, self.scope)
            if self.running is not None:
                self.running.cancel_after(index)

    async def _alone(self, action: Action) -> None:
        """The only action that can run. All before it are done, so what it raises comes first."""
        try:
            await action.perform(self.frame, self.scope)
        except BaseException as error:
            if action.index < self.limit:
                note(error, action, self.block.program, self.scope)
            raise
        self._done(action.index)

    async def _together(self, launch: list[int]) -> None:
        if self.running is None:
            self.running = Overlap()
        for index in launch:
            self.running.start(index, self.block.actions[index].perform(self.frame, self.scope))
        for index, error in await self.running.some():
            if error is None:
                self._done(index)
            else:
                self._failed(index, error)


class Overlap:
    """Coroutines that run at the same time, by their place in program order. False while it is empty."""

    __slots__ = ("_finished", "_loop", "_tasks", "_wake")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._finished: list[asyncio.Task[None]] = []
        self._wake: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, index: int, coroutine: Any) -> None:
        """Start a coroutine as number ``index``."""
        task = self._loop.create_task(coroutine)
        self._tasks[task] = index
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._finished.append(task)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def cancel_after(self, index: int) -> None:
        """Cancel all with a larger number."""
        for task, number in self._tasks.items():
            if number > index:
                task.cancel()

    async def some(self) -> list[tuple[int, BaseException | None]]:
        """Wait until at least one has ended; the number and the exception of each that has.

        Raises:
            asyncio.CancelledError: The caller was cancelled; by then all have been cancelled too, and have ended.
        """
        try:
            await self._wait()
        except asyncio.CancelledError:
            await self._end_all()
            raise
        finished, self._finished = self._finished, []
        return [(self._tasks.pop(task), _error_of(task)) for task in finished]

    async def _wait(self) -> None:
        if not self._finished:
            self._wake = self._loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None

    async def _end_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        while len(self._finished) < len(self._tasks):
            self._wake = self._loop.create_future()
            try:
                await self._wake
            except asyncio.CancelledError:  # asked again: they are already being cancelled
                for task in self._tasks:
                    task.cancel()
            self._wake = None
        for task in self._tasks:
            _error_of(task)
        self._tasks.clear()


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def note(error: BaseException, action: Action, program: str, scope: Scope) -> None:
    """Say on the exception itself which step or op raised it, in which turn, and on which line of the user's."""
    if label := action.label:
        say_where(error, label, program=program, indices=scope.indices, line=action.line)


def say_where(
    error: BaseException, label: str, *, program: str = "", indices: tuple[int, ...] = (), line: int | None = None
) -> None:
    """Note on an exception where it comes from; not on a cancellation, and nothing twice."""
    if isinstance(error, asyncio.CancelledError):
        return
    turn = f", turn {''.join(f'[{index}]' for index in indices)}" if indices else ""
    place = f", line {line}" if line is not None else ""
    text = f"in {label}{turn}{place}{f' of {program!r}' if program else ''}"
    if text not in getattr(error, "__notes__", ()):
        error.add_note(text)
