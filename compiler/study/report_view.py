"""What the parts of a report's page are made from."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from treadle.compiler.html import Markup, told
from treadle.compiler.study.report_words import Scale

if TYPE_CHECKING:
    from treadle.compiler.study.report import Report

T = TypeVar("T")

NAME = 120
"""Characters of a name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of what a page shows.

    Attributes:
        candidates: Rows of the table of candidates.
        examples: Wins, and as many losses, told in full.
        lines: Lines of one change.
        options: Values of one parameter.
        items: Changes, parameters, objectives, fields of an example, warnings.
        text: Characters of one text.
    """

    candidates: int = 500
    examples: int = 100
    lines: int = 400
    options: int = 40
    items: int = 200
    text: int = 1000

    def smaller(self) -> Limits:
        """About half of each."""
        return Limits(
            candidates=max(10, self.candidates // 2),
            examples=max(3, self.examples // 2),
            lines=max(10, self.lines // 2),
            options=max(3, self.options // 2),
            items=max(8, self.items // 2),
            text=max(60, self.text // 2),
        )


class View:
    """A report, and how much of it is shown.

    Attributes:
        report: What is shown.
        limits: How much of it.
        scale: How scores are written.
        priced: Whether anything cost money.
    """

    def __init__(self, report: Report, limits: Limits, scale: Scale) -> None:
        self.report = report
        self.limits = limits
        self.scale = scale
        self.priced = any(one.usd for one in report.candidates)

    def named(self, text: str) -> Markup:
        """A name of the user's, or a short text."""
        return told(text, NAME)

    def said(self, text: str) -> Markup:
        """A longer text of the user's or a model's."""
        return told(text, self.limits.text)

    def first(self, things: Iterable[T]) -> list[T]:
        """As many of these as are shown."""
        return list(itertools.islice(things, self.limits.items))
