"""What search may change: parameters by address, the space of them, and candidates.

Addresses name a predictor, then the modules on the way, then the field::

    triage.instruction                              the predictor's own; whichever inner call answers uses it
    reply.module   reply.model   reply.demos
    reply/vote/chain_of_thought/predict.demos       one inner call's own, overriding the predictor's
    reply/refine:revision/predict.instruction       one of several calls that answer the step; the step's until set
    reply/vote.n                                    a module's knob; numbers are not part of an address
    reply.from_triage                               a context edge
    .edits                                          the program's data-edge edits
    .threshold   .extract                           a number, choice or text of the program; the code of an op

The prefix is the condition: ``reply/vote…`` is active while ``reply.module`` is a Vote.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from treadle.compiler.canonical import JSON, canonical, digest
from treadle.compiler.errors import GraphError

Kind = Literal["instruction", "demos", "module", "model", "number", "choice", "text", "code", "edge", "edits"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameter:
    """One thing search may change.

    Attributes:
        address: Where it is; see the module's docstring.
        kind: What kind of value it takes.
        default: Its value where a candidate does not say.
        choices: The values allowed, for a module, model or choice; empty where the value is free.
        low: Smallest number allowed, for a number.
        high: Largest number allowed, for a number.
        integer: Whether a number is a whole one.
        max_length: Most characters of an instruction or text.
        description: What it is for, where its declaration says so.
    """

    address: str
    kind: Kind
    default: JSON
    choices: tuple[JSON, ...] = ()
    low: float | None = None
    high: float | None = None
    integer: bool = False
    max_length: int = 20_000
    description: str = ""

    @property
    def predictor(self) -> str:
        """The predictor the parameter belongs to; empty for one of the whole program."""
        return self.address.split("/", 1)[0].split(".", 1)[0]

    @property
    def field(self) -> str:
        """The part behind the last dot, such as ``instruction`` or ``n``."""
        return self.address.rpartition(".")[2]

    def check(self, value: JSON) -> None:
        """Refuse a value the parameter cannot take.

        Raises:
            GraphError: Says the address, the value and what is allowed.
        """
        reason = _refusal(self, value)
        if reason:
            msg = f"parameter {self.address!r} cannot be {str(value)[:80]!r}: {reason}"
            raise GraphError(msg)


def _refusal(parameter: Parameter, value: JSON) -> str:
    if parameter.kind in ("instruction", "text", "code"):
        if not isinstance(value, str):
            return "it takes text"
        return f"longer than {parameter.max_length} characters" if len(value) > parameter.max_length else ""
    if parameter.kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "it takes a number"
        if parameter.integer and value != int(value):
            return "it takes a whole number"
        low = parameter.low if parameter.low is not None else value
        high = parameter.high if parameter.high is not None else value
        return "" if low <= value <= high else f"it takes {low:g} to {high:g}"
    if parameter.kind in ("demos", "edits"):
        return "" if isinstance(value, list | tuple) else "it takes a list"
    if parameter.kind == "edge":
        return "" if isinstance(value, bool) else "it takes true or false"
    if parameter.choices and canonical(value) not in {canonical(choice) for choice in parameter.choices}:
        return f"it takes one of {', '.join(str(choice) for choice in parameter.choices)}"
    return ""


class ParameterSpace(Mapping[str, Parameter]):
    """The parameters of a program by address, in canonical order."""

    def __init__(self, parameters: Mapping[str, Parameter] | tuple[Parameter, ...] = ()) -> None:
        given = parameters.values() if isinstance(parameters, Mapping) else parameters
        self._parameters = {parameter.address: parameter for parameter in sorted(given, key=lambda p: p.address)}

    def __getitem__(self, address: str) -> Parameter:
        return self._parameters[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def only(self, *, kind: Kind | None = None, predictor: str | None = None) -> ParameterSpace:
        """The parameters of one kind, of one predictor, or both."""
        return ParameterSpace(
            tuple(
                parameter
                for parameter in self._parameters.values()
                if kind in (None, parameter.kind) and predictor in (None, parameter.predictor)
            )
        )

    @property
    def predictors(self) -> tuple[str, ...]:
        """Predictors that have parameters, in canonical order."""
        return tuple(sorted({p.predictor for p in self._parameters.values() if p.predictor}))

    def default(self) -> Candidate:
        """The program as it is: no entry at all."""
        return Candidate()

    def value(self, candidate: Candidate, address: str) -> JSON:
        """The candidate's value at ``address``, the default where it has none."""
        return candidate.values.get(address, self._parameters[address].default)

    def candidate(self, values: Mapping[str, JSON], *, parents: tuple[str, ...] = (), origin: str = "") -> Candidate:
        """A candidate with ``values``: checked, without entries that equal the default.

        Raises:
            GraphError: An address is unknown or a value is not allowed.
        """
        kept: dict[str, JSON] = {}
        for address in sorted(values):
            if address not in self._parameters:
                msg = f"no parameter {address!r}; the space has {', '.join(self._parameters) or 'none'}"
                raise GraphError(msg)
            if canonical(values[address]) != canonical(self._parameters[address].default):
                self._parameters[address].check(values[address])
                kept[address] = values[address]
        return Candidate(values=kept, parents=parents, origin=origin)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """One assignment of values to parameters: entries that differ from the default, nothing else.

    Attributes:
        values: Values by address, as JSON.
        parents: Ids of the candidates it was made from.
        origin: The operator that made it, for reports.
    """

    values: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    parents: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    origin: str = dataclasses.field(default="", compare=False)

    @cached_property
    def id(self) -> str:
        """Hash of the values alone."""
        return digest(dict(sorted(self.values.items())), length=12)

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.id == other.id
