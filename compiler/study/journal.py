"""The journal: what a search asked for, in order, and the decisions a rerun must repeat.

A study is resumed by running the search again; the store answers what was done. That only works if the search asks for
the same things, so each ask is compared with the journal, and the first difference stops the study. Decisions that time
or a race took (a time limit, where a batch was cut) are stored beside the ask they belong to and obeyed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ReplayDiverged
from treadle.compiler.study.store import Store


class Journal:
    """What one search asks for.

    Args:
        store: Where it is kept.
        plan: Number of the search in the store; a search under another budget is another one.
    """

    def __init__(self, store: Store, plan: int) -> None:
        self._store = store
        self._plan = plan
        prefix = f"{plan:04d}-"
        self._before = {key: row for key, row in store.scan("journal") if key.startswith(prefix)}
        self._stops = {key: row for key, row in store.scan("stops") if key.startswith(prefix) and row is not None}
        self._asked = 0

    def _key(self, number: int) -> str:
        return f"{self._plan:04d}-{number:07d}"

    @property
    def replaying(self) -> bool:
        """Whether the next ask was made before."""
        return self._key(self._asked) in self._before

    def elapsed(self) -> float:
        """Seconds the search had taken when it last asked, over all runs before this one."""
        rows = [cast("dict[str, float]", row) for row in self._before.values() if row is not None]
        return max((row["elapsed"] for row in rows), default=0.0)

    def ask(self, what: Mapping[str, JSON], elapsed: float) -> int:
        """Note an ask, or compare it with the one made before; returns its number.

        Args:
            what: ``{"ask": …}`` and what tells it from others; lists are compared element by element.
            elapsed: Seconds the search has taken.

        Raises:
            ReplayDiverged: Something else was asked before.
        """
        number = self._asked
        key = self._key(number)
        stored = self._before.get(key)
        if stored is not None:
            before = cast("dict[str, dict[str, JSON]]", stored)["what"]
            if canonical(before) != canonical(what):
                raise _diverged(number, before, what)
        else:
            self._store.write("journal", key, {"what": dict(what), "elapsed": round(elapsed, 3)})
        self._asked += 1
        return number

    def stop(self, number: int) -> dict[str, JSON] | None:
        """The decision that was taken at this ask, if one was."""
        return cast("dict[str, JSON] | None", self._stops.get(self._key(number)))

    async def decide(self, number: int, decision: dict[str, JSON]) -> None:
        """Keep a decision; it is committed before anything follows from it."""
        await self._store.put("stops", self._key(number), decision)
        self._stops[self._key(number)] = decision


def _diverged(number: int, before: Mapping[str, JSON], now: Mapping[str, JSON]) -> ReplayDiverged:
    return ReplayDiverged(
        f"the search asked for something else than last time, at its {number + 1}. step: {_difference(before, now)}. "
        "Something it depends on has changed or is not reproducible: another version, an op or metric that is random, "
        "an optimizer that goes through a set or draws from another generator than study.rng. Use a new study folder"
    )


def _difference(before: Mapping[str, JSON], now: Mapping[str, JSON]) -> str:
    for name in dict.fromkeys((*before, *now)):
        was, is_now = before.get(name), now.get(name)
        if canonical(was) != canonical(is_now):
            return _first_difference(name, was, is_now)
    return "nothing that can be named"


def _first_difference(name: str, was: JSON, is_now: JSON) -> str:
    if _is_list(was) and _is_list(is_now):
        were, are = cast("Sequence[JSON]", was), cast("Sequence[JSON]", is_now)
        for index, (one, other) in enumerate(zip(were, are, strict=False)):
            if canonical(one) != canonical(other):
                return f"{name}[{index}] was {canonical(one)[:200]}, now it is {canonical(other)[:200]}"
        return f"{name} had {len(were)} elements, now it has {len(are)}"
    return f"{name} was {canonical(was)[:200]}, now it is {canonical(is_now)[:200]}"


def _is_list(value: JSON) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
