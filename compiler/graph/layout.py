"""Where the parts of a drawing stand: boxes in rows from top to bottom, regions as boxes around their nodes.

One layout for every region, inner ones first: ``layers.py`` gives rows, here they get coordinates. A line runs in the
gaps between rows and on free lanes through them, so none runs through a box. Text is measured by a table of widths that
no common sans-serif font exceeds.
"""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from treadle.compiler.graph.captions import Lines, arms, captions
from treadle.compiler.graph.layers import Layers, Place, layers
from treadle.compiler.graph.links import Family, links
from treadle.compiler.graph.nodes import Graph, Node, NodeId

TITLE, SMALL = 13.0, 11.0
"""Font sizes in pixels: the first line of a label, the others."""

LINE = 1.4
"""Height of a line in font sizes."""

PAD, GAP, ROW, LANE = 10.0, 24.0, 40.0, 12.0
"""Pixels: inside a box, between boxes of a row, between rows, the lane of a line that passes a row."""

NARROWEST = 60.0
"""Least width of a box in pixels."""

PASSES = 8
"""How often boxes are moved nearer to what they are joined to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label:
    """One line of text. ``x`` and ``y`` are its top left corner, in pixels."""

    text: str
    x: float
    y: float
    width: float
    size: float

    @property
    def height(self) -> float:
        """Height of the line."""
        return self.size * LINE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """A node, or one arm of a branch. ``x`` and ``y`` are its top left corner, in pixels.

    Attributes:
        id: The node's id.
        kind: The node's kind, or ``"arm"``.
        labels: Its lines of text.
        boxes: Boxes inside it.
        lines: Lines between the boxes inside it.
    """

    id: NodeId
    kind: str
    x: float
    y: float
    width: float
    height: float
    labels: tuple[Label, ...]
    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()

    def moved(self, x: float, y: float) -> Box:
        """The box and all in it, further right and down."""
        return dataclasses.replace(
            self,
            x=self.x + x,
            y=self.y + y,
            labels=tuple(dataclasses.replace(label, x=label.x + x, y=label.y + y) for label in self.labels),
            boxes=tuple(box.moved(x, y) for box in self.boxes),
            lines=tuple(found.moved(x, y) for found in self.lines),
        )

    def walk(self) -> Iterator[Box]:
        """The box and all boxes in it."""
        yield self
        for box in self.boxes:
            yield from box.walk()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A value on its way from one box to another: a path of points, straight down at each of them."""

    points: tuple[tuple[float, float], ...]
    context: bool = False

    def moved(self, x: float, y: float) -> Line:
        """The line further right and down."""
        return dataclasses.replace(self, points=tuple((a + x, b + y) for a, b in self.points))


def text_width(text: str, size: float) -> float:
    """Pixels a line of text takes at most in a common sans-serif font."""
    return size * sum(_WIDTHS.get(character) or _width(character) for character in text)


_WIDTHS: Mapping[str, float] = {
    **dict.fromkeys("ijl.,:;'|!`", 0.4),
    **dict.fromkeys('ftrI()[]{}/\\- "', 0.5),
    **dict.fromkeys("mwMW@%#&+=<>~^→…", 1.05),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ", 0.85),
}


def _width(character: str) -> float:
    if character.isascii():
        return 0.7
    if unicodedata.combining(character):
        return 0.0
    return 1.4 if unicodedata.east_asian_width(character) in "WF" else 1.1


def layout(graph: Graph) -> Box:
    """The drawing of a graph: one box, the page, around all others. Meant for graphs a person can read."""
    return _Artist(graph).page()


class _Artist:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.captions = captions(graph)
        family = Family.of(graph)
        self.context: dict[tuple[NodeId, NodeId], bool] = {}
        for link in links(graph):
            pair = family.siblings(link.source, link.target)
            if pair is not None:  # dashed only where nothing but context goes from the one to the other
                self.context[pair] = self.context.get(pair, True) and link.context

    def page(self) -> Box:
        return _around(NodeId(""), "page", (), [self.region(self.graph.nodes)])

    def node(self, node: Node) -> Box:
        lines = self.captions[node.id]
        if not node.regions:
            return _around(node.id, node.kind, lines, [])
        parts = [self.region(region.nodes) for region in node.regions]
        if any(arms(node)):
            parts = [_around(node.id, "arm", (name,), [part]) for name, part in zip(arms(node), parts, strict=True)]
        return _around(node.id, node.kind, lines, parts)

    def region(self, inside: Sequence[Node]) -> Box:
        """The nodes of one region in their places, around them nothing."""
        boxes = {node.id: self.node(node) for node in inside}
        pairs = [pair for pair in self.context if pair[0] in boxes and pair[1] in boxes]
        return _Table(boxes, layers(list(boxes), pairs)).drawn(self.context)


