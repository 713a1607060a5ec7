"""Rows for a drawing: which node stands in which row and in which order, so that lines run down and cross little.

Layers by the longest path, free lanes for lines that pass a row, order by barycentres: Sugiyama, Tagawa and Toda,
"Methods for visual understanding of hierarchical system structures" (1981), sections 3 and 4.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from treadle.compiler.graph.nodes import NodeId

MOST_IN_A_ROW = 6
"""Most nodes of one row; more wrap into another."""

SWEEPS = 6
"""How often the order of all rows is improved, down and up."""

Place: TypeAlias = NodeId | tuple[NodeId, int]
"""A node, or the lane on which a node's lines pass a row."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layers:
    """Rows from top to bottom, and the way of every line through them.

    Attributes:
        rows: Places of every row from left to right.
        ways: For every pair of nodes the places its line passes, both ends included.
    """

    rows: tuple[tuple[Place, ...], ...]
    ways: Mapping[tuple[NodeId, NodeId], tuple[Place, ...]]

    def neighbours(self, *, above: bool) -> dict[Place, list[Place]]:
        """What every place is joined to in the row above, or below."""
        found: dict[Place, list[Place]] = {place: [] for row in self.rows for place in row}
        steps = dict.fromkeys(step for way in self.ways.values() for step in itertools.pairwise(way))
        for upper, lower in steps:
            if above:
                found[lower].append(upper)
            else:
                found[upper].append(lower)
        return found


def layers(ids: Sequence[NodeId], pairs: Sequence[tuple[NodeId, NodeId]]) -> Layers:
    """Rows for nodes and the lines between them.

    Args:
        ids: Nodes in program order.
        pairs: Source and target of every line; each once, and never against the program order.
    """
    rows = _rows(ids, pairs)
    row_of = {id: index for index, row in enumerate(rows) for id in row}
    ways: dict[tuple[NodeId, NodeId], tuple[Place, ...]] = {}
    filled: list[list[Place]] = [list(row) for row in rows]
    for source, target in pairs:
        lanes: list[Place] = [(source, row) for row in range(row_of[source] + 1, row_of[target])]
        for lane, row in zip(lanes, range(row_of[source] + 1, row_of[target]), strict=True):
            if lane not in filled[row]:
                filled[row].append(lane)
        ways[source, target] = (source, *lanes, target)
    return _ordered(Layers(rows=tuple(tuple(row) for row in filled), ways=ways))


def _rows(ids: Sequence[NodeId], pairs: Sequence[tuple[NodeId, NodeId]]) -> list[list[NodeId]]:
    import networkx as nx

    graph: nx.DiGraph[NodeId] = nx.DiGraph()
    graph.add_nodes_from(ids)
    graph.add_edges_from(pairs)
    order = {id: index for index, id in enumerate(ids)}
    rows: list[list[NodeId]] = []
    for generation in nx.topological_generations(graph):
        found = sorted(generation, key=order.__getitem__)
        rows += [found[start : start + MOST_IN_A_ROW] for start in range(0, len(found), MOST_IN_A_ROW)]
    return rows


def _ordered(found: Layers) -> Layers:
    """The rows in an order in which places stand near the places they are joined to."""
    above, below = found.neighbours(above=True), found.neighbours(above=False)
    rows = [list(row) for row in found.rows]
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for index in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            fixed = rows[index - 1 if down else index + 1]
            place = {other: (number + 0.5) / len(fixed) for number, other in enumerate(fixed)}
            rows[index] = _by_barycentre(rows[index], above if down else below, place)
    return dataclasses.replace(found, rows=tuple(tuple(row) for row in rows))


def _by_barycentre(
    row: list[Place], joined: Mapping[Place, Sequence[Place]], place: Mapping[Place, float]
) -> list[Place]:
    """The row by the mean place of what each is joined to; what is joined to nothing keeps its own place."""

    def mean(number: int) -> float:
        near = [place[other] for other in joined[row[number]]]
        return sum(near) / len(near) if near else (number + 0.5) / len(row)

    return [row[number] for number in sorted(range(len(row)), key=mean)]
