"""Demo sets: what a prompt may show of the bank, drawn as MIPROv2 and bootstrap with random search draw them.

A set is bootstrapped demos, and behind them labelled ones up to its size. The draws of both are stratified by answer,
where DSPy's are uniform: with 12 demos for 12 answers that is worth several points (one demo an answer).
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from treadle.optimizers.demo_bank import DemoBank, Worked, stratified


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fill one demo set.

    Attributes:
        bootstrapped: Most bootstrapped demos.
        size: Labelled demos fill the set up to this many.
        shuffled: Bootstrapped demos are drawn; otherwise they are the first that passed.
    """

    bootstrapped: int
    size: int
    shuffled: bool = True


def recipes(count: int, *, max_bootstrapped: int, max_labeled: int, rng: random.Random) -> list[Recipe]:
    """The first ``count`` recipes: labelled only, then bootstrapped as they passed, then 1 or more at random."""
    first = [
        Recipe(bootstrapped=0, size=max_labeled),
        Recipe(bootstrapped=max_bootstrapped, size=max_labeled, shuffled=False),
    ]
    drawn = [
        Recipe(bootstrapped=rng.randint(min(1, max_bootstrapped), max_bootstrapped), size=max_labeled)
        for _ in range(count - len(first))
    ]
    return (first + drawn)[:count]


def fill(bank: DemoBank, predictor: str, recipe: Recipe, rng: random.Random) -> list[Worked]:
    """One predictor's demo set by a recipe; shorter where the bank has less, empty where it has nothing."""
    passed: Sequence[Worked] = bank.bootstrapped.get(predictor, ())
    count = recipe.bootstrapped
    shown = stratified(passed, count, rng) if recipe.shuffled else list(passed[:count])
    return shown + stratified(bank.labelled.get(predictor, ()), recipe.size - len(shown), rng, shown=shown)
