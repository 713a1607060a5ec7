"""The examples the verdict rests on, one by one: where the winner is better, where it is worse."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.redact import redact
from treadle.compiler.study.data import Data, Example
from treadle.compiler.study.gate import fold_choices
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.report_candidates import rounded
from treadle.compiler.study.splits import Splits
from treadle.compiler.study.table import ScoreTable
from treadle.compiler.values import dump, shown

LONGEST = 400
"""Characters kept of a value, a feedback or a failure."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """What one program did on one example.

    Attributes:
        score: The metric's value; ``None`` where the run or the metric failed, which counts as 0.
        prediction: What it said, as text; empty where both programs score alike, as all that follows.
        feedback: The metric's words.
        failure: What failed.
    """

    score: float | None
    prediction: str = ""
    feedback: str = ""
    failure: str = ""

    @property
    def value(self) -> float:
        """The score as it counts."""
        return 0.0 if self.score is None else self.score

    def to_json(self) -> dict[str, JSON]:
        """The side as data, without what is empty."""
        told = {"prediction": self.prediction, "feedback": self.feedback, "failure": self.failure}
        return {"score": rounded(self.score), **{name: text for name, text in told.items() if text}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """One example of the verdict.

    Attributes:
        example: Its id.
        row: Where it stood in the data, from 1.
        fields: Its inputs and labels as text, cut; empty where both programs score alike.
        before: The input program.
        after: The winner; where the choice is cross-fitted, what the other folds chose.
    """

    example: str
    row: int
    fields: Mapping[str, str]
    before: Side
    after: Side

    @property
    def difference(self) -> float:
        """What the winner adds."""
        return self.after.value - self.before.value

    def to_json(self) -> dict[str, JSON]:
        """The example as data."""
        return {
            "example": self.example,
            "row": self.row,
            "fields": dict(self.fields),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "difference": rounded(self.difference),
        }


def judged(
    table: ScoreTable, start: Candidate, winner: Candidate, splits: Splits, data: Data, *, loss: float = 0.0
) -> tuple[Judged, ...]:
    """Every example of the verdict that both programs were measured on, in the order of the data."""
    ids = splits.select if splits.cross_fitted else splits.confirm
    before = {outcome.example: outcome for outcome in table.outcomes(start, ids)}
    after = {outcome.example: outcome for outcome in winners(table, start, winner, splits, loss=loss)}
    return tuple(_judged(e, before[e.id], after[e.id]) for e in data if e.id in before and e.id in after)


def winners(
    table: ScoreTable, start: Candidate, winner: Candidate, splits: Splits, *, loss: float = 0.0
) -> list[Outcome]:
    """The winner's outcomes on the examples of the verdict; where it is cross-fitted, those of the fold choices."""
    if not splits.cross_fitted:
        return table.outcomes(winner, splits.confirm)
    choices = fold_choices(table, [start, *finalists(table, start, splits)], splits, loss=loss)
    return [table.outcomes(choices[example], [example])[0] for example in splits.select]


def finalists(table: ScoreTable, start: Candidate, splits: Splits) -> list[Candidate]:
    """The candidates a cross-fitted choice is between, the start apart: those measured on all select examples."""
    return [c for c in table.candidates if c != start and table.covers(c, splits.select)]


def _judged(example: Example, before: Outcome, after: Outcome) -> Judged:
    differ = before.value != after.value or (before.score is None) != (after.score is None)
    return Judged(
        example=example.id,
        row=example.row,
        fields={name: short(value) for name, value in example.fields.items()} if differ else {},
        before=_side(before, told=differ),
        after=_side(after, told=differ),
    )


def _side(outcome: Outcome, *, told: bool) -> Side:
    if not told:
        return Side(score=outcome.score)
    # a failure's feedback is its traceback, whose last line is the failure
    feedback = outcome.feedback if outcome.score is not None else ""
    prediction = short(outcome.prediction) if outcome.score is not None else ""
    return Side(score=outcome.score, prediction=prediction, feedback=short(feedback), failure=short(outcome.failure))


def short(value: object) -> str:
    """Any value as text without keys, cut to ``LONGEST`` characters."""
    text = redact(value if isinstance(value, str) else _as_text(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _as_text(value: object) -> str:
    try:
        return json.dumps(dump(value), ensure_ascii=False)
    except (ValueError, TypeError):  # pydantic's serialization error is a ValueError
        return shown(value)


def split_up(examples: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Wins and losses, the largest differences first."""
    wins = sorted((e for e in examples if e.difference > 0), key=lambda e: -e.difference)
    losses = sorted((e for e in examples if e.difference < 0), key=lambda e: e.difference)
    return wins, losses
