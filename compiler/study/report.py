"""The report of a compile: what was found, whether it is better, what changed, what it cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.forecast import CostEstimate
from treadle.compiler.study.gate import Comparison, Gate
from treadle.compiler.study.spend import Spend
from treadle.compiler.study.table import ScoreTable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """One candidate of a search.

    Attributes:
        id: The candidate's id.
        origin: The operator that made it; ``"start"`` for the input program.
        parents: Ids of the candidates it was made from.
        score: Mean score on the examples that choose: a search score, never a final one.
        n: Examples it was measured on.
        changed: Addresses of the parameters it changes.
    """

    id: str
    origin: str
    parents: tuple[str, ...]
    score: float
    n: int
    changed: tuple[str, ...]


def tried(table: ScoreTable, select: Sequence[str]) -> tuple[Tried, ...]:
    """Every candidate with its lineage and its search score, in the order of the search."""
    return tuple(_tried(candidate, table, select) for candidate in table.candidates)


def _tried(candidate: Candidate, table: ScoreTable, select: Sequence[str]) -> Tried:
    mean = table.mean(candidate, select)
    return Tried(
        id=candidate.id,
        origin=candidate.origin or "start",
        parents=candidate.parents,
        score=mean.mean,
        n=mean.n,
        changed=tuple(candidate.values),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a compile found.

    Attributes:
        program: The program's name.
        optimizer: The optimizer's name.
        seed: The study's seed.
        gate: Which verdicts let the winner through.
        comparison: The winner against the input program on examples neither was chosen by; ``None`` where nothing but
            the input program was measured.
        emitted: Whether the winner was emitted; otherwise the input program was.
        estimate: What was expected before the search.
        spend: What was used.
        candidates: What was tried, with search scores.
        changes: What the winner changes, in words.
        warnings: What the first pass over the examples showed.
        folder: Where the study is kept; empty for one in memory.
    """

    program: str
    optimizer: str
    seed: int
    gate: Gate
    comparison: Comparison | None
    emitted: bool
    estimate: CostEstimate
    spend: Spend
    candidates: tuple[Tried, ...]
    changes: str
    warnings: tuple[str, ...] = ()
    folder: str = ""

    def to_json(self) -> dict[str, JSON]:
        """The report as data."""
        return {
            "program": self.program,
            "optimizer": self.optimizer,
            "seed": self.seed,
            "gate": self.gate,
            "comparison": None if self.comparison is None else self.comparison.to_json(),
            "emitted": self.emitted,
            "estimate": self.estimate.to_json(),
            "spend": self.spend.to_json(),
            "candidates": [_as_json(one) for one in self.candidates],
            "changes": self.changes,
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        """The report for a person."""
        parts = [self._verdict(), *(f"Note: {warning}" for warning in self.warnings)]
        if self.changes:
            parts += ["", "What changed:", self.changes]
        return "\n".join([*parts, "", self._costs(), self._search()])

    def _verdict(self) -> str:
        found = self.comparison
        if found is None:
            return f"{self.program}: nothing was found that differs from the program as it is."
        where = "held-out folds of the examples" if found.cross_fitted else "examples the search never saw"
        lines = [
            f"{self.program}, before and after, on {found.n} {where}:",
            f"  before  {found.start:.1%}",
            f"  after   {found.winner:.1%}   difference {100 * found.difference:+.1f} points "
            f"(95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}), "
            f"{found.wins} better, {found.losses} worse",
            f"  verdict: {found.verdict} (P = {found.probability:.3f})" + self._consequence(),
        ]
        if any(found.failures):
            lines.append(f"  failed runs, counted as 0: {found.failures[1]} before, {found.failures[0]} after")
        return "\n".join(lines)

    def _consequence(self) -> str:
        assert self.comparison is not None
        if not self.emitted:
            return f"; gate {self.gate!r} keeps the program as it was, the candidate is in .winner"
        if self.comparison.verdict == "too few examples":
            return "; emitted all the same, as nothing can be shown with so few"
        return "; emitted"

    def _costs(self) -> str:
        spent, expected = self.spend.search, self.estimate.total_calls
        roles = ", ".join(f"{amount.calls:,} {role}" for role, amount in sorted(self.spend.by_role.items()))
        dollars = "price unknown" if spent.usd is None else f"${spent.usd:.4f}"
        off = f", {spent.calls / expected - 1:+.0%} against the estimate" if expected else ""
        line = f"Spent: {spent.calls:,} LM calls ({roles}){off}; {spent.tokens:,} tokens; {dollars}."
        if self.spend.from_store:
            line += f" {self.spend.from_store:,} replies came from the store."
        if self.spend.timing_dependent:
            line += " Calls were metered one by one, so where the cap cut the search may depend on timing."
        return line

    def _search(self) -> str:
        best = max((one.score for one in self.candidates if one.n), default=0.0)
        return (
            f"Search: {len(self.candidates)} candidates by {self.optimizer}, seed {self.seed}; best search score "
            f"{best:.1%} (optimistic: it chose the winner)."
        )


def _as_json(one: Tried) -> Mapping[str, JSON]:
    score = round(one.score, 6) if one.n else None
    return {
        "id": one.id,
        "origin": one.origin,
        "parents": list(one.parents),
        "search_score": score,
        "n": one.n,
        "changed": list(one.changed),
    }
