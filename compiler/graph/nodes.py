"""The graph: immutable SSA values in lexically scoped regions.

A graph is data: it holds no function and no value that JSON cannot hold, and edits are functions from graph to graph.
Nodes stand in program order. A node's results are values with the references ``n7`` (one result) or ``n7.0``,
``n7.1``, … (several); every value is written once. A node may read values of its own region that stand before it and
values of enclosing regions.

The kinds of node, field by field:

==========  =========================================================================================================
Input       ``slot``: one input of the program. Only at the top, first.
Output      ``value``: the program's result. Only at the top, last, exactly one.
Const       ``value``: a constant as JSON.
LM          one model call. ``signature`` with the instruction as sent, ``demos``, ``model`` (a name; ``None`` for the
            LM in force), ``temperature`` and ``max_tokens`` (``None`` for the LM's own), ``address`` of its parameters,
            ``purpose`` (part of the sample index), ``inputs`` by field, ``nearest``: of its demos only so many are
            shown, those most like the inputs (``None``: all).
Op          ``op``: name in the table of ops; ``inputs`` by argument (a number as name is a position); ``effects``.
Expr        ``expression``: nested JSON lists over ``inputs``; evaluated by closures over an allow-list.
Step        a call site of a predictor. ``name`` (the predictor's, the second site ``name#2``), ``predictor``,
            ``inputs`` by field, ``context`` edges by source predictor; expands to its module's graph.
Map         ``body`` once per element of ``items``, in parallel unless the body has effects. Body arguments: the
            element. Each body result becomes a list. ``bound``: most elements, or ``None`` if the user states none.
Branch      ``then`` or ``otherwise`` by the truth of ``condition``; both have the same number of results.
Loop        ``body`` once per element of ``items`` (or ``bound`` times without items), one after another. Body
            arguments: the element, then the carried values. Body results: the carried values, then a stop flag if
            ``stops``. Results: the carried values at the end. ``carried``: their first values.
Replicate   ``body`` ``count`` times in parallel; each body result becomes a list. No arguments.
==========  =========================================================================================================
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NewType, TypeAlias

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.signature import Signature, Slot

NodeId = NewType("NodeId", str)
"""Identity of a node in its graph: ``n`` and a number, in program order."""

Ref = NewType("Ref", str)
"""A value: a node's id, with ``.index`` where the node has several results; or a region argument."""

