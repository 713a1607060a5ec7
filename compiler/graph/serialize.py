"""Graphs as JSON and back. ``to_json(from_json(data)) == data`` for what ``to_json`` gave.

The form: ``name``, ``types`` (JSON Schemas by name, referred to by nodes), ``predictors`` by name, ``nodes`` in program
order. A node is its ``kind``, ``id`` and the fields of its kind as ``nodes.py`` lists them; ``types`` names the type of
each result. Fields at their defaults are left out. Source lines are not part of a graph's data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Argument, Graph, Inputs, Node, NodeId, Predictor, Ref, Region
from treadle.compiler.graph.types_table import TypeTable, types_from
from treadle.compiler.made_types import Known
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.reading import Reading
from treadle.compiler.schema import signature_of, slot_of

DEEPEST = 100
"""How deep regions may nest."""


# --- writing ---------------------------------------------------------------------------------------------------------


def to_json(graph: Graph) -> dict[str, JSON]:
    """The graph as data."""
    types = TypeTable()
    written = [_node(node, types) for node in graph.nodes]
    return {
        "name": graph.name,
        "types": types.to_json(),
        "predictors": {name: predictor_to_json(graph.predictors[name]) for name in sorted(graph.predictors)},
        "nodes": written,
    }


def predictor_to_json(predictor: Predictor) -> dict[str, JSON]:
    """A predictor's defaults as data."""
    data: dict[str, JSON] = {
        "signature": predictor.signature.to_json(),
        "module": predictor.module,
        "demos": [demo.to_json() for demo in predictor.demos] or None,
        "model": predictor.model,
        "temperature": predictor.temperature,
        "max_tokens": predictor.max_tokens,
    }
    return _given(data)


