"""The menu of a prompt search: for each parameter the values it may take, the original first."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from treadle.compiler.canonical import JSON

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace

Combination: TypeAlias = tuple[int, ...]
"""One option's number for each address, in the menu's order; all 0 is the program as it is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Menu:
    """What each address may be.

    Attributes:
        options: Values by address in canonical order. Option 0 is the address's default; all differ.
    """

    options: Mapping[str, tuple[JSON, ...]]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of options of each address."""
        return tuple(len(values) for values in self.options.values())

    @property
    def size(self) -> int:
        """The number of combinations."""
        return math.prod(self.sizes)

    @property
    def original(self) -> Combination:
        """The program as it is."""
        return (0,) * len(self.options)

    def all(self) -> Iterator[Combination]:
        """Every combination, the original first."""
        return itertools.product(*(range(size) for size in self.sizes))

    def candidate(self, space: ParameterSpace, combination: Combination, origin: str) -> Candidate:
        """The candidate a combination stands for."""
        pairs = zip(self.options.items(), combination, strict=True)
        values = {address: values[number] for (address, values), number in pairs}
        return space.candidate(values, parents=(space.default().id,), origin=origin)

    def balanced(self, count: int, taken: Collection[Combination], rng: random.Random) -> list[Combination]:
        """Random combinations, none of them ``taken``, in which an address's options come about equally often."""
        columns = [_evenly(size, count, rng) for size in self.sizes]
        drawn: list[Combination] = []
        for combination in zip(*columns, strict=True):
            drawn.append(self.fresh(combination, [*taken, *drawn], rng))
        return drawn

    def fresh(self, near: Combination, taken: Collection[Combination], rng: random.Random) -> Combination:
        """A combination that is not ``taken``: ``near`` itself, or the first on a random walk that begins there.

        The menu must have one that is not taken.
        """
        while near in taken:
            place = rng.randrange(len(near))
            near = (*near[:place], rng.randrange(self.sizes[place]), *near[place + 1 :])
        return near


def _evenly(size: int, count: int, rng: random.Random) -> list[int]:
    """``count`` numbers below ``size`` in random order, each as often as any other or once more."""
    numbers: list[int] = []
    while len(numbers) < count:
        numbers += rng.sample(range(size), size)
    return numbers[:count]
