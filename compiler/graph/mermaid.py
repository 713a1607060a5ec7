"""Graphs as Mermaid flowcharts, for notebooks, pull requests and documentation pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from treadle.compiler.escape import line
from treadle.compiler.graph.captions import WIDEST, Lines, arms, captions
from treadle.compiler.graph.links import Link, links
from treadle.compiler.graph.nodes import Graph, Node, NodeId

_SHAPES: Mapping[str, tuple[str, str]] = {
    "input": ("([", "])"),
    "output": ("([", "])"),
    "const": (">", "]"),
    "expr": ("(", ")"),
    "op": ("[[", "]]"),
}

_CLASSES = """\
classDef step fill:#dbeafe,stroke:#2563eb,color:#0f172a
classDef lm fill:#dbeafe,stroke:#2563eb,color:#0f172a
classDef op fill:#fef3c7,stroke:#b45309,color:#0f172a
"""

_UNSAFE = re.compile(r"[^\w .,:()…→+=/-]")


def mermaid(graph: Graph) -> str:
    """The graph as the text of a Mermaid flowchart. Context edges are dotted; whatever labels say stays text."""
    writer = _Writer(graph)
    lines = ["flowchart TD", *writer.nodes(graph.nodes, 1)]
    lines += [f"  {text}" for text in writer.links()]
    lines += [f"  {text}" for text in _CLASSES.splitlines()]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text for a quoted Mermaid label: everything that could end or mark it up as an entity.

    >>> escaped('say "hi" <b>')
    'say #34;hi#34; #60;b#62;'
    """
    return _UNSAFE.sub(lambda found: f"#{ord(found[0])};", line(text))


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.captions = captions(graph)
        # ids may come from a file: the drawing has its own
        self.ids: dict[NodeId, str] = {node.id: f"v{i}" for i, (_, node) in enumerate(graph.walk(), 1)}

    def nodes(self, inside: Sequence[Node], depth: int) -> Iterator[str]:
        for node in inside:
            yield from self.region(node, depth) if node.regions else [self.leaf(node, depth)]

    def leaf(self, node: Node, depth: int) -> str:
        left, right = _SHAPES.get(node.kind, ("[", "]"))
        kind = f":::{node.kind}" if node.kind in ("step", "lm", "op") else ""
        return f'{"  " * depth}{self.ids[node.id]}{left}"{_label(self.captions[node.id])}"{right}{kind}'

    def region(self, node: Node, depth: int) -> Iterator[str]:
        pad, id = "  " * depth, self.ids[node.id]
        yield f'{pad}subgraph {id}["{_label(self.captions[node.id])}"]'
        for index, (name, region) in enumerate(zip(arms(node), node.regions, strict=True)):
            if name:
                yield f'{pad}  subgraph {id}a{index}["{escaped(name)}"]'
            yield from self.nodes(region.nodes, depth + 1 + bool(name))
            if not region.nodes:  # Mermaid draws no empty subgraph
                yield f'{pad}    {id}e{index}["nothing"]'
            if name:
                yield f"{pad}  end"
        yield f"{pad}end"

    def links(self) -> Iterator[str]:
        around = {node.id: outer for outer, node in self.graph.walk()}
        for link in dict.fromkeys(links(self.graph)):
            if link.source not in around[link.target]:  # an argument: the node stands in its source
                yield self.link(link)

    def link(self, link: Link) -> str:
        arrow = "-.->" if link.context else "-->"
        label = f'|"{escaped(line(link.field, WIDEST))}"|' if link.field else ""
        return f"{self.ids[link.source]} {arrow}{label} {self.ids[link.target]}"


def _label(lines: Lines) -> str:
    return "<br/>".join(escaped(text) for text in lines if text)
