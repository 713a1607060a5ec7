"""GPTSwarm: learn who should read whom (Zhuge et al., arXiv 2402.16823, section 2.3).

Every context edge that is legal gets a logit. In each round graphs are sampled, every edge by itself, and measured; the
logits follow REINFORCE. In the end the edges that have become probable are realised, and the program that has them is
compared with the one that was given.

Where we depart, and why:

- edges lead from steps that run earlier to steps that run later in the program as it is written, so that every sample
  is acyclic; the paper allows any order and skips edges that would close a cycle;
- the graphs of a round are measured on the same examples, and each is expected to score what the others do: the
  difficulty of the examples cancels (``baseline="moving_average"`` is the paper's);
- an edge about which nothing was learned stays as it is in the program. The paper realises every edge above 0.5, which
  adds half of those that make no difference; that is the last of three thresholds here, and the examples choose;
- a step nobody reads any more is left out where its type allows it, so that it costs no call;
- learning uses feedback examples, the choice select examples, and the verdict others still.

The paper's second half, changing each node's prompt from remembered successes and failures, is left to the optimizers
of prompts: ``prompts`` takes one, which goes on from the graph that was found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, get_args

from treadle.compiler.errors import ConfigurationError
from treadle.optimizers.based import SpaceAt
from treadle.optimizers.edge_learning import Baseline, Learned, Schedule, learn, planned_calls
from treadle.optimizers.edges import Edges
from treadle.optimizers.rungs import best
from treadle.optimizers.settings import at_least, one_of
from treadle.optimizers.stopping import until_budget_ends

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Optimizer, Shape
    from treadle.compiler.study.study import Study
    from treadle.optimizers.edge_policy import Chosen


@dataclasses.dataclass(frozen=True, kw_only=True)
class GPTSwarm:
    """Search over context edges: who reads what earlier steps said.

    LM calls: ``rounds`` x ``graphs`` x ``examples`` runs at most, and one on each select example for every threshold.
    Steps whose prompts do not change between graphs are answered once, so it is less. Needs a program with a graph.

    Attributes:
        rounds: Rounds of sampling.
        graphs: Graphs sampled in a round.
        examples: Feedback examples they are all measured on.
        rate: Learning rate of the logits.
        probability: Of every edge at the start.
        baseline: What a graph is expected to score: ``"round"``, the mean of the round's others, or
            ``"moving_average"`` over rounds.
        thresholds: An edge at least this probable is realised, one at most 1 minus this is cut, and one between stays
            as it is; each gives one program to choose from. ``(0.5,)`` is the paper's rule.
        max_edges: Most context edges of the result; the most probable stay.
        prompts: An optimizer of prompts that goes on from the graph that was found; without it prompts stay.
    """

    name: ClassVar[str] = "gptswarm"
    rounds: int = 200
    graphs: int = 4
    examples: int = 4
    rate: float = 0.07
    probability: float = 0.5
    baseline: Baseline = "round"
    thresholds: tuple[float, ...] = (0.9, 0.7, 0.5)
    max_edges: int | None = None
    prompts: Optimizer | None = None

    def __post_init__(self) -> None:
        at_least(self, 1, "rounds", "graphs", "examples")
        at_least(self, 0, "max_edges")
        one_of(self, "baseline", get_args(Baseline))
        if self.rate <= 0 or not 0 < self.probability < 1:
            msg = f"GPTSwarm(rate={self.rate}, probability={self.probability}): rate is above 0, probability in between"
            raise ConfigurationError(msg)
        if not self.thresholds or not all(0.5 <= threshold < 1 for threshold in self.thresholds):
            msg = f"GPTSwarm(thresholds={self.thresholds}): give one or more from 0.5 to below 1"
            raise ConfigurationError(msg)
        if self.baseline == "round" and self.graphs < 2:
            msg = "GPTSwarm(graphs=1): with baseline='round' a graph is compared with others; sample two or more"
            raise ConfigurationError(msg)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best of the realised graphs, with better prompts where they are searched; or the program as it is."""
        start = space.default()
        found: list[Candidate] = []
        edges = Edges(study, space, self.name)
        with until_budget_ends(study):
            study.evaluate([start], study.splits.select)
            if len(edges):
                self._learn_edges(study, edges, found)
            else:
                study.finding("no context edge can be added or pruned: that takes two steps of a program with a graph")
            if self.prompts is not None:
                base = best(study, start, found)
                found.append(self.prompts.search(study.view("prompts"), SpaceAt(space, base, _prompts(space))))
        return best(study, start, [candidate for candidate in dict.fromkeys(found) if candidate != start])

    def _learn_edges(self, study: Study, edges: Edges, found: list[Candidate]) -> None:
        study.log("stage", name="edges")
        learned = Learned(edges, self.rate, self.probability)
        with until_budget_ends(study):
            learn(study, edges, self._schedule(), learned)
        self._say(study, edges, learned)
        study.log("stage", name="realised")
        for threshold in self.thresholds:
            chosen = self._realised(edges, learned, threshold)
            candidate = edges.realised(chosen, f"edges at {threshold:g}")
            if candidate is not None:
                study.evaluate([candidate], study.splits.select)
                found.append(candidate)

    def _schedule(self) -> Schedule:
        return Schedule(
            rounds=self.rounds, graphs=self.graphs, examples=self.examples, rate=self.rate, baseline=self.baseline
        )

    def _realised(self, edges: Edges, learned: Learned, threshold: float) -> Chosen:
        """What was learned, made definite; within ``max_edges`` the most probable edges."""
        probable = learned.policy.probabilities
        there = [n for n, now in enumerate(edges.start) if _is_there(probable[n], threshold, now=now)]
        kept = set(sorted(there, key=lambda number: -probable[number])[: self.max_edges])
        return tuple(number in kept for number in range(len(edges)))

    def _say(self, study: Study, edges: Edges, learned: Learned) -> None:
        """In the report, which edges mattered, and how much."""
        sure, undecided = max(self.thresholds), 0
        for number, probability in enumerate(learned.policy.probabilities):
            if 1 - sure < probability < sure:
                undecided += 1
                continue
            helps, effect = probability >= sure, learned.effect(number)
            study.finding(
                f"{edges.said(number)}: {'helps' if helps else 'harms'} (probability {probability:.2f}; sampled graphs "
                f"with it scored {100 * effect:+.1f} points)",
                edge=edges.addresses[number], probability=probability, effect=effect,
            )  # fmt: skip
        study.finding(
            f"{len(edges) - undecided} of {len(edges)} context edges were decided in {learned.rounds} rounds; about "
            f"the other {undecided} nothing was learned",
            edges=len(edges), undecided=undecided, rounds=learned.rounds,
        )  # fmt: skip

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """Sampled graphs, as far as their prompts differ, the realised ones, and what ``prompts`` plans."""
        calls = dict(self.prompts.plan(shape)) if self.prompts is not None else {}
        calls["task"] = calls.get("task", 0) + planned_calls(shape, self._schedule(), len(self.thresholds))
        return calls


def _is_there(probability: float, threshold: float, *, now: bool) -> bool:
    """Whether an edge is realised; one that was never learned of, or not enough, stays as it is."""
    learned = probability != 0.5 and not 1 - threshold < probability < threshold
    return probability >= threshold if learned else now


def _prompts(space: ParameterSpace) -> list[str]:
    return [address for address in space if space[address].kind in ("instruction", "demos")]
