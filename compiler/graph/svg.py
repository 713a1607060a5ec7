"""Graphs as SVG: one self-contained picture, in the reader's light or dark colours."""

from __future__ import annotations

from collections.abc import Iterator

from treadle.compiler.escape import xml
from treadle.compiler.graph.layout import Box, Label, Line, layout
from treadle.compiler.graph.nodes import Graph

_FORM = """\
text{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}text.name{font-weight:500}
rect{stroke-width:1.2}path{fill:none;stroke-width:1.3}path.context{stroke-dasharray:5 4}marker path{stroke:none}
"""

# colours are written out, not kept in variables: many programs that draw SVG know no variables
_LIGHT = """\
.page{fill:#ffffff}text{fill:#475569}text.name{fill:#0f172a}path{stroke:#64748b}marker path{fill:#64748b}
.step,.lm{fill:#dbeafe;stroke:#2563eb}.op{fill:#fef3c7;stroke:#b45309}.input,.output{fill:#dcfce7;stroke:#15803d}
.const,.expr{fill:#ffffff;stroke:#94a3b8}.map,.loop,.replicate,.branch{fill:#f8fafc;stroke:#94a3b8}
.arm{fill:#f1f5f9;stroke:#cbd5e1}
"""
_DARK = """\
.page{fill:#0b1120}text{fill:#94a3b8}text.name{fill:#e2e8f0}path{stroke:#94a3b8}marker path{fill:#94a3b8}
.step,.lm{fill:#1e3a5f;stroke:#60a5fa}.op{fill:#3f2f12;stroke:#f59e0b}.input,.output{fill:#14331f;stroke:#4ade80}
.const,.expr{fill:#1e293b;stroke:#475569}.map,.loop,.replicate,.branch{fill:#111827;stroke:#475569}
.arm{fill:#1f2937;stroke:#334155}
"""
_STYLE = f"{_FORM}{_LIGHT}@media(prefers-color-scheme:dark){{{_DARK}}}"

_ROUND = {"input": 16.0, "output": 16.0, "const": 2.0, "expr": 10.0}


def svg(graph: Graph) -> str:
    """The graph as an SVG document that needs no other file. Context edges are dashed; labels stay text.

    The picture follows the reader's colour scheme by a media query.
    """
    page = layout(graph)
    size = f'width="{page.width:.0f}" height="{page.height:.0f}" viewBox="0 0 {page.width:.0f} {page.height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        f'<title id="title">{xml(graph.name)}</title>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="page" width="{page.width:.0f}" height="{page.height:.0f}"/>',
        *_inside(page),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _inside(box: Box) -> Iterator[str]:
    yield from (_line(found) for found in box.lines)
    for inner in box.boxes:
        yield from _box(inner)


def _box(box: Box) -> Iterator[str]:
    corner = _ROUND.get(box.kind, 6.0)
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{corner:g}"'
    yield f'<rect class="{box.kind}" {place}/>'
    yield from (_label(label, first=index == 0) for index, label in enumerate(box.labels))
    yield from _inside(box)


def _label(label: Label, *, first: bool) -> str:
    name = ' class="name"' if first else ""
    baseline = label.y + label.size * 1.1
    return f'<text{name} x="{label.x:.1f}" y="{baseline:.1f}" font-size="{label.size:g}">{xml(label.text)}</text>'


def _line(line: Line) -> str:
    """A path that runs straight down at each of its points and bends between them."""
    (x, y), *rest = line.points
    path = f"M{x:.1f} {y:.1f}"
    for to_x, to_y in rest:
        if to_x == x:
            path += f"V{to_y:.1f}"
        else:
            middle = (y + to_y) / 2
            path += f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    dashed = ' class="context"' if line.context else ""
    return f'<path{dashed} d="{path}" marker-end="url(#arrow)"/>'
