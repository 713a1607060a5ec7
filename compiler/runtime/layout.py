"""Where values live: the slots of a block's frame, and what waits for what."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from treadle.compiler.errors import GraphError
from treadle.compiler.graph.nodes import Ref

_UNCHANGING = (str, int, float, bool, type(None), enum.Enum)


class Layout:
    """The slots of one block while it is planned.

    Args:
        around: The layout of the block around.
        arguments: References of the values the block is entered with.
    """

    def __init__(self, around: Layout | None, arguments: Iterable[Ref]) -> None:
        self._around = around
        self._slots = {ref: slot for slot, ref in enumerate(arguments)}
        self.arguments = len(self._slots)
        self.constants: list[Any] = []
        self.fresh: list[tuple[int, Any]] = []
        self.captures: list[tuple[int, int]] = []
        self._reads: set[int] = set()
        self._writers: dict[int, int] = {}

    def read(self, ref: Ref) -> int:
        """The slot of a value the current node reads; a value of a block around gets a slot it is copied to.

        Raises:
            GraphError: Nothing writes it before.
        """
        slot = self._slots.get(ref)
        if slot is None:
            if self._around is None:
                msg = f"the value {ref!r} is read before anything writes it"
                raise GraphError(msg, rule=3)
            outside = self._around.read(ref)
            slot = self._new(ref)
            self.captures.append((outside, slot))
        self._reads.add(slot)
        return slot

    def constant(self, ref: Ref, value: Any) -> None:
        """A slot that holds ``value`` from the start; each turn gets its own copy of one that can change."""
        slot = self._new(ref, value)
        if not isinstance(value, _UNCHANGING):
            self.fresh.append((slot, value))

    def write(self, refs: Iterable[Ref], index: int) -> tuple[int, ...]:
        """Slots for the results of action ``index``."""
        slots = tuple(self._new(ref) for ref in refs)
        self._writers.update(dict.fromkeys(slots, index))
        return slots

    def needs(self) -> set[int]:
        """The actions whose results were read since the last time this was asked."""
        reads, self._reads = self._reads, set()
        return {self._writers[slot] for slot in reads if slot in self._writers}

    def _new(self, ref: Ref, value: Any = None) -> int:
        slot = self._slots[ref] = self.arguments + len(self.constants)
        self.constants.append(value)
        return slot
