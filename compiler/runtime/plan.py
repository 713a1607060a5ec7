"""Plans: a graph under a candidate, compiled once into blocks that can be run many times."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pydantic

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, GraphError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node, Predictor, Ref, Region
from treadle.compiler.graph.op import Op, library
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.runtime.actions import AwaitOp, CallLM, CallOp, Evaluate, RunStep
from treadle.compiler.runtime.block import Action, Block
from treadle.compiler.runtime.expressions import compile_expression
from treadle.compiler.runtime.layout import Layout
from treadle.compiler.runtime.regions import Choose, Repeat, RunMap, RunReplicate
from treadle.compiler.runtime.step_plan import Answer, Temperature, call_of, expand, with_context
from treadle.compiler.runtime.tuned_op import addresses_of
from treadle.compiler.signature import MISSING, Signature, Slot


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A graph ready to run.

    Attributes:
        program: The graph's name.
        inputs: Names of the inputs, in the order in which the block takes them.
        block: What to run; its one result is the program's.
    """

    program: str
    inputs: tuple[str, ...]
    block: Block


@dataclasses.dataclass(frozen=True)
class _Facts:
    """What the schedule must know of a node or block.

    Attributes:
        waits: It awaits something.
        effects: It changes the world: it stands behind all before it.
        touches: It runs code of the user's, which may see what an effect before it has changed.
    """

    waits: bool = False
    effects: bool = False
    touches: bool = False

    def __or__(self, other: _Facts) -> _Facts:
        return _Facts(self.waits or other.waits, self.effects or other.effects, self.touches or other.touches)


_PURE = _Facts()
_CALL = _Facts(waits=True)


def plan_graph(
    graph: Graph, ops: Mapping[str, Op], values: Mapping[str, JSON], temperature: Temperature = lambda *_: None
) -> Plan:
    """The plan of ``graph``.

    Args:
        graph: A graph that keeps the rules, its context edges in place.
        ops: What its ops stand for; library ops need not be in it.
        values: A candidate's values by address.
        temperature: The temperature of the LM that would answer a predictor, given its name and model.

    Raises:
        ConfigurationError: An op is not in the table, or a module cannot run at the temperature in force.
        DeclarationError: A module or an expression is not valid.
    """
    planner = _Planner(graph.name, graph.predictors, ops, values, temperature)
    block, _ = planner.block(graph.nodes, (graph.output.value,), [node.results[0] for node in graph.inputs], None)
    return Plan(program=graph.name, inputs=tuple(node.slot.name for node in graph.inputs), block=block)


def plan_step(
    name: str,
    predictor: Predictor,
    context: Sequence[str],
    ops: Mapping[str, Op],
    values: Mapping[str, JSON],
    temperature: Temperature,
) -> RunStep:
    """The plan of one step outside a graph; it takes the values of all inputs by name.

    Args:
        name: The predictor's name.
        predictor: Its defaults.
        context: Sources of its context edges.
        ops: What a module's ops stand for.
        values: A candidate's values by address.
        temperature: As for ``plan_graph``.
    """
    planner = _Planner(name, {}, ops, values, temperature)
    answer = expand(name, with_context(predictor, [(source, Any) for source in context]), context, values, temperature)
    body = None if answer.graph is None else planner.answer_block(name, context, answer)
    return RunStep(
        index=0,
        node="",
        line=None,
        results=(0,),
        name=name,
        predictor=name,
        inputs=(),
        defaults=(),
        fields=answer.fields,
        body=body,
        call=answer.call,
        parameters=answer.parameters,
    )


