"""Graphs to JSON and back, and what a document may not say."""

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.strategies import Line, Mood, graphs
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ArtifactError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.hints import from_string
from treadle.compiler.module import expand_step
from treadle.compiler.schema import known_types
from treadle.compiler.signature import Slot
from treadle.modules import BestOf, Vote


def through_a_file(data: Any) -> Any:
    """As a file keeps it: text, keys sorted."""
    return json.loads(json.dumps(data, sort_keys=True))


@given(graphs())
def test_the_round_trip_is_the_identity(graph: Graph) -> None:
    data = to_json(graph)
    again = from_json(through_a_file(data))
    assert canonical(to_json(again)) == canonical(data)
    assert again.name == graph.name
    assert [node.kind for _, node in again.walk()] == [node.kind for _, node in graph.walk()]
    assert canonical(to_json(from_json(through_a_file(to_json(again))))) == canonical(data)


@given(graphs())
def test_known_types_stay_the_users_own(graph: Graph) -> None:
    again = from_json(through_a_file(to_json(graph)), known=known_types([Line, list[Mood]]))
    assert again == graph


def test_a_modules_graph_round_trips() -> None:
    signature = from_string("question, n: int -> answer: Literal['a', 'b']", name="reply", instruction="Reply.")
    predictor = nodes.Predictor(signature=signature, module=Vote(BestOf(n=2), n=3).to_json())
    demos: list[Any] = [{"inputs": {"question": "q"}, "outputs": {"answer": "a"}, "origin": "labelled"}]
    graph = expand_step("reply", predictor, {"reply.demos": demos, "reply.model": "m"})
    again = from_json(through_a_file(to_json(graph)))
    assert canonical(to_json(again)) == canonical(to_json(graph))
    assert [node.kind for _, node in again.walk()] == [node.kind for _, node in graph.walk()]


def test_the_order_of_an_objects_fields_outlives_a_sorted_file() -> None:
    g = GraphBuilder("program", from_string("z, a -> answer: Any"))
    (value,) = g.map(g.const([], list[Line]), lambda line: line)
    again = from_json(through_a_file(to_json(g.finish(value))))
    kind = again.nodes[2].types[0]
    assert list(Slot(name="x", annotation=kind).schema["$defs"]["Line"]["properties"]) == ["what", "count"]  # type: ignore[index, call-overload, arg-type]


def test_a_type_without_a_schema_is_any() -> None:
    class Opaque:
        pass

    g = GraphBuilder("program", from_string("a -> answer: Any"))
    data = to_json(g.finish(g.call("make", {}, returns=Opaque)))
    assert data["types"] == {"str": {"type": "string"}, "Any": {}}


def test_two_types_of_one_name_stay_two() -> None:
    first = pydantic.create_model("Same", a=(int, ...))
    second = pydantic.create_model("Same", b=(str, ...))
    g = GraphBuilder("program", from_string("a -> answer: Any"))
    g.call("one", {}, returns=first)
    data = to_json(g.finish(g.call("two", {}, returns=second)))
    assert list(data["types"]) == ["str", "Same", "Same#2"]  # type: ignore[arg-type]
    assert canonical(to_json(from_json(through_a_file(data)))) == canonical(data)


def places(value: Any, path: str = "$") -> Iterator[tuple[str, Callable[[Any], None], Any]]:
    """Every place of a document: its path, a way to change it, its value."""
    if isinstance(value, dict):
        for key in list(value):
            yield f"{path}.{key}", lambda new, key=key: value.__setitem__(key, new), value[key]  # type: ignore[misc]
            yield from places(value[key], f"{path}.{key}")
    elif isinstance(value, list):
        for index in range(len(value)):
            yield f"{path}[{index}]", lambda new, i=index: value.__setitem__(i, new), value[index]  # type: ignore[misc]
            yield from places(value[index], f"{path}[{index}]")


REFERENCE = {"$ref": "#/$defs/Line"}
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    1e308,
    2.5,
    "",
    "\x00",
    "__class__",
    "x" * 3000,
    [],
    {},
    [[]],
    REFERENCE,
    "#/$defs/x",
]


@given(graphs(most=4), st.data())
def test_a_changed_document_is_read_or_refused(graph: Graph, data: st.DataObject) -> None:
    document = through_a_file(to_json(graph))
    found = list(places(document))
    _, change, _ = data.draw(st.sampled_from(found))
    change(copy.deepcopy(data.draw(st.sampled_from(HOSTILE))))
    with contextlib.suppress(ArtifactError):
        from_json(document)


def test_unknown_fields_are_refused_with_their_path() -> None:
    g = GraphBuilder("program", from_string("a -> answer"))
    document = through_a_file(to_json(g.finish(g.expr(["arg", 0], [g.inputs["a"]], str))))
    for spoil, path in (
        (lambda d: d.update(extra=1), "$.extra"),
        (lambda d: d["nodes"][1].update(code="import os"), "$.nodes[1].code"),
        (lambda d: d["nodes"][1].update(kind="exec"), "$.nodes[1].kind"),
        (lambda d: d["nodes"][1].update(types=["list[int]"]), "$.nodes[1].types[0]"),
        (lambda d: d["nodes"][1].update(types=["str", "str"]), "$.nodes[1].types"),
        (lambda d: d["nodes"][0]["slot"].pop("name"), "$.nodes[0].slot"),
        (lambda d: d["types"].update(str={"type": "string", "x-run": "os"}), "$.types.str.x-run"),
        (lambda d: d.pop("predictors"), "$"),
    ):
        spoiled = copy.deepcopy(document)
        spoil(spoiled)  # type: ignore[no-untyped-call]
        with pytest.raises(ArtifactError) as caught:
            from_json(spoiled)
        assert caught.value.path == path


def test_deep_documents_are_refused() -> None:
    deep: Any = ["arg", 0]
    for _ in range(200):
        deep = ["unary", "not", deep]
    g = GraphBuilder("program", from_string("a -> answer"))
    document = to_json(g.finish(g.expr(deep, [g.inputs["a"]], str)))
    with pytest.raises(ArtifactError, match="deeper"):
        from_json(document)
