"""What suggests combinations of a menu: the seam between trials and a model of what has been observed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from treadle.optimizers.menu import Combination, Menu

SamplerName = Literal["tpe", "thompson", "random"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observation:
    """One combination and what is known of it.

    Attributes:
        combination: Option numbers, in the menu's order.
        value: What it gains, higher is better; ``None`` while it is being measured.
        error: Standard error of the value.
        further: Values of further objectives, higher is better; as many in every observation.
    """

    combination: Combination
    value: float | None
    error: float = 0.0
    further: tuple[float, ...] = ()


class Sampler(Protocol):
    """A model built from observations in trial order."""

    def tell(self, observation: Observation) -> None:
        """Add an observation."""
        ...

    def suggest(self, seed: int) -> Combination:
        """The combination to try next, perhaps one already observed. It counts only once ``tell`` says so."""
        ...


class Uniform:
    """Suggests at random; the control every model is compared with."""

    def __init__(self, menu: Menu, observed: Sequence[Observation]) -> None:
        """Build the model, which nothing observed changes."""
        self._sizes = menu.sizes

    def tell(self, observation: Observation) -> None:
        """Learn nothing."""

    def suggest(self, seed: int) -> Combination:
        """Any combination."""
        rng = random.Random(seed)
        return tuple(rng.randrange(size) for size in self._sizes)


MakeSampler: TypeAlias = "Callable[[Menu, Sequence[Observation]], Sampler]"


def samplers() -> Mapping[SamplerName, MakeSampler]:
    """The samplers by name."""
    from treadle.optimizers.thompson import MainEffects
    from treadle.optimizers.tpe import Estimator

    return {"tpe": Estimator, "thompson": MainEffects, "random": Uniform}
