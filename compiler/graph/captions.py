"""What the nodes of a graph are called in a drawing: a few short lines each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from treadle.compiler.annotations import type_name
from treadle.compiler.canonical import JSON
from treadle.compiler.escape import line
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node, Ref
from treadle.compiler.graph.op import LIBRARY_PREFIX
from treadle.compiler.graph.rewrite import module_in_words

WIDEST = 32
"""Most characters of a line."""

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


def _names(graph: Graph) -> dict[Ref, str]:
    """A word for every value, to be used in the captions of what reads it."""
    names: dict[Ref, str] = {}
    for _, node in graph.walk():
        name = _name(node, names)
        names.update(dict.fromkeys(node.results, name))
        for region in node.regions:
            rest = [argument.ref for argument in region.arguments]
            names.update(dict.fromkeys(rest[:1], "item"))
            carried = node.carried if isinstance(node, nodes.Loop) else ()
            names.update({ref: names.get(first, "value") for ref, first in zip(rest[1:], carried, strict=False)})
    return names


def _name(node: Node, names: Mapping[Ref, str]) -> str:
    match node:
        case nodes.Input():
            return node.slot.name
        case nodes.Step():
            return node.name
        case nodes.Op():
            return f"{node.op.removeprefix(LIBRARY_PREFIX)}(…)"
        case nodes.Const():
            return line(json.dumps(node.value, ensure_ascii=False), 16)
        case nodes.Expr():
            return in_words(node.expression, [names.get(ref, "…") for ref in node.inputs])
        case nodes.LM():
            return node.purpose or node.signature.name
        case _:
            return {"map": "list", "replicate": "samples"}.get(node.kind, "value")


def _caption(graph: Graph, node: Node, names: Mapping[Ref, str]) -> Sequence[str]:
    match node:
        case nodes.Input():
            return node.slot.name, type_name(node.types[0])
        case nodes.Output():
            return "result", names.get(node.value, "")
        case nodes.Step():
            return _step(graph, node)
        case nodes.Op():
            kind = "library op" if node.op.startswith(LIBRARY_PREFIX) else "op"
            return f"{node.op.removeprefix(LIBRARY_PREFIX)}()", f"{kind} with effects" if node.effects else kind
        case nodes.LM():
            return node.purpose or node.signature.name, _end(node.address), f"→ {type_name(node.types[0])}"
        case nodes.Const() | nodes.Expr():
            return (_name(node, names),)
        case nodes.Map():
            return f"for each item of {names.get(node.items, '…')}", _at_most("at once", node.bound)
        case nodes.Loop():
            of = "" if node.items is None else f" item of {names.get(node.items, '…')}"
            return f"for each{of or ' turn'}", _at_most("one after another", node.bound)
        case nodes.Replicate():
            return f"{node.count} samples", "at once"
        case nodes.Branch():
            return (f"if {names.get(node.condition, '…')}",)


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


# --- expressions -----------------------------------------------------------------------------------------------------


def in_words(expression: JSON, names: Sequence[str], depth: int = 3) -> str:
    """An expression as Python would write it, with ``…`` for what is too deep to show.

    >>> in_words(["compare", ["attr", ["arg", 0], "team"], "==", ["const", "billing"]], ["ticket"])
    "ticket.team == 'billing'"
    """
    if not isinstance(expression, list | tuple) or not expression or depth < 0:
        return "…"
    form = _FORMS.get(str(expression[0]), _hidden)
    try:
        return form(list(expression[1:]), lambda inner: in_words(inner, names, depth - 1), names)
    except (IndexError, TypeError, ValueError):  # a form with other parts: the drawing shows less, and is drawn
        return "…"


_Show = Callable[[JSON], str]
_Parts = list[JSON]


def _hidden(parts: _Parts, show: _Show, names: Sequence[str]) -> str:
    return "…"


def _argument(parts: _Parts, _: _Show, names: Sequence[str]) -> str:
    return names[cast(int, parts[0])]


def _call(parts: _Parts, show: _Show, _: Sequence[str]) -> str:
    return f"{parts[0]}({', '.join(map(show, cast(_Parts, parts[1])))})"


def _method(parts: _Parts, show: _Show, _: Sequence[str]) -> str:
    return f"{show(parts[0])}.{parts[1]}({', '.join(map(show, cast(_Parts, parts[2])))})"


def _listed(brackets: str) -> Callable[[_Parts, _Show, Sequence[str]], str]:
    return lambda parts, show, _: f"{brackets[0]}{', '.join(map(show, parts))}{brackets[1]}"


def _joined(word: str) -> Callable[[_Parts, _Show, Sequence[str]], str]:
    return lambda parts, show, _: f" {word} ".join(map(show, parts))


def _text(parts: _Parts, show: _Show, _: Sequence[str]) -> str:
    shown = [part if isinstance(part, str) else f"{{{show(cast(_Parts, part)[1])}}}" for part in parts]
    return f'"{"".join(shown)}"'


def _compare(parts: _Parts, show: _Show, _: Sequence[str]) -> str:
    return " ".join(str(part) if index % 2 else show(part) for index, part in enumerate(parts))


_FORMS: Mapping[str, Callable[[_Parts, _Show, Sequence[str]], str]] = {
    "arg": _argument,
    "var": lambda parts, show, names: "it",
    "const": lambda parts, show, names: repr(parts[0]),
    "list": _listed("[]"),
    "tuple": _listed("()"),
    "set": _listed("{}"),
    "dict": lambda parts, show, names: "{…}",
    "text": _text,
    "attr": lambda parts, show, names: f"{show(parts[0])}.{parts[1]}",
    "item": lambda parts, show, names: f"{show(parts[0])}[{show(parts[1])}]",
    "unary": lambda parts, show, names: f"{parts[0]} {show(parts[1])}",
    "binary": lambda parts, show, names: f"{show(parts[1])} {parts[0]} {show(parts[2])}",
    "inplace": lambda parts, show, names: f"{show(parts[1])} {parts[0]} {show(parts[2])}",
    "compare": _compare,
    "and": _joined("and"),
    "or": _joined("or"),
    "if": lambda parts, show, names: f"{show(parts[1])} if {show(parts[0])} else {show(parts[2])}",
    "call": _call,
    "method": _method,
    "changed": _method,
    "unpack": lambda parts, show, names: show(parts[1]),
}
