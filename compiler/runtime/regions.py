"""Actions with regions: map, branch, loop, replicate."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from treadle.compiler.errors import GraphError
from treadle.compiler.runtime.block import Action, Block, Frame, Overlap
from treadle.compiler.runtime.scope import Scope
from treadle.compiler.trace.tracer import Each, Origin, Record


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RegionAction(Action):
    """What regions share: the record around them."""

    kind: ClassVar[str]

    async def perform(self, frame: Frame, scope: Scope) -> None:
        """Run the region as often as it takes."""
        if scope.record is None:
            await self._enter(frame, scope, None)
            return
        record = Record(
            "region",
            self.kind,
            order=(scope.turn, self.index),
            node=self.node,
            indices=scope.indices,
            origin=self._decided_by(frame),
            controls=scope.controls,
        )
        scope.record.add(record)
        try:
            await self._enter(frame, scope, record)
        except BaseException as error:
            record.fail(error)
            raise
        record.end(None)

    @abc.abstractmethod
    def _decided_by(self, frame: Frame) -> Origin:
        """What the values were made from that decide which turns are taken."""

    @abc.abstractmethod
    async def _enter(self, frame: Frame, scope: Scope, record: Record | None) -> None:
        """Take the turns and write the results."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Turns(RegionAction):
    """Turns that do not read each other, each result gathered in a list.

    Attributes:
        body: What each turn does.
    """

    body: Block

    def _overlaps(self, scope: Scope) -> bool:
        return self.body.overlaps and not scope.run.session.in_order

    def _gather(self, frame: Frame, record: Record | None, turns: Sequence[Frame]) -> None:
        if record is not None:
            record.taken = len(turns)
        for slot, result in zip(self.results, self.body.results, strict=True):
            frame.values[slot] = [turn.values[result] for turn in turns]
            if frame.origins is not None:
                each = Each([None if turn.origins is None else turn.origins[result] for turn in turns])
                frame.origins[slot] = (record, each)

    async def _together(self, turns: Sequence[Frame], scope: Scope, record: Record | None) -> None:
        """All turns at once. The failure of one ends all later ones; earlier ones go on, and may fail instead."""
        if len(turns) == 1:
            await self.body.run(turns[0], scope.enter(0, record))
            return
        running = Overlap()
        for index, turn in enumerate(turns):
            running.start(index, self.body.run(turn, scope.enter(index, record)))
        limit, failure = len(turns), None
        while running:
            for index, error in await running.some():
                if error is not None and index < limit:
                    limit, failure = index, error
                    running.cancel_after(index)
        if failure is not None:
            raise failure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RunMap(_Turns):
    """The body once per element.

    Attributes:
        items: Slot of the list.
        bound: The most elements it may have; ``None`` where that is not stated.
    """

    items: int
    bound: int | None

    kind: ClassVar[str] = "map"

    @property
    def label(self) -> str:
        """Named where the list itself cannot be gone through."""
        return ""

    def _decided_by(self, frame: Frame) -> Origin:
        return frame.origin((self.items,))

    async def _enter(self, frame: Frame, scope: Scope, record: Record | None) -> None:
        items = within(self.bound, frame.values[self.items], self.kind)
        turns: list[Frame] = []
        if self._overlaps(scope):
            failure = _each(items, lambda element: turns.append(self._turn(frame, element, len(turns))))
            await self._together(turns, scope, record)
            if failure is not None:
                raise failure
        else:
            for index, element in enumerate(items):
                turns.append(self._turn(frame, element, index))
                await self.body.run(turns[-1], scope.enter(index, record))
        self._gather(frame, record, turns)

    def _turn(self, frame: Frame, element: Any, index: int) -> Frame:
        origins = None
        if frame.origins is not None:
            origins = [_element(frame.origins[self.items], index)]
        return self.body.enter((element,), frame, origins)


def within(bound: int | None, items: Iterable[Any], kind: str) -> Iterable[Any]:
    """``items``, of which there may be no more than ``bound``: what is said of a graph's cost holds for every run."""
    return items if bound is None else _counted(bound, items, kind)


def _counted(bound: int, items: Iterable[Any], kind: str) -> Iterator[Any]:
    for number, element in enumerate(items):
        if number >= bound:
            msg = f"a {kind} is stated to have {bound} elements at most and gets more: the graph says what it is not"
            raise GraphError(msg, rule=9)
        yield element


