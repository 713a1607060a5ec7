"""What the nodes of a graph are called in a drawing: a few short lines each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.compiler.annotations import type_name
from treadle.compiler.escape import line
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node, Ref
from treadle.compiler.graph.op import LIBRARY_PREFIX
from treadle.compiler.graph.rewrite import module_in_words
from treadle.compiler.graph.wording import Words, literal, worded

WIDEST = 32
"""Most characters of a line."""
_CONSTANT = 16  # characters of a constant
_DEPTH = 4  # how deep an expression is shown
_HIDDEN = Words("…")

Lines = tuple[str, ...]


def captions(graph: Graph) -> dict[nodes.NodeId, Lines]:
    """The lines of every node: first its name, then what kind of thing it is.

    Regions of a node are named by ``arms``.
    """
    names = _names(graph)
    return {node.id: tuple(line(text, WIDEST) for text in _caption(graph, node, names)) for _, node in graph.walk()}


def arms(node: Node) -> Lines:
    """A name for each region of a node, empty where it has but one."""
    return ("if so", "otherwise") if isinstance(node, nodes.Branch) else ("",) * len(node.regions)


def _names(graph: Graph) -> dict[Ref, Words]:
    """Words for every value, to be used in the captions of what reads it."""
    names: dict[Ref, Words] = {}
    for _, node in graph.walk():
        name = _name(node, names)
        names.update(dict.fromkeys(node.results, name))
        for region in node.regions:
            rest = [argument.ref for argument in region.arguments]
            names.update(dict.fromkeys(rest[:1], Words("item")))
            carried = node.carried if isinstance(node, nodes.Loop) else ()
            names.update({ref: _carried(names.get(first)) for ref, first in zip(rest[1:], carried, strict=False)})
    return names


def _carried(first: Words | None) -> Words:
    """What a loop carries is called as what it starts with, if that has a name."""
    return first if first is not None and first.text.isidentifier() else Words("kept")


def _name(node: Node, names: Mapping[Ref, Words]) -> Words:
    match node:
        case nodes.Input():
            return Words(node.slot.name)
        case nodes.Step():
            return Words(node.name)
        case nodes.Op():
            return Words(f"{node.op.removeprefix(LIBRARY_PREFIX)}(…)")
        case nodes.Const():
            return Words(line(literal(node.value, 1), _CONSTANT))
        case nodes.Expr():
            return worded(node.expression, [names.get(ref, _HIDDEN) for ref in node.inputs], _DEPTH)
        case nodes.LM():
            return Words(node.purpose or node.signature.name)
        case _:
            return Words({"map": "list", "replicate": "samples"}.get(node.kind, "value"))


def _caption(graph: Graph, node: Node, names: Mapping[Ref, Words]) -> Sequence[str]:
    def of(ref: Ref | None) -> str:
        return names.get(ref, _HIDDEN).text if ref is not None else ""

    match node:
        case nodes.Input():
            return node.slot.name, type_name(node.types[0])
        case nodes.Output():
            return "result", of(node.value)
        case nodes.Step():
            return _step(graph, node)
        case nodes.Op():
            kind = "library op" if node.op.startswith(LIBRARY_PREFIX) else "op"
            return f"{node.op.removeprefix(LIBRARY_PREFIX)}()", f"{kind} with effects" if node.effects else kind
        case nodes.LM():
            return node.purpose or node.signature.name, _end(node.address), f"→ {type_name(node.types[0])}"
        case nodes.Const() | nodes.Expr():
            return (_name(node, names).text,)
        case nodes.Map():
            return f"for each item of {of(node.items)}", _at_most("at once", node.bound)
        case nodes.Loop():
            each = "turn" if node.items is None else f"item of {of(node.items)}"
            return f"for each {each}", _at_most("one after another", node.bound)
        case nodes.Replicate():
            return f"{node.count} samples", "at once"
        case nodes.Branch():
            return (f"if {of(node.condition)}",)


def _step(graph: Graph, node: nodes.Step) -> Sequence[str]:
    predictor = graph.predictors.get(node.predictor)
    module = "LM step" if predictor is None or predictor.module is None else module_in_words(predictor.module)
    return node.name, module, f"→ {type_name(node.types[0])}"


def _end(address: str) -> str:
    """The end of an address, which says more than its start."""
    whole = f"LM call {address}"
    return whole if len(whole) <= WIDEST else f"LM call …{address[-(WIDEST - 9) :]}"


def _at_most(how: str, bound: int | None) -> str:
    return f"{how}, unbounded" if bound is None else f"{how}, at most {bound}"
