"""The pieces of lowering's state: what a name stands for, and a block that was lowered apart."""

from __future__ import annotations

import dataclasses

from treadle.compiler.frontend.code import Code
from treadle.compiler.graph.nodes import Node

FALL = "fall"
"""The way out at the end of a block; the others are ``return``, ``break`` and ``continue``."""

RETURNED = "$return"
"""The name under which the returned value is carried."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Binding:
    """What a name stands for.

    Attributes:
        code: Its value: a value of the graph or a scalar constant.
        missing: The ways out by which it may have no value.
        owned: Whether its value is a collection nobody else holds.
    """

    code: Code
    missing: frozenset[str] = frozenset()
    owned: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """A lowered block: its nodes and the state at its end."""

    block: list[Node]
    env: dict[str, Binding]
    exits: frozenset[str]
    done: Code


class NotPure(Exception):
    """A part that was tried as a pure expression is not one."""
