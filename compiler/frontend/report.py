"""What lowering finds out on its way: reasons, ops, predictors, constants, call sites."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DeclarationError
from treadle.compiler.frontend.captured import Capture, Captured, Place, Reason
from treadle.compiler.frontend.op_function import op_of
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.op import Op


class Report:
    """Collects what lowering one function finds out. The same thing may be found several times.

    Args:
        program: The program's name, for messages.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.reasons: list[Reason] = []
        self.ops: dict[str, Op] = {}
        self.predictors: dict[str, PredictorFunction[..., Any]] = {}
        self.constants: dict[str, JSON] = {}
        self.attributes: dict[str, object] = {}
        self.places: dict[Place, str] = {}

    def predictor(self, found: PredictorFunction[..., Any]) -> None:
        """The program calls this predictor.

        Raises:
            DeclarationError: Another one of the same name is called, too.
        """
        known = self.predictors.setdefault(found.name, found)
        if known is not found and known.declared != found.declared:
            msg = (
                f"program {self.program!r} calls two predictors named {found.name!r}, which would share their "
                f"parameters: give one another name with {found.name}.copy('…')"
            )
            raise DeclarationError(msg)
        for op in found.ops.values():
            self._op_of_module(op, found.name)

    def _op_of_module(self, found: Op, predictor: str) -> None:
        """A predictor's module calls this op, by its name alone.

        Raises:
            DeclarationError: The program calls another one of the same name.
        """
        if not _same(self.ops.setdefault(found.name, found), found):
            msg = (
                f"program {self.program!r} calls an op named {found.name!r}, and the module of {predictor!r} another "
                "one of that name: give one of them another with @treadle.op(name=…)"
            )
            raise DeclarationError(msg)

    def op(self, found: Op) -> str:
        """The program calls this op; the name it has in the program."""
        known = self.ops.setdefault(found.name, found)
        if _same(known, found):
            return found.name
        module = getattr(found.function, "__module__", None) or type(found.function).__module__
        longer = f"{module}.{getattr(found.function, '__qualname__', found.name)}"
        number, name = 1, longer
        while not _same(self.ops.setdefault(name, dataclasses.replace(found, name=name)), found):
            number += 1
            name = f"{longer}#{number}"
        return name

    def function(self, function: Callable[..., Any], name: str | None = None, **settings: bool) -> str:
        """The program calls this undecorated function."""
        return self.op(op_of(function, name=name, **settings))

    def captured(self, graph: Graph | None) -> Captured:
        """The result; with reasons there is no graph."""
        reasons = tuple(sorted(set(self.reasons)))
        capture = Capture(
            mode="graph" if graph is not None and not reasons else "host",
            reasons=reasons,
            ops=tuple(sorted(self.ops)),
            constants=dict(sorted(self.constants.items())),
        )
        return Captured(
            capture=capture,
            graph=None if reasons else graph,
            ops=dict(sorted(self.ops.items())),
            predictors=dict(sorted(self.predictors.items())),
            sites=numbered(self.places),
            attributes=self.attributes,
        )


def _same(one: Op, other: Op) -> bool:
    """Whether two ops call the same function; bound methods are equal without being identical."""
    return one.function is other.function or bool(one.function == other.function)


def numbered(places: Mapping[Place, str]) -> dict[Place, str]:
    """Step names by call site: the predictor's name, from the second site in the source on with its number."""
    seen: dict[str, int] = {}
    names: dict[Place, str] = {}
    for place in sorted(places, key=lambda place: (place[0], place[2])):
        predictor = places[place]
        count = seen[predictor] = seen.get(predictor, 0) + 1
        names[place] = predictor if count == 1 else f"{predictor}#{count}"
    return names
