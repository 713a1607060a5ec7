"""Influence: what a block adds to the plain step, and how likely it is to be tried because of it.

Zhou et al., arXiv 2502.02533, section 3: the incremental influence of a block is the score of its smallest form over
the plain step's. Read literally, a block is then kept with its share of softmax(I / t); the shares of all blocks add up
to 1, so that about one is kept in a draw and a program that needs all of four is drawn once in 256 times at best. Ours
is normalised: the block of the largest influence is always kept, and the others as their influence falls behind.
Leaving a block out has the influence 1, so a block that harms is seldom kept even where it is the best there is.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from treadle.optimizers.blocks import Block, Configuration, fits, none_of

Activation: TypeAlias = Literal["normalised", "paper"]

FLOOR = 0.05
"""Least probability by which our rule keeps a block: what was measured once may have been bad luck."""

_SMALLEST_SCORE = 0.1  # of the plain step, in a ratio: below it the ratio would say nothing but that it is small
_PRIOR = 8.0  # examples' worth of "no different", as in the choice between candidates


@dataclasses.dataclass(frozen=True, kw_only=True)
class Influence:
    """What the smallest form of a block does for a step.

    Attributes:
        plain: Mean score of the plain step.
        gain: Mean paired difference to it.
        error: Standard error of that.
        n: Examples.
        works: Whether any run of the block went well; one of which none did is not drawn.
    """

    plain: float
    gain: float
    error: float
    n: int
    works: bool = True

    @property
    def ratio(self) -> float:
        """Score of the block over the plain step's, the gain drawn towards none where it rests on few examples."""
        return 1 + self.gain * self.n / (self.n + _PRIOR) / max(self.plain, _SMALLEST_SCORE)

    @property
    def spread(self) -> float:
        """Standard error of the ratio."""
        return self.error / max(self.plain, _SMALLEST_SCORE) if math.isfinite(self.error) else 1.0


def keep_probabilities(
    influences: Mapping[str, Influence], *, activation: Activation, sharpness: float
) -> dict[str, float]:
    """How likely each block is kept in a draw, by its name.

    Args:
        influences: Of the blocks of one step.
        activation: ``"normalised"`` or ``"paper"``.
        sharpness: The paper's t. Ours is not sharper than the standard error of the influences.
    """
    ratios = {name: found.ratio for name, found in influences.items() if found.works}
    if not ratios:
        return {}
    if activation == "paper":
        top = max(ratios.values())
        weights = {name: math.exp((ratio - top) / sharpness) for name, ratio in ratios.items()}
        return {name: weight / math.fsum(weights.values()) for name, weight in weights.items()}
    best = max(1.0, *ratios.values())
    spreads = sorted(found.spread for found in influences.values() if found.works)
    soft = max(sharpness, spreads[len(spreads) // 2])
    return {name: max(FLOOR, math.exp((ratio - best) / soft)) for name, ratio in ratios.items()}


def helpful(blocks: Sequence[Block], influences: Mapping[str, Influence]) -> Configuration:
    """Every block of an influence above 1, each in its smallest form."""
    numbers = dict(none_of(blocks))
    for block in blocks:
        if block.name in influences and influences[block.name].ratio > 1:
            numbers |= {key: max(number, numbers.get(key, 0)) for key, number in block.smallest.items()}
    return numbers


def drawn(
    blocks: Sequence[Block],
    keep: Mapping[str, float],
    rng: random.Random,
    *,
    max_agents: int,
    activation: Activation,
    tries: int = 100,
) -> Configuration | None:
    """One configuration: each block is kept or left out, and gets any of its numbers if kept.

    Args:
        blocks: What there is.
        keep: How likely each is kept; one that is missing is left out.
        rng: Decides.
        max_agents: The paper's bound.
        activation: Ours gives a debate that was drawn without agents the smallest number of them; the paper's rejects
            it like any configuration that does not fit.
        tries: Draws before giving up.

    Returns:
        A configuration that fits; ``None`` where none was drawn.
    """
    for _ in range(tries):
        numbers = dict(none_of(blocks))
        for block in blocks:
            if rng.random() < keep.get(block.name, 0.0):
                numbers[block.name] = rng.choice(block.numbers[1:])
        if activation == "normalised" and numbers.get("debate") and numbers.get("aggregate", 1) < 2:
            numbers["aggregate"] = next((b.numbers[1] for b in blocks if b.name == "aggregate"), 2)
        if fits(numbers, max_agents):
            return numbers
    return None
