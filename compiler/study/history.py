"""The history of a study: what was asked in which stage, in the order it was settled, and what it was charged.

Reports are made from it. It follows the logical ledger, so it is the same when a study is run again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from treadle.compiler.canonical import JSON
from treadle.compiler.study.budget import NOTHING, Amount

Kind = Literal["evaluate", "propose"]

STAGE = "stage"
"""The event that begins a stage; its ``name`` says which."""


@dataclasses.dataclass(frozen=True)
class Begun:
    """A stage of a search.

    Attributes:
        name: What it is called; a stage that is begun again goes on.
        notes: Events that were logged in it, in order: kind and fields.
    """

    name: str
    notes: list[tuple[str, Mapping[str, JSON]]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settled:
    """One batch, done and charged.

    Attributes:
        stage: Name of the stage it was asked in.
        kind: What was asked for.
        done: Runs or proposals that count.
        cells: Candidate and example of each run, by their ids.
        spent: What it was charged, by role.
        total: What the study had been charged by then.
        seconds: Time since the study was opened.
    """

    stage: str
    kind: Kind
    done: int
    cells: tuple[tuple[str, str], ...]
    spent: Mapping[str, Amount]
    total: Amount
    seconds: float


class History:
    """Collects what reports tell. Written from the thread and the loop of one study."""

    def __init__(self) -> None:
        self._stages: dict[str, Begun] = {}
        self._current = ""
        self._asked: dict[int, str] = {}
        self._charged: dict[str, Amount] = {}
        self.settled: list[Settled] = []

    @property
    def stages(self) -> tuple[Begun, ...]:
        """Stages in the order they were first begun."""
        return tuple(self._stages.values())

    def log(self, event: str, fields: Mapping[str, JSON]) -> None:
        """Note an event of the search's own: ``stage`` begins one, others belong to the one that is under way."""
        if event == STAGE:
            self._begin(str(fields.get("name", "")))
        else:
            self._begin(self._current).notes.append((event, fields))

    def _begin(self, name: str) -> Begun:
        self._current = name
        return self._stages.setdefault(name, Begun(name))

    def ask(self, number: int) -> None:
        """An ask was made; what it is charged belongs to the stage under way now."""
        self._asked[number] = self._begin(self._current).name

    def settle(
        self,
        number: int,
        kind: Kind,
        done: int,
        by_role: Mapping[str, Amount],
        seconds: float,
        cells: Sequence[tuple[str, str]] = (),
    ) -> None:
        """An ask was settled.

        Args:
            number: The ask's.
            kind: What it was.
            done: Runs or proposals that count.
            by_role: What the whole study has been charged so far.
            seconds: Time since the study was opened.
            cells: Candidate and example of each run that counts.
        """
        spent = {role: amount - self._charged.get(role, NOTHING) for role, amount in sorted(by_role.items())}
        self._charged = dict(by_role)
        self.settled.append(
            Settled(
                stage=self._asked.get(number, self._current),
                kind=kind,
                done=done,
                cells=tuple(cells),
                spent={role: amount for role, amount in spent.items() if amount != NOTHING},
                total=total(by_role),
                seconds=seconds,
            )
        )


def total(by_role: Mapping[str, Amount]) -> Amount:
    """The sum over roles, in the order of their names."""
    amount = NOTHING
    for _, part in sorted(by_role.items()):
        amount += part
    return amount
