"""Ways to change one program into another like it, taken as often as their children have won.

=========  =============================================================================================================
reflect    instructions written anew from what the program got wrong
demo       one demo more, one fewer, or one for another; those of examples it got wrong come first
redraw     a new demo set for one predictor
merge      each prompt's parts from one of two good programs
=========  =============================================================================================================
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from treadle.optimizers.demo_bank import DemoBank, as_values, searched, stratified
from treadle.optimizers.failures import failures_of

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study
    from treadle.optimizers.writing import Writing

Way = Literal["reflect", "demo", "redraw", "merge"]
WAYS: tuple[Way, ...] = get_args(Way)


class Variations:
    """Makes children of a program.

    Args:
        study: Gives examples and random numbers.
        space: Makes candidates.
        bank: Gives demos.
        writing: Writes instructions.
        threshold: Lowest score of a run that did not fail.
        most: Most demos a predictor may show; 0 leaves demos alone.
    """

    def __init__(
        self, study: Study, space: ParameterSpace, bank: DemoBank, writing: Writing, *, threshold: float, most: int
    ) -> None:
        self._study = study
        self._space = space
        self._bank = bank
        self._writing = writing
        self._threshold = threshold
        self._most = most
        self._names = [name for name in searched(space) if bank.all(name)] if most else []
        self._won = dict.fromkeys(WAYS, 1)
        self._lost = dict.fromkeys(WAYS, 1)
        self._round = 0

    def children(
        self, base: Candidate, elites: Sequence[Candidate], evidence: Sequence[Outcome], count: int
    ) -> dict[Candidate, Way]:
        """At most ``count`` children of ``base``, with the way each was made; fewer where two come out equal.

        Args:
            base: What is changed.
            elites: Programs to merge it with; it may be among them.
            evidence: Its runs, with traces, on feedback examples.
            count: How many.

        Raises:
            BudgetExhausted: The budget ended before instructions were written.
        """
        self._round += 1
        rng = self._study.rng("children", self._round)
        others = [elite for elite in elites if elite != base]
        among = [w for w in WAYS if (w != "merge" or others) and (w not in ("demo", "redraw") or self._names)]
        ways = [self._drawn(rng, among) for _ in range(count)]
        made: list[tuple[Candidate, Way]] = list(self._reflected(base, evidence, ways.count("reflect"), rng))
        for way in ways:
            if way == "demo":
                made.append((self._with_demo_changed(base, evidence, rng), way))
            elif way == "redraw":
                made.append((self._redrawn(base, rng), way))
            elif way == "merge":
                made.append((self._merged(base, rng.choice(others), rng), way))
        return {child: way for child, way in made if child != base}

    def credit(self, way: Way, *, won: bool) -> None:
        """Learn what a child of this way came to (Thompson sampling on a Beta posterior, from 1 and 1)."""
        (self._won if won else self._lost)[way] += 1

    def _drawn(self, rng: random.Random, among: Sequence[Way]) -> Way:
        return max(among, key=lambda way: rng.betavariate(self._won[way], self._lost[way]))

    # --- the ways

    def _reflected(
        self, base: Candidate, evidence: Sequence[Outcome], count: int, rng: random.Random
    ) -> list[tuple[Candidate, Way]]:
        """Half of the children get a new instruction for one predictor, half for all that failed."""
        found = self._writing.revise(base, evidence, count) if count else {}
        made: list[tuple[Candidate, Way]] = []
        for number in range(count):
            new = {address: texts[number].text for address, texts in found.items() if number < len(texts)}
            if new:
                chosen = list(new) if number % 2 else [rng.choice(list(new))]
                made.append((self._child(base, {a: new[a] for a in chosen}, "reflect"), "reflect"))
        return made

    def _with_demo_changed(self, base: Candidate, evidence: Sequence[Outcome], rng: random.Random) -> Candidate:
        name = rng.choice(self._names)
        demos = self._demos(base, name)
        wrong = {f.example for f in failures_of(self._study, name, evidence, threshold=self._threshold)}
        absent = [w for w in self._bank.all(name) if w.demo.to_json() not in demos]
        urgent = [w for w in absent if w.example in wrong] or absent
        kind = rng.choice(("add", "add", "drop", "swap"))
        if demos and (kind != "add" or len(demos) >= self._most):
            demos.pop(rng.randrange(len(demos)))
        if kind != "drop" and urgent:
            demos.insert(rng.randint(0, len(demos)), rng.choice(urgent).demo.to_json())
        return self._child(base, {f"{name}.demos": demos}, f"demo {kind}")

    def _redrawn(self, base: Candidate, rng: random.Random) -> Candidate:
        name = rng.choice(self._names)
        size = rng.randint(max(1, self._most // 2), self._most)
        return self._child(base, {f"{name}.demos": as_values(stratified(self._bank.all(name), size, rng))}, "redraw")

    def _merged(self, base: Candidate, other: Candidate, rng: random.Random) -> Candidate:
        """Some of what differs from the other; all but one of it at most."""
        addresses = sorted({*base.values, *other.values})
        differ = [a for a in addresses if self._space.value(base, a) != self._space.value(other, a)]
        taken = rng.sample(differ, rng.randint(1, max(1, len(differ) - 1))) if differ else []
        values = {address: self._space.value(other, address) for address in taken}
        return self._space.candidate({**base.values, **values}, parents=(base.id, other.id), origin="merge")

    def _demos(self, base: Candidate, name: str) -> list[JSON]:
        present = self._space.value(base, f"{name}.demos")
        return list(present) if isinstance(present, list) else []

    def _child(self, base: Candidate, values: dict[str, JSON], origin: str) -> Candidate:
        return self._space.candidate({**base.values, **values}, parents=(base.id,), origin=origin)
