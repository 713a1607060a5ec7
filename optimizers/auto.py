"""``auto``: demos first, then instructions with these demos in place, then racing with reflection; one budget.

1. *Demos*: sets of labelled and bootstrapped demos for every predictor, searched over like a menu. Demos give most of
   the gain on most tasks (Opsahl-Ong et al. 2024, section 6), and cost no proposals.
2. *Instructions*: written from worked examples and from the failures of the best, with the demos in place, so that they
   say what the demos do not show.
3. *Racing* (from 100 examples on): children of the best program are raced against it in pairs. What it got wrong at the
   races' gates, in traces already paid for, is what the next instructions are written from and which demos come in.

The last four are compared on all select examples, and the program as it is stays where none of them is better.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, get_args

from treadle.compiler.errors import BudgetExhausted
from treadle.optimizers.bootstrapping import bootstrapped_bank
from treadle.optimizers.demo_bank import DemoBank, searched
from treadle.optimizers.demo_sets import DemoSets
from treadle.optimizers.effort import BREADTH, Effort, trials_for
from treadle.optimizers.menu import Combination, Menu, model_choices
from treadle.optimizers.proposals import instructions
from treadle.optimizers.racing import GATE, Race
from treadle.optimizers.rungs import FINALISTS, affordable, best, charged_share, gain, planned_runs, rungs, runs_left
from treadle.optimizers.sampling import SamplerName
from treadle.optimizers.settings import at_least, one_of
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.trials import Plan, Trials, run_in_rounds
from treadle.optimizers.variations import Variations
from treadle.optimizers.writing import Writing

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study

CHILDREN = 4
"""Children of one race."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Auto:
    """Demos, then instructions, then races, each with a share of what is left of the budget.

    With P predictors, and n = 6, 12, 18 for light, medium, heavy: the teacher is run on 8 n feedback examples. Each
    predictor gets n demo sets and half way n / 2 more like the best, then n instructions and half way n / 2 from
    failures; each kind is searched in 1, 2, 4 times max(2 P log2(n), 1.5 n) trials. There are up to 4 n races of 4
    children, fewer where n in a row win nothing. LM calls: these runs, one for the summary of the data, one a proposal;
    a trial takes about half of the select examples, a child in a race about a third.

    Attributes:
        effort: How much to try.
        max_bootstrapped: Most bootstrapped demos in a drawn set.
        max_labeled: Labelled demos fill a drawn set up to this many; races change sets within this bound.
        demo_tokens: Most tokens a predictor's drawn demos may take, at four bytes a token; ``None`` for no bound.
        patience: Races in a row without a winner after which racing ends; by default n.
        sampler: What asks for combinations in the first two stages; see ``MIPRO``.
        threshold: Lowest score at which a run's steps become demos; a metric that returns a bool passes with true.
    """

    name: ClassVar[str] = "auto"
    effort: Effort = "light"
    max_bootstrapped: int = 4
    max_labeled: int = 16
    demo_tokens: int | None = None
    patience: int | None = None
    sampler: SamplerName = "thompson"
    threshold: float = 1.0

    def __post_init__(self) -> None:
        at_least(self, 0, "max_bootstrapped", "max_labeled", "demo_tokens")
        at_least(self, 1, "patience")
        one_of(self, "effort", get_args(Effort))
        one_of(self, "sampler", get_args(SamplerName))

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best program found, or the program as it is."""
        start = space.default()
        tried: list[Candidate] = []
        with until_budget_ends(study):
            study.evaluate([start], rungs(study)[0])
            bank = self._bank(study, space, start)
            sets = DemoSets(
                bank=bank, max_bootstrapped=self.max_bootstrapped, max_labeled=self.max_labeled, tokens=self.demo_tokens
            )
            writing = Writing(study, space, bank, threshold=self.threshold, learn=True)
            shown = self._demos(study.slice(0.35), space, sets, writing, tried)
            study.log("stage", name="instructions")
            both = self._instructions(study.slice(0.5), space, writing, shown, tried)
            self._apart(study, space, shown, both, tried)
            if not study.splits.cross_fitted:
                study.log("stage", name="races")
                self._race(study, space, bank, writing, tried)
                study.log("stage", name="finalists")
                study.evaluate([start, *_leaders(study, start, tried)], study.splits.select)
        return best(study, start, tried)

    # --- stage 1: demos

    def _bank(self, study: Study, space: ParameterSpace, start: Candidate) -> DemoBank:
        rows = int(min(8 * BREADTH[self.effort], max(8, runs_left(study, start) / 6)))
        return bootstrapped_bank(
            study, space, rows=rows, threshold=self.threshold, wanted=max(1, self.max_bootstrapped),
            shots=self.max_labeled or 4,
        )  # fmt: skip

    def _demos(
        self, study: Study, space: ParameterSpace, sets: DemoSets, writing: Writing, tried: list[Candidate]
    ) -> Candidate:
        names, n = searched(space), BREADTH[self.effort]
        each = max(n, trials_for(self.effort, len(names)) // max(1, len(names)))  # a set costs no call: one a trial
        menu = Menu(options={f"{name}.demos": (space[f"{name}.demos"].default,) for name in names})
        menu = menu.extended({f"{name}.demos": sets.first(study, name, each // 2) for name in names})

        def renew(trials: Trials) -> list[Combination]:
            combination, leader = trials.leader()
            near = sets.near(study, space, leader, writing.runs(leader, 4 * n), each - each // 2)
            trials.menu = trials.menu.extended(near)
            return trials.menu.with_each(combination, near)

        return self._tried_out(study, space, menu, space.default(), "auto demos", renew, tried)

    # --- stage 2: instructions

    def _instructions(
        self, study: Study, space: ParameterSpace, writing: Writing, base: Candidate, tried: list[Candidate]
    ) -> Candidate:
        n = BREADTH[self.effort]
        writing.first(base, n)
        options = {p.address: space.value(base, p.address) for p in instructions(space)}
        shown = {f"{name}.demos": space.value(base, f"{name}.demos") for name in searched(space)}
        menu = Menu(options={address: (value,) for address, value in {**options, **shown}.items()})
        menu = menu.extended({a: [v[::2]] for a, v in shown.items() if isinstance(v, list) and len(v) > 1})
        menu = menu.extended(writing.texts).with_addresses(model_choices(space))

        def renew(trials: Trials) -> list[Combination]:
            combination = trials.leader()[0]
            texts = writing.again(trials, writing.runs(trials.leader()[1], 4 * n), n // 2)
            trials.menu = trials.menu.extended(texts)
            return trials.menu.with_each(combination, texts)

        return self._tried_out(study, space, menu, base, "auto instructions", renew, tried)

    def _tried_out(
        self, study: Study, space: ParameterSpace, menu: Menu, base: Candidate, name: str,
        renew: Callable[[Trials], list[Combination]], tried: list[Candidate],
    ) -> Candidate:  # fmt: skip
        """The best combination of a menu, or the base, as far as this share of the budget reaches."""
        runs = runs_left(study, space.default())
        ladder = rungs(study, runs)
        count = affordable(ladder, runs, trials_for(self.effort, sum(size > 1 for size in menu.sizes)))
        trials = Trials(study, space, menu, base, Plan(name=name, sampler=self.sampler, ladder=ladder), tried)
        try:
            run_in_rounds(trials, count, rounds=2, renew=renew)
        except BudgetExhausted as error:
            study.log("share_ended", reason=str(error))
        return trials.leader()[1]

    def _apart(
        self, study: Study, space: ParameterSpace, shown: Candidate, both: Candidate, tried: list[Candidate]
    ) -> None:
        """Measure the instructions without the demos too, and say what each part is worth."""
        texts = {address: value for address, value in both.values.items() if not address.endswith(".demos")}
        alone = space.candidate(texts, parents=(both.id,), origin="auto instructions only")
        parts = {"start": space.default(), "demos only": shown, "instructions only": alone, "both": both}
        tried.append(alone)
        study.log("stage", name="parts")
        study.evaluate(list(dict.fromkeys(parts.values())), rungs(study, runs_left(study, space.default()))[-1])
        said = {part: study.table.mean(candidate, study.splits.select) for part, candidate in parts.items()}
        for part, mean in said.items():
            study.log("part", name=part, candidate=parts[part].id, score=mean.mean, n=mean.n)
        each = ", ".join(f"{part} {100 * mean.mean:.1f}" for part, mean in said.items())
        study.finding(f"what each part is worth, in points on the same select examples: {each}")

    # --- stage 3: races

    def _race(
        self, study: Study, space: ParameterSpace, bank: DemoBank, writing: Writing, tried: list[Candidate]
    ) -> None:
        """Race children of the best program so far; what the last comparison will take is left over."""
        start = space.default()
        runs = runs_left(study, start)
        share = 1 - FINALISTS / 2 * len(study.splits.select) / runs  # who has raced is half measured
        if share < 0.1:
            return
        racing = study.slice(share)
        race = Race(racing, bank, next(iter(_leaders(study, start, tried)), start))
        variations = Variations(racing, space, bank, writing, threshold=self.threshold, most=self.max_labeled)
        idle = 0
        with contextlib.suppress(BudgetExhausted):
            for _ in range(4 * BREADTH[self.effort]):
                evidence = race.evidence(race.incumbent) or writing.runs(race.incumbent, GATE)
                children = variations.children(race.incumbent, race.elites, evidence, CHILDREN)
                new = [child for child in children if child not in tried and child != start]
                tried += new
                winner = race.run(new) if new else None
                for child in new:
                    variations.credit(children[child], won=child == winner)
                idle = 0 if winner else idle + 1
                if idle == self._patience:
                    break

    @property
    def most_demos(self) -> int:
        """Demos in a prompt at most."""
        return max(self.max_bootstrapped, self.max_labeled)

    @property
    def _patience(self) -> int:
        return BREADTH[self.effort] if self.patience is None else self.patience

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """The runs for demos and failures, the proposals, the trials and the races."""
        n, most = BREADTH[self.effort], shape.feedback
        demos, texts = (trials_for(self.effort, shape.predictors * each) for each in (1, 2))
        runs = float(min(8 * n, most) + min(4 * n, most) + shape.select)
        runs += charged_share(shape, demos, 1 + n) * planned_runs(shape, demos)
        runs += charged_share(shape, texts, 2 * (1 + n)) * planned_runs(shape, texts)  # half of the demos, or all
        proposals = n + n // 2
        if not shape.cross_fitted:
            races = self._patience + n // 2  # about as many as it takes until nothing more is won
            changed = 1 - shape.independent * (1 - 1 / max(1, shape.predictors))  # a child differs in one step
            runs += changed * races * CHILDREN * (GATE + shape.select / 5)  # most are dropped at the gate or soon after
            proposals += races
        return {"task": round(shape.calls_per_run * runs), "proposer": 1 + shape.predictors * proposals}


def _leaders(study: Study, start: Candidate, tried: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that gain most so far, best first."""
    gains = {candidate: gain(study, candidate, start, study.splits.select) for candidate in tried}
    return sorted(gains, key=lambda candidate: -gains[candidate])[:FINALISTS]
