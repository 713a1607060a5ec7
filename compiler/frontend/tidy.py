"""What is dropped from a captured graph: constants nobody reads, and expressions that cannot fail and nobody reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Node, Ref, Region
from treadle.compiler.graph.substitute import with_parts

_HARMLESS = frozenset({"arg", "const", "list", "tuple", "text"})


def tidied(written: Sequence[Node]) -> list[Node]:
    """The nodes that are needed: everything but unused constants and unused expressions that cannot fail."""
    return _block(written, set())


def _block(written: Sequence[Node], used: set[Ref]) -> list[Node]:
    """Walk backwards: a node is needed if something behind it reads it, or if running it can be told."""
    kept: list[Node] = []
    for node in reversed(written):
        if _droppable(node) and used.isdisjoint(node.results):
            continue
        kept.append(_inside(node, used))
        used.update(node.reads)
    return kept[::-1]


def _inside(node: Node, used: set[Ref]) -> Node:
    if not node.regions:
        return node

    def region(inner: Region) -> Region:
        used.update(inner.results)
        return dataclasses.replace(inner, nodes=tuple(_block(inner.nodes, used)))

    return with_parts(node, ref=lambda ref: ref, region=region)


def _droppable(node: Node) -> bool:
    if isinstance(node, nodes.Const):
        return True
    return isinstance(node, nodes.Expr) and len(node.types) == 1 and _is_harmless(node.expression)


def _is_harmless(tree: Any) -> bool:
    """Whether evaluating the expression cannot fail."""
    if not isinstance(tree, list):
        return True
    if tree and isinstance(tree[0], str):
        if tree[0] == "text":
            return all(isinstance(part, str) for part in tree[1:])
        if tree[0] in ("dict", "set"):
            return len(tree) == 1
        if tree[0] not in _HARMLESS:
            return False
        return all(_is_harmless(part) for part in tree[1:])
    return False
