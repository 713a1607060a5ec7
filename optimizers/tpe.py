"""The tree-structured Parzen estimator (Bergstra et al. 2011) over a menu, by Optuna's ask and tell.

Optuna holds no state of ours: its study is built anew in memory for every batch from the observations in trial order,
so a combination that has been measured on more examples since counts with its newest value, and a resumed search
builds the same study. The sampler gets a fresh seed for each trial, because one reseeded after a resume repeats its
first draws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

    from treadle.optimizers.menu import Combination, Menu
    from treadle.optimizers.sampling import Observation


class Estimator:
    """A model of what has been observed, and what it suggests next."""

    def __init__(self, menu: Menu, observed: Sequence[Observation]) -> None:
        """Build the model.

        Args:
            menu: What can be combined.
            observed: What is known, one value at least; combinations still being measured are kept away from. With
                further objectives the model is of the whole front (Ozaki et al. 2022, multi-objective TPE).
        """
        import optuna

        self._choices: Mapping[str, optuna.distributions.BaseDistribution] = {
            address: optuna.distributions.CategoricalDistribution(list(range(size)))
            for address, size in zip(menu.options, menu.sizes, strict=True)
        }
        objectives = 1 + max((len(observation.further) for observation in observed), default=0)
        with _quiet():
            self._study = optuna.create_study(directions=["maximize"] * objectives)
        for observation in observed:
            self.tell(observation)

    def tell(self, observation: Observation) -> None:
        """Add an observation; without a value it is one still being measured."""
        from optuna.trial import TrialState, create_trial

        known = observation.value is not None
        self._study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if known else TrialState.RUNNING,
                values=[observation.value or 0.0, *observation.further] if known else None,
                params=dict(zip(self._choices, observation.combination, strict=True)),
                distributions=dict(self._choices),
            )
        )

    def suggest(self, seed: int) -> Combination:
        """The combination that promises most, perhaps one already observed. It counts only once ``tell`` says so."""
        import optuna

        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=1, multivariate=True, constant_liar=True
        )
        trial = self._study.ask(dict(self._choices))
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return tuple(int(trial.params[address]) for address in self._choices)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna writes a line to the terminal for each study it makes."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
