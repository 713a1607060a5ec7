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
        self._fitted: _Fit | None = None

    def tell(self, observation: Observation) -> None:
        """Add an observation."""
        if observation.value is not None:
            self._observed.append(observation)
            self._fitted = None

    def suggest(self, seed: int) -> Combination:
        """The best combination of one draw of all effects; the earlier option where two are equal."""
        import numpy

        fit, rng = self._fit, numpy.random.default_rng(seed)
        prior = fit.changing * rng.normal(0.0, math.sqrt(fit.variance), len(fit.changing))
        drawn = prior + fit.update(prior, rng.normal(0.0, 1.0, len(self._observed)))
        return tuple(int(drawn[first : first + size].argmax()) for first, size in fit.places)

    def effects(self) -> list[list[tuple[float, float]]]:
        """Posterior mean and standard deviation of what each option adds, by address."""
        import numpy

        fit = self._fit
        means = fit.update(numpy.zeros(len(fit.changing)), numpy.zeros(len(self._observed)))
        return [
            [(float(means[first + option]), fit.deviation(first + option)) for option in range(size)]
            for first, size in fit.places
        ]

    @property
    def _fit(self) -> _Fit:
        if self._fitted is None:
            self._fitted = _Fit(self._sizes, self._observed)
        return self._fitted


class _Fit:
    """The linear model, conditioned on observations. An option's place is its number among the options of all."""

    def __init__(self, sizes: Sequence[int], observed: Sequence[Observation]) -> None:
        import numpy

        firsts = [sum(sizes[:address]) for address in range(len(sizes))]
        self.places = list(zip(firsts, sizes, strict=True))
        self.changing = numpy.ones(sum(sizes))
        self.changing[firsts] = 0.0  # the originals
        self.variance = _variance(sizes, observed)
        self._values = numpy.array([observation.value for observation in observed], dtype=float)
        self._seen = numpy.zeros((len(observed), sum(sizes)))
        for row, observation in zip(self._seen, observed, strict=True):
            row[[first + option for first, option in zip(firsts, observation.combination, strict=True)]] = 1.0
        self._seen *= self.changing
        self._noise = _noise(sizes, observed, self.variance)
        covariance = self.variance * self._seen @ self._seen.T + numpy.diag(self._noise)
        self._inverse = numpy.linalg.inv(covariance)

    def update(self, prior: Any, normal: Any) -> Any:
        """What conditioning adds to a draw of the effects.

        Args:
            prior: The draw.
            normal: A standard normal number for each observation, for its noise; 0 for the mean.
        """
        import numpy

        said = self._seen @ prior + normal * numpy.sqrt(self._noise)
        return self.variance * self._seen.T @ (self._inverse @ (self._values - said))

    def deviation(self, place: int) -> float:
        """Standard deviation of one option's effect, after the observations."""
        if not self.changing[place]:
            return 0.0
        seen = self.variance * self._seen[:, place]
        return math.sqrt(max(0.0, self.variance - float(seen @ self._inverse @ seen)))


def _variance(sizes: Sequence[int], observed: Sequence[Observation]) -> float:
    """Of one option's effect: what combinations differ by, shared out over the addresses."""
    values = [o.value for o in observed if o.value is not None and any(o.combination)]
    spread = math.fsum(value * value for value in values) / len(values) if values else 0.0
    return max(spread, _LEAST_SPREAD**2) / _choices(sizes)


def _choices(sizes: Sequence[int]) -> int:
    return max(1, sum(size > 1 for size in sizes))


def _noise(sizes: Sequence[int], observed: Sequence[Observation], variance: float) -> Any:
    """Variance of each observation that the effects do not explain."""
    import numpy

    apart = _INTERACTION * variance * _choices(sizes)
    errors = [o.error if math.isfinite(o.error) else 1.0 for o in observed]
    return numpy.array(
        [apart * any(o.combination) + error * error + 1e-6 for o, error in zip(observed, errors, strict=True)]
    )
