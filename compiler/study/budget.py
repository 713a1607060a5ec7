"""Budgets: what a study may spend, and amounts of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError

SEARCH_TENTHS = 9
"""Tenths of a cap that a search may use; the last one is kept for retries and for calls lost in a crash."""

_ROUNDING = 1e-12  # dollars: sums of floats may be off by so much


@dataclasses.dataclass(frozen=True, slots=True)
class Amount:
    """What calls used, or could use at most.

    Attributes:
        calls: LM calls.
        tokens: Tokens of prompts and replies together.
        usd: Dollars, or ``None`` where one of the prices is unknown.

    >>> Amount(1, 20, 0.5) + Amount(1, 10, None)
    Amount(calls=2, tokens=30, usd=None)
    """

    calls: int = 0
    tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: Amount) -> Amount:
        if other is NOTHING or self is NOTHING:  # most often: where nothing is capped
            return self if other is NOTHING else other
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Amount(self.calls + other.calls, self.tokens + other.tokens, usd)

    def __sub__(self, other: Amount) -> Amount:
        if other is NOTHING:
            return self
        usd = None if self.usd is None or other.usd is None else self.usd - other.usd
        return Amount(self.calls - other.calls, self.tokens - other.tokens, usd)

    def at_least(self, other: Amount) -> Amount:
        """The larger of each."""
        usd = None if self.usd is None or other.usd is None else max(self.usd, other.usd)
        return Amount(max(self.calls, other.calls), max(self.tokens, other.tokens), usd)

    def to_json(self) -> list[JSON]:
        """Calls, tokens, dollars."""
        return [self.calls, self.tokens, self.usd]

    @classmethod
    def from_json(cls, data: JSON) -> Amount:
        """What ``to_json`` gave."""
        calls, tokens, usd = cast("tuple[int, int, float | None]", data)
        return cls(calls, tokens, usd)


NOTHING = Amount()
"""No call, no token, no dollar."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caps:
    """Bounds on an amount and on time, 0 or more; ``None`` leaves a quantity unbounded.

    Attributes:
        calls: LM calls, of every role.
        tokens: Tokens, of prompts and replies together.
        usd: Dollars at list price.
        seconds: Seconds the search takes, over all runs of the study.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None

    @property
    def bounded(self) -> bool:
        """Whether calls, tokens or dollars are bounded."""
        return self.calls is not None or self.tokens is not None or self.usd is not None

    def exceeded(self, amount: Amount) -> str:
        """The name of a cap that ``amount`` is over, or empty. An unknown price is over any cap on dollars."""
        if self.calls is not None and amount.calls > self.calls:
            return "calls"
        if self.tokens is not None and amount.tokens > self.tokens:
            return "tokens"
        if self.usd is not None and (amount.usd is None or amount.usd > self.usd + _ROUNDING):
            return "usd"
        return ""

    def left(self, spent: Amount) -> Caps:
        """What is left after ``spent``, never below 0; seconds stay."""
        return Caps(
            calls=None if self.calls is None else max(0, self.calls - spent.calls),
            tokens=None if self.tokens is None else max(0, self.tokens - spent.tokens),
            usd=None if self.usd is None else max(0.0, self.usd - (self.usd if spent.usd is None else spent.usd)),
            seconds=self.seconds,
        )

    def part(self, share: float) -> Caps:
        """``share`` of each cap, counts rounded down; seconds stay.

        Raises:
            ConfigurationError: ``share`` is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            msg = f"a share of a budget is above 0 and at most 1, not {share!r}"
            raise ConfigurationError(msg)
        return Caps(
            calls=None if self.calls is None else math.floor(self.calls * share),
            tokens=None if self.tokens is None else math.floor(self.tokens * share),
            usd=None if self.usd is None else self.usd * share,
            seconds=self.seconds,
        )

    def to_json(self) -> dict[str, JSON]:
        """The caps that are set, by name."""
        values: Mapping[str, JSON] = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        """The caps as a person would write them."""
        return ", ".join(f"{name}={value}" for name, value in self.to_json().items()) or "no cap"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget(Caps):
    """What a user lets a study spend; ``None`` leaves a quantity uncapped.

    Every attempt that is sent counts as a call. A call's worst case is reserved before it is sent, so caps on calls,
    tokens and dollars hold by the provider's own usage. A search gets nine tenths of them; the last tenth is kept for
    retries and crashes. ``seconds`` is looked at between batches and never cuts one.

    Raises:
        ConfigurationError: A cap is not a positive number.

    >>> Budget(calls=10).search
    Caps(calls=9, tokens=None, usd=None, seconds=None)
    """

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is not None:
                _check(name, value)

    @property
    def search(self) -> Caps:
        """The share a search may use: nine tenths, at least one call and one token; seconds in full."""
        return Caps(
            calls=None if self.calls is None else max(1, self.calls * SEARCH_TENTHS // 10),
            tokens=None if self.tokens is None else max(1, self.tokens * SEARCH_TENTHS // 10),
            usd=None if self.usd is None else self.usd * SEARCH_TENTHS / 10,
            seconds=self.seconds,
        )


def _check(name: str, value: object) -> None:
    whole = name in ("calls", "tokens")
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        msg = f"Budget({name}={value!r}): {name} takes a {'whole ' if whole else ''}number, or None for no cap"
        raise ConfigurationError(msg)
    if not (value > 0 and math.isfinite(value)):
        msg = f"Budget({name}={value!r}): a cap is above 0 and finite; leave {name} out for no cap"
        raise ConfigurationError(msg)
