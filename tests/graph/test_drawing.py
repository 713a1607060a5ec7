"""Mermaid, SVG and JSON of small graphs, word by word; and hostile text in them.

After a change that is meant: ``python -m tests.graph.test_drawing`` writes the golden files again. Look at them.
"""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given

from tests.graph.drawings import GOLDEN, HOSTILE, hostile
from tests.graph.strategies import graphs, renamed
from treadle.compiler.graph.mermaid import escaped, mermaid
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.graph.svg import svg

FOLDER = Path(__file__).parent / "golden"


def drawn(name: str) -> dict[str, str]:
    graph = GOLDEN[name]()
    return {
        f"{name}.mmd": mermaid(graph),
        f"{name}.svg": svg(graph),
        f"{name}.json": json.dumps(to_json(graph), indent=1, sort_keys=True, ensure_ascii=False) + "\n",
    }


@pytest.mark.parametrize("name", GOLDEN)
def test_drawings_are_as_they_were(name: str) -> None:
    for file, text in drawn(name).items():
        assert text == (FOLDER / file).read_text(encoding="utf-8"), file


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_json_is_the_graph(name: str) -> None:
    data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert to_json(from_json(data)) == data


@given(graphs(most=6))
def test_drawings_do_not_depend_on_ids(graph: Graph) -> None:
    assert mermaid(renamed(graph)) == mermaid(graph)
    assert svg(renamed(graph)) == svg(graph)


@given(graphs(most=6))
def test_an_svg_is_xml_that_needs_nothing_else(graph: Graph) -> None:
    text = svg(graph)
    root = ET.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "defs", "marker", "path", "rect", "text"}
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme:dark" in text


def test_hostile_text_stays_text_in_an_svg() -> None:
    text = svg(hostile())
    ET.fromstring(text)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    shown = {element.text for element in ET.fromstring(text).iter() if element.tag.endswith("text")}
    assert any((label or "").startswith('"><script>alert(1)</script>') for label in shown)


def test_hostile_text_stays_text_in_mermaid() -> None:
    text = mermaid(hostile())
    assert "<script" not in text
    assert "\x1b" not in text
    for line in text.splitlines():
        assert line.count('"') % 2 == 0
        for label in line.split('"')[1::2]:
            assert not set('"`<>;&[]{}|\\') & set(_without_entities(label.replace("<br/>", "")))
    assert len([line for line in text.splitlines() if "-->" in line]) == 4


def _without_entities(label: str) -> str:
    while "#" in label:
        before, _, rest = label.partition("#")
        code, _, after = rest.partition(";")
        assert code.isdecimal()
        label = before + after
    return label


def test_plain_text_is_left_alone() -> None:
    assert escaped("Where is my parcel, Ms. Müller? (第2)") == "Where is my parcel, Ms. Müller#63; (第2)"
    assert HOSTILE not in escaped(HOSTILE)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for golden in GOLDEN:
        for written, content in drawn(golden).items():
            (FOLDER / written).write_text(content, encoding="utf-8")
