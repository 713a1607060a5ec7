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

from treadle.optimizers.menu import Combination, Menu

if TYPE_CHECKING:
    import optuna

Observed = Sequence[tuple[Combination, float | None]]
"""Combinations in trial order with their value, higher is better; ``None`` while it is being measured."""


class Estimator:
    """A model of what has been observed, and what it suggests next."""

    def __init__(self, menu: Menu, observed: Observed) -> None:
        """Build the model.

        Args:
            menu: What can be combined.
            observed: What is known, one value at least; combinations still being measured are kept away from.
        """
        import optuna

        self._choices: Mapping[str, optuna.distributions.BaseDistribution] = {
            address: optuna.distributions.CategoricalDistribution(list(range(size)))
            for address, size in zip(menu.options, menu.sizes, strict=True)
        }
        with _quiet():
            self._study = optuna.create_study(direction="maximize")
        for combination, value in observed:
            self.tell(combination, value)

    def tell(self, combination: Combination, value: float | None) -> None:
        """Add an observation; without a value it is one still being measured."""
        from optuna.trial import TrialState, create_trial

        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
                value=value,
                params=dict(zip(self._choices, combination, strict=True)),
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
