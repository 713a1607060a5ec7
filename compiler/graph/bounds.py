"""Static bounds: what one run of a graph can ask for, before any run.

By structural recursion: nodes of a region add up; a branch costs its dearer arm; a map, a loop or replicas cost their
body as often as they can enter it; a region of the user without a bound makes its count unknown. Re-asks are not
counted: a reply that does not fit costs at most one call more (``with_reasks``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping

from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node, Predictor, Ref, Region

Expand = Callable[[str, Predictor], Graph]
"""The graph of a predictor's module: ``lambda name, predictor: module.expand_step(name, predictor, values)``."""

Weight = Callable[[nodes.LM], int]
"""How often one LM node may call."""

Prompt = Callable[[nodes.LM], "int | None"]
"""Tokens of the fixed part of a call's prompt: all but its inputs. ``None`` where unknown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one run can ask for at most. ``None`` means unknown: a region is unbounded.

    Attributes:
        lm_calls: LM calls, re-asks not counted.
        by_predictor: LM calls of all steps of each predictor, by name.
        depth: LM calls on the longest chain of calls that wait for one another.
        op_calls: Calls of each op, by name: what a program's own code may cost.
        fixed_tokens: Tokens of the parts of all prompts that do not depend on the inputs; at least these are sent.
        reply_tokens: Most tokens of all replies; ``None`` also where a call's ``max_tokens`` is the LM's own.
    """

    lm_calls: int | None
    by_predictor: Mapping[str, int | None]
    depth: int | None
    op_calls: Mapping[str, int | None]
    fixed_tokens: int | None
    reply_tokens: int | None

    @property
    def with_reasks(self) -> int | None:
        """LM calls when every reply has to be asked for a second time."""
        return None if self.lm_calls is None else 2 * self.lm_calls


@dataclasses.dataclass(frozen=True)
class _Cost:
    """Calls by what they are of, tokens sent and received; ``None`` is unknown and stays so."""

    calls: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    ops: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    fixed: int | None = 0
    replies: int | None = 0

    def also(self, other: _Cost) -> _Cost:
        return self._with(other, _sum)

    def dearest(self, other: _Cost) -> _Cost:
        return self._with(other, _larger)

    def times(self, count: int | None) -> _Cost:
        return _Cost(
            {name: _product(calls, count) for name, calls in self.calls.items()},
            {name: _product(calls, count) for name, calls in self.ops.items()},
            _product(self.fixed, count),
            _product(self.replies, count),
        )

    def _with(self, other: _Cost, join: Callable[[int | None, int | None], int | None]) -> _Cost:
        return _Cost(
            _joined(self.calls, other.calls, join),
            _joined(self.ops, other.ops, join),
            join(self.fixed, other.fixed),
            join(self.replies, other.replies),
        )


def _joined(
    a: Mapping[str, int | None], b: Mapping[str, int | None], join: Callable[[int | None, int | None], int | None]
) -> dict[str, int | None]:
    return {name: join(a.get(name, 0), b.get(name, 0)) for name in (*a, *(name for name in b if name not in a))}


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _larger(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)


def _product(a: int | None, b: int | None) -> int | None:
    if a == 0 or b == 0:
        return 0
    return None if a is None or b is None else a * b


def bounds(graph: Graph, *, expand: Expand | None = None, prompt: Prompt | None = None) -> Bounds:
    """What one run of ``graph`` can ask for.

    Args:
        graph: A legal graph.
        expand: Gives the graph of a predictor's module; without it a step counts as one call.
        prompt: Tokens of the fixed part of a call's prompt; without it the tokens are unknown.

    Raises:
        GraphError: A module cannot serve its predictor.
    """
    counter = _Counter(graph.predictors, expand, prompt)
    cost = counter.region(graph.nodes)
    total: int | None = 0
    for calls in cost.calls.values():
        total = _sum(total, calls)
    return Bounds(
        lm_calls=total,
        by_predictor={name: cost.calls.get(name, 0) for name in sorted({*graph.predictors, *cost.calls})},
        depth=_Depth(graph.predictors, expand).of(graph),
        op_calls=dict(sorted(cost.ops.items())),
        fixed_tokens=cost.fixed,
        reply_tokens=cost.replies,
    )


def lm_calls(graph: Graph, *, expand: Expand | None = None, weight: Weight | None = None) -> int | None:
    """LM calls of one run at most; ``None`` where unknown.

    Args:
        graph: A legal graph.
        expand: As in ``bounds``.
        weight: How often one LM node may call, re-asks included; once without it.
    """
    total: int | None = 0
    for calls in _Counter(graph.predictors, expand, None, weight).region(graph.nodes).calls.values():
        total = _sum(total, calls)
    return total


