"""Demo sets: what a prompt may show of the bank, drawn as MIPROv2 and bootstrap with random search draw them.

A set is bootstrapped demos, and behind them labelled ones up to its size. The draws of both are stratified by answer,
where DSPy's are uniform: with 12 demos for 12 answers that is worth several points (one demo an answer).
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.canonical import JSON, canonical
from treadle.optimizers.demo_bank import DemoBank, Worked, as_values, searched, shown_in, stratified

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fill one demo set.

    Attributes:
        bootstrapped: Most bootstrapped demos.
        size: Labelled demos fill the set up to this many.
        shuffled: Bootstrapped demos are drawn; otherwise they are the first that passed.
        tokens: Most tokens the set may take, by ``tokens_of``; a demo that does not fit any more is left out.
    """

    bootstrapped: int
    size: int
    shuffled: bool = True
    tokens: int | None = None


def recipes(count: int, *, max_bootstrapped: int, max_labeled: int, rng: random.Random) -> list[Recipe]:
    """The first ``count`` recipes: labelled only, then bootstrapped as they passed, then drawn.

    Those drawn have half the size or more: where demos crowd one another out, a small set is the better one.
    """
    first = [
        Recipe(bootstrapped=0, size=max_labeled),
        Recipe(bootstrapped=max_bootstrapped, size=max_labeled, shuffled=False),
    ]
    drawn = [
        Recipe(
            bootstrapped=rng.randint(min(1, max_bootstrapped), max_bootstrapped),
            size=rng.randint(-(-max_labeled // 2), max_labeled),
        )
        for _ in range(count - len(first))
    ]
    return (first + drawn)[:count]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoSets:
    """Draws the demo sets of a search.

    Attributes:
        bank: What they are drawn from.
        max_bootstrapped: Most bootstrapped demos in a set.
        max_labeled: Labelled demos fill a set up to this many.
        tokens: Most tokens a set may take, by ``tokens_of``; ``None`` for no bound.
    """

    bank: DemoBank
    max_bootstrapped: int
    max_labeled: int
    tokens: int | None = None

    def first(self, study: Study, predictor: str, count: int) -> list[JSON]:
        """``count`` sets of a predictor, as values of its demos parameter."""
        plans = recipes(
            count, max_bootstrapped=self.max_bootstrapped, max_labeled=self._most, rng=study.rng("recipes", predictor)
        )
        plans = [dataclasses.replace(plan, tokens=self.tokens) for plan in plans]
        return [
            as_values(fill(self.bank, predictor, plan, study.rng("demos", predictor, number)))
            for number, plan in enumerate(plans)
        ]

    def near(
        self, study: Study, space: ParameterSpace, present: Candidate, outcomes: Sequence[Outcome], count: int
    ) -> dict[str, list[JSON]]:
        """``count`` sets of each predictor like those it has: up to a third exchanged, some grown or shrunk.

        Args:
            study: Gives random numbers.
            space: Gives the predictors.
            present: The candidate whose sets are changed.
            outcomes: Its runs on feedback examples: of what comes in, half are demos of those that went worst.
            count: How many of each predictor.
        """
        worst = {outcome.example for outcome in outcomes if outcome.value < max(o.value for o in outcomes)}
        found: dict[str, list[JSON]] = {}
        for name in searched(space):
            shown, pool = shown_in(self.bank, present, name), self.bank.all(name)
            rngs = [study.rng("near", name, present.id, number) for number in range(count)]
            found[f"{name}.demos"] = [as_values(self._near(pool, shown, worst, rng)) for rng in rngs]
        return found

    def _near(
        self, pool: Sequence[Worked], shown: Collection[str], worst: Collection[str], rng: random.Random
    ) -> list[Worked]:
        own = [worked for worked in pool if worked.example in shown]
        size = min(self._most, max(1, len(own) + rng.randint(-2, 2))) if own else rng.randint(1, self._most)
        exchanged = rng.randint(1, max(1, len(own) // 3))
        kept = rng.sample(own, min(size, max(0, len(own) - exchanged)))
        wanted = [worked for worked in pool if worked.example in worst]
        drawn = kept + stratified(wanted, (size - len(kept) + 1) // 2, rng, shown=kept)
        drawn += stratified(pool, size - len(drawn), rng, shown=drawn)
        return drawn if self.tokens is None else _within(drawn, self.tokens)

    @property
    def _most(self) -> int:
        return max(self.max_labeled, self.max_bootstrapped)


def fill(bank: DemoBank, predictor: str, recipe: Recipe, rng: random.Random) -> list[Worked]:
    """One predictor's demo set by a recipe; shorter where the bank has less, empty where it has nothing."""
    passed: Sequence[Worked] = bank.bootstrapped.get(predictor, ())
    count = recipe.bootstrapped
    shown = stratified(passed, count, rng) if recipe.shuffled else list(passed[:count])
    filled = shown + stratified(bank.labelled.get(predictor, ()), recipe.size - len(shown), rng, shown=shown)
    return filled if recipe.tokens is None else _within(filled, recipe.tokens)


def tokens_of(worked: Worked) -> int:
    """About how many tokens a demo takes in a prompt: one for four bytes of its JSON, rounded up."""
    return -(-len(canonical(worked.demo.to_json()).encode()) // 4)


def _within(demos: Sequence[Worked], tokens: int) -> list[Worked]:
    """The demos in their order, without those that no longer fit."""
    kept: list[Worked] = []
    for demo in demos:
        if tokens_of(demo) <= tokens:
            kept.append(demo)
            tokens -= tokens_of(demo)
    return kept
