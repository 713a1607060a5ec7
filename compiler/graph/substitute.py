"""Nodes under other names: the one place that knows where each kind of node holds references."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from treadle.compiler.errors import GraphError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Inputs, Node, NodeId, Ref, Region

RefMap = Callable[[Ref], Ref]
RegionMap = Callable[[Region], Region]


def with_parts(node: Node, *, ref: RefMap, region: RegionMap, id: NodeId | None = None) -> Node:
    """``node`` with every reference it reads passed through ``ref`` and every region through ``region``.

    Args:
        node: Any node.
        ref: Gives the new reference of a value the node reads.
        region: Gives the new region; references inside regions are its business.
        id: The new id, where it changes.
    """
    changes = _changes(node, ref, region)
    # the fields are those of the node's own class, which the type system cannot follow through a mapping
    return dataclasses.replace(node, id=node.id if id is None else id, **changes)  # type: ignore[arg-type]


def _changes(node: Node, ref: RefMap, region: RegionMap) -> dict[str, object]:
    match node:
        case nodes.Input() | nodes.Const():
            return {}
        case nodes.Output():
            return {"value": ref(node.value)}
        case nodes.LM() | nodes.Op():
            return {"inputs": _inputs(node.inputs, ref)}
        case nodes.Expr():
            return {"inputs": tuple(ref(value) for value in node.inputs)}
        case nodes.Step():
            return {"inputs": _inputs(node.inputs, ref), "context": _inputs(node.context, ref)}
        case nodes.Map():
            return {"items": ref(node.items), "body": region(node.body)}
        case nodes.Branch():
            return {
                "condition": ref(node.condition),
                "then": region(node.then),
                "otherwise": region(node.otherwise),
            }
        case nodes.Loop():
            items = None if node.items is None else ref(node.items)
            return {"items": items, "carried": tuple(ref(value) for value in node.carried), "body": region(node.body)}
        case nodes.Replicate():
            return {"body": region(node.body)}


def with_inner(node: Node, change: Callable[[Node], Node]) -> Node:
    """``node`` with every node directly inside its regions passed through ``change``."""

    def region(inner: Region) -> Region:
        return dataclasses.replace(inner, nodes=tuple(change(node) for node in inner.nodes))

    return with_parts(node, ref=_same, region=region)


def _same(ref: Ref) -> Ref:
    return ref


def _inputs(inputs: Inputs, ref: RefMap) -> Inputs:
    return tuple((name, ref(value)) for name, value in inputs)


def results_of(id: NodeId, count: int) -> tuple[Ref, ...]:
    """References of a node's results: its id, or its id and an index where there are several."""
    return (Ref(id),) if count == 1 else tuple(Ref(f"{id}.{index}") for index in range(count))


def arguments_of(id: NodeId, region: int, count: int) -> tuple[Ref, ...]:
    """References of the arguments of a node's region, as the builder and the canonical numbering write them."""
    prefix = f"{id}:" if region == 0 else f"{id}:{region}:"
    return tuple(Ref(f"{prefix}{index}") for index in range(count))


class Renumbering:
    """Gives nodes new ids in program order and rewrites what they read.

    Used to number a graph canonically, to inline a module's graph, and after an edit. Local names and old ids leave no
    mark on the result.

    Args:
        first: Number of the first new id.
        known: New references of values that come from outside, by old reference.
    """

    def __init__(self, first: int = 1, known: Mapping[Ref, Ref] | None = None) -> None:
        self.next = first
        self._known: dict[Ref, Ref] = dict(known or {})

    def ref(self, old: Ref) -> Ref:
        """The new reference of ``old``.

        Raises:
            GraphError: Nothing before defines ``old``.
        """
        try:
            return self._known[old]
        except KeyError:
            msg = f"the value {old!r} is read before anything writes it"
            raise GraphError(msg, rule=3) from None

    def nodes(self, old: Iterable[Node]) -> tuple[Node, ...]:
        """The nodes under new ids, in the same order."""
        return tuple(self.node(node) for node in old)

    def node(self, old: Node) -> Node:
        """The next node under its new id."""
        id = NodeId(f"n{self.next}")
        self.next += 1
        count = 0

        def region(inner: Region) -> Region:
            nonlocal count
            count += 1
            return self._region(id, count - 1, inner)

        new = with_parts(old, ref=self.ref, region=region, id=id)
        self._known.update(zip(old.results, results_of(id, len(old.types)), strict=True))
        return new

    def _region(self, id: NodeId, index: int, old: Region) -> Region:
        arguments = arguments_of(id, index, len(old.arguments))
        self._known.update((argument.ref, new) for argument, new in zip(old.arguments, arguments, strict=True))
        return Region(
            arguments=tuple(
                dataclasses.replace(argument, ref=new) for argument, new in zip(old.arguments, arguments, strict=True)
            ),
            nodes=self.nodes(old.nodes),
            results=tuple(self.ref(value) for value in old.results),
        )
