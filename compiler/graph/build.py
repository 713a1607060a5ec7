"""Building graphs by hand: what modules use to say how a step is answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Union

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Argument, Graph, Inputs, Node, NodeId, Predictor, Ref, Region
from treadle.compiler.graph.substitute import Renumbering, arguments_of, with_inner
from treadle.compiler.graph.value_types import constant_type, either, element_type, field_type, lists_of
from treadle.compiler.signature import MISSING, Signature, Slot
from treadle.compiler.values import dump

if TYPE_CHECKING:
    from treadle.compiler.graph.op import Op

Fields = Mapping[str, "Value"]
Results = Union["Value", Sequence["Value"]]


class Answers(Protocol):
    """What can answer a signature with a graph: a module."""

    def build(self, signature: Signature) -> Graph:
        """The graph that answers ``signature``."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """A value of a graph under construction: a handle, never the value itself.

    Attributes:
        ref: Its reference.
        annotation: Its type, ``Any`` where unknown.
    """

    ref: Ref
    annotation: Annotation
    builder: GraphBuilder = dataclasses.field(repr=False)

    def field(self, name: str) -> Value:
        """The field ``name`` of a record value.

        Raises:
            GraphError: The type is a model without that field.
        """
        return self.builder.expr(["attr", ["arg", 0], name], [self], field_type(self.annotation, name))


class GraphBuilder:
    """Makes the graph that answers one signature.

    Inputs are given as mappings from field to ``Value``, so that a field may have any name. Nodes come out in the
    order of the calls, with ids ``n1``, ``n2``, …

    Args:
        name: The module's name; it opens the addresses of the LM calls.
        signature: What the graph answers. Its inputs are in ``inputs``.

    >>> from treadle.compiler.hints import from_string
    >>> g = GraphBuilder("predict", from_string("question -> answer"))
    >>> graph = g.finish(g.lm(g.signature, g.inputs))
    >>> [node.kind for node in graph.nodes]
    ['input', 'lm', 'output']
    """

    def __init__(self, name: str, signature: Signature) -> None:
        self.name = name
        self.signature = signature
        self._count = 0
        self._scopes: list[list[Node]] = [[]]
        self._purposes: dict[str, int] = {}
        self.inputs: dict[str, Value] = {slot.name: self._input(slot) for slot in signature.inputs}

    # --- nodes ---------------------------------------------------------------------------------------------------

    def lm(
        self,
        signature: Signature,
        inputs: Fields,
        *,
        role: str = "",
        variant: str = "",
        temperature: float | None = None,
        model: str | None = None,
    ) -> Value:
        """One LM call.

        Args:
            signature: What the call is asked.
            inputs: Values by field of ``signature``.
            role: What the call is for, where it does not answer the step itself: ``"critic"``. A call with a role has
                its own instruction and demos; one without uses the step's.
            variant: Tells several calls that answer the step apart: ``"revision"``. It uses the step's instruction and
                demos until search gives it some of its own.
            temperature: Decoding temperature; ``None`` leaves it to the step and the LM.
            model: Recorded name of the LM it must run on; ``None`` for the step's.

        Raises:
            GraphError: An input is missing or unknown.
        """
        address = self._address(role, variant, "predict")
        node = nodes.LM(
            id=self._id(),
            types=(signature.value.annotation,),
            signature=signature,
            inputs=_named(signature, inputs),
            address=address,
            purpose=self._purpose(address),
            temperature=temperature,
            model=model,
        )
        return self._add(node)[0]

    def module(
        self,
        module: Answers,
        signature: Signature,
        inputs: Fields,
        *,
        role: str = "",
        variant: str = "",
        temperature: float | None = None,
        model: str | None = None,
        nearest: int | None = None,
    ) -> Value:
        """The answer of another module, its graph put in place.

        Args:
            module: Who answers.
            signature: What it is asked.
            inputs: Values by field of ``signature``.
            role: As for ``lm``.
            variant: As for ``lm``.
            temperature: For those of its calls that answer ``signature`` and set none themselves.
            model: For those of its calls that name none themselves.
            nearest: Its calls that answer ``signature`` show only so many of their demos, those most like the inputs.

        Raises:
            GraphError: An input is missing or unknown, or the module's graph has steps of its own.
            SignatureError: The module cannot serve the signature.
        """
        graph = module.build(signature)
        given = dict(_named(signature, inputs))
        known = {node.results[0]: self._given(node.slot, given) for node in graph.inputs}
        renumbering = Renumbering(self._count + 1, known)
        how = _How(role, variant, temperature, model, nearest)
        for node in graph.nodes[len(graph.inputs) : -1]:
            self._scopes[-1].append(self._adopted(renumbering.node(node), how))
        self._count = renumbering.next - 1
        return Value(renumbering.ref(graph.output.value), signature.value.annotation, self)

    def op(self, op: Op, inputs: Fields | Sequence[Value], *, returns: Annotation = None) -> Value:
        """A call of an op.

        Args:
            op: The op; a library op where the graph is to run from a file alone.
            inputs: Values by argument name, or in order.
            returns: The result's type where the op's own return type says less.
        """
        named = inputs.items() if isinstance(inputs, Mapping) else ((str(i), value) for i, value in enumerate(inputs))
        return self.call(op.name, dict(named), returns=op.returns if returns is None else returns, effects=op.effects)

    def call(self, name: str, inputs: Fields, *, returns: Annotation = Any, effects: bool = False) -> Value:
        """A call of the op called ``name``, which the table of ops must hold when the graph runs."""
        refs = tuple((argument, value.ref) for argument, value in inputs.items())
        return self._add(nodes.Op(id=self._id(), types=(returns,), op=name, inputs=refs, effects=effects))[0]

    def step(self, name: str, predictor: str, signature: Signature, inputs: Fields) -> Value:
        """A call site of a predictor. For programs made by hand; a module's graph has none.

        Args:
            name: The predictor's name, with ``#2`` from the second call site on.
            predictor: The predictor's name.
            signature: The predictor's signature.
            inputs: Values by field.

        Raises:
            GraphError: An input is missing or unknown.
        """
        kinds = (signature.value.annotation,)
        named = _named(signature, inputs)
        return self._add(nodes.Step(id=self._id(), types=kinds, name=name, predictor=predictor, inputs=named))[0]

    def const(self, value: JSON, annotation: Annotation = None) -> Value:
        """A constant."""
        known = annotation if annotation is not None else constant_type(value)
        return self._add(nodes.Const(id=self._id(), types=(known,), value=value))[0]

    def expr(self, expression: JSON, inputs: Sequence[Value], annotation: Annotation = Any) -> Value:
        """A pure expression, in which ``["arg", i]`` is the i-th of ``inputs``."""
        refs = tuple(value.ref for value in inputs)
        return self._add(nodes.Expr(id=self._id(), types=(annotation,), expression=expression, inputs=refs))[0]

    # --- regions -------------------------------------------------------------------------------------------------

    def map(self, items: Value, body: Callable[[Value], Results], *, bound: int | None = None) -> tuple[Value, ...]:
        """``body`` once per element, in parallel. Each of its results becomes a list.

        Args:
            items: The list.
            body: Given the element, adds nodes and returns its result or results.
            bound: The most elements there can be; needed for a bound on LM calls.
        """
        id = self._id()
        region, types = self._region(id, (element_type(items.annotation),), lambda values: body(values[0]))
        return self._add(nodes.Map(id=id, types=lists_of(types), items=items.ref, body=region, bound=bound))

    def replicate(self, count: int, body: Callable[[], Results]) -> tuple[Value, ...]:
        """``body`` several times over, each time other samples of its LM calls. Each result becomes a list."""
        id = self._id()
        region, types = self._region(id, (), lambda _: body())
        return self._add(nodes.Replicate(id=id, types=lists_of(types), count=count, body=region))

    def branch(
        self, condition: Value, then: Callable[[], Results], otherwise: Callable[[], Results]
    ) -> tuple[Value, ...]:
        """One of two bodies by the truth of ``condition``; both give the same number of results."""
        id = self._id()
        yes, yes_types = self._region(id, (), lambda _: then())
        no, no_types = self._region(id, (), lambda _: otherwise())
        if len(yes_types) != len(no_types):
            msg = f"{self.name}: the arms of a branch give {len(yes_types)} and {len(no_types)} results; give as many"
            raise GraphError(msg, rule=7)
        types = tuple(either(a, b) for a, b in zip(yes_types, no_types, strict=True))
        return self._add(nodes.Branch(id=id, types=types, condition=condition.ref, then=yes, otherwise=no))

    def loop(
        self,
        carried: Sequence[Value],
        body: Callable[..., Results],
        *,
        items: Value | None = None,
        bound: int | None = None,
        stops: bool = False,
    ) -> tuple[Value, ...]:
        """``body`` again and again, one turn after another; returns the carried values at the end.

        Args:
            carried: First values of what one turn hands to the next.
            body: Given the element (the turn's number without ``items``) and the carried values, returns the new
                carried values, then the stop flag if ``stops``.
            items: One turn per element.
            bound: The most turns; required without ``items``.
            stops: Whether the body ends the loop early by a true last result.

        Raises:
            GraphError: Neither ``items`` nor ``bound`` is given, or the body gives another number of results.
        """
        if items is None and bound is None:
            msg = f"{self.name}: a loop without items needs bound=, the most turns it may take"
            raise GraphError(msg, rule=9)
        id = self._id()
        turn = int if items is None else element_type(items.annotation)
        types = (turn, *(value.annotation for value in carried))
        region, given = self._region(id, types, lambda values: body(*values))
        if len(given) != len(carried) + stops:
            msg = f"{self.name}: the loop's body gives {len(given)} results; give {len(carried) + stops}: the carried "
            raise GraphError(msg + f"values{' and the stop flag' if stops else ''}", rule=7)
        node = nodes.Loop(
            id=id,
            types=types[1:],
            items=None if items is None else items.ref,
            carried=tuple(value.ref for value in carried),
            body=region,
            stops=stops,
            bound=bound,
        )
        return self._add(node)

    def finish(self, value: Value, predictors: Mapping[str, Predictor] | None = None) -> Graph:
        """The graph, with ``value`` as its output. The builder is not used again.

        Args:
            value: The result.
            predictors: What the steps call, by name; a module's graph has none.
        """
        output = nodes.Output(id=self._id(), value=value.ref)
        return Graph(name=self.name, nodes=(*self._scopes[0], output), predictors=dict(predictors or {}))

    # --- parts ---------------------------------------------------------------------------------------------------

    def _id(self) -> NodeId:
        self._count += 1
        return NodeId(f"n{self._count}")

    def _add(self, node: Node) -> tuple[Value, ...]:
        self._scopes[-1].append(node)
        return tuple(Value(ref, kind, self) for ref, kind in zip(node.results, node.types, strict=True))

    def _input(self, slot: Slot) -> Value:
        return self._add(nodes.Input(id=self._id(), types=(slot.annotation,), slot=slot))[0]

    def _given(self, slot: Slot, given: Mapping[str, Ref]) -> Ref:
        return given[slot.name] if slot.name in given else self.const(dump(slot.default), slot.annotation).ref

    def _region(
        self, id: NodeId, types: Sequence[Annotation], body: Callable[[Sequence[Value]], Results]
    ) -> tuple[Region, tuple[Annotation, ...]]:
        refs = arguments_of(id, 0, len(types))
        arguments = [Value(ref, kind, self) for ref, kind in zip(refs, types, strict=True)]
        self._scopes.append([])
        try:
            given = body(arguments)
        finally:
            inner = self._scopes.pop()
        results = (given,) if isinstance(given, Value) else tuple(given)
        region = Region(
            arguments=tuple(Argument(ref=value.ref, annotation=value.annotation) for value in arguments),
            nodes=tuple(inner),
            results=tuple(value.ref for value in results),
        )
        return region, tuple(value.annotation for value in results)

    def _address(self, role: str, variant: str, rest: str) -> str:
        own = f"{self.name}:{variant}" if variant else self.name
        if own == "predict" and not role:
            return rest
        return f"{own}.{role}/{rest}" if role else f"{own}/{rest}"

    def _purpose(self, address: str) -> str:
        """The roles on the way, and a number from the second call with the same roles on."""
        roles = ".".join(part.partition(".")[2] for part in address.split("/") if "." in part)
        seen = self._purposes[roles] = self._purposes.get(roles, 0) + 1
        return roles if seen == 1 else f"{roles}#{seen}"

    def _adopted(self, node: Node, how: _How) -> Node:
        """An inlined node, its addresses and those of nodes inside it prefixed."""
        if isinstance(node, nodes.Step):
            msg = f"{self.name}: a module's graph may not hold steps ({node.name!r}); use g.lm or g.module"
            raise GraphError(msg)
        if isinstance(node, nodes.LM):
            address = self._address(how.role, how.variant, node.address)
            answers = "." not in node.address
            return dataclasses.replace(
                node,
                address=address,
                purpose=self._purpose(address),
                temperature=how.temperature if node.temperature is None and answers else node.temperature,
                model=how.model if node.model is None else node.model,
                nearest=how.nearest if node.nearest is None and answers else node.nearest,
            )
        return with_inner(node, lambda inner: self._adopted(inner, how)) if node.regions else node


@dataclasses.dataclass(frozen=True)
class _How:
    """How an inlined module answers; fields as the arguments of ``GraphBuilder.module``."""

    role: str
    variant: str
    temperature: float | None
    model: str | None
    nearest: int | None


def _named(signature: Signature, inputs: Fields) -> Inputs:
    unknown = [name for name in inputs if name not in {slot.name for slot in signature.inputs}]
    missing = [slot.name for slot in signature.inputs if slot.default is MISSING and slot.name not in inputs]
    if unknown or missing:
        said = f"has no input {', '.join(unknown)}" if unknown else f"needs the input {', '.join(missing)}"
        msg = f"{signature.name!r} {said}; it takes {signature.takes()}"
        raise GraphError(msg, rule=5)
    return tuple((slot.name, inputs[slot.name].ref) for slot in signature.inputs if slot.name in inputs)
