"""The candidates of a search: who made each of what, what it changes, how it scored where the search chose.

A search score is a mean on the examples that choose. It chose the winner, so it is optimistic; the verdict is not.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.history import History
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.table import ScoreTable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """One candidate of a search.

    Attributes:
        id: The candidate's id.
        origin: The operator that made it; ``"start"`` for the input program.
        parents: Ids of the candidates it was made from.
        score: Mean score on the examples that choose: a search score, never a final one. NaN with no such score.
        n: Examples it was measured on.
        changed: Addresses of the parameters it changes.
        options: For each of these, which of the values tried there it has; 0 is the original.
        gain: Mean difference to the start on the examples both were measured on; ``None`` with none.
        calls: LM calls of a run, mean over those examples; ``None`` with none.
        usd: Dollars of a run; ``None`` where unknown.
        at: LM calls the search had used when it was last measured there; ``None`` where it never was.
    """

    id: str
    origin: str
    parents: tuple[str, ...]
    score: float
    n: int
    changed: tuple[str, ...]
    options: Mapping[str, int] = dataclasses.field(default_factory=dict)
    gain: float | None = None
    calls: float | None = None
    usd: float | None = None
    at: int | None = None

    def to_json(self) -> dict[str, JSON]:
        """The candidate as data; numbers rounded to six digits."""
        return {
            "id": self.id,
            "origin": self.origin,
            "parents": list(self.parents),
            "search_score": rounded(self.score),
            "n": self.n,
            "gain": rounded(self.gain),
            "changed": list(self.changed),
            "options": dict(self.options),
            "calls_per_run": rounded(self.calls),
            "usd_per_run": rounded(self.usd),
            "at": self.at,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Candidates that change the same kinds of parameters.

    Attributes:
        kinds: What they change; empty for the input program.
        candidates: How many were measured.
        best: The highest search score among those measured on the most examples.
        n: Examples that score rests on.
        mean_gain: Mean difference to the start.
    """

    kinds: tuple[str, ...]
    candidates: int
    best: float
    n: int
    mean_gain: float

    @property
    def name(self) -> str:
        """The kinds as a person would say them."""
        return " and ".join(self.kinds) + (" only" if len(self.kinds) == 1 else "") if self.kinds else "nothing (start)"

    def to_json(self) -> dict[str, JSON]:
        """The group as data."""
        return {
            "changes": list(self.kinds),
            "candidates": self.candidates,
            "best_search_score": rounded(self.best),
            "n": self.n,
            "mean_gain": rounded(self.mean_gain),
        }


def rounded(value: float | None) -> float | None:
    """A number for JSON: six digits behind the point, ``None`` for what is no number."""
    return None if value is None or not math.isfinite(value) else round(value, 6)


def options_of(candidates: Iterable[Candidate]) -> dict[str, list[JSON]]:
    """The values tried at each address beside the original, in the order they were first tried."""
    found: dict[str, dict[str, JSON]] = {}
    for candidate in candidates:
        for address, value in candidate.values.items():
            found.setdefault(address, {}).setdefault(canonical(value), value)
    return {address: list(values.values()) for address, values in sorted(found.items())}


def tried(table: ScoreTable, select: Sequence[str], start: Candidate, history: History) -> tuple[Tried, ...]:
    """Every candidate with its lineage and its search score, in the order of the search."""
    numbers = {
        address: {canonical(value): number for number, value in enumerate(values, start=1)}
        for address, values in options_of(table.candidates).items()
    }
    at = last_measured(history, select)
    return tuple(_tried(candidate, table, select, start, numbers, at) for candidate in table.candidates)


def _tried(
    candidate: Candidate,
    table: ScoreTable,
    select: Sequence[str],
    start: Candidate,
    numbers: Mapping[str, Mapping[str, int]],
    at: Mapping[str, int],
) -> Tried:
    outcomes = table.outcomes(candidate, select)
    mean, paired = table.mean(candidate, select), table.paired(candidate, start, select)
    return Tried(
        id=candidate.id,
        origin="start" if candidate == start else candidate.origin or "unknown",
        parents=candidate.parents,
        score=mean.mean,
        n=mean.n,
        changed=tuple(candidate.values),
        options={address: numbers[address][canonical(value)] for address, value in candidate.values.items()},
        gain=paired.mean if paired.differences else None,
        calls=statistics.fmean(outcome.calls for outcome in outcomes) if outcomes else None,
        usd=_dollars(outcomes),
        at=at.get(candidate.id),
    )


def _dollars(outcomes: Sequence[Outcome]) -> float | None:
    costs = [outcome.cost for outcome in outcomes if outcome.cost is not None]
    return math.fsum(costs) / len(costs) if costs and len(costs) == len(outcomes) else None


def last_measured(history: History, ids: Sequence[str]) -> dict[str, int]:
    """LM calls the study had been charged when each candidate was last measured on one of ``ids``, by its id.

    Asking again for what has been measured is no measurement.
    """
    wanted, found = frozenset(ids), dict[str, int]()
    seen: set[tuple[str, str]] = set()
    for batch in history.settled:
        for cell in batch.cells:
            candidate, example = cell
            if example in wanted and cell not in seen:
                seen.add(cell)
                found[candidate] = batch.total.calls
    return found


def groups(candidates: Sequence[Tried], kinds: Mapping[str, str]) -> tuple[Group, ...]:
    """Candidates that were measured, by the kinds of parameters they change, fewest kinds first.

    Args:
        candidates: All of a search.
        kinds: The kind of each address.
    """
    found: dict[tuple[str, ...], list[Tried]] = {}
    for one in candidates:
        if one.n and one.gain is not None:
            key = tuple(sorted({kinds.get(address, address.rpartition(".")[2]) for address in one.changed}))
            found.setdefault(key, []).append(one)
    return tuple(_group(key, found[key]) for key in sorted(found, key=lambda key: (len(key), key)))


def _group(kinds: tuple[str, ...], members: Sequence[Tried]) -> Group:
    most = max(one.n for one in members)
    return Group(
        kinds=kinds,
        candidates=len(members),
        best=max(one.score for one in members if one.n == most),
        n=most,
        mean_gain=statistics.fmean(one.gain for one in members if one.gain is not None),
    )