class _Planner:
    """Compiles one graph; ``step`` is the predictor whose module's graph it is, if it is one."""

    def __init__(
        self,
        program: str,
        predictors: Mapping[str, Predictor],
        ops: Mapping[str, Op],
        values: Mapping[str, JSON],
        temperature: Temperature,
        step: str = "",
        context: Sequence[str] = (),
    ) -> None:
        self._program = program
        self._predictors = predictors
        self._ops = ops
        self._values = values
        self._temperature = temperature
        self._step = step
        self._context = tuple(context)
        self._sites: dict[str, int] = {}

    # --- blocks --------------------------------------------------------------------------------------------------

    def block(
        self, given: Sequence[Node], results: Sequence[Ref], arguments: Sequence[Ref], around: Layout | None
    ) -> tuple[Block, _Facts]:
        layout = Layout(around, arguments)
        actions: list[Action] = []
        order = _Order()
        for node in given:
            if isinstance(node, nodes.Const):
                layout.constant(node.results[0], _constant(node))
            elif not isinstance(node, nodes.Input | nodes.Output):
                action, facts = self._action(node, layout, len(actions))
                order.add(layout.needs(), facts)
                actions.append(action)
        block = Block(
            program=self._program,
            arguments=layout.arguments,
            results=tuple(layout.read(ref) for ref in results),
            constants=tuple(layout.constants),
            fresh=tuple(layout.fresh),
            captures=tuple(layout.captures),
            actions=tuple(actions),
            waiting=tuple(len(needed) for needed in order.needs),
            followers=order.followers(),
            first=tuple(index for index, needed in enumerate(order.needs) if not needed),
            overlaps=order.all.waits and not order.all.effects,
        )
        return block, order.all

    def _region(self, region: Region, layout: Layout) -> tuple[Block, _Facts]:
        return self.block(region.nodes, region.results, [argument.ref for argument in region.arguments], layout)

    # --- actions -------------------------------------------------------------------------------------------------

    def _action(self, node: Node, layout: Layout, index: int) -> tuple[Action, _Facts]:
        match node:
            case nodes.Expr():
                return self._expr(node, layout, index), _PURE
            case nodes.Op():
                return self._op(node, layout, index)
            case nodes.LM():
                return self._lm(node, layout, index), _CALL
            case nodes.Step():
                return self._run_step(node, layout, index)
            case _:
                return self._region_action(node, layout, index)

    def _region_action(self, node: Node, layout: Layout, index: int) -> tuple[Action, _Facts]:
        match node:
            case nodes.Map():
                return self._map(node, layout, index)
            case nodes.Branch():
                return self._branch(node, layout, index)
            case nodes.Loop():
                return self._loop(node, layout, index)
            case nodes.Replicate():
                return self._replicate(node, layout, index)
        msg = f"a {node.kind} node cannot stand here"
        raise GraphError(msg)

    def _expr(self, node: nodes.Expr, layout: Layout, index: int) -> Action:
        inputs = tuple(layout.read(ref) for ref in node.inputs)
        function = compile_expression(node.expression)
        return Evaluate(**_common(node, layout, index), function=function, inputs=inputs)

    def _op(self, node: nodes.Op, layout: Layout, index: int) -> tuple[Action, _Facts]:
        op = self._ops.get(node.op) or library().get(node.op)
        if op is None:
            msg = f"{self._program!r} calls the op {node.op!r}, which is not in the table of ops: give it with ops=[…]"
            raise ConfigurationError(msg)
        by_place = [(name, ref) for name, ref in node.inputs if name.isdigit()]
        by_name = [(name, ref) for name, ref in node.inputs if not name.isdigit()]
        positional = tuple(layout.read(ref) for _, ref in sorted(by_place, key=lambda pair: int(pair[0])))
        named = tuple((name, layout.read(ref)) for name, ref in by_name)
        waits = op.is_async or op.blocking
        action = (AwaitOp if waits else CallOp)(
            **_common(node, layout, index),
            op=op,
            asynchronous=op.is_async,
            site=self._site(op.name),
            positional=positional,
            named=named,
            names=op.argument_names(len(positional)) + tuple(name for name, _ in named),
            parameters=addresses_of(op),
        )
        own = op.name not in library()
        return action, _Facts(waits=waits, effects=op.effects or node.effects, touches=own)

    def _site(self, name: str) -> str:
        seen = self._sites[name] = self._sites.get(name, 0) + 1
        return name if seen == 1 else f"{name}#{seen}"

    def _lm(self, node: nodes.LM, layout: Layout, index: int) -> Action:
        call = call_of(node, self._step, self._context, self._values)
        inputs = tuple((name, layout.read(ref)) for name, ref in node.inputs)
        return CallLM(**_common(node, layout, index), call=call, inputs=inputs)

    def _run_step(self, node: nodes.Step, layout: Layout, index: int) -> tuple[Action, _Facts]:
        predictor = self._predictors[node.predictor]
        sources = [(source, self._type_of(source)) for source, _ in node.context]
        wider = with_context(predictor, sources)
        context = [source for source, _ in node.context]
        answer = expand(node.predictor, wider, context, self._values, self._temperature)
        facts, body = _CALL, None
        if answer.graph is not None:
            body, inner = self._planner_for(node.predictor, context).answer(answer.graph)
            facts |= inner
        inputs, defaults = _step_inputs(node, wider.signature, predictor.signature, layout)
        action = RunStep(
            **_common(node, layout, index),
            name=node.name,
            predictor=node.predictor,
            inputs=inputs,
            defaults=defaults,
            fields=answer.fields,
            body=body,
            call=answer.call,
            parameters=answer.parameters,
        )
        return action, facts

    def _type_of(self, predictor: str) -> Annotation:
        known = self._predictors.get(predictor)
        return Any if known is None else known.signature.value.annotation

    def _planner_for(self, predictor: str, context: Sequence[str]) -> _Planner:
        return _Planner(predictor, {}, self._ops, self._values, self._temperature, predictor, context)

    def answer_block(self, name: str, context: Sequence[str], answer: Answer) -> Block:
        """The block of a step's module."""
        return self._planner_for(name, context).answer(cast(Graph, answer.graph))[0]

    def answer(self, graph: Graph) -> tuple[Block, _Facts]:
        return self.block(graph.nodes, (graph.output.value,), [node.results[0] for node in graph.inputs], None)

    # --- regions -------------------------------------------------------------------------------------------------

    def _map(self, node: nodes.Map, layout: Layout, index: int) -> tuple[Action, _Facts]:
        items = layout.read(node.items)
        body, facts = self._region(node.body, layout)
        return RunMap(**_common(node, layout, index), items=items, body=body, bound=node.bound), facts | _CALL

    def _replicate(self, node: nodes.Replicate, layout: Layout, index: int) -> tuple[Action, _Facts]:
        body, facts = self._region(node.body, layout)
        return RunReplicate(**_common(node, layout, index), count=node.count, body=body), facts | _CALL

    def _branch(self, node: nodes.Branch, layout: Layout, index: int) -> tuple[Action, _Facts]:
        condition = layout.read(node.condition)
        then, facts = self._region(node.then, layout)
        otherwise, more = self._region(node.otherwise, layout)
        action = Choose(**_common(node, layout, index), condition=condition, then=then, otherwise=otherwise)
        return action, facts | more | _CALL

    def _loop(self, node: nodes.Loop, layout: Layout, index: int) -> tuple[Action, _Facts]:
        items = None if node.items is None else layout.read(node.items)
        carried = tuple(layout.read(ref) for ref in node.carried)
        body, facts = self._region(node.body, layout)
        action = Repeat(
            **_common(node, layout, index), items=items, carried=carried, body=body, stops=node.stops, bound=node.bound
        )
        return action, facts | _CALL