def _each(items: Iterable[Any], take: Any) -> Exception | None:
    """Go through ``items``; what the iteration itself raises stands behind what was made of the elements before."""
    iterator = iter(items)
    while True:
        try:
            element = next(iterator)
        except StopIteration:
            return None
        except Exception as error:
            return error
        take(element)


def _element(origin: Origin, index: int) -> Origin:
    """What one element of a list was made from: of a map's result that very turn, else all that the list was."""
    if isinstance(origin, tuple) and len(origin) == 2 and isinstance(origin[1], Each):
        each = origin[1].origins
        return each[index] if index < len(each) else origin
    return origin


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RunReplicate(_Turns):
    """The body several times over.

    Attributes:
        count: How often.
    """

    count: int

    kind: ClassVar[str] = "replicate"

    def _decided_by(self, frame: Frame) -> Origin:
        return None

    async def _enter(self, frame: Frame, scope: Scope, record: Record | None) -> None:
        origins: Sequence[Origin] | None = None if frame.origins is None else ()
        turns = [self.body.enter((), frame, origins) for _ in range(self.count)]
        if self._overlaps(scope):
            await self._together(turns, scope, record)
        else:
            for index, turn in enumerate(turns):
                await self.body.run(turn, scope.enter(index, record))
        self._gather(frame, record, turns)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Choose(RegionAction):
    """One of two bodies.

    Attributes:
        condition: Slot of the condition.
        then: The body where it is true.
        otherwise: The body where it is not.
    """

    condition: int
    then: Block
    otherwise: Block

    kind: ClassVar[str] = "branch"

    def _decided_by(self, frame: Frame) -> Origin:
        return frame.origin((self.condition,))

    async def _enter(self, frame: Frame, scope: Scope, record: Record | None) -> None:
        taken = bool(frame.values[self.condition])
        if record is not None:
            record.taken = "then" if taken else "otherwise"
        body = self.then if taken else self.otherwise
        inside = body.enter((), frame, None if frame.origins is None else ())
        await body.run(inside, scope.arm(record))
        for slot, result in zip(self.results, body.results, strict=True):
            frame.values[slot] = inside.values[result]
            if frame.origins is not None and inside.origins is not None:
                frame.origins[slot] = (record, inside.origins[result])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Repeat(RegionAction):
    """The body again and again, carrying values.

    Attributes:
        items: Slot of the list; ``None`` for ``bound`` turns.
        carried: Slots of the first carried values.
        body: What each turn does.
        stops: Whether its last result ends the loop.
        bound: The most turns; ``None`` where a list says it.
    """

    items: int | None
    carried: tuple[int, ...]
    body: Block
    stops: bool
    bound: int | None

    kind: ClassVar[str] = "loop"

    def _decided_by(self, frame: Frame) -> Origin:
        return None if self.items is None else frame.origin((self.items,))

    async def _enter(self, frame: Frame, scope: Scope, record: Record | None) -> None:
        carried = [frame.values[slot] for slot in self.carried]
        origins = None if frame.origins is None else [frame.origins[slot] for slot in self.carried]
        stopped: Origin = None  # what the last stop flag was made from: it decided that the next turn is taken
        turns = 0
        for element in self._elements(frame):
            first = None if frame.origins is None or origins is None else [self._element(frame, turns), *origins]
            inside = self.body.enter((element, *carried), frame, first)
            await self.body.run(inside, scope.enter(turns, record, None if record is None else (record, stopped)))
            turns += 1
            results = self.body.results
            carried = [inside.values[slot] for slot in results]
            if inside.origins is not None:
                origins = [inside.origins[slot] for slot in results]
            if self.stops:
                stopped = None if origins is None else origins.pop()
                if carried.pop():
                    break
        self._finish(frame, record, turns, carried, origins)

    def _elements(self, frame: Frame) -> Iterator[Any]:
        if self.items is None:
            return iter(range(self.bound or 0))
        return iter(within(self.bound, frame.values[self.items], self.kind))

    def _element(self, frame: Frame, turn: int) -> Origin:
        if self.items is None or frame.origins is None:
            return None
        return _element(frame.origins[self.items], turn)

    def _finish(
        self, frame: Frame, record: Record | None, turns: int, carried: list[Any], origins: list[Origin] | None
    ) -> None:
        if record is not None:
            record.taken = turns
        for index, slot in enumerate(self.results):
            frame.values[slot] = carried[index]
            if frame.origins is not None and origins is not None:
                frame.origins[slot] = (record, origins[index])