def _around(id: NodeId, kind: str, lines: Lines, parts: Sequence[Box]) -> Box:
    """A box with lines of text on top and parts side by side below them."""
    labels, width, height = _labels(lines)
    inside = sum(part.width + PAD for part in parts) - PAD if parts else 0.0
    whole = max(width, inside, NARROWEST - 2 * PAD)
    x, top = PAD + (whole - inside) / 2, height + (2 * PAD if height and parts else PAD)
    placed: list[Box] = []
    for part in parts:
        placed.append(part.moved(x, top))
        x += part.width + PAD
    bottom = max((part.y + part.height for part in placed), default=height + PAD)
    bare = [part for part in placed if part.kind == "region"]
    return Box(
        id=id,
        kind=kind,
        x=0,
        y=0,
        width=whole + 2 * PAD,
        height=bottom + PAD,
        labels=labels,
        boxes=tuple(box for part in placed for box in (part.boxes if part in bare else (part,))),
        lines=tuple(line for part in bare for line in part.lines),
    )


def _labels(lines: Lines) -> tuple[tuple[Label, ...], float, float]:
    """Lines of text below one another, and the width and height they take."""
    labels: list[Label] = []
    top = PAD
    for text in filter(None, lines):
        size = SMALL if labels else TITLE
        labels.append(Label(text=text, x=PAD, y=top, width=text_width(text, size), size=size))
        top += labels[-1].height
    return tuple(labels), max((label.width for label in labels), default=0.0), top - PAD


class _Table:
    """Boxes in the rows of one region."""

    def __init__(self, boxes: Mapping[NodeId, Box], found: Layers) -> None:
        self.boxes = boxes
        self.layers = found
        self.centre: dict[Place, float] = {}
        self.tops: list[float] = []
        self.heights = [max(self.height(place) for place in row) for row in found.rows]

    def width(self, place: Place) -> float:
        return LANE if isinstance(place, tuple) else self.boxes[place].width

    def height(self, place: Place) -> float:
        return 0.0 if isinstance(place, tuple) else self.boxes[place].height

    def drawn(self, context: Mapping[tuple[NodeId, NodeId], bool]) -> Box:
        self.place_rows()
        placed: dict[NodeId, Box] = {}
        top = 0.0
        for row, height in zip(self.layers.rows, self.heights, strict=True):
            self.tops.append(top)
            for place in row:
                if not isinstance(place, tuple):
                    box = self.boxes[place]
                    placed[place] = box.moved(self.centre[place] - box.width / 2, top + (height - box.height) / 2)
            top += height + ROW
        lines = [Line(points=self.points(way, placed), context=context[pair]) for pair, way in self.layers.ways.items()]
        return Box(
            id=NodeId(""),
            kind="region",
            x=0,
            y=0,
            width=max((self.centre[place] + self.width(place) / 2 for place in self.centre), default=0.0),
            height=max(top - ROW, 0.0),
            labels=(),
            boxes=tuple(placed.values()),
            lines=tuple(lines),
        )

    def place_rows(self) -> None:
        """Give every place a centre: near what it is joined to, clear of its neighbours."""
        for row in self.layers.rows:
            self.centre.update(zip(row, self.spread(row, [0.0] * len(row)), strict=True))
        above, below = self.layers.neighbours(above=True), self.layers.neighbours(above=False)
        for number in range(PASSES):
            joined = below if number % 2 else above
            for row in self.layers.rows[:: -1 if number % 2 else 1]:
                wished = [self.mean(place, joined[place]) for place in row]
                self.centre.update(zip(row, self.spread(row, wished), strict=True))
        left = min((self.centre[place] - self.width(place) / 2 for place in self.centre), default=0.0)
        self.centre = {place: centre - left for place, centre in self.centre.items()}

    def mean(self, place: Place, near: Sequence[Place]) -> float:
        return sum(self.centre[other] for other in near) / len(near) if near else self.centre[place]

    def spread(self, row: Sequence[Place], wished: Sequence[float]) -> list[float]:
        """Centres as near to those wished as the widths allow: the mean of pushing right and pushing left."""
        apart = [(self.width(a) + self.width(b)) / 2 + GAP for a, b in itertools.pairwise(row)]
        right = list(wished)
        for index, space in enumerate(apart):
            right[index + 1] = max(right[index + 1], right[index] + space)
        left = list(wished)
        for index in range(len(apart) - 1, -1, -1):
            left[index] = min(left[index], left[index + 1] - apart[index])
        return [(a + b) / 2 for a, b in zip(right, left, strict=True)]

    def points(self, way: Sequence[Place], placed: Mapping[NodeId, Box]) -> tuple[tuple[float, float], ...]:
        """The points of a line: out of its box, through every row it passes, into its box."""
        row_of = {place: index for index, row in enumerate(self.layers.rows) for place in row}
        points: list[tuple[float, float]] = []
        for place in way:
            x, row = self.centre[place], row_of[place]
            top, bottom = self.tops[row], self.tops[row] + self.heights[row]
            if place == way[0]:
                start = placed[way[0]]  # type: ignore[index]  # the ends of a way are nodes
                points += [(x, start.y + start.height), (x, bottom)]
            elif place == way[-1]:
                points += [(x, top), (x, placed[way[-1]].y)]  # type: ignore[index]
            else:
                points += [(x, top), (x, bottom)]
        return tuple(dict.fromkeys(points))
