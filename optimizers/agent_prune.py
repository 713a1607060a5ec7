"""AgentPrune: learn briefly what each context edge is worth, prune the least at once.

Zhang et al., arXiv 2410.02506, *Cut the Crap: An Economical Communication Pipeline for LLM-based Multi-Agent Systems*.
The edges the program has get a logit each; for a few rounds graphs are sampled with some of them and measured, and the
logits follow REINFORCE. Then the edges with the smallest logits go, in one cut, and what is left is frozen. The result
has to be no worse on examples that were not learned from, and to use fewer tokens.

Where we depart, and why:

- the paper cuts one share, which somebody has to know; here several shares of one ranking are measured side by side,
  and the one that saves most without a loss is taken;
- the edges of one run only. The paper also prunes edges between rounds of a dialogue; here a round of a debate is
  inside its module, and who reads whom there is the module's;
- no penalty on the rank of the matrix of edges: edges lead forward through a program, so that the matrix is no square
  of equal agents, and the released training script leaves it out, too;
- a step nobody reads any more is left out where its type allows it, so that it costs no call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from treadle.compiler.errors import ConfigurationError
from treadle.optimizers.edge_learning import Learned, Schedule, learn, planned_calls
from treadle.optimizers.edges import Edges
from treadle.optimizers.settings import at_least
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.thrift import Thrift

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study
    from treadle.optimizers.edge_policy import Chosen


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgentPrune:
    """Prune context edges that are not worth their tokens.

    LM calls: ``rounds`` x ``graphs`` x ``examples`` runs at most, less what is the same in several graphs, and one on
    each select example for every share. Needs a program with a graph that has context edges.

    Attributes:
        rounds: Rounds of sampling.
        graphs: Graphs sampled in a round.
        examples: Feedback examples they are all measured on.
        rate: Learning rate of the logits.
        shares: Shares of the edges to prune, each tried once.
        loss: Score that may be lost, in the metric's units.
        evidence: Probability that no more is lost, from which on a pruned program is taken.
    """

    name: ClassVar[str] = "agent_prune"
    rounds: int = 30
    graphs: int = 8
    examples: int = 8
    rate: float = 0.1
    shares: tuple[float, ...] = (0.2, 0.35, 0.5, 0.65, 0.8)
    loss: float = 0.02
    evidence: float = 0.9

    def __post_init__(self) -> None:
        at_least(self, 1, "rounds", "examples")
        at_least(self, 2, "graphs")
        if self.rate <= 0 or not self.shares or not all(0 < share <= 1 for share in self.shares):
            msg = f"AgentPrune(rate={self.rate}, shares={self.shares}): rate is above 0, shares above 0 and at most 1"
            raise ConfigurationError(msg)
        self._thrift()

    def _thrift(self) -> Thrift:
        return Thrift(loss=self.loss, evidence=self.evidence)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The pruned program that saves most and is no worse; or the program as it is."""
        start = space.default()
        pruned: dict[str, Candidate] = {}
        study.accept_loss(self.loss)
        edges = Edges(study, space, self.name, present=True)
        if not len(edges):
            study.finding("the program has no context edge that can be pruned")
            return start
        with until_budget_ends(study):
            study.evaluate([start], study.splits.select)
            study.log("stage", name="edges")
            learned = Learned(edges, self.rate, 0.5)
            with until_budget_ends(study):
                learn(study, edges, self._schedule(), learned)
            self._say_scores(study, edges, learned)
            study.log("stage", name="pruned")
            pruned = self._pruned(edges, learned)
            study.evaluate(list(pruned.values()), study.splits.select)
        return self._chosen(study, start, pruned)

    def _schedule(self) -> Schedule:
        return Schedule(
            rounds=self.rounds, graphs=self.graphs, examples=self.examples, rate=self.rate, baseline="round"
        )

    def _pruned(self, edges: Edges, learned: Learned) -> dict[str, Candidate]:
        """One candidate a share, by what it leaves out; shares that come to the same edges are one."""
        ranked = sorted(range(len(edges)), key=lambda number: learned.policy.probabilities[number])
        found: dict[str, Candidate] = {}
        for share in sorted(self.shares):
            gone = set(ranked[: max(1, round(share * len(edges)))])
            chosen: Chosen = tuple(number not in gone for number in range(len(edges)))
            candidate = edges.realised(chosen, f"{len(gone)} pruned")
            if candidate is not None:
                found.setdefault(f"{len(gone)} of {len(edges)} context edges pruned", candidate)
        return found

    def _chosen(self, study: Study, start: Candidate, pruned: Mapping[str, Candidate]) -> Candidate:
        thrift = self._thrift()
        winner = thrift.cheapest(study, start, list(pruned.values()))
        for what, candidate in pruned.items():
            if study.table.covers(candidate, study.splits.select):
                saving = thrift.saving(study, start, candidate)
                study.finding(f"{what}: {saving}{', kept' if candidate == winner else ''}", saved=saving.saved)
        return winner

    def _say_scores(self, study: Study, edges: Edges, learned: Learned) -> None:
        """In the report, what each edge was found to be worth, the least first."""
        probable = learned.policy.probabilities
        for number in sorted(range(len(edges)), key=lambda number: probable[number]):
            effect = learned.effect(number)
            study.finding(
                f"{edges.said(number)}: score {probable[number]:.2f}; sampled graphs with it scored "
                f"{100 * effect:+.1f} points",
                edge=edges.addresses[number], probability=probable[number], effect=effect,
            )  # fmt: skip

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """Sampled graphs, as far as their prompts differ, and the pruned ones."""
        return {"task": planned_calls(shape, self._schedule(), len(self.shares))}
