"""A distribution over graphs: for every edge the probability that it is there, moved towards graphs that score well.

Zhuge et al., arXiv 2402.16823, section 2.3: an edge is a Bernoulli variable with a logit of its own, and the logits
follow the score-function gradient of the expected score (REINFORCE, Williams 1992) under Adam (Kingma and Ba 2015).
That gradient needs no tensor library: the derivative of the log-probability of an edge by its logit is whether the edge
was there, minus how probable it was.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy

Chosen: TypeAlias = tuple[bool, ...]
"""For each edge, in order, whether it is there."""

_MEAN, _SQUARE, _LEAST = 0.9, 0.999, 1e-8  # Adam's decay rates and its guard against division by nothing


class EdgePolicy:
    """Probabilities of edges, and how they learn.

    Args:
        edges: Number of edges.
        rate: Adam's learning rate: about how far a logit moves in a round.
        probability: Of every edge at the start.
    """

    def __init__(self, edges: int, *, rate: float, probability: float = 0.5) -> None:
        import numpy

        self._numpy = numpy
        self._rate = rate
        self._logits = numpy.full(edges, numpy.log(probability / (1 - probability)))
        self._mean = numpy.zeros(edges)
        self._square = numpy.zeros(edges)
        self._steps = 0

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Of each edge, in order."""
        return tuple(float(p) for p in self._probabilities())

    def _probabilities(self) -> numpy.ndarray[Any, Any]:
        return 1 / (1 + self._numpy.exp(-self._logits))  # type: ignore[no-any-return]  # numpy's exp is Any

    def sample(self, rng: random.Random) -> Chosen:
        """One graph: every edge is there with its probability, by itself."""
        return tuple(rng.random() < probability for probability in self.probabilities)

    def learn(self, graphs: Sequence[Chosen], advantages: Sequence[float]) -> None:
        """Make graphs that did better than expected more probable, and others less.

        Args:
            graphs: Sampled ones.
            advantages: By how much each scored more than was expected of it.
        """
        if not graphs:
            return
        numpy = self._numpy
        there = numpy.asarray(graphs, dtype=float) - self._probabilities()
        gradient = numpy.asarray(advantages) @ there / len(graphs)
        self._steps += 1
        self._mean = _MEAN * self._mean + (1 - _MEAN) * gradient
        self._square = _SQUARE * self._square + (1 - _SQUARE) * gradient**2
        mean = self._mean / (1 - _MEAN**self._steps)
        square = self._square / (1 - _SQUARE**self._steps)
        self._logits = self._logits + self._rate * mean / (numpy.sqrt(square) + _LEAST)
