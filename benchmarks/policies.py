"""The policies of MIPROv2 and GEPA over Treadle's study: the same search, with our cache of cells and our halving.

They show what is left of a difference once a baseline does not pay for a run twice and need not measure a poor
candidate in full. What a policy draws, proposes, selects and accepts is as published (DSPy 3.4; Agrawal et al. 2025);
where it would evaluate on fresh minibatches and then on everything, candidates climb shared rungs.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate, ParameterSpace
from treadle.compiler.study.optimizer import Shape
from treadle.compiler.study.study import Study
from treadle.optimizers.bootstrapping import bootstrapped_bank
from treadle.optimizers.demo_bank import DemoBank, as_values, labelled_bank, searched
from treadle.optimizers.menu import Menu
from treadle.optimizers.proposals import instructions, propose_instructions, summary
from treadle.optimizers.proposer_options import Way, fixed_ways
from treadle.optimizers.revisions import revise_instructions
from treadle.optimizers.rungs import affordable, best, rungs, runs_left
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.trials import Plan, Trials, run_in_rounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedMIPRO:
    """MIPROv2's draws, proposals and sampler: uniform demo sets, N // 2 - 1 new instructions, ten random trials, TPE.

    Attributes:
        breadth: Its number of candidates.
        trials: Most trials.
    """

    name: ClassVar[str] = "published_mipro"
    breadth: int = 6
    trials: int = 60

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best combination found, or the program as it is."""
        start, tried = space.default(), list[Candidate]()
        with until_budget_ends(study):
            study.evaluate([start], rungs(study)[0])
            bank = bootstrapped_bank(study, space, rows=48, threshold=1.0, wanted=1, shots=4)
            ways = {
                p.address: fixed_ways(self.breadth // 2 - 1, study.rng("ways", p.address)) for p in instructions(space)
            }
            texts = propose_instructions(study, space, bank, ways=ways, base=start, data=summary(study))
            menu = Menu(options={p.address: (p.default,) for p in space.values() if p.kind in ("instruction", "demos")})
            menu = menu.extended({a: [p.text for p in found] for a, found in texts.items()})
            menu = menu.extended({f"{name}.demos": list(self._sets(study, bank, name)) for name in searched(space)})
            runs = runs_left(study, start)
            ladder = rungs(study, runs)
            count = min(affordable(ladder, runs, self.trials), menu.size - 1)
            trials = Trials(study, space, menu, start, Plan(name="published", sampler="tpe", ladder=ladder), tried)
            while trials.number < min(10, count):
                trials.send(1, random=1)
            run_in_rounds(trials, count)
        return best(study, start, tried)

    def _sets(self, study: Study, bank: DemoBank, name: str) -> list[JSON]:
        passed, labelled = list(bank.bootstrapped.get(name, ())), list(bank.labelled.get(name, ()))
        fixed = random.Random(0)
        plain = fixed.sample(labelled, min(4, len(labelled)))
        rng = study.rng("sets", name)
        drawn = [rng.sample(passed, min(len(passed), rng.randint(1, 4))) for _ in range(self.breadth - 3)]
        drawn = [plain, passed[:4], *drawn]
        return [as_values([*shown, *plain[: 4 - len(shown)]]) for shown in drawn]

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """Not estimated: the benchmark caps it."""
        return {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedGEPA:
    """GEPA's loop: a parent by its share of the best cells, three examples, one predictor in turn, a strict gate.

    Attributes:
        rounds: Most proposals.
    """

    name: ClassVar[str] = "published_gepa"
    rounds: int = 400

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best of the front, or the program as it is."""
        start, pool = space.default(), [space.default()]
        addresses = [p.address for p in instructions(space)]
        with until_budget_ends(study):
            ladder = rungs(study, runs_left(study, start))
            study.evaluate([start], ladder[-1])
            bank, data = labelled_bank(study, space), summary(study)
            for number in range(self.rounds):
                rng = study.rng("gepa", number)
                parent = self._parent(study, pool, ladder[-1], rng)
                ids = rng.sample(list(study.splits.feedback), 3)
                [before] = study.evaluate([parent], ids, traces=True)
                if sum(outcome.value for outcome in before) >= len(ids):
                    continue
                address = addresses[number % len(addresses)]
                found = revise_instructions(
                    study, space, bank, before, ways={address: [Way(tip="none", data=False)]}, base=parent, data=data,
                    threshold=1.0, key=f"gepa {number}",
                )  # fmt: skip
                for proposed in found.get(address, []):
                    child = space.candidate(
                        {**parent.values, address: proposed.text}, parents=(parent.id,), origin="gepa"
                    )
                    if child not in pool and study.compare(child, parent, ids).mean > 0:
                        self._climb(study, child, pool, ladder)
        return best(study, start, pool[1:])

    def _parent(self, study: Study, pool: Sequence[Candidate], ids: Sequence[str], rng: random.Random) -> Candidate:
        """Drawn by the number of examples on which a candidate is among the best."""
        full = [candidate for candidate in pool if study.table.covers(candidate, ids)]
        rows = {candidate: [outcome.value for outcome in study.table.outcomes(candidate, ids)] for candidate in full}
        tops = [max(values) for values in zip(*rows.values(), strict=True)]
        wins = [sum(value == top for value, top in zip(rows[c], tops, strict=True)) for c in full]
        return rng.choices(full, [win + 1e-9 for win in wins])[0]

    def _climb(self, study: Study, child: Candidate, pool: list[Candidate], ladder: Sequence[Sequence[str]]) -> None:
        """Up the rungs as long as the child is not worse than the better half of the pool."""
        for ids in ladder:
            study.evaluate([child], ids)
            means = sorted(study.table.mean(candidate, ids).mean for candidate in pool)
            if study.table.mean(child, ids).mean < means[len(means) // 2]:
                return
        pool.append(child)

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """Not estimated: the benchmark caps it."""
        return {}