class _Counter:
    def __init__(
        self,
        predictors: Mapping[str, Predictor],
        expand: Expand | None,
        prompt: Prompt | None,
        weight: Weight | None = None,
    ) -> None:
        self.predictors = predictors
        self.expand = expand
        self.prompt = prompt
        self.weight = weight
        self.steps: dict[str, _Cost] = {}

    def region(self, inside: Iterable[Node]) -> _Cost:
        cost = _Cost()
        for node in inside:
            if isinstance(node, nodes.LM | nodes.Op | nodes.Step) or node.regions:
                cost = cost.also(self.node(node))
        return cost

    def node(self, node: Node) -> _Cost:
        match node:
            case nodes.LM():
                return self.call(node, node.address)
            case nodes.Op():
                return _Cost(ops={node.op: 1})
            case nodes.Step():
                return self.step(node.predictor)
            case nodes.Branch():
                return self.region(node.then.nodes).dearest(self.region(node.otherwise.nodes))
            case nodes.Map() | nodes.Loop():
                return self.region(node.body.nodes).times(node.bound)
            case nodes.Replicate():
                return self.region(node.body.nodes).times(node.count)
            case _:
                return _Cost()

    def call(self, node: nodes.LM, name: str) -> _Cost:
        calls = 1 if self.weight is None else self.weight(node)
        return _Cost({name: calls}, {}, None if self.prompt is None else self.prompt(node), node.max_tokens)

    def step(self, name: str) -> _Cost:
        if name not in self.steps:
            predictor = self.predictors[name]
            if self.expand is None:
                self.steps[name] = _Cost({name: 1}, {}, None, predictor.max_tokens)
            else:
                inner = _Counter({}, None, self.prompt, self.weight).region(self.expand(name, predictor).nodes)
                total: int | None = 0
                for calls in inner.calls.values():
                    total = _sum(total, calls)
                self.steps[name] = dataclasses.replace(inner, calls={name: total})
        return self.steps[name]


class _Depth:
    """The critical path: of every value, how many LM calls have to be over before it is there."""

    def __init__(self, predictors: Mapping[str, Predictor], expand: Expand | None) -> None:
        self.predictors = predictors
        self.expand = expand
        self.steps: dict[str, int | None] = {}

    def of(self, graph: Graph) -> int | None:
        return self.longest(graph.nodes, {}, 0)

    def longest(self, inside: Iterable[Node], around: Mapping[Ref, int | None], start: int | None) -> int | None:
        """When a region is over that is entered at ``start``."""
        depth = dict(around)
        end = start
        for node in inside:
            over = self.over(node, depth, start)
            depth.update(dict.fromkeys(node.results, over))
            end = _larger(end, over)
        return end

    def over(self, node: Node, depth: Mapping[Ref, int | None], start: int | None) -> int | None:
        """When a node is over that may start at ``start`` and waits for what it reads."""
        for ref in node.reads:
            start = _larger(start, depth.get(ref, 0))
        if isinstance(node, nodes.LM):
            return _sum(start, 1)
        if isinstance(node, nodes.Step):
            return _sum(start, self.step(node.predictor))
        if isinstance(node, nodes.Loop):
            return self.turns(node, depth, start)
        end = start
        if isinstance(node, nodes.Map) and node.bound == 0:
            return end
        for region in node.regions:  # all elements, replicas or either arm, at once
            end = _larger(end, self.longest(region.nodes, depth, start))
        return end

    def turns(self, node: nodes.Loop, depth: Mapping[Ref, int | None], start: int | None) -> int | None:
        """When a loop is over: its turns run one after another, once all that they read from outside is there."""
        for ref in _read_inside(node.body):
            start = _larger(start, depth.get(ref, 0))
        return _sum(start, _product(self.longest(node.body.nodes, {}, 0), node.bound))

    def step(self, name: str) -> int | None:
        if name not in self.steps:
            graph = None if self.expand is None else self.expand(name, self.predictors[name])
            self.steps[name] = 1 if graph is None else _Depth({}, None).of(graph)
        return self.steps[name]


def _read_inside(region: Region) -> Iterator[Ref]:
    for node in region.nodes:
        yield from node.reads
        for inner in node.regions:
            yield from _read_inside(inner)
