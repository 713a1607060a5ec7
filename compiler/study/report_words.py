"""How a report says its numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from treadle.compiler.study.budget import Amount


@dataclasses.dataclass(frozen=True)
class Scale:
    """How scores are written: per cent where all lie between 0 and 1, plain numbers where a metric has another range.

    >>> Scale.of([0.25, 1.0]).score(0.25), Scale.of([0.25, 1.0]).difference(-0.5)
    ('25.0%', '-50.0 points')
    >>> Scale.of([-3.0]).score(-3.0)
    '-3'
    """

    per_cent: bool

    @classmethod
    def of(cls, scores: Iterable[float | None]) -> Scale:
        """The scale that fits these scores."""
        return cls(all(0 <= score <= 1 for score in scores if score is not None and math.isfinite(score)))

    def score(self, value: float | None) -> str:
        """A score."""
        if value is None or not math.isfinite(value):
            return "–"
        return f"{value:.1%}" if self.per_cent else f"{value:.4g}"

    def change(self, value: float | None) -> str:
        """A difference of scores, without its unit."""
        if value is None or not math.isfinite(value):
            return "–"
        text = f"{100 * value:+.1f}" if self.per_cent else f"{value:+.4g}"
        return text[1:] if float(text) == 0 else text

    def difference(self, value: float) -> str:
        """A difference of scores."""
        return self.change(value) + self.unit

    @property
    def unit(self) -> str:
        """What stands behind a difference."""
        return " points" if self.per_cent else ""

    @property
    def behind(self) -> str:
        """What stands behind the name of a difference."""
        return ", points" if self.per_cent else ""


def dollars(usd: float | None) -> str:
    """A cost as a person would say it.

    >>> dollars(1.5), dollars(0.00002), dollars(0), dollars(None)
    ('$1.5000', '$0.000020', '$0', 'price unknown')
    """
    if usd is None:
        return "price unknown"
    return f"${usd:.{4 if usd >= 0.001 else 6}f}" if usd else "$0"


def dollars_between(ends: tuple[float, float] | None) -> str:
    """A cost of which only the least and the most are known.

    >>> dollars_between((0.5, 1.25)), dollars_between((0.0, 0.0)), dollars_between(None)
    ('$0.5000 to $1.2500', '$0', 'price unknown')
    """
    if ends is None or ends[0] == ends[1]:
        return dollars(None if ends is None else ends[0])
    return f"{dollars(ends[0])} to {dollars(ends[1])}"


def number(value: float | None) -> str:
    """A mean in three digits."""
    return "–" if value is None else f"{value:.3g}"


def amount(value: Amount) -> str:
    """Calls, tokens and dollars in words."""
    return f"{value.calls:,} LM calls, {value.tokens:,} tokens, {dollars(value.usd)}"


def seconds(value: float) -> str:
    """A duration as a person would say it.

    >>> seconds(0.04), seconds(75)
    ('0.04 s', '1 min 15 s')
    """
    if value < 60:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