def _given(data: Mapping[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in data.items() if value is not None}


def _node(node: Node, types: TypeTable) -> dict[str, JSON]:
    data: dict[str, JSON] = {"kind": node.kind, "id": node.id}
    if not isinstance(node, nodes.Output):
        data["types"] = [types.name(annotation) for annotation in node.types]
    return data | _given(_fields(node, types))


def _fields(node: Node, types: TypeTable) -> dict[str, JSON]:
    match node:
        case nodes.Input():
            return {"slot": node.slot.to_json()}
        case nodes.Output():
            return {"value": node.value}
        case nodes.LM():
            return _call(node)
        case nodes.Op():
            return {"op": node.op, "inputs": _pairs(node.inputs), "effects": node.effects or None}
        case nodes.Expr():
            return {"expression": node.expression, "inputs": list(node.inputs)}
        case nodes.Step():
            step: dict[str, JSON] = {"name": node.name, "predictor": node.predictor, "inputs": _pairs(node.inputs)}
            return {**step, "context": _pairs(node.context) or None}
        case nodes.Const():
            return {"value": [node.value]}  # in a list, so that null is a value and not left out
        case _:
            return _region_fields(node, types)


def _region_fields(node: nodes.Map | nodes.Branch | nodes.Loop | nodes.Replicate, types: TypeTable) -> dict[str, JSON]:
    match node:
        case nodes.Map():
            return {"items": node.items, "bound": node.bound, "body": _region(node.body, types)}
        case nodes.Branch():
            then, otherwise = _region(node.then, types), _region(node.otherwise, types)
            return {"condition": node.condition, "then": then, "otherwise": otherwise}
        case nodes.Replicate():
            return {"count": node.count, "body": _region(node.body, types)}
        case nodes.Loop():
            return {
                "items": node.items,
                "carried": list(node.carried),
                "stops": node.stops or None,
                "bound": node.bound,
                "body": _region(node.body, types),
            }


def _call(node: nodes.LM) -> dict[str, JSON]:
    return {
        "signature": node.signature.to_json(),
        "inputs": _pairs(node.inputs),
        "address": node.address,
        "purpose": node.purpose or None,
        "demos": [demo.to_json() for demo in node.demos] or None,
        "model": node.model,
        "temperature": node.temperature,
        "max_tokens": node.max_tokens,
        "nearest": node.nearest,
    }


def _pairs(inputs: Inputs) -> list[JSON]:
    return [[name, ref] for name, ref in inputs]


def _region(region: Region, types: TypeTable) -> dict[str, JSON]:
    return {
        "arguments": [{"ref": argument.ref, "type": types.name(argument.annotation)} for argument in region.arguments],
        "nodes": [_node(node, types) for node in region.nodes],
        "results": list(region.results),
    }


# --- reading ---------------------------------------------------------------------------------------------------------


def from_json(data: JSON, *, path: str = "$", known: Known | None = None) -> Graph:
    """A graph from what ``to_json`` gave. It is well formed; whether it is a legal graph, ``check.check`` says.

    Args:
        data: The document; may be hostile.
        path: Its place in a larger document, for error messages.
        known: Classes to use where the document means the same (``schema.known_types``).

    Raises:
        ArtifactError: The document is malformed; names the JSON path.
    """
    top = Reading(data, path)
    top.fields(("name", "types", "predictors", "nodes"))
    reader = _Reader(types_from(top["types"], known), known)
    return Graph(
        name=top["name"].text(200),
        predictors={name: predictor_from(found, known) for name, found in top["predictors"].members()},
        nodes=tuple(reader.node(node, 0) for node in top["nodes"].items()),
    )


def predictor_from(at: Reading, known: Known | None = None) -> Predictor:
    """A predictor's defaults from data.

    Raises:
        ArtifactError: The document is malformed.
    """
    at.fields(("signature",), ("module", "demos", "model", "temperature", "max_tokens"))
    module = None
    if "module" in at:
        at["module"].mapping()
        module = cast(Mapping[str, JSON], at["module"].plain())
    return Predictor(signature=signature_of(at["signature"], known), module=module, **_decoding(at))


def demo_from(at: Reading) -> Demo:
    """A demo from data.

    Raises:
        ArtifactError: The document is malformed.
    """
    at.fields(("inputs", "outputs"), ("origin",))
    at["inputs"].mapping()
    at["outputs"].mapping()
    if "origin" in at:
        at["origin"].text(100)
    return Demo.from_json(cast(Mapping[str, JSON], at.plain()))


def _decoding(at: Reading) -> dict[str, Any]:
    return {
        "demos": tuple(demo_from(demo) for demo in at["demos"].items()) if "demos" in at else (),
        "model": at["model"].text(500) if "model" in at else None,
        "temperature": at["temperature"].number(0, 100) if "temperature" in at else None,
        "max_tokens": at["max_tokens"].whole(1) if "max_tokens" in at else None,
    }


class _Reader:
    def __init__(self, types: Mapping[str, Annotation], known: Known | None) -> None:
        self.types = types
        self.known = known

    def node(self, at: Reading, depth: int) -> Node:
        if depth > DEEPEST:
            at.refuse(f"regions nest deeper than {DEEPEST}")
        kind = at["kind"].text(20) if "kind" in at else at.refuse("lacks kind")
        if kind not in _KINDS:
            at["kind"].refuse(f"unknown kind {kind!r}; known are {', '.join(_KINDS)}")
        required, optional, make = _KINDS[kind]
        typed = () if kind == "output" else ("types",)
        at.fields(("kind", "id", *typed, *required), optional)
        common: dict[str, Any] = {"id": NodeId(_name(at["id"]))}
        if typed:
            common["types"] = tuple(self.type(name) for name in at["types"].items())
            if len(common["types"]) != 1 and kind not in _SEVERAL:
                at["types"].refuse("must name one type")
        return make(self, at, common, depth)

    def type(self, at: Reading) -> Annotation:
        name = at.text()
        if name not in self.types:
            at.refuse(f"no type is called {name[:60]!r}")
        return self.types[name]

    def region(self, at: Reading, depth: int) -> Region:
        at.fields(("arguments", "nodes", "results"))
        return Region(
            arguments=tuple(self.argument(argument) for argument in at["arguments"].items()),
            nodes=tuple(self.node(node, depth + 1) for node in at["nodes"].items()),
            results=_refs(at["results"]),
        )

    def argument(self, at: Reading) -> Argument:
        at.fields(("ref", "type"))
        return Argument(ref=_ref(at["ref"]), annotation=self.type(at["type"]))

    def input(self, at: Reading, common: dict[str, Any], _: int) -> Node:
        return nodes.Input(slot=slot_of(at["slot"], self.known), **common)

    def output(self, at: Reading, common: dict[str, Any], _: int) -> Node:
        return nodes.Output(value=_ref(at["value"]), **common)

    def const(self, at: Reading, common: dict[str, Any], _: int) -> Node:
        values = list(at["value"].items())
        if len(values) != 1:
            at["value"].refuse("must hold one value")
        return nodes.Const(value=values[0].plain(), **common)

    def lm(self, at: Reading, common: dict[str, Any], _: int) -> Node:
        return nodes.LM(
            signature=signature_of(at["signature"], self.known),
            inputs=_inputs(at["inputs"]),
            address=at["address"].text(2_000),
            purpose=at["purpose"].text(2_000) if "purpose" in at else "",
            nearest=at["nearest"].whole() if "nearest" in at else None,
            **_decoding(at),
            **common,
        )

    def op(self, at: Reading, common: dict[str, Any], _: int) -> Node:
        effects = "effects" in at and at["effects"].flag()
        return nodes.Op(op=at["op"].text(500), inputs=_inputs(at["inputs"]), effects=effects, **common)

    def expr(self, at: Reading, common: dict[str, Any], _: int) -> Node:
        return nodes.Expr(expression=at["expression"].plain(), inputs=_refs(at["inputs"]), **common)

    def step(self, at: Reading, common: dict[str, Any], _: int) -> Node:
        return nodes.Step(
            name=at["name"].text(200),
            predictor=at["predictor"].text(200),
            inputs=_inputs(at["inputs"]),
            context=_inputs(at["context"]) if "context" in at else (),
            **common,
        )

    def map(self, at: Reading, common: dict[str, Any], depth: int) -> Node:
        bound = at["bound"].whole() if "bound" in at else None
        return nodes.Map(items=_ref(at["items"]), bound=bound, body=self.region(at["body"], depth), **common)

    def branch(self, at: Reading, common: dict[str, Any], depth: int) -> Node:
        then, otherwise = self.region(at["then"], depth), self.region(at["otherwise"], depth)
        return nodes.Branch(condition=_ref(at["condition"]), then=then, otherwise=otherwise, **common)

    def loop(self, at: Reading, common: dict[str, Any], depth: int) -> Node:
        return nodes.Loop(
            items=_ref(at["items"]) if "items" in at else None,
            carried=_refs(at["carried"]),
            stops="stops" in at and at["stops"].flag(),
            bound=at["bound"].whole() if "bound" in at else None,
            body=self.region(at["body"], depth),
            **common,
        )

    def replicate(self, at: Reading, common: dict[str, Any], depth: int) -> Node:
        return nodes.Replicate(count=at["count"].whole(), body=self.region(at["body"], depth), **common)


_Make = Callable[[_Reader, Reading, dict[str, Any], int], Node]

# kind → required fields, optional fields, reader
_KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], _Make]] = {
    "input": (("slot",), (), _Reader.input),
    "output": (("value",), (), _Reader.output),
    "const": (("value",), (), _Reader.const),
    "lm": (
        ("signature", "inputs", "address"),
        ("purpose", "demos", "model", "temperature", "max_tokens", "nearest"),
        _Reader.lm,
    ),
    "op": (("op", "inputs"), ("effects",), _Reader.op),
    "expr": (("expression", "inputs"), (), _Reader.expr),
    "step": (("name", "predictor", "inputs"), ("context",), _Reader.step),
    "map": (("items", "body"), ("bound",), _Reader.map),
    "branch": (("condition", "then", "otherwise"), (), _Reader.branch),
    "loop": (("carried", "body"), ("items", "stops", "bound"), _Reader.loop),
    "replicate": (("count", "body"), (), _Reader.replicate),
}

_SEVERAL = ("map", "branch", "loop", "replicate")


def _name(at: Reading) -> str:
    return at.text(100) or at.refuse("is empty")


def _ref(at: Reading) -> Ref:
    return Ref(_name(at))


def _refs(at: Reading) -> tuple[Ref, ...]:
    return tuple(_ref(ref) for ref in at.items())


def _inputs(at: Reading) -> Inputs:
    pairs = []
    for pair in at.items():
        if len(pair.sequence()) != 2:
            pair.refuse("must be a name and a value")
        name, ref = pair.items()
        pairs.append((name.text(500), _ref(ref)))
    return tuple(pairs)
