"""The stages of a search: what each did and was charged."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.escape import line
from treadle.compiler.study.budget import NOTHING, Amount
from treadle.compiler.study.history import Begun, History, Settled, total
from treadle.compiler.study.report_candidates import rounded

_QUIET = frozenset({"candidate", "estimate", "verdict", "warning"})  # told elsewhere in a report
_MOST_NOTES, _MOST_REASONS = 12, 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        name: What it is called.
        runs: Runs of the program that were settled, stored ones too.
        proposals: Proposals that were settled.
        candidates: Candidates that were first measured in it.
        spent: What it was charged, by role: one charge per reply, the same when the study is run again.
        seconds: How long it took in this run.
        notes: What was logged in it, in words.
    """

    name: str
    runs: int
    proposals: int
    candidates: int
    spent: Mapping[str, Amount]
    seconds: float
    notes: tuple[str, ...]

    @property
    def total(self) -> Amount:
        """All roles together."""
        return total(self.spent)

    def to_json(self) -> dict[str, JSON]:
        """The stage as data."""
        return {
            "name": self.name,
            "runs": self.runs,
            "proposals": self.proposals,
            "candidates": self.candidates,
            "spent": {role: amount.to_json() for role, amount in sorted(self.spent.items())},
            "seconds": rounded(self.seconds),
            "notes": list(self.notes),
        }


def stages(history: History) -> tuple[Stage, ...]:
    """Every stage in which something was asked, in the order they began."""
    seen: set[str] = set()
    seconds = _seconds(history.settled)
    found = []
    for begun in history.stages:
        batches = [batch for batch in history.settled if batch.stage == begun.name]
        if batches or begun.notes:
            found.append(_stage(begun, batches, seen, seconds.get(begun.name, 0.0)))
    return tuple(found)


def _stage(begun: Begun, batches: Sequence[Settled], seen: set[str], seconds: float) -> Stage:
    measured = dict.fromkeys(candidate for batch in batches for candidate, _ in batch.cells)
    new = [candidate for candidate in measured if candidate not in seen]
    seen.update(new)
    spent: dict[str, Amount] = {}
    for batch in batches:
        for role, amount in batch.spent.items():
            spent[role] = spent.get(role, NOTHING) + amount
    return Stage(
        name=begun.name or "other",
        runs=sum(batch.done for batch in batches if batch.kind == "evaluate"),
        proposals=sum(batch.done for batch in batches if batch.kind == "propose"),
        candidates=len(new),
        spent=spent,
        seconds=seconds,
        notes=tuple(_notes(begun.notes)),
    )


def _seconds(settled: Sequence[Settled]) -> dict[str, float]:
    """From one barrier to the next, by the stage whose barrier it is."""
    found: dict[str, float] = {}
    before = settled[0].seconds if settled else 0.0
    for batch in settled:
        found[batch.stage] = found.get(batch.stage, 0.0) + max(0.0, batch.seconds - before)
        before = batch.seconds
    return found


def _notes(events: Sequence[tuple[str, Mapping[str, JSON]]]) -> Iterator[str]:
    counts = Counter(kind for kind, _ in events if kind not in _QUIET)
    refused = Counter((kind, why) for kind, fields in events for why in _refusals(fields))
    for kind, count in counts.items():
        reasons = [f"{number} {line(why, 80)}" for (of, why), number in refused.most_common() if of == kind]
        told = ", ".join([*reasons[:_MOST_REASONS], "…"] if len(reasons) > _MOST_REASONS else reasons)
        yield f"{count} × {kind}" + (f" (refused: {told})" if reasons else "")
    said = [str(fields[name]) for _, fields in events for name in ("message", "reason") if fields.get(name)]
    yield from said[:_MOST_NOTES]
    if len(said) > _MOST_NOTES:
        yield f"… and {len(said) - _MOST_NOTES} more; events.jsonl has them all"


def _refusals(fields: Mapping[str, JSON]) -> list[str]:
    """Why what an event tells was refused: of one thing, or of each of several."""
    given = fields.get("refused")
    return [str(why) for why in (given if isinstance(given, list | tuple) else [given]) if why]
