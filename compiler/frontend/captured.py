"""What capture found out about a program: a graph, or the reasons why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.op import Op

if TYPE_CHECKING:
    from treadle.compiler.frontend.predictor import PredictorFunction

Mode = Literal["graph", "host"]


Place = tuple[int, int, int, int]
"""First and last line, first and last column (bytes) of a call in its file."""


@dataclasses.dataclass(frozen=True, order=True)
class Reason:
    """One construct that keeps a program in host mode.

    Attributes:
        line: Its line in the source file.
        text: What it is and, where there is one, the way out.
    """

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Capture:
    """How a program runs: ``program.capture == "graph"``, or ``"host"`` with every reason and its line.

    Attributes:
        mode: ``"graph"`` or ``"host"``.
        reasons: Why it is not a graph, in the order of the source; empty for a graph.
        ops: Names of the ops it calls, undecorated functions among them, sorted.
        constants: Values from outside the function that were captured, by the name they have there. They are frozen:
            rebinding the name later does not change the program.
    """

    mode: Mode
    reasons: tuple[Reason, ...] = ()
    ops: tuple[str, ...] = ()
    constants: Mapping[str, JSON] = dataclasses.field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.mode == other
        return isinstance(other, Capture) and (self.mode, self.reasons) == (other.mode, other.reasons)

    def __hash__(self) -> int:
        return hash(self.mode)

    def __str__(self) -> str:
        return "\n  ".join([self.mode, *map(str, self.reasons)])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Captured:
    """Everything capture knows of a program.

    Attributes:
        capture: What the user is shown.
        graph: The graph; ``None`` in host mode.
        ops: The ops it calls, by name.
        predictors: The predictors it calls, by name.
        sites: Names of its call sites by their place in the source, for spans in host mode.
        attributes: Attributes of the instance that were captured, for a method.
    """

    capture: Capture
    graph: Graph | None
    ops: Mapping[str, Op]
    predictors: Mapping[str, PredictorFunction[..., object]]
    sites: Mapping[Place, str] = dataclasses.field(default_factory=dict)
    attributes: Mapping[str, object] = dataclasses.field(default_factory=dict)
