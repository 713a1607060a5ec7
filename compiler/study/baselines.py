"""What a search says of itself, and honest baselines: what else could have been done, on the verdict's examples.

A search names them while it runs (``study.findings``); they are measured after it, beside the winner, where the budget
reaches. They are in no choice and in no verdict.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.table import ScoreTable


@dataclasses.dataclass
class Findings:
    """What a search says of itself, for the report.

    Attributes:
        said: What it has found out, each text once.
        baselines: Programs to measure beside the winner, after the search and where the budget reaches, by the names
            the report gives them; a text says why there is none.
        accepted_loss: Score its winner may lose where it saves tokens, in the metric's units; 0 where it aims at score.
    """

    said: list[str] = dataclasses.field(default_factory=list)
    baselines: dict[str, Candidate | str] = dataclasses.field(default_factory=dict)
    accepted_loss: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """A program beside the winner.

    Attributes:
        name: What it is.
        score: Mean score; ``None`` where it was not measured.
        calls: LM calls of a run, on average.
        tokens: Tokens of a run, on average.
        n: Examples it was measured on.
        note: Why it was not measured.
    """

    name: str
    score: float | None = None
    calls: float = 0.0
    tokens: float = 0.0
    n: int = 0
    note: str = ""

    def to_json(self) -> dict[str, JSON]:
        """The baseline as data, numbers rounded to six digits."""
        values: Mapping[str, JSON] = dataclasses.asdict(self)
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}


def measured(
    table: ScoreTable, named: Sequence[tuple[str, Candidate | str]], ids: Sequence[str]
) -> tuple[Baseline, ...]:
    """What the table knows of each; one that is not measured on all of ``ids`` has no score.

    Args:
        table: All outcomes of the study.
        named: Candidates by name, or why there is none.
        ids: Examples of the verdict.
    """
    return tuple(_measured(table, name, candidate, ids) for name, candidate in named)


def _measured(table: ScoreTable, name: str, candidate: Candidate | str, ids: Sequence[str]) -> Baseline:
    if isinstance(candidate, str):
        return Baseline(name=name, note=candidate)
    outcomes = table.outcomes(candidate, ids)
    if not ids or len(outcomes) < len(ids):
        return Baseline(name=name, note="the budget did not reach for it")
    return Baseline(
        name=name,
        score=table.mean(candidate, ids).mean,
        calls=statistics.fmean(outcome.calls for outcome in outcomes),
        tokens=statistics.fmean(outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes),
        n=len(outcomes),
    )
