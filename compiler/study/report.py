"""The report of a compile: what was found, whether it is better, what changed, how the search went, what it cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from treadle.compiler.artifact.diff import Diff
from treadle.compiler.canonical import JSON
from treadle.compiler.study.baselines import Baseline
from treadle.compiler.study.clean import clean
from treadle.compiler.study.forecast import CostEstimate
from treadle.compiler.study.gate import Comparison, Gate
from treadle.compiler.study.report_candidates import Group, Tried, rounded
from treadle.compiler.study.report_curve import Point
from treadle.compiler.study.report_examples import Judged
from treadle.compiler.study.report_importance import Effect
from treadle.compiler.study.report_stages import Stage
from treadle.compiler.study.spend import Spend

FORMAT = "treadle/report"
VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """A further number of the metric, on the examples of the verdict.

    Attributes:
        before: Mean over the input program's runs that have it; ``None`` where none has.
        after: The same of the winner's.
    """

    before: float | None
    after: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a compile found. ``str`` gives it as text, ``to_json`` as data, ``html`` as a page; notebooks show a card.

    Attributes:
        program: The program's name.
        optimizer: The optimizer's name.
        metric: The metric's name.
        seed: The study's seed.
        gate: Which verdicts let the winner through.
        models: The models' names by what they were used for.
        comparison: The winner against the input program on examples neither was chosen by; ``None`` where nothing but
            the input program was measured.
        emitted: Whether the winner was emitted; otherwise the input program was.
        winner: The winner's id; the input program's where nothing else was found.
        estimate: What was expected before the search.
        spend: What was used.
        diff: What the winner changes, in prompts and in structure.
        candidates: What was tried, with lineage and search scores.
        groups: The same, by the kinds of parameters they change.
        curve: The best search score so far against LM calls.
        stages: What each stage of the search did and was charged.
        examples: The examples of the verdict, one by one.
        objectives: Further numbers of the metric on these, by name.
        importance: What each parameter had to do with the search scores.
        warnings: What the first pass over the examples showed, and what was unusable or unknown later.
        findings: What the search has found out, in its own words.
        baselines: What else could have been done, on the examples of the verdict; the program as it was and the winner
            among them.
        folder: Where the study is kept; empty for one in memory.
    """

    program: str
    optimizer: str
    metric: str
    seed: int
    gate: Gate
    models: Mapping[str, str]
    comparison: Comparison | None
    emitted: bool
    winner: str
    estimate: CostEstimate
    spend: Spend
    diff: Diff
    candidates: tuple[Tried, ...]
    groups: tuple[Group, ...] = ()
    curve: tuple[Point, ...] = ()
    stages: tuple[Stage, ...] = ()
    examples: tuple[Judged, ...] = ()
    objectives: Mapping[str, Objective] = dataclasses.field(default_factory=dict)
    importance: tuple[Effect, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    folder: str = ""

    @property
    def changes(self) -> str:
        """What the winner changes, in words; empty where it changes nothing."""
        return str(self.diff) if self.diff else ""

    @cached_property
    def _data(self) -> JSON:
        data: dict[str, JSON] = {
            "format": FORMAT,
            "version": VERSION,
            "program": self.program,
            "optimizer": self.optimizer,
            "metric": self.metric,
            "seed": self.seed,
            "gate": self.gate,
            "models": dict(self.models),
            "comparison": None if self.comparison is None else _listed(self.comparison.to_json()),
            "emitted": self.emitted,
            "winner": self.winner,
            "estimate": _listed(self.estimate.to_json()),
            "spend": _listed(self.spend.to_json()),
            "diff": self.diff.to_json(),
            "candidates": [one.to_json() for one in self.candidates],
            "groups": [group.to_json() for group in self.groups],
            "curve": [point.to_json() for point in self.curve],
            "stages": [stage.to_json() for stage in self.stages],
            "examples": [example.to_json() for example in self.examples],
            "objectives": {
                name: {"before": rounded(found.before), "after": rounded(found.after)}
                for name, found in self.objectives.items()
            },
            "importance": [effect.to_json() for effect in self.importance],
            "warnings": list(self.warnings),
            "findings": list(self.findings),
            "baselines": [baseline.to_json() for baseline in self.baselines],
            "text": str(self),
        }
        return clean(data)[0]

    def to_json(self) -> dict[str, JSON]:
        """The report as data: lists, dicts, texts and finite numbers, without keys; ``text`` is what ``str`` gives."""
        assert isinstance(self._data, dict)
        return dict(self._data)

    def __str__(self) -> str:
        from treadle.compiler.study.report_text import text

        return text(self)

    def html(self) -> str:
        """The report as one page that needs no other file: under a megabyte, light and dark, without scripts."""
        from treadle.compiler.study.report_page import document

        return document(self)

    def save(self, path: str | Path) -> None:
        """Write the report to a file that only its owner can read: a page, or data if the name ends in ``.json``.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        from treadle.compiler.study.report_files import write

        write(self, Path(path))

    def _repr_html_(self) -> str:
        from treadle.compiler.study.report_page import card

        return card(self)


def _listed(value: JSON) -> JSON:
    """The same data as JSON reads it back: lists in the place of tuples."""
    if isinstance(value, Mapping):
        return {name: _listed(part) for name, part in value.items()}
    return [_listed(part) for part in value] if isinstance(value, list | tuple) else value
