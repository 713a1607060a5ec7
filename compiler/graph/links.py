"""The lines of a drawing: which node's value goes to which node."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node, NodeId, Ref


@dataclasses.dataclass(frozen=True, kw_only=True)
class Link:
    """One value on its way.

    Attributes:
        source: The node that makes it.
        target: The node that reads it.
        field: The input it fills, where that has a name.
        context: Whether it is a context edge.
    """

    source: NodeId
    target: NodeId
    field: str = ""
    context: bool = False


def links(graph: Graph) -> tuple[Link, ...]:
    """Every value on its way, in program order; an argument of a region comes from the region's node."""
    maker: dict[Ref, NodeId] = {}
    for _, node in graph.walk():
        maker.update(dict.fromkeys(node.results, node.id))
        maker.update((argument.ref, node.id) for region in node.regions for argument in region.arguments)
    return tuple(
        Link(source=maker[ref], target=node.id, field=field, context=context)
        for _, node in graph.walk()
        for field, ref, context in _reads(node)
    )


def _reads(node: Node) -> Iterator[tuple[str, Ref, bool]]:
    match node:
        case nodes.Step():
            yield from ((field, ref, False) for field, ref in node.inputs)
            yield from ((source, ref, True) for source, ref in node.context)
        case nodes.LM() | nodes.Op():
            yield from (("" if field.isdecimal() else field, ref, False) for field, ref in node.inputs)
        case _:
            yield from (("", ref, False) for ref in node.reads)


@dataclasses.dataclass(frozen=True)
class Family:
    """Which node stands in which region, to bring two nodes to one level.

    Attributes:
        around: Ids of the nodes around each node, outermost first, then its own.
    """

    around: dict[NodeId, tuple[NodeId, ...]]

    @classmethod
    def of(cls, graph: Graph) -> Family:
        """The family of a graph's nodes."""
        return cls({node.id: (*outer, node.id) for outer, node in graph.walk()})

    def siblings(self, source: NodeId, target: NodeId) -> tuple[NodeId, NodeId] | None:
        """The two nodes, or what they stand in, that stand beside each other; ``None`` where one is in the other."""
        for a, b in zip(self.around[source], self.around[target], strict=False):
            if a != b:
                return a, b
        return None
