"""A search inside a search: a space that begins at a candidate, so that any optimizer goes on from there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from treadle.compiler.canonical import canonical
from treadle.compiler.graph.parameters import Candidate, Parameter, ParameterSpace
from treadle.compiler.module import Module
from treadle.compiler.space import parameters_of

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.study.study import Study


class SpaceAt(ParameterSpace):
    """Some parameters of a space, their values at a candidate as defaults.

    Its candidates are candidates of the whole space: the base, with the values that are set over it.

    Args:
        whole: The space.
        base: Where the search begins.
        addresses: What it may change; all parameters by default.
    """

    def __init__(self, whole: ParameterSpace, base: Candidate, addresses: Iterable[str] | None = None) -> None:
        chosen = list(whole) if addresses is None else [address for address in addresses if address in whole]
        super().__init__(tuple(_beginning(whole, base, address) for address in chosen))
        self._whole = whole
        self._base = base

    def default(self) -> Candidate:
        """The base."""
        return self._base

    def candidate(self, values: Mapping[str, JSON], *, parents: tuple[str, ...] = (), origin: str = "") -> Candidate:
        """The base with ``values`` over it. What a value outside has to be is the base's own.

        Raises:
            GraphError: An address is unknown or a value is not allowed.
        """
        for address, value in values.items():
            if address not in self and canonical(value) != canonical(self._base.values.get(address)):
                super().candidate({address: value})  # which says so
        return self._whole.candidate({**self._base.values, **values}, parents=parents, origin=origin)


def _beginning(whole: ParameterSpace, base: Candidate, address: str) -> Parameter:
    return dataclasses.replace(whole[address], default=whole.value(base, address))


def widened(study: Study, space: ParameterSpace, modules: Mapping[str, Iterable[Module]]) -> ParameterSpace:
    """The space with the knobs and inner prompts of modules that may come to answer a step.

    A module stays a free choice: the parameters say what is in each, not which are allowed.

    Args:
        study: Gives the predictors.
        space: The space.
        modules: By predictor, modules that can serve it.
    """
    found = dict(space)
    for name, several in modules.items():
        for parameter in parameters_of(name, study.program.predictors[name], modules=list(several)):
            if parameter.address not in found:
                found[parameter.address] = parameter
    return ParameterSpace(found)
