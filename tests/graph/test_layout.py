"""Drawings are legible: nothing overlaps, nothing leaves its box, no line runs through a box."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.drawings import GOLDEN, hostile
from tests.graph.strategies import graphs
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.captions import arms, captions
from treadle.compiler.graph.layers import MOST_IN_A_ROW, layers
from treadle.compiler.graph.layout import Box, Label, Line, layout, text_width
from treadle.compiler.graph.nodes import Graph, NodeId
from treadle.compiler.hints import from_string

SLACK = 1e-6
"""Pixels: what sums of floats may differ by."""

Rectangle = tuple[float, float, float, float]


def rectangle(part: Box | Label) -> Rectangle:
    return part.x, part.y, part.x + part.width, part.y + part.height


def apart(a: Rectangle, b: Rectangle, by: float = 0.0) -> bool:
    by -= SLACK
    return a[2] + by <= b[0] or b[2] + by <= a[0] or a[3] + by <= b[1] or b[3] + by <= a[1]


def inside(a: Rectangle, b: Rectangle) -> bool:
    return a[0] >= b[0] - SLACK and a[1] >= b[1] - SLACK and a[2] <= b[2] + SLACK and a[3] <= b[3] + SLACK


def assert_legible(graph: Graph) -> None:
    page = layout(graph)
    boxes = list(page.walk())
    drawn = [box.id for box in boxes if box.kind not in ("page", "arm")]
    assert sorted(drawn) == sorted(node.id for _, node in graph.walk())
    for box in boxes:
        assert all(inside(rectangle(label), rectangle(box)) for label in box.labels)
        assert all(inside(rectangle(inner), rectangle(box)) for inner in box.boxes)
        assert all(apart(rectangle(a), rectangle(b), by=5) for a, b in itertools.combinations(box.boxes, 2))
        own = [rectangle(label) for label in box.labels]
        assert all(apart(label, rectangle(inner)) for label in own for inner in box.boxes)
        assert not any(crosses(line, inner) for line in box.lines for inner in box.boxes)
    labels = [rectangle(label) for box in boxes for label in box.labels]
    assert all(apart(a, b) for a, b in itertools.combinations(labels, 2))


def crosses(line: Line, box: Box) -> bool:
    """Whether a bend or a straight piece of the line enters the box: it may touch its top or bottom, where it ends."""
    left, top, right, bottom = rectangle(box)
    for (x, y), (to_x, to_y) in itertools.pairwise(line.points):
        assert to_y >= y
        beside = max(x, to_x) <= left or min(x, to_x) >= right
        if not (beside or to_y <= top + SLACK or y >= bottom - SLACK):
            return True
    return False


@settings(max_examples=200)
@given(graphs(most=12))
def test_random_graphs_are_legible(graph: Graph) -> None:
    assert_legible(graph)


def many(count: int, seed: int) -> Graph:
    """A graph of ``count`` nodes, some wide, some deep, with long lines."""
    g = GraphBuilder("program", from_string("a, b -> answer"))
    values = list(g.inputs.values())
    for number in range(count - 3):
        reach = 1 + (number * 7 + seed * 13) % 5
        read = values[-reach:][:: 1 + seed % 2] if number % 3 else values[:1]
        name = f"op_{'x' * ((number * 11 + seed) % 30)}"
        values.append(g.call(name, {str(index): value for index, value in enumerate(read)}))
    return g.finish(values[-1])


@pytest.mark.parametrize("count", [3, 5, 10, 20, 30, 40])
@pytest.mark.parametrize("seed", range(5))
def test_graphs_of_3_to_40_nodes_are_legible(count: int, seed: int) -> None:
    graph = many(count, seed)
    assert len(graph.nodes) == count
    assert_legible(graph)


@pytest.mark.parametrize("make", [*GOLDEN.values(), hostile])
def test_graphs_as_people_write_them_are_legible(make: object) -> None:
    assert_legible(make())  # type: ignore[operator]


@given(st.text(max_size=40), st.text(max_size=10))
def test_wider_text_is_measured_wider(text: str, more: str) -> None:
    assert text_width(text + more, 13) >= text_width(text, 13) >= 0


# Advances in thousandths of the font size: the widest of Arial, Helvetica, Segoe UI, Roboto, Verdana and DejaVu Sans.
WIDEST_FONT = {"a": 613, "i": 278, "m": 974, "w": 818, "W": 989, "M": 863, "0": 636, " ": 352, "_": 636, "I": 421}
WIDEST_FONT |= {"l": 278, "t": 394, "r": 427, "O": 787, "Q": 787, "(": 454, "/": 454, "@": 1000, "%": 1076, "g": 635}


@pytest.mark.parametrize(("character", "advance"), WIDEST_FONT.items())
def test_no_common_font_is_wider_than_the_table(character: str, advance: int) -> None:
    assert text_width(character, 1000) * 1.03 >= advance


def pairs_of(count: int, step: int) -> Iterator[tuple[NodeId, NodeId]]:
    for number in range(count):
        for other in range(number + 1, count, step):
            yield NodeId(f"n{number}"), NodeId(f"n{other}")


@pytest.mark.parametrize("step", [1, 3, 50])
def test_rows_run_down_and_are_not_too_wide(step: int) -> None:
    ids = [NodeId(f"n{number}") for number in range(20)]
    pairs = list(pairs_of(20, step))
    found = layers(ids, pairs)
    row_of = {place: number for number, row in enumerate(found.rows) for place in row}
    assert sorted(place for place in row_of if isinstance(place, str)) == sorted(ids)
    for source, target in pairs:
        way = found.ways[source, target]
        assert [row_of[place] for place in way] == list(range(row_of[source], row_of[target] + 1))
    assert max(sum(isinstance(place, str) for place in row) for row in found.rows) <= MOST_IN_A_ROW


def test_captions_say_what_runs() -> None:
    support = GOLDEN["support"]()
    said = captions(support)
    assert [said[node.id] for node in support.nodes] == [
        ("ticket", "str"),
        ("triage", "Vote(ChainOfThought(), n=7)", "→ Literal['billing', 'shipping'…"),
        ("policies()", "op"),
        ("reply", "ChainOfThought()", "→ Reply"),
        ("reply.text",),
        ("check", "LM step", "→ bool"),
        ("result", "reply"),
    ]
    digest = GOLDEN["digest"]()
    regions = [captions(digest)[node.id] for _, node in digest.walk() if node.regions]
    assert regions == [
        ("for each item of split", "at once, at most 20"),
        ('if grade == "poor"',),
        ("for each turn", "one after another, at most 3"),
    ]
    assert [arms(node) for _, node in digest.walk() if node.regions] == [("",), ("if so", "otherwise"), ("",)]
