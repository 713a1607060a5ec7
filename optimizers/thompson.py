"""Thompson sampling on main effects: each option of each address adds its own amount, and the amounts add up.

A Bayesian linear model (Thompson 1933; Russo et al. 2018, "A Tutorial on Thompson Sampling", section 4): an option's
effect is normal around 0, the original's is 0, and an observation is the sum of its options' effects with its own
standard error and a share for what does not add up. A suggestion is the best combination of one draw from the
posterior, so options that have been seen little are tried as often as they may be the best.

Draws are made by conditioning (Matheron's rule), so the cost grows with the number of observations, hardly with that of
options: 200 addresses of 18 options take a few milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treadle.optimizers.menu import Combination, Menu
    from treadle.optimizers.sampling import Observation

_LEAST_SPREAD = 0.02
"""Smallest standard deviation assumed of a combination's value, in score units."""

_INTERACTION = 0.25
"""Share of the variance between combinations that is taken not to add up."""


class MainEffects:
    """A model of what each option adds, and what it suggests next."""

    def __init__(self, menu: Menu, observed: Sequence[Observation]) -> None:
        """Build the model.

        Args:
            menu: What can be combined.
            observed: What is known. Combinations still being measured count for nothing: a draw differs anyway.
        """
        self._sizes = menu.sizes
        self._observed = [observation for observation in observed if observation.value is not None]

    def tell(self, observation: Observation) -> None:
        """Add an observation."""
        if observation.value is not None:
            self._observed.append(observation)

    def suggest(self, seed: int) -> Combination:
        """The best combination of one draw of all effects; the earlier option where two are equal."""
        import numpy

        rng = numpy.random.default_rng(seed)
        prior = self._prior(rng)
        drawn = [effects + update for effects, update in zip(prior, self._update(prior, rng), strict=True)]
        return tuple(int(effects.argmax()) for effects in drawn)

    def effects(self) -> list[list[tuple[float, float]]]:
        """Posterior mean and standard deviation of what each option adds, by address."""
        import numpy

        means = self._update([numpy.zeros(size) for size in self._sizes], None)
        solved = numpy.linalg.inv(self._covariance()) if self._observed else None
        return [
            [(float(mean[option]), self._deviation(address, option, solved)) for option in range(size)]
            for address, (size, mean) in enumerate(zip(self._sizes, means, strict=True))
        ]

    # --- the linear model ------------------------------------------------------------------------------------------

    @property
    def _variance(self) -> float:
        """Of one option's effect: what combinations differ by, shared out over the addresses."""
        values = [o.value for o in self._observed if o.value is not None and any(o.combination)]
        spread = math.fsum(value * value for value in values) / len(values) if values else 0.0
        return max(spread, _LEAST_SPREAD**2) / max(1, sum(size > 1 for size in self._sizes))

    def _prior(self, rng: Any) -> list[Any]:
        prior = [rng.normal(0.0, math.sqrt(self._variance), size) for size in self._sizes]
        for effects in prior:
            effects[0] = 0.0
        return prior

    def _update(self, prior: Sequence[Any], rng: Any) -> list[Any]:
        """What conditioning on the observations adds to a draw of the effects; without ``rng`` to their mean."""
        import numpy

        changes = [numpy.zeros(size) for size in self._sizes]
        if not self._observed:
            return changes
        noise = numpy.sqrt(self._noise())
        said = [
            sum(float(prior[a][option]) for a, option in enumerate(o.combination)) + (rng.normal(0.0, s) if rng else 0)
            for o, s in zip(self._observed, noise, strict=True)
        ]
        off = numpy.array([o.value for o in self._observed]) - numpy.array(said)
        weights = self._variance * numpy.linalg.solve(self._covariance(), off)
        for observation, weight in zip(self._observed, weights, strict=True):
            for address, option in enumerate(observation.combination):
                if option:
                    changes[address][option] += weight
        return changes

    def _covariance(self) -> Any:
        """Of the observations with one another."""
        import numpy

        chosen = numpy.array([o.combination for o in self._observed])
        shared = numpy.zeros((len(chosen), len(chosen)))
        for column in chosen.T:
            shared += (column[:, None] == column[None, :]) & (column[:, None] > 0)
        return self._variance * shared + numpy.diag(self._noise())

    def _noise(self) -> Any:
        import numpy

        apart = _INTERACTION * self._variance * max(1, len(self._sizes))
        return numpy.array(
            [
                apart * any(o.combination) + (o.error if math.isfinite(o.error) else 1.0) ** 2 + 1e-6
                for o in self._observed
            ]
        )

    def _deviation(self, address: int, option: int, solved: Any) -> float:
        """Of one option's effect, after the observations."""
        import numpy

        if not option:
            return 0.0
        if solved is None:
            return math.sqrt(self._variance)
        seen = numpy.array([self._variance * (o.combination[address] == option) for o in self._observed])
        return math.sqrt(max(0.0, self._variance - float(seen @ solved @ seen)))