class _Order:
    """Which actions wait for which."""

    def __init__(self) -> None:
        self.needs: list[set[int]] = []
        self.all = _PURE
        self._last_effect: int | None = None

    def add(self, needs: set[int], facts: _Facts) -> None:
        """The next action: an effect waits for all before it, what may see an effect waits for the last one."""
        index = len(self.needs)
        if facts.effects:
            needs |= set(range(self._last_effect or 0, index))
            self._last_effect = index
        elif facts.touches and self._last_effect is not None:
            needs.add(self._last_effect)
        self.needs.append(needs)
        self.all |= facts

    def followers(self) -> tuple[tuple[int, ...], ...]:
        """For each action those that wait for it."""
        found: list[list[int]] = [[] for _ in self.needs]
        for index, needed in enumerate(self.needs):
            for earlier in sorted(needed):
                found[earlier].append(index)
        return tuple(tuple(indices) for indices in found)


def _common(node: Node, layout: Layout, index: int) -> dict[str, Any]:
    """The fields all actions have. Called last: the results stand behind what the node reads."""
    return {"index": index, "node": node.id, "line": node.line, "results": layout.write(node.results, index)}


def _constant(node: nodes.Const) -> Any:
    annotation = node.types[0]
    if annotation is Any or type(node.value) is annotation:
        return node.value
    try:
        return Slot(name=node.id, annotation=annotation).read(node.value)
    except pydantic.ValidationError as error:
        msg = f"the constant {node.id!r} is not of its type: {error.errors(include_url=False)[0]['msg']}"
        raise GraphError(msg) from None


def _step_inputs(
    node: nodes.Step, wider: Signature, own: Signature, layout: Layout
) -> tuple[tuple[tuple[str, int, Slot | None], ...], tuple[tuple[str, Any], ...]]:
    """The inputs a step gives, and the defaults of those it leaves out."""
    given = {**dict(node.inputs), **{f"{CONTEXT_PREFIX}{source}": ref for source, ref in node.context}}
    checked = {slot.name for slot in own.inputs}
    inputs: list[tuple[str, int, Slot | None]] = []
    defaults: list[tuple[str, Any]] = []
    for slot in wider.inputs:
        if slot.name in given:
            inputs.append((slot.name, layout.read(given[slot.name]), slot if slot.name in checked else None))
        elif slot.default is not MISSING:
            defaults.append((slot.name, slot.default))
        else:
            msg = f"step {node.name!r} gives no value for the input {slot.name!r}"
            raise GraphError(msg, rule=5)
    return tuple(inputs), tuple(defaults)
