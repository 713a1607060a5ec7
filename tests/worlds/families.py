"""Tuning and sealed families. Sealed ones are for final tables only; nothing is chosen by them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Generic, TypeAlias, TypeVar

from tests.worlds import blocks, demos, edges, noise, rules
from tests.worlds.blocks import BlockWorld
from tests.worlds.demos import DemoWorld
from tests.worlds.edges import EdgeWorld
from tests.worlds.noise import NoiseWorld
from tests.worlds.rules import RuleWorld

World: TypeAlias = RuleWorld | DemoWorld | NoiseWorld
W = TypeVar("W", covariant=True)


@dataclasses.dataclass(frozen=True)
class Family(Generic[W]):
    """Worlds of one kind: a maker of worlds and the seeds that belong to it."""

    make: Callable[[int], W]
    seeds: range

    def worlds(self, count: int | None = None) -> list[W]:
        """The first ``count`` worlds, or all."""
        return [self.make(seed) for seed in list(self.seeds)[:count]]


_TUNING, _SEALED = range(10), range(7_000, 7_030)


def _rules(**settings: float) -> Callable[[int], World]:
    return lambda seed: RuleWorld(rules.Settings(**settings), seed)  # type: ignore[arg-type]  # counts are whole


def _families(seeds: range, shift: int) -> Mapping[str, Family[World]]:
    """The same kinds at other sizes: the sealed families are not the tuning families under other seeds."""
    return {
        "KEY": Family(_rules(clues=12 + 4 * shift, labels=4 + shift), seeds),
        "MULTI additive": Family(_rules(steps=3 + shift, clues=8, labels=4), seeds),
        "MULTI interacting": Family(_rules(steps=3, clues=8 + 2 * shift, labels=4, interacting=True), seeds),
        "DEMO": Family(lambda seed: DemoWorld(demos.Settings(skills=8 + shift, in_pairs=3 + shift), seed), seeds),
        "NOISE": Family(lambda seed: NoiseWorld(noise.Settings(spread=0.05 + 0.02 * shift), seed), seeds),
    }


def _edges(**settings: float) -> Callable[[int], EdgeWorld]:
    return lambda seed: EdgeWorld(edges.Settings(**settings), seed)  # type: ignore[arg-type]  # counts are whole


_WAYS = ("vote", "summarize", "refine", "debate")


def _blocks(helps: str, others: blocks.Effect, **settings: float) -> Callable[[int], BlockWorld]:
    effects = {way: "helps" if way in helps.split() else others for way in _WAYS}
    return lambda seed: BlockWorld(blocks.Settings(**effects, **settings), seed)  # type: ignore[arg-type]


def _topology(seeds: range, shift: int) -> Mapping[str, Family[EdgeWorld | BlockWorld]]:
    """Worlds in which structure decides; the last of each kind are controls, in which it can only harm or cost."""
    size: dict[str, float] = {"clues": 6 + 2 * shift, "labels": 4 + shift}
    agents: dict[str, float] = {"labels": 4 + shift, "accuracy": 0.75 + 0.05 * shift}
    return {
        "EDGE liars": Family(_edges(honest=3, liars=3, **agents), seeds),
        "EDGE idle": Family(_edges(honest=3 + 2 * shift, liars=0, idle=3, **agents), seeds),
        "EDGE honest": Family(_edges(honest=5, liars=0, **agents), seeds),
        "COST all": Family(_blocks("vote summarize refine debate", "harms", **size), seeds),
        "COST vote": Family(_blocks("vote", "harms", **size), seeds),
        "COST two": Family(_blocks("summarize refine", "harms", **size), seeds),
        "COST none": Family(_blocks("", "harms", **size), seeds),
    }


TUNING = _families(_TUNING, shift=0)
SEALED = _families(_SEALED, shift=1)
TOPOLOGY_TUNING = _topology(_TUNING, shift=0)
TOPOLOGY_SEALED = _topology(_SEALED, shift=1)


def with_misdiagnosis(world: RuleWorld, rate: float) -> RuleWorld:
    """The same world with another misdiagnosis rate, for the control rows of a table."""
    return RuleWorld(dataclasses.replace(world.settings, misdiagnosis=rate), world.seed)
