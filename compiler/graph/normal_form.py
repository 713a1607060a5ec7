"""The normal form of a graph: equal pure expressions once, unused ones gone. What a run gives stays the same.

Steps, ops and LM calls stay, used or not, and as often as they are: two equal calls are two samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from treadle.compiler.canonical import canonical
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bounds import Expand
from treadle.compiler.graph.nodes import Graph, Node, NodeId, Ref, Region
from treadle.compiler.graph.rewrite_base import Rewrite, RewriteOp
from treadle.compiler.graph.rewrite_edges import is_pure, restore
from treadle.compiler.graph.substitute import with_parts


def normal_form(graph: Graph) -> Graph:
    """The graph in normal form; the nodes that stay keep their ids."""
    merged = _Merging().region(Region(nodes=graph.nodes, results=()), {})
    return dataclasses.replace(graph, nodes=_without_unused(merged.nodes))


class _Merging:
    """Gives equal pure expressions of a region, and of those around it, one node."""

    def __init__(self) -> None:
        self.same: dict[Ref, Ref] = {}

    def ref(self, ref: Ref) -> Ref:
        return self.same.get(ref, ref)

    def region(self, region: Region, around: dict[str, Ref]) -> Region:
        known = dict(around)
        kept: list[Node] = []
        for node in region.nodes:
            new = with_parts(node, ref=self.ref, region=lambda inner, known=known: self.region(inner, known))  # type: ignore[misc]
            key = _key(new)
            if key is not None and key in known:
                self.same[node.results[0]] = known[key]
                continue
            if key is not None:
                known[key] = new.results[0]
            kept.append(new)
        results = tuple(self.ref(value) for value in region.results)
        return dataclasses.replace(region, nodes=tuple(kept), results=results)


def _key(node: Node) -> str | None:
    match node:
        case nodes.Const():
            return canonical(["const", node.value, repr(node.types)])
        case nodes.Expr():
            return canonical(["expr", node.expression, list(node.inputs)])
    return None


def _without_unused(inside: Sequence[Node]) -> tuple[Node, ...]:
    while True:
        read = values_read(inside)
        kept = _kept(inside, read)
        if kept == tuple(inside):
            return kept
        inside = kept


def values_read(inside: Sequence[Node]) -> set[Ref]:
    """Every value that a node among these, or in a region of theirs, reads or gives back."""
    found: set[Ref] = set()
    for node in inside:
        found.update(node.reads)
        for region in node.regions:
            found.update(region.results)
            found |= values_read(region.nodes)
    return found


def _kept(inside: Sequence[Node], read: set[Ref]) -> tuple[Node, ...]:
    def region(inner: Region) -> Region:
        return dataclasses.replace(inner, nodes=_kept(inner.nodes, read))

    used = [node for node in inside if not is_pure(node) or any(ref in read for ref in node.results)]
    return tuple(with_parts(node, ref=lambda ref: ref, region=region) for node in used)


class Normalise(RewriteOp):
    """Bring the graph into normal form."""

    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The normal form."""
        return normal_form(graph)

    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """The graph as it was."""
        return restore(graph)

    def describe(self, rewrite: Rewrite) -> str:
        """It changes nothing a run gives."""
        return "compute equal expressions once and unused ones not at all"

    def touched(self, graph: Graph, rewrite: Rewrite) -> frozenset[str]:
        """No predictor."""
        return frozenset()

    def dropped(self, graph: Graph, rewrite: Rewrite) -> frozenset[NodeId]:
        """Pure expressions."""
        return frozenset(node.id for _, node in graph.walk() if is_pure(node))