Inputs: TypeAlias = tuple[tuple[str, Ref], ...]
"""Values by field or argument name, in declared order."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseNode:
    """What all nodes have.

    Attributes:
        id: Unique in the graph.
        types: The type of each result.
        line: The user's source line, for error notes; not part of a node's identity or of its JSON.
    """

    kind: ClassVar[str]
    id: NodeId
    types: tuple[Annotation, ...] = (Any,)
    line: int | None = dataclasses.field(default=None, compare=False)

    @functools.cached_property
    def results(self) -> tuple[Ref, ...]:
        """References of the node's results."""
        if len(self.types) == 1:
            return (Ref(self.id),)
        return tuple(Ref(f"{self.id}.{index}") for index in range(len(self.types)))

    @property
    def reads(self) -> tuple[Ref, ...]:
        """Values the node itself reads; those that only its regions read are not among them."""
        return ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """Regions nested in the node."""
        return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Argument:
    """A value a region receives each time it is entered."""

    ref: Ref
    annotation: Annotation = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Region:
    """Nodes in program order, with arguments bound on entry and results on exit."""

    nodes: tuple[Node, ...]
    results: tuple[Ref, ...]
    arguments: tuple[Argument, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input(BaseNode):
    """One input of the program."""

    kind = "input"
    slot: Slot


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output(BaseNode):
    """The program's result."""

    kind = "output"
    types: tuple[Annotation, ...] = ()
    value: Ref

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The result."""
        return (self.value,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Const(BaseNode):
    """A constant."""

    kind = "const"
    value: JSON


@dataclasses.dataclass(frozen=True, kw_only=True)
class LM(BaseNode):
    """One model call."""

    kind = "lm"
    signature: Signature
    inputs: Inputs
    address: str
    purpose: str = ""
    demos: tuple[Demo, ...] = ()
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    nearest: int | None = None

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The inputs."""
        return tuple(ref for _, ref in self.inputs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Op(BaseNode):
    """A call of a plain Python function."""

    kind = "op"
    op: str
    inputs: Inputs
    effects: bool = False

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The arguments."""
        return tuple(ref for _, ref in self.inputs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expr(BaseNode):
    """A pure expression; ``["arg", i]`` in it is the i-th of ``inputs``."""

    kind = "expr"
    expression: JSON
    inputs: tuple[Ref, ...]

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The arguments."""
        return self.inputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step(BaseNode):
    """A call site of a predictor."""

    kind = "step"
    name: str
    predictor: str
    inputs: Inputs
    context: Inputs = ()

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The inputs, then the context edges' sources."""
        return tuple(ref for _, ref in (*self.inputs, *self.context))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Map(BaseNode):
    """The body once per element."""

    kind = "map"
    items: Ref
    body: Region
    bound: int | None = None

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The list."""
        return (self.items,)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The body."""
        return (self.body,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Branch(BaseNode):
    """One of two regions."""

    kind = "branch"
    condition: Ref
    then: Region
    otherwise: Region

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The condition."""
        return (self.condition,)

    @property
    def regions(self) -> tuple[Region, ...]:
        """Both arms."""
        return (self.then, self.otherwise)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop(BaseNode):
    """The body again and again, carrying values."""

    kind = "loop"
    items: Ref | None
    carried: tuple[Ref, ...]
    body: Region
    stops: bool = False
    bound: int | None = None

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The list, if any, and the first carried values."""
        return (*((self.items,) if self.items is not None else ()), *self.carried)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The body."""
        return (self.body,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replicate(BaseNode):
    """The body several times over, for several samples of the same calls."""

    kind = "replicate"
    count: int
    body: Region

    @property
    def regions(self) -> tuple[Region, ...]:
        """The body."""
        return (self.body,)


Node: TypeAlias = Input | Output | Const | LM | Op | Expr | Step | Map | Branch | Loop | Replicate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictor:
    """What a graph knows of a predictor: its parameters' default values. All its steps share them.

    Attributes:
        signature: Fields, types and default instruction.
        module: How it is answered, as data for the module registry; ``None`` is a bare LM call.
        demos: Default demos.
        model: Name of the LM its declaration binds, or ``None``.
        temperature: Decoding temperature its declaration sets, or ``None``.
        max_tokens: Reply bound its declaration sets, or ``None``.
    """

    signature: Signature
    module: Mapping[str, JSON] | None = None
    demos: tuple[Demo, ...] = ()
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graph:
    """A program, or the answer of a module, as typed nodes.

    Attributes:
        name: The program's or module's name.
        nodes: Inputs first, one Output last, in program order.
        predictors: What the steps call, by predictor name.
    """

    name: str
    nodes: tuple[Node, ...]
    predictors: Mapping[str, Predictor] = dataclasses.field(default_factory=dict)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The input nodes in declared order."""
        return tuple(node for node in self.nodes if isinstance(node, Input))

    @property
    def output(self) -> Output:
        """The output node."""
        last = self.nodes[-1]
        assert isinstance(last, Output)
        return last

    def walk(self) -> Iterator[tuple[tuple[NodeId, ...], Node]]:
        """Every node with the ids of the nodes around it, in program order, outer before inner."""
        return _walk((), self.nodes)

    def steps(self) -> tuple[Step, ...]:
        """All steps at any depth, in program order."""
        return tuple(node for _, node in self.walk() if isinstance(node, Step))


def _walk(around: tuple[NodeId, ...], nodes: tuple[Node, ...]) -> Iterator[tuple[tuple[NodeId, ...], Node]]:
    for node in nodes:
        yield around, node
        for region in node.regions:
            yield from _walk((*around, node.id), region.nodes)
