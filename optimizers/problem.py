"""The problem an optimizer's LM is asked to solve: runs of a program, what was said of them, and what may change.

From traces and nothing else: the same runs make the same problem in every process.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from treadle.compiler.canonical import JSON
from treadle.compiler.trace.propagate import Propagation, Site
from treadle.compiler.trace.trace import Span

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, Parameter, ParameterSpace

KINDS = ("instruction", "demos", "number", "choice", "text", "code", "module", "model")
"""Kinds of parameters an LM is shown; modules and models only where there are several to choose from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variable:
    """A parameter as the optimizer's LM sees it.

    Attributes:
        name: A word that stands for its address.
        parameter: What it may be.
        value: What it is at present.
    """

    name: str
    parameter: Parameter
    value: JSON

    @property
    def owner(self) -> str:
        """The predictor, op or parameter of the program that it belongs to."""
        return self.parameter.predictor or self.parameter.field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Past:
    """What an earlier round tried.

    Attributes:
        number: The round, from 1.
        changes: New values by variable.
        outcome: What came of it, in words.
    """

    number: int
    changes: Mapping[str, JSON]
    outcome: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """One place of the program over all runs.

    Attributes:
        key: As in ``Site``.
        name: What it is called in the problem.
        kind: ``"step"``, ``"op"``, ``"region"`` or ``"program"``.
        depth: How many regions it stands in.
        arm: The arm of the branch around, if one is.
    """

    key: str
    name: str
    kind: str
    depth: int
    arm: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """What a round is about.

    Attributes:
        program: The program's name.
        promise: What it takes and returns, in words.
        task: What it is for.
        guidance: What a person said, for all rounds.
        runs: The runs, from run 1 on.
        variables: What may change.
        unreachable: Addresses of parameters that none of the runs depends on.
        documentation: What each step and op does, by its name.
        past: What earlier rounds tried, oldest first.
    """

    program: str
    promise: str
    task: str
    guidance: str
    runs: tuple[Propagation, ...]
    variables: tuple[Variable, ...]
    unreachable: tuple[str, ...]
    documentation: Mapping[str, str]
    past: tuple[Past, ...] = ()

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The places of all runs, outer before inner, in program order."""
        return _places(self.runs)

    def site(self, run: Propagation, place: Place) -> Site | None:
        """What ran at a place in one run."""
        return self._sites[id(run)].get(place.key)

    def place_of(self, run: Propagation, span: int) -> str:
        """Name of the place where a span ran; empty for one that is not part of the problem."""
        return self._names[id(run)].get(span, "")

    @cached_property
    def _sites(self) -> dict[int, dict[str, Site]]:
        return {id(run): {site.key: site for site in run.sites} for run in self.runs}

    @cached_property
    def _names(self) -> dict[int, dict[int, str]]:
        names = {place.key: place.name for place in self.places}
        return {id(run): {span: names[site.key] for site in run.sites for span in site.spans} for run in self.runs}


def variables_of(
    space: ParameterSpace, current: Candidate, runs: Iterable[Propagation]
) -> tuple[tuple[Variable, ...], tuple[str, ...]]:
    """What may change and is on the way to the output of one of the runs; and addresses of what is not.

    Args:
        space: All parameters.
        current: Whose values they have.
        runs: The runs.
    """
    ran = {name for run in runs for number in run.spans for name in _owners(run.span(number))}
    shown = [p for p in space.values() if p.kind in KINDS and (p.kind not in ("module", "model") or p.choices)]
    names = variable_names([p.address for p in shown])
    known = [Variable(name=names[p.address], parameter=p, value=_value(space, current, p)) for p in shown]
    return (
        tuple(variable for variable in known if variable.owner in ran),
        tuple(variable.parameter.address for variable in known if variable.owner not in ran),
    )


def _owners(span: Span) -> tuple[str, ...]:
    return (span.predictor,) if span.kind == "step" else (span.name,) if span.kind == "op" else ()


def _value(space: ParameterSpace, current: Candidate, parameter: Parameter) -> JSON:
    """The value in force: an inner call without an instruction of its own uses its step's."""
    value = space.value(current, parameter.address)
    outer = f"{parameter.predictor}.{parameter.field}"
    if value is None and parameter.kind in ("instruction", "demos") and outer in space:
        return space.value(current, outer)
    return value


def variable_names(addresses: Sequence[str]) -> dict[str, str]:
    """A word for each address: letters, digits and underscores, each its own.

    >>> variable_names(["reply/vote.n", ".threshold", "reply.vote_n"])
    {'reply/vote.n': 'reply_vote_n', '.threshold': 'threshold', 'reply.vote_n': 'reply_vote_n_2'}
    """
    names: dict[str, str] = {}
    for address in addresses:
        stem = "".join(letter if letter.isalnum() else "_" for letter in address).strip("_") or "value"
        number, name = 1, stem
        while name in names.values():
            number += 1
            name = f"{stem}_{number}"
        names[address] = name
    return names


# --- places ----------------------------------------------------------------------------------------------------------


class _Tree:
    """The places of a program, put together from runs."""

    def __init__(self) -> None:
        self.children: dict[str, list[str]] = {"": []}
        self.example: dict[str, tuple[Propagation, Span]] = {}

    def add(self, run: Propagation) -> None:
        for site in run.sites:
            if site.key not in self.example:
                self.example[site.key] = (run, run.span(site.spans[0]))
                self.children[site.key] = []
                above = "" if site.parent is None else run.sites[site.parent].key
                self.children[above].append(site.key)

    def walk(self) -> Iterable[tuple[str, int]]:
        left = [(key, 0) for key in reversed(self._ordered(""))]
        while left:
            key, depth = left.pop()
            yield key, depth
            left.extend((inner, depth + 1) for inner in reversed(self._ordered(key)))

    def _ordered(self, key: str) -> list[str]:
        """In the order of the graph's nodes; in host mode, where there are none, as they first ran."""
        return sorted(self.children[key], key=lambda inner: _number(self.example[inner][1].node))


def _number(node: str) -> int:
    return int(node[1:]) if node[1:].isdigit() else 0


def _places(runs: Sequence[Propagation]) -> tuple[Place, ...]:
    tree = _Tree()
    for run in runs:
        tree.add(run)
    seen: dict[str, int] = {}
    places: list[Place] = []
    for key, depth in tree.walk():
        run, span = tree.example[key]
        count = seen[span.name] = seen.get(span.name, 0) + 1
        name = f"{span.name} {count}" if span.kind == "region" else span.name if count == 1 else f"{span.name}#{count}"
        places.append(Place(key=key, name=name, kind=span.kind, depth=depth, arm=_arm(run, span)))
    return tuple(places)


def _arm(run: Propagation, span: Span) -> str:
    around = run.trace.spans[span.parent] if span.parent else None
    return around.taken if around is not None and around.kind == "region" and isinstance(around.taken, str) else ""
