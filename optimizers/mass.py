"""MASS: prompts and topology of a program searched in stages (Zhou et al., arXiv 2502.02533, section 3).

1. *Prompts*: each predictor's prompts alone, by any other optimizer.
2. *Blocks*: each block in its smallest form on each step, and its influence over the plain step.
3. *Topology*: configurations of blocks drawn by influence, within ``max_agents`` and ``max_lm_calls``, and raced on
   shared examples.
4. *Joint prompts*: the winner's prompts together, by the same optimizer.

Where we depart, and why:

- blocks are kept by our normalised rule, not by a share of a softmax (``influence.py``); the paper's is a setting;
- before anything is drawn, all blocks of an influence above 1 are tried together, and each alone;
- what comes to the same program is tried once: a duplicate costs nothing and does not count as one of ``topologies``;
- candidates are compared in pairs on shared examples and dropped early; the paper's three runs are kept for the
  topology that is chosen, on the examples that decide;
- each stage has to do better than the one before on examples it was not chosen by, or it is rolled back; a topology,
  which costs calls in every run from then on, has to do so with the probability ``evidence``;
- a block is measured with the prompts its helpers come with; they are searched once, in the last stage, for the blocks
  that are used;
- agents and LM calls are bounded apart: the paper counts agents and means both;
- the report has three programs beside the winner: the one that was given, prompts only, and self-consistency at the
  winner's tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, get_args

from treadle.compiler.artifact.diff import in_words
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, SignatureError
from treadle.compiler.graph.bind import answers_step
from treadle.compiler.graph.nodes import LM
from treadle.compiler.hints import from_string
from treadle.compiler.module import Module, module_of
from treadle.optimizers.based import SpaceAt, widened
from treadle.optimizers.blocks import (
    BLOCKS,
    Block,
    Configuration,
    calls_of,
    composed,
    configurations,
    fits,
    none_of,
)
from treadle.optimizers.influence import Activation, Influence, drawn, helpful, keep_probabilities
from treadle.optimizers.rungs import best, halve, planned_runs
from treadle.optimizers.settings import at_least, one_of
from treadle.optimizers.stages import HELD, Stages
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.topologies import Topologies
from treadle.optimizers.voting import self_consistency

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Optimizer, Shape
    from treadle.compiler.study.study import Study

Stage: TypeAlias = Literal["prompts", "blocks", "topology", "joint"]

_USUAL = from_string("text -> label: Literal['a', 'b']", name="usual")  # a step, for estimates
_SHARE = 0.85  # of the budget for the stages: the verdict on a winner costs as many calls a run as the winner makes
_TRIES = 100  # draws for one topology: of a program of several steps most cost too much


@dataclasses.dataclass(frozen=True, kw_only=True)
class MASS:
    """Search prompts and topology together, in stages.

    LM calls: those of ``prompts`` for each predictor and for all together; each block that can serve each step on the
    select examples; ``topologies`` candidates raced on them; a third of the select examples for each decision. Runs of
    blocks and topologies make several calls a step.

    Attributes:
        prompts: The optimizer of prompts; by default, where it is chosen by name, ``"mipro"``.
        blocks: Ways of answering to put together, from the inside out; those that cannot serve a step are left out.
        topologies: Different topologies to try, beside the blocks alone.
        max_agents: Most the numbers of one step's configuration may add up to.
        max_lm_calls: Most LM calls of one run of the program; ``None`` for no bound.
        activation: ``"normalised"``, or ``"paper"`` for the paper's rule read literally.
        sharpness: The paper's t: the smaller, the more a larger influence counts.
        evidence: Probability of being better, on held-out examples, from which on a topology is kept. At 0.8 it is
            *probably better*, as in a verdict; more would roll back most gains of a few points on a hundred examples.
        repeats: Runs of each of these examples, before and after: at a temperature above 0 one run says little.
        without: Stages to leave out, to see what they are for.
    """

    name: ClassVar[str] = "mass"
    prompts: Optimizer
    blocks: tuple[Block, ...] = BLOCKS
    topologies: int = 10
    max_agents: int = 10
    max_lm_calls: int | None = 30
    activation: Activation = "normalised"
    sharpness: float = 0.05
    evidence: float = 0.8
    repeats: int = 3
    without: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        at_least(self, 0, "topologies", "evidence")
        at_least(self, 1, "max_agents", "max_lm_calls", "repeats")
        if self.sharpness <= 0:
            msg = f"MASS(sharpness={self.sharpness}): sharpness takes a number above 0"
            raise ConfigurationError(msg)
        one_of(self, "activation", get_args(Activation))
        unknown = [stage for stage in self.without if stage not in get_args(Stage)]
        if unknown:
            msg = f"MASS(without={self.without!r}): without takes stages of {', '.join(get_args(Stage))}"
            raise ConfigurationError(msg)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best program the stages led to, or the program as it is."""
        start = space.default()
        search = _Search(self, study.slice(_SHARE), space)
        with until_budget_ends(study):
            study.evaluate([start], study.splits.select)
            for stage in (search.prompts, search.topology, search.joint):
                stage()
        with until_budget_ends(study):
            study.evaluate([start, search.current], study.splits.select)
        search.name_baselines()
        return search.current

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """What the stages take, blocks and topologies at the mean of the calls they can make."""
        held = 0 if shape.cross_fitted else shape.select // HELD
        choosing = dataclasses.replace(shape, select=shape.select - held)
        topology = shape.calls_per_run * self._usual_calls(configurations(self.blocks, self.max_agents))
        judged, again = (shape.select, self.repeats - 1) if shape.cross_fitted else (held, self.repeats)
        calls: dict[str, float] = {"task": 2 * held * shape.calls_per_run + again * judged * topology}
        for stage, predictors, times in (("prompts", 1, shape.predictors), ("joint", shape.predictors, 1)):
            if stage not in self.without:
                for role, count in self.prompts.plan(dataclasses.replace(choosing, predictors=predictors)).items():
                    calls[role] = calls.get(role, 0) + times * count
        step = shape.calls_per_run / max(1, shape.predictors)
        if "blocks" not in self.without:
            run = shape.calls_per_run + (self._usual_calls(block.smallest for block in self.blocks) - 1) * step
            calls["task"] += shape.predictors * len(self.blocks) * choosing.select * run
        if "topology" not in self.without:
            calls["task"] += planned_runs(choosing, self.topologies) * topology
        return {role: round(count) for role, count in calls.items()}

    def _usual_calls(self, several: Iterable[Configuration]) -> float:
        """Mean LM calls of a step that takes one call when it is plain, over configurations that are allowed."""
        counts = [calls_of(self.blocks, numbers, _USUAL) for numbers in several]
        allowed = [count for count in counts if count is not None and count <= (self.max_lm_calls or count)]
        return sum(allowed) / len(allowed) if allowed else 1.0


