"""MIPRO: instructions and demos searched together.

Opsahl-Ong et al. 2024, "Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs", sections 4
and 5, as shipped in DSPy's MIPROv2:

1. Bootstrap demo sets for every predictor.
2. Propose instructions for every predictor, grounded in data and program.
3. Search over (instruction, demo set) per predictor with a model of what has been measured.

Where we depart, and why:

- candidate 0 is the program as it is: it needs no proposal, and its scores are known before the search begins;
- all candidates are measured on the same examples, in pairs with the start, instead of on minibatches drawn anew, whose
  differences drown the candidates'; under 100 examples on all of them, from 100 on by halving on shared rungs;
- the model is by default one of main effects, from which Thompson sampling draws, instead of a tree-structured Parzen
  estimator: as good or better in the worlds, and much cheaper with many parameters (``docs/methods/mipro.md``);
- the first quarter of the trials is random but balanced over the options, instead of eight to ten draws whatever the
  number of trials; a menu no larger than the trials is tried out whole;
- a combination is never measured twice: where the model repeats itself the combination is deepened if it has been
  measured in part, else one near it takes its place;
- two batches are under way at any time and are told in the order they were asked in, so that a slow call does not
  idle the rest and the result does not depend on which call is slow.
- half way, instructions are proposed again from what the best program gets wrong on feedback examples, in the ways that
  have made good instructions before (the paper's MIPRO++, which MIPROv2 lacks).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, get_args

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError
from treadle.optimizers.bootstrapping import bootstrapped_bank
from treadle.optimizers.demo_bank import DemoBank, labelled_bank, searched
from treadle.optimizers.demo_sets import DemoSets
from treadle.optimizers.effort import BREADTH, ROUNDS, Effort, trials_for
from treadle.optimizers.menu import Combination, Menu, model_choices
from treadle.optimizers.objectives import Objectives
from treadle.optimizers.proposals import instructions
from treadle.optimizers.rungs import affordable, best, charged_share, planned_runs, rungs, runs_left
from treadle.optimizers.sampling import SamplerName
from treadle.optimizers.settings import at_least, one_of
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.trials import Plan, Trials, run_in_rounds
from treadle.optimizers.writing import Writing

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class MIPRO:
    """Search instructions and demo sets of all predictors together, and their models where there is a choice.

    With P predictors and V = 2 P parameters (P without demos, P more with models) the efforts mean:

    ========  ======  =============  =============  =====================  ======  =================================
    effort    n       demo sets      proposals      feedback examples      rounds  trials: 1, 2, 4 times
                      a predictor    a predictor    that are run                   max(2 V log2(n), 1.5 n)
    ========  ======  =============  =============  =====================  ======  =================================
    light     6       12, then 3     6, then 3      48, then 24            2       10, 20, 31 for P = 1, 2, 3
    medium    12      24, then 6     12, then 6     96, then 48            3       36, 56, 86
    heavy     18      36, then 9     18, then 9     144, then 72           5       108, 132, 200
    ========  ======  =============  =============  =====================  ======  =================================

    "Then" is what each further round adds. The options of a predictor are these and its original, which is one of the
    demo sets; a set costs no call. LM calls: a run on each of the feedback examples, one for the summary of the data,
    one a proposal, and every trial on the select examples; about half of the last from 100 examples on. Where the
    budget does not reach for all that, there are fewer trials on fewer examples.

    Attributes:
        effort: How much to try; the numbers below overrule it one by one.
        max_bootstrapped: Most bootstrapped demos in a set; 0 with ``max_labeled=0`` searches instructions only.
        max_labeled: Labelled demos fill a set up to this many.
        demo_tokens: Most tokens a predictor's demos may take, at four bytes a token; ``None`` for no bound.
        demo_sets: Demo sets a predictor has to choose from, the original among them.
        proposals: New instructions a predictor gets before the first trial; half as many at each later round.
        trials: Combinations to measure beside the program as it is.
        rounds: How often instructions are proposed: once, and then from the failures of the best program so far.
        learn_proposer: Whether proposals differ in what the proposer is shown, and later rounds ask in the ways that
            worked; otherwise they differ in the tip only.
        sampler: What asks for combinations: ``"thompson"`` (main effects), ``"tpe"`` or ``"random"``. By default the
            first, and the second where there are ``objectives``.
        objectives: Further objectives the sampler follows beside the score: ``"cost"``, ``"tokens"``, ``"calls"`` of a
            run (less is better) or names of the metric's ``Score.objectives``. Of candidates as good as the best, by
            one standard error, the one that is best by the first objective is returned. Only TPE follows them.
        warm_start: Values of candidates of an earlier search, such as ``(earlier.winner.candidate.values,)``: they join
            the options, and are measured first.
        threshold: Lowest score at which a run's steps become demos; a metric that returns a bool passes with true.
    """

    name: ClassVar[str] = "mipro"
    effort: Effort = "light"
    max_bootstrapped: int = 4
    max_labeled: int = 16
    demo_tokens: int | None = None
    demo_sets: int | None = None
    proposals: int | None = None
    trials: int | None = None
    rounds: int | None = None
    learn_proposer: bool = True
    sampler: SamplerName | None = None
    objectives: tuple[str, ...] = ()
    warm_start: tuple[Mapping[str, JSON], ...] = ()
    threshold: float = 1.0

    def __post_init__(self) -> None:
        at_least(self, 0, "max_bootstrapped", "max_labeled", "proposals", "demo_tokens")
        at_least(self, 1, "demo_sets", "trials", "rounds")
        one_of(self, "effort", get_args(Effort))
        if self.sampler is not None:
            one_of(self, "sampler", get_args(SamplerName))
        if self.objectives and self._sampler != "tpe":
            msg = (
                f"MIPRO(sampler={self.sampler!r}, objectives={self.objectives}): only 'tpe' follows several objectives"
            )
            raise ConfigurationError(msg)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best combination found, or the program as it is."""
        start = space.default()
        tried: list[Candidate] = []
        with until_budget_ends(study):
            study.evaluate([start], rungs(study)[0])
            bank = self._bank(study, space, start)
            sets = DemoSets(
                bank=bank, max_bootstrapped=self.max_bootstrapped, max_labeled=self.max_labeled, tokens=self.demo_tokens
            )
            writing = Writing(
                study, space, bank, threshold=self.threshold, learn=self.learn_proposer and self._rounds > 1
            )
            study.log("stage", name="instructions")
            writing.first(start, self._proposals)
            study.log("stage", name="trials")
            self._estimate(study, space, sets, writing, tried)
        winner = best(study, start, tried)
        return self._preferred(study, start, winner, tried) if self.objectives else winner

    # --- step 1: demos

    def _bank(self, study: Study, space: ParameterSpace, start: Candidate) -> DemoBank:
        """The demos; without runs where none are to be shown and labels give the proposer examples of every step."""
        if self._zero_shot:
            bank = labelled_bank(study, space)
            if all(bank.labelled.values()):
                return bank
        most = runs_left(study, start) / 6  # the choice is worth more than further demos
        return bootstrapped_bank(
            study,
            space,
            rows=int(min(8 * BREADTH[self.effort], max(8, most))),
            threshold=self.threshold,
            wanted=max(1, self.max_bootstrapped),
            shots=self.max_labeled or 4,
        )

    # --- step 2: what each parameter may be

    def _menu(self, study: Study, space: ParameterSpace, sets: DemoSets, writing: Writing) -> Menu:
        options: dict[str, list[JSON]] = {p.address: [p.default] for p in instructions(space)}
        if not self._zero_shot:
            count = self._sets - 1
            for name in searched(space):
                options[f"{name}.demos"] = [space[f"{name}.demos"].default, *sets.first(study, name, count)]
        options.update(model_choices(space))
        menu = Menu(options={address: (values[0],) for address, values in sorted(options.items())})
        menu = menu.extended(options).extended(writing.texts)
        for values in self.warm_start:
            menu = menu.extended({address: [value] for address, value in values.items()})
        study.log("menu", options=dict(zip(menu.options, menu.sizes, strict=True)))
        return menu

    # --- step 3: trials

    def _estimate(
        self, study: Study, space: ParameterSpace, sets: DemoSets, writing: Writing, tried: list[Candidate]
    ) -> None:
        start, menu = space.default(), self._menu(study, space, sets, writing)
        runs = runs_left(study, start)
        ladder = rungs(study, runs)
        count = affordable(ladder, runs, self._trials(sum(size > 1 for size in menu.sizes)))
        plan = Plan(name="mipro", sampler=self._sampler, ladder=ladder, objectives=self.objectives)

        def renew(trials: Trials) -> list[Combination]:
            combination, leader = trials.leader()
            study.log("stage", name="failures")
            outcomes = writing.runs(leader, 4 * BREADTH[self.effort])
            texts = writing.again(trials, outcomes, self._again)
            near = {} if self._zero_shot else sets.near(study, space, leader, outcomes, self._again)
            study.log("stage", name="trials")
            trials.menu = trials.menu.extended({**texts, **near})
            pairs = itertools.zip_longest(*(trials.menu.with_each(combination, new) for new in (texts, near)))
            return [new for pair in pairs for new in pair if new is not None]

        run_in_rounds(
            Trials(study, space, menu, start, plan, tried), count, rounds=self._rounds, renew=renew,
            first=[menu.nearest(values) for values in self.warm_start],
        )  # fmt: skip

    def _preferred(self, study: Study, start: Candidate, winner: Candidate, tried: list[Candidate]) -> Candidate:
        ids = study.splits.select
        known = [candidate for candidate in (start, *tried) if study.table.covers(candidate, ids)]
        weighed = Objectives(study, start, self.objectives)
        front = weighed.front(known, ids)
        study.log("front", candidates=[c.id for c in front], gains=[list(weighed.gains(c, ids)) for c in front])
        return weighed.prefer(winner, known, ids) if winner in known else winner

    # --- numbers

    @property
    def most_demos(self) -> int:
        """Demos in a prompt at most."""
        return max(self.max_bootstrapped, self.max_labeled)

    @property
    def _sampler(self) -> SamplerName:
        return self.sampler or ("tpe" if self.objectives else "thompson")

    @property
    def _zero_shot(self) -> bool:
        return self.max_bootstrapped == self.max_labeled == 0

    @property
    def _sets(self) -> int:
        """Twice as many as proposals: a set costs no call."""
        return self.demo_sets or 2 * BREADTH[self.effort]

    @property
    def _proposals(self) -> int:
        return BREADTH[self.effort] if self.proposals is None else self.proposals

    @property
    def _again(self) -> int:
        """New options of each address at a round's end."""
        return max(1, BREADTH[self.effort] // 2)

    @property
    def _rounds(self) -> int:
        return ROUNDS[self.effort] if self.rounds is None else self.rounds

    def _trials(self, parameters: int) -> int:
        return trials_for(self.effort, parameters) if self.trials is None else self.trials

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """The runs for demos and failures, the proposals, and the trials."""
        trials = self._trials(shape.predictors * (1 if self._zero_shot else 2))
        n, again = BREADTH[self.effort], self._rounds - 1
        sets = 1 if self._zero_shot else self._sets
        share = charged_share(shape, trials, (1 + self._proposals) * sets)
        runs = min(8 * n, shape.feedback) + again * min(4 * n, shape.feedback) + share * planned_runs(shape, trials)
        proposals = self._proposals + again * self._again
        return {"task": round(shape.calls_per_run * runs), "proposer": 1 + shape.predictors * proposals}
