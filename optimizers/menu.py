"""The menu of a prompt search: for each parameter the values it may take, the original first."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from treadle.compiler.canonical import JSON, canonical

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

    def candidate(
        self, space: ParameterSpace, combination: Combination, origin: str, base: Candidate | None = None
    ) -> Candidate:
        """The candidate a combination stands for.

        Args:
            space: Checks it.
            combination: Option numbers.
            origin: What made it, for reports.
            base: What stands at the addresses the menu does not have; the program as it is by default.
        """
        given = base or space.default()
        pairs = zip(self.options.items(), combination, strict=True)
        values = {address: values[number] for (address, values), number in pairs}
        return space.candidate({**given.values, **values}, parents=(given.id,), origin=origin)

    def extended(self, further: Mapping[str, Sequence[JSON]]) -> Menu:
        """The menu with further options behind those it has; combinations of this one mean the same there."""
        return Menu(
            options={
                address: tuple({canonical(v): v for v in (*values, *further.get(address, ()))}.values())
                for address, values in self.options.items()
            }
        )

    def with_addresses(self, further: Mapping[str, Sequence[JSON]]) -> Menu:
        """The menu with further addresses, in canonical order: combinations of this one mean nothing there."""
        options = {**self.options, **{address: tuple(values) for address, values in further.items()}}
        return Menu(options=dict(sorted(options.items())))

    def with_each(self, base: Combination, further: Mapping[str, Sequence[JSON]]) -> list[Combination]:
        """``base`` with the first of the further options at every address that has some, then the second, and so on."""
        most = max(map(len, further.values()), default=0)
        found = []
        for number in range(most):
            values = {address: options[number] for address, options in further.items() if number < len(options)}
            new = self.nearest(values)
            pairs = zip(self.options, base, new, strict=True)
            found.append(tuple(n if address in values else old for address, old, n in pairs))
        return found

    def nearest(self, values: Mapping[str, JSON]) -> Combination:
        """The combination with these values where they are options, and the original's elsewhere."""
        return tuple(
            next((n for n, v in enumerate(options) if canonical(v) == canonical(values[address])), 0)
            if address in values
            else 0
            for address, options in self.options.items()
        )

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


def model_choices(space: ParameterSpace) -> dict[str, list[JSON]]:
    """The models of each step that has a choice, the present one first."""
    return {p.address: list(p.choices) for p in space.only(kind="model").values() if p.choices}