class _Search:
    """One search: what there is so far, and the stages that change it."""

    def __init__(self, settings: MASS, study: Study, space: ParameterSpace) -> None:
        self.settings = settings
        self.study = study
        self.current = self.start = space.default()
        self._tuned = self.start  # the best prompts without a block, for the report
        self._stages = Stages(study)
        self._servable = {name: self._serving(name) for name in study.program.predictors}
        self._influences: dict[str, dict[str, Influence]] = {}
        self._space = widened(study, space, {name: self._smallest(name) for name in self._servable})
        self._topologies = Topologies(study, self._space, max_lm_calls=settings.max_lm_calls)

    # --- stages 1 and 4: prompts -------------------------------------------------------------------------------------

    def prompts(self) -> None:
        """Each predictor's prompts alone; what it finds stands while the next one is searched."""
        if "prompts" in self.settings.without:
            return
        for name in self._servable:
            self._prompts(f"prompts of {name}", [name])
            self._tuned = self.current

    def joint(self) -> None:
        """All prompts together, of what the stages before led to."""
        if "joint" not in self.settings.without:
            self._prompts("joint prompts", list(self._servable))

    def _prompts(self, stage: str, predictors: Sequence[str]) -> None:
        self.study.log("stage", name=stage)
        choosing = self._stages.choosing.view(stage)
        before, known = self.current, set(self.study.table.candidates)
        modules = {name: module_of(name, self.study.program.predictors[name], before.values) for name in predictors}
        space = widened(self.study, self._space, {name: [module] for name, module in modules.items()})
        addresses = [address for name in predictors for address in self._prompts_of(name, modules[name])]
        found = self.settings.prompts.search(choosing, SpaceAt(space, before, addresses))
        tried = [candidate for candidate in self.study.table.candidates if candidate not in known]
        self._take(stage, found, tried, evidence=0.5)

    def _prompts_of(self, name: str, module: Module) -> list[str]:
        """Addresses of a step's own prompt and of its module's helpers: critics, judges, summarisers."""
        signature = self.study.program.predictors[name].signature
        calls = [node for _, node in module.build(signature).walk() if isinstance(node, LM)]
        helpers = dict.fromkeys(f"{name}/{call.address}" for call in calls if not answers_step(call))
        return [f"{at}.{field}" for at in (name, *helpers) for field in ("instruction", "demos")]

    def _take(
        self, stage: str, found: Candidate, tried: Sequence[Candidate], *, evidence: float, repeats: int = 1
    ) -> None:
        decision = self._stages.decide(stage, self.current, found, tried, evidence=evidence, repeats=repeats)
        if decision.kept:
            self.current = found

    # --- stage 2: blocks ---------------------------------------------------------------------------------------------

    def _serving(self, name: str) -> tuple[Block, ...]:
        """The blocks that can serve a step."""
        return tuple(block for block in self.settings.blocks if self._module(name, block.smallest) is not None)

    def _smallest(self, name: str) -> list[Module]:
        modules = [self._module(name, block.smallest) for block in self._servable[name]]
        return [module for module in modules if module is not None]

    def _module(self, name: str, numbers: Configuration) -> Module | None:
        predictor = self.study.program.predictors[name]
        base = module_of(name, predictor, {})
        try:
            return composed(self.settings.blocks, base, numbers, predictor.signature)
        except SignatureError:
            return None

    def _with(self, configurations: Mapping[str, Configuration], origin: str) -> Candidate | None:
        """What there is, its steps answered by these configurations."""
        values: dict[str, JSON] = dict(self.current.values)
        for name, numbers in configurations.items():
            module = self._module(name, numbers)
            if module is None or not fits(numbers, self.settings.max_agents):
                return None
            values[f"{name}.module"] = module.to_json()
        return self._topologies.candidate(values, parents=(self.current.id,), origin=origin)

    def _measure_blocks(self) -> list[Candidate]:
        """The influence of every block on every step, and the candidates that showed it."""
        study, plain = self._stages.choosing, self.current
        self._topologies.candidate(plain.values, parents=(), origin="mass plain")
        asked = [(name, block) for name, blocks in self._servable.items() for block in blocks]
        made = [(name, block, self._with({name: block.smallest}, _origin(name, block))) for name, block in asked]
        candidates = [candidate for _, _, candidate in made if candidate is not None]
        study.evaluate([plain, *candidates], study.splits.select)
        for name, block, candidate in made:
            if candidate is not None:
                self._influences.setdefault(name, {})[block.name] = self._influence(name, block, candidate)
            else:
                self.study.finding(f"{block.name} on {name}: not tried; {self._why_not(name, block)}")
        return candidates

    def _why_not(self, name: str, block: Block) -> str:
        refused = dict(self._topologies.refused)
        return refused.get(_origin(name, block), f"max_agents={self.settings.max_agents} does not reach for it")

    def _influence(self, name: str, block: Block, candidate: Candidate) -> Influence:
        table, ids = self.study.table, self._stages.choosing.splits.select
        paired = table.paired(candidate, self.current, ids)
        plain = table.mean(self.current, ids).mean
        failed = [outcome.failure for outcome in table.outcomes(candidate, ids) if outcome.failure]
        found = Influence(
            plain=plain, gain=paired.mean, error=paired.error, n=len(paired.differences), works=len(failed) < len(ids)
        )
        why = f"; {len(failed)} runs failed, the first with {failed[0][:120]}" if failed else ""
        self.study.finding(
            f"{block.name} on {name}: influence {found.ratio:.2f} ({100 * found.gain:+.1f} ± {100 * found.error:.1f} "
            f"points, {self._topologies.lm_calls(candidate)} LM calls a run at most){why}",
            predictor=name, block=block.name, influence=found.ratio, gain=found.gain, error=found.error,
        )  # fmt: skip
        return found

    # --- stage 3: topology -------------------------------------------------------------------------------------------

    def topology(self) -> None:
        """Blocks by themselves, then put together."""
        tried: list[Candidate] = []
        if "blocks" not in self.settings.without:
            self.study.log("stage", name="blocks")
            tried += self._measure_blocks()
        if "topology" not in self.settings.without:
            self.study.log("stage", name="topology")
            tried += self._draw()
        if tried:
            halve(self._stages.choosing, tried)
            tried.sort(key=lambda candidate: self._topologies.lm_calls(candidate) or 0)  # of equal ones the cheapest
            found = best(self._stages.choosing, self.current, tried)
            self._say_what_is_best(found)
            self._take("topology", found, tried, evidence=self.settings.evidence, repeats=self.settings.repeats)

    def _say_what_is_best(self, found: Candidate) -> None:
        answered = [
            f"{name} by {in_words(module_of(name, predictor, found.values))}"
            for name, predictor in self.study.program.predictors.items()
            if f"{name}.module" in found.values
        ]
        self.study.finding(f"best on the examples that choose: {', '.join(answered) or 'no block'}")

    def _draw(self) -> list[Candidate]:
        """Different topologies: all helpful blocks together, then by chance."""
        found: list[Candidate] = []
        first = self._helpful() if self.settings.activation == "normalised" else {}
        for number in range(_TRIES * self.settings.topologies):
            if len(found) == self.settings.topologies:
                break
            chosen = first if first and not number else self._chosen(number)
            candidate = None if chosen is None else self._with(chosen, f"mass topology {number + 1}")
            if candidate is not None:
                found.append(candidate)
        self.study.finding(
            f"topologies: {len(found)} different tried, {self._topologies.duplicates} duplicates and "
            f"{len(self._topologies.refused)} that cost too much left out",
            tried=len(found), duplicates=self._topologies.duplicates, refused=len(self._topologies.refused),
        )  # fmt: skip
        return found

    def _helpful(self) -> dict[str, Configuration]:
        """All blocks that help, on every step."""
        found = {name: helpful(blocks, self._influences.get(name, {})) for name, blocks in self._servable.items()}
        return {name: numbers for name, numbers in found.items() if numbers != none_of(self._servable[name])}

    def _chosen(self, number: int) -> dict[str, Configuration] | None:
        settings = self.settings
        found: dict[str, Configuration] = {}
        for name, blocks in self._servable.items():
            known = self._influences.get(name, {})
            keep = keep_probabilities(known, activation=settings.activation, sharpness=settings.sharpness)
            if "blocks" in settings.without:
                keep = {block.name: 0.5 for block in blocks}
            rng = self.study.rng("topology", name, number)
            numbers = drawn(blocks, keep, rng, max_agents=settings.max_agents, activation=settings.activation)
            if numbers is None:
                return None
            found[name] = numbers
        return found

    # --- the report --------------------------------------------------------------------------------------------------

    def name_baselines(self) -> None:
        """Prompts only, and self-consistency at the winner's tokens, for the report."""
        baselines = self.study.findings.baselines
        baselines["prompts only"] = self._tuned
        changed = [name for name in self._servable if f"{name}.module" in self.current.values]
        name, found = self_consistency(self.study, self._space, self._tuned, self.current, changed)
        baselines[name] = found


def _origin(name: str, block: Block) -> str:
    return f"mass {block.name} on {name}"
