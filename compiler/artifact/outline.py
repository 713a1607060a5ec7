"""The flow of a graph as lines of text, as a person would write it down.

Values are called after what makes them: inputs by their names, steps and ops by theirs. Node ids do not occur, so two
graphs that differ in one place differ in the lines of that place.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Inputs, Node, Ref, Region

_INDENT = "  "
_LONGEST_CONSTANT = 60


def outline(graph: Graph) -> list[str]:
    """The lines, nested regions indented. Control characters of constants are those of JSON text: written out."""
    return list(_Outline().top(graph))


class _Outline:
    def __init__(self) -> None:
        self._names: dict[Ref, str] = {}
        self._used: Counter[str] = Counter()

    def top(self, graph: Graph) -> Iterator[str]:
        for node in graph.inputs:
            self._names[Ref(node.id)] = node.slot.name
            self._used[node.slot.name] += 1
        yield from self._lines(graph.nodes)

    def _lines(self, inside: Iterable[Node]) -> Iterator[str]:
        for node in inside:
            match node:
                case nodes.Input():
                    pass
                case nodes.Output():
                    yield f"→ {self._of(node.value)}"
                case nodes.Const():
                    self._names[Ref(node.id)] = _shortened(json.dumps(node.value, sort_keys=True))
                case nodes.Expr():
                    self._names[Ref(node.id)] = self._expression(node)
                case nodes.Step():
                    yield self._call(node, node.name, node.inputs, node.context)
                case nodes.Op():
                    yield self._call(node, node.op, node.inputs)
                case nodes.LM():
                    yield self._call(node, node.address, node.inputs)
                case _:
                    yield from self._region_node(node)

    def _call(self, node: Node, name: str, inputs: Inputs, context: Inputs = ()) -> str:
        given = [self._of(ref) if field.isdigit() else f"{field}={self._of(ref)}" for field, ref in inputs]
        given += [f"reading {source}" for source, _ in context]
        return f"{self._name(node, name)} = {name}({', '.join(given)})"

    def _region_node(self, node: Node) -> Iterator[str]:
        match node:
            case nodes.Map():
                self._arguments(node.body, "item")
                yield f"{self._name(node, 'mapped')} = for each item of {self._of(node.items)}:"
            case nodes.Branch():
                yield f"{self._name(node, 'chosen')} = if {self._of(node.condition)}:"
            case nodes.Loop():
                self._arguments(node.body, "item" if node.items is not None else "turn")
                over = f"each item of {self._of(node.items)}" if node.items is not None else f"{node.bound} turns"
                starts = ", ".join(self._of(ref) for ref in node.carried)
                yield f"{self._name(node, 'carried')} = one after another, for {over}, from ({starts}):"
            case nodes.Replicate():
                yield f"{self._name(node, 'samples')} = {node.count} times:"
        for index, region in enumerate(node.regions):
            if index:
                yield "else:"
            for line in self._lines(region.nodes):
                yield _INDENT + line
            yield f"{_INDENT}→ {', '.join(self._of(ref) for ref in region.results)}"

    def _arguments(self, region: Region, first: str) -> None:
        for index, argument in enumerate(region.arguments):
            self._names[argument.ref] = self._fresh(first if index == 0 else f"kept{index}")

    def _name(self, node: Node, name: str) -> str:
        own = self._fresh(name)
        for index, ref in enumerate(node.results):
            self._names[ref] = own if len(node.results) == 1 else f"{own}.{index}"
        return own

    def _fresh(self, name: str) -> str:
        self._used[name] += 1
        return name if self._used[name] == 1 else f"{name}′{self._used[name]}"

    def _of(self, ref: Ref) -> str:
        return self._names.get(ref, str(ref))

    def _expression(self, node: nodes.Expr) -> str:
        return _shortened(_form(node.expression, [self._of(ref) for ref in node.inputs]), 200)


def _form(tree: Any, inputs: list[str]) -> str:
    """An expression in the manner of Python; rare forms as calls."""
    match tree:
        case ["arg", int(index)] if index < len(inputs):
            return inputs[index]
        case ["const", value]:
            return _shortened(json.dumps(value))
        case ["attr", of, str(name)]:
            return f"{_form(of, inputs)}.{name}"
        case ["item", of, index]:
            return f"{_form(of, inputs)}[{_form(index, inputs)}]"
        case ["binary" | "inplace", str(operator), left, right]:
            return f"({_form(left, inputs)} {operator} {_form(right, inputs)})"
        case ["compare", *parts]:
            return f"({' '.join(_form(part, inputs) if isinstance(part, list) else str(part) for part in parts)})"
        case ["text", *parts]:
            return "".join(json.dumps(part) if isinstance(part, str) else _form(part, inputs) for part in parts)
        case ["format", of, *_]:
            return "{" + _form(of, inputs) + "}"
        case ["call", str(name), list(given), *_]:
            return f"{name}({', '.join(_form(value, inputs) for value in given)})"
        case ["method", of, str(name), list(given), *_]:
            return f"{_form(of, inputs)}.{name}({', '.join(_form(value, inputs) for value in given)})"
        case [str(name), *parts]:
            return f"{name}({', '.join(_form(part, inputs) for part in parts)})"
    return json.dumps(tree)


def _shortened(text: str, limit: int = _LONGEST_CONSTANT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
