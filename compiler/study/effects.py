"""What ops with effects gave in each run, kept so that running a cell again does not repeat what they did.

A cell that is stored runs nothing. One whose run was killed, or whose trace is wanted later, is run again: its LM calls
come from the store, and so does what its ops with effects gave, as far as they were called with the same arguments. The
ops of a run that have effects are called one after the other, in program order, so each has a number.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Self, cast

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import StudyError
from treadle.compiler.graph.op import Op
from treadle.compiler.signature import Slot
from treadle.compiler.study.clean import clean
from treadle.compiler.study.store import Store
from treadle.compiler.trace.snapshot import snapshot
from treadle.compiler.values import dump


class Effects:
    """The ops with effects of one run of a cell. Made on the study's event loop; ops may be called from any thread.

    In a ``with`` block, and in what it starts, they give what is stored, or are kept.

    Args:
        store: Where their outputs are kept.
        cell: The cell's key.
        warn: Told of an output that cannot be kept.
    """

    __slots__ = ("_cell", "_known", "_loop", "_numbers", "_store", "_token", "_warn")

    def __init__(self, store: Store, cell: str, warn: Callable[[str], None]) -> None:
        self._store = store
        self._cell = cell
        self._warn = warn
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()  # ops may begin in several threads at once
        self._known = () if store.mode == "off" else _stored(store, cell)

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)

    def begin(self, op: Op, args: tuple[Any, ...], named: Mapping[str, Any]) -> _Effect:
        """The next call of an op with effects.

        Raises:
            StudyError: A replay may not make it, and what it gave is not stored.
        """
        number = next(self._numbers)
        given = digest([op.name, snapshot(list(args)), snapshot(dict(named))])
        row = self._known[number] if number < len(self._known) else None
        if row is not None and row["given"] == given:
            return _Effect(op, number, given, known=str(row["value"]))
        if self._store.mode == "replay":
            msg = f"what op {op.name!r} gave is not stored, and a replay repeats no effect"
            raise StudyError(msg)
        return _Effect(op, number, given)

    def keep(self, effect: _Effect, value: Any) -> None:
        """Write what a call gave, if it can be had back as it is.

        It is committed at the end of the loop's tick, and so before anything that follows from it can be sent.
        """
        text = effect.text(value)
        if text is None:
            self._warn(
                f"op {effect.op.name!r} has effects and returned what JSON does not give back as it was, so it is done "
                "again where a run is repeated; give it a return type that JSON can hold"
            )
            return
        row: dict[str, JSON] = {"op": effect.op.name, "given": effect.given, "value": text}
        write = functools.partial(self._store.write, "effects", _key(self._cell, effect.number), row)
        if _running_loop() is self._loop:
            write()
        else:
            self._loop.call_soon_threadsafe(write)


def _stored(store: Store, cell: str) -> tuple[dict[str, JSON], ...]:
    """The rows of a cell, up to the first that is missing or damaged."""
    rows: tuple[dict[str, JSON], ...] = ()
    while (row := store.get("effects", _key(cell, len(rows)))) is not None:
        rows = (*rows, cast("dict[str, JSON]", row))
    return rows


def _key(cell: str, number: int) -> str:
    return f"{cell}-{number:06d}"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@dataclasses.dataclass(frozen=True)
class _Effect:
    """One call of an op with effects.

    Attributes:
        op: The op.
        number: Which of the run's calls it is.
        given: Hash of its arguments.
        known: What it gave before, as JSON text.
    """

    op: Op
    number: int
    given: str
    known: str | None = None

    def value(self) -> Any:
        """What it gave before."""
        return self._read(self.known or "null")

    def text(self, value: Any) -> str | None:
        """``value`` as it is stored, its objects' keys in their order; ``None`` where it would come back changed."""
        try:
            text = str(clean(json.dumps(dump(value), allow_nan=False))[0])
            back = self._read(text)
            return text if type(back) is type(value) and back == value else None
        except Exception:  # values are the user's: serialisers and comparisons may raise anything
            return None

    def _read(self, text: str) -> Any:
        return Slot(name="value", annotation=self.op.returns).read(json.loads(text))


_current: ContextVar[Effects | None] = ContextVar("treadle_effects", default=None)


def kept_op(op: Op) -> Op:
    """``op`` for runs of a study: where what it gave is stored, that is what it gives."""
    return dataclasses.replace(op, function=_waiting(op) if op.is_async else _plain(op))


def _plain(op: Op) -> Callable[..., Any]:
    @functools.wraps(op.function)
    def call(*args: Any, **named: Any) -> Any:
        effects = _current.get()
        if effects is None:
            return op.function(*args, **named)
        effect = effects.begin(op, args, named)
        if effect.known is not None:
            return effect.value()
        value = op.function(*args, **named)
        effects.keep(effect, value)
        return value

    return call


def _waiting(op: Op) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(op.function)
    async def call(*args: Any, **named: Any) -> Any:
        effects = _current.get()
        if effects is None:
            return await op.function(*args, **named)
        effect = effects.begin(op, args, named)
        if effect.known is not None:
            return effect.value()
        value = await op.function(*args, **named)
        effects.keep(effect, value)
        return value

    return call
