"""Learning which edges help, by sampling graphs: the loop that searches over context edges share.

In a round several graphs are sampled and measured on the same feedback examples; the policy then moves towards those
that did better than expected. What is expected is, by ours, the mean of the round's other graphs, which the difficulty
of the examples cancels from; by GPTSwarm's, a moving average over rounds.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from treadle.optimizers.edge_policy import Chosen, EdgePolicy

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study
    from treadle.optimizers.edges import Edges

Baseline: TypeAlias = Literal["round", "moving_average"]

_DECAY = 0.9  # of the moving average
_FRESH = 0.25  # share of the calls of sampled graphs that no other graph has made


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """How much is sampled, and how it is learned from.

    Attributes:
        rounds: Rounds.
        graphs: Graphs sampled in each.
        examples: Feedback examples they are measured on, the same for all graphs of a round.
        rate: Learning rate.
        baseline: What a graph is expected to score.
    """

    rounds: int
    graphs: int
    examples: int
    rate: float
    baseline: Baseline


class Learned:
    """What was learned of the edges so far.

    Attributes:
        policy: Their probabilities.
        rounds: Rounds it rests on.
    """

    def __init__(self, edges: Edges, rate: float, probability: float) -> None:
        self.policy = EdgePolicy(len(edges), rate=rate, probability=probability)
        self.rounds = 0
        self._with = [(0.0, 0)] * len(edges)  # sum of what graphs scored over their round's mean, and how many
        self._without = [(0.0, 0)] * len(edges)

    def effect(self, edge: int) -> float:
        """Mean score of sampled graphs with the edge, over that of those without it; 0 where it was never both."""
        (present, had), (absent, had_not) = self._with[edge], self._without[edge]
        return present / had - absent / had_not if had and had_not else 0.0

    def take(self, graphs: Sequence[Chosen], scores: Sequence[float], expected: Sequence[float]) -> None:
        """Learn from one round.

        Args:
            graphs: Sampled ones.
            scores: What they scored on the round's examples.
            expected: What was expected of each.
        """
        self.rounds += 1
        self.policy.learn(graphs, [score - mean for score, mean in zip(scores, expected, strict=True)])
        mean = math.fsum(scores) / len(scores) if scores else 0.0
        for chosen, score in zip(graphs, scores, strict=True):
            for edge, there in enumerate(chosen):
                side = self._with if there else self._without
                side[edge] = (side[edge][0] + score - mean, side[edge][1] + 1)


def learn(study: Study, edges: Edges, schedule: Schedule, learned: Learned) -> None:
    """Sample, measure and learn; ``learned`` holds what is known wherever the budget ends.

    Raises:
        BudgetExhausted: The budget ended.
    """
    average: float | None = None
    batches = _batches(study, schedule.examples)
    for number in range(1, schedule.rounds + 1):
        ids = next(batches)
        rng = study.rng("graphs", number)
        sampled = [learned.policy.sample(rng) for _ in range(schedule.graphs)]
        found = [(chosen, edges.candidate(chosen, f"round {number}")) for chosen in sampled]
        legal = [(chosen, candidate) for chosen, candidate in found if candidate is not None]
        scores = _scores(study, [candidate for _, candidate in legal], ids)
        if schedule.baseline == "round":
            expected = _of_the_others(scores)
        else:
            mean = math.fsum(scores) / max(1, len(scores))
            average = mean if average is None else average
            expected = [average] * len(scores)
            average = _DECAY * average + (1 - _DECAY) * mean
        learned.take([chosen for chosen, _ in legal], scores, expected)
        probable = zip(edges.addresses, learned.policy.probabilities, strict=True)
        study.log("edges", round=number, probabilities={address: round(p, 4) for address, p in probable})


def planned_calls(shape: Shape, schedule: Schedule, realised: int) -> int:
    """LM calls that learning, and measuring so many realised graphs, is expected to take.

    A step whose prompt is the same in two graphs is asked once. Where few graphs are possible they repeat.
    """
    possible: int = 2 ** min(30, shape.predictors * (shape.predictors - 1) // 2)
    sampled = min(schedule.rounds * schedule.graphs * min(schedule.examples, shape.feedback), possible * shape.feedback)
    return round(shape.calls_per_run * _FRESH * (sampled + realised * shape.select))


def _batches(study: Study, size: int) -> Iterator[list[str]]:
    """The round's examples, for ever: all feedback examples in a fresh order, again and again."""
    epoch, left = 0, list[str]()
    while True:
        if len(left) < size:
            epoch += 1
            fresh = list(study.splits.feedback)
            study.rng("examples", epoch).shuffle(fresh)
            left += [example for example in fresh if example not in left]
        batch, left = left[:size], left[size:]
        yield batch


def _scores(study: Study, candidates: Sequence[Candidate], ids: Sequence[str]) -> list[float]:
    study.evaluate(list(dict.fromkeys(candidates)), ids)
    return [study.table.mean(candidate, ids).mean for candidate in candidates]


def _of_the_others(scores: Sequence[float]) -> list[float]:
    """For each graph the mean score of the others of its round; its own where there is no other."""
    total, others = math.fsum(scores), len(scores) - 1
    return [(total - score) / others if others else score for score in scores]
