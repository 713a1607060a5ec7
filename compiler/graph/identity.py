"""Identity: hashes that say whether two graphs do the same.

The hash of a graph covers everything that decides what a run does, unused nodes too, and nothing else: not node ids,
not the names of locals, not source lines, not the types of intermediate values, not the program's own name. A region
that carries several locals lists them by name; since names are not part of the identity, the hash takes them in the
order in which their values come to be.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Inputs, Node, Ref, Region
from treadle.compiler.graph.serialize import predictor_to_json
from treadle.compiler.prompt.same import Same
from treadle.compiler.signature import Signature

_PLAIN = {"module": "predict"}
"""A module that means the same as none."""

_NOWHERE = 1 << 60


def graph_hash(graph: Graph) -> str:
    """The canonical hash of a graph: 16 hexadecimal digits. Kept while the same graph is used again."""
    return _kept(Same(graph))


@functools.lru_cache(maxsize=4096)
def _kept(same: Same) -> str:
    graph = same.objects[0]
    assert isinstance(graph, Graph)
    return digest(identity(graph))


def signature_hash(signature: Signature) -> str:
    """Hash of a predictor's fields and their types: what a stored parameter must fit."""
    return signature.interface_hash


def instruction_hash(signature: Signature) -> str:
    """Hash of a predictor's default instruction."""
    return digest(signature.instruction)


def identity(graph: Graph) -> JSON:
    """What the hash is taken of: the graph as nested lists, values numbered in the order in which they come to be."""
    canon = _Canon()
    written = canon.written(graph.nodes)
    return [{name: _predictor(graph.predictors[name]) for name in sorted(graph.predictors)}, written]


def _predictor(predictor: nodes.Predictor) -> JSON:
    written = predictor_to_json(predictor)
    return {key: value for key, value in written.items() if key != "module" or value != _PLAIN}


class _Canon:
    """Numbers values and writes nodes."""

    def __init__(self) -> None:
        self._number: dict[Ref, int] = {}
        self._next = 0

    def written(self, inside: Sequence[Node]) -> list[JSON]:
        return [self._node(node) for node in inside]

    def _value(self, ref: Ref) -> int:
        """The number of a value. Arguments of regions get theirs when they are first read."""
        number = self._number.get(ref)
        if number is None:
            number = self._number[ref] = self._next
            self._next += 1
        return number

    def _values(self, refs: Sequence[Ref]) -> list[JSON]:
        return [self._value(ref) for ref in refs]

    def _pairs(self, inputs: Inputs) -> list[JSON]:
        return [[name, self._value(ref)] for name, ref in inputs]

    def _node(self, node: Node) -> JSON:  # noqa: C901  one case a kind
        match node:
            case nodes.Input():
                written: list[JSON] = [node.slot.to_json()]
            case nodes.Output():
                return [node.kind, self._value(node.value)]
            case nodes.Const():
                written = [node.value]
            case nodes.LM():
                written = self._call(node)
            case nodes.Op():
                written = [node.op, self._pairs(node.inputs), node.effects]
            case nodes.Expr():
                written = [node.expression, self._values(node.inputs)]
            case nodes.Step():
                # the name of a call site follows from the predictor and the program order
                written = [node.predictor, self._pairs(node.inputs), self._pairs(tuple(sorted(node.context)))]
            case nodes.Map():
                return self._parallel(node, node.body, [self._value(node.items), node.bound])
            case nodes.Replicate():
                return self._parallel(node, node.body, [node.count])
            case nodes.Branch():
                return self._branch(node)
            case nodes.Loop():
                return self._loop(node)
        for ref in node.results:
            self._value(ref)
        return [node.kind, *written]

    def _call(self, node: nodes.LM) -> list[JSON]:
        decoding: list[JSON] = [node.model, node.temperature, node.max_tokens]
        asked: list[JSON] = [node.signature.to_json(), [demo.to_json() for demo in node.demos]]
        shown: list[JSON] = [] if node.nearest is None else [node.nearest]
        return [*asked, *decoding, node.address, node.purpose, self._pairs(node.inputs), *shown]

    def _parallel(self, node: nodes.Map | nodes.Replicate, body: Region, head: list[JSON]) -> JSON:
        written = self.written(body.nodes)
        arguments = self._values([argument.ref for argument in body.arguments])
        results = self._results(node, [(self._value(ref),) for ref in body.results])
        return [node.kind, *head, arguments, written, results]

    def _branch(self, node: nodes.Branch) -> JSON:
        condition = self._value(node.condition)
        arms: list[JSON] = [self.written(node.then.nodes), self.written(node.otherwise.nodes)]
        pairs = zip(node.then.results, node.otherwise.results, strict=True)
        results = self._results(node, [(self._value(then), self._value(other)) for then, other in pairs])
        return [node.kind, condition, *arms, results]

    def _results(self, node: Node, keys: list[tuple[int, ...]]) -> JSON:
        """Number a node's results in the order of what they are made of; equal ones are one value."""
        refs = dict(zip(node.results, keys, strict=True))
        numbers: dict[tuple[int, ...], int] = {}
        for ref in sorted(refs, key=refs.__getitem__):
            self._number[ref] = numbers[refs[ref]] = numbers.get(refs[ref], self._next)
            self._next = max(self._next, numbers[refs[ref]] + 1)
        return [list(key) for key in sorted(numbers)]

    def _loop(self, node: nodes.Loop) -> JSON:
        head: list[JSON] = [None if node.items is None else self._value(node.items), node.bound, node.stops]
        first = [self._value(ref) for ref in node.carried]
        element, *arguments = (argument.ref for argument in node.body.arguments)
        written = self.written(node.body.nodes)
        given = node.body.results[: len(node.carried)]

        def key(index: int) -> tuple[int, int, int]:
            argument, result = arguments[index], given[index]
            return self._number.get(argument, _NOWHERE), first[index], self._number.get(result, _NOWHERE)

        order = sorted(range(len(node.carried)), key=key)
        carried: list[JSON] = [[first[index], self._value(arguments[index])] for index in order]
        results = [self._value(given[index]) for index in order] + self._values(node.body.results[len(given) :])
        for index in order:
            self._value(node.results[index])
        return [node.kind, *head, self._value(element), carried, written, list(results)]
