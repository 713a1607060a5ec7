"""Calls as nodes: a step, an op, another program's graph, with their arguments lowered and their types checked."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import Annotation, assignable, type_name
from treadle.compiler.errors import GraphError
from treadle.compiler.frontend.code import POISON, Code, of_ref
from treadle.compiler.frontend.inference import awaited, fits
from treadle.compiler.frontend.op_function import bind_names, hints_of
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Inputs, Node, Ref
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.substitute import Renumbering, with_inner
from treadle.compiler.signature import Signature, Slot

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The arguments of a call, evaluated in order."""

    positional: Sequence[Code]
    keywords: Mapping[str, Code]

    @property
    def poisoned(self) -> bool:
        """Whether one of them could not be lowered."""
        return any(code.poisoned for code in (*self.positional, *self.keywords.values()))


def call_step(
    low: Lowering,
    predictor: PredictorFunction[..., Any],
    given: Arguments,
    context: Sequence[tuple[str, Code]],
    where: ast.expr,
) -> Code:
    """A step."""
    low.report.predictor(predictor)
    low.report.places[place_of(where)] = predictor.name
    named = _by_field(low, predictor.signature, given, where)
    if given.poisoned or any(code.poisoned for _, code in context):
        return POISON
    step = f"step {predictor.name!r}"
    inputs = tuple((slot.name, edge(low, code, slot, step, where)) for slot, code in named)
    edges = tuple((source, low.ref(code, where)) for source, code in sorted(context, key=lambda pair: pair[0]))
    kind = predictor.signature.value.annotation
    (result,) = low.add(
        nodes.Step,
        [kind],
        where,
        name=_site(low, (where.lineno, where.col_offset), predictor.name),
        predictor=predictor.name,
        inputs=inputs,
        context=edges,
    )
    low.origins[result] = step
    return dataclasses.replace(of_ref(result, kind), fresh=True)


def _site(low: Lowering, key: tuple[int, ...], predictor: str) -> str:
    """A name that stands for the call site until all sites are numbered."""
    name = f"@{'.'.join(map(str, key))}@{predictor}"
    low.sites[name] = (key, predictor)
    return name


def place_of(where: ast.expr) -> tuple[int, int, int, int]:
    """Where a call stands in its file."""
    return where.lineno, where.end_lineno or 0, where.col_offset, where.end_col_offset or 0


def _by_field(low: Lowering, signature: Signature, given: Arguments, where: ast.expr) -> list[tuple[Slot, Code]]:
    """The inputs of a call in declared order.

    Raises:
        GraphError: An input is missing, unknown or given twice.
    """
    slots = {slot.name: slot for slot in signature.inputs}
    names = list(slots)
    problem = ""
    if len(given.positional) > len(names):
        problem = f"takes {len(names)} inputs but {len(given.positional)} are given"
    named = dict(zip(names, given.positional, strict=False))
    for name, code in given.keywords.items():
        if name not in slots:
            problem = problem or f"has no input {name!r}"
        elif name in named:
            problem = problem or f"gets the input {name!r} twice"
        named[name] = code
    missing = [slot.name for slot in signature.inputs if slot.required and slot.name not in named]
    if not problem and missing:
        problem = f"needs the input {', '.join(missing)}"
    if problem:
        msg = (
            f"line {where.lineno} of {low.report.program!r}: {signature.name}() {problem}; it takes {signature.takes()}"
        )
        raise GraphError(msg, rule=5)
    return [(slot, named[slot.name]) for slot in signature.inputs if slot.name in named]


def edge(low: Lowering, code: Code, slot: Slot, reader: str, where: ast.AST) -> Ref:
    """The value that fills an input. Where it may or may not be of the input's type, that is checked at run time.

    Raises:
        GraphError: It never is, by what its own source declares; names both sides, both types and the line.
    """
    source = low.origins.get(code.tree[1]) if code.is_ref else None
    if source is not None and not fits(code.type, slot.annotation):
        msg = (
            f"line {getattr(where, 'lineno', '?')} of {low.report.program!r}: {reader} takes {slot.name}: "
            f"{type_name(slot.annotation)}, and {source} gives {type_name(code.type)}"
        )
        raise GraphError(msg, rule=4)
    ref = low.ref(code, where)
    if assignable(low.types.get(ref, Any), slot.annotation):
        return ref
    kind = code.type if assignable(code.type, slot.annotation) else slot.annotation
    if code.is_const:
        return low.add(nodes.Const, [kind], where, value=code.tree[1])[0]
    return low.add(nodes.Expr, [kind], where, expression=["arg", 0], inputs=(ref,))[0]


def call_op(low: Lowering, op: Op, given: Arguments, where: ast.expr, *, checked: bool = False) -> Code:
    """An op.

    Raises:
        GraphError: It cannot be called with as many arguments, or with one of its type.
    """
    name = low.report.op(op)
    try:
        names = bind_names(op.function, len(given.positional), given.keywords)
    except TypeError as error:
        msg = f"line {where.lineno} of {low.report.program!r}: op {name!r}: {error}"
        raise GraphError(msg, rule=5) from None
    if given.poisoned:
        return POISON
    inputs = _op_inputs(low, op, given, names, where, checked=checked)
    kind = awaited(op.returns)
    (result,) = low.add(nodes.Op, [kind], where, op=name, inputs=inputs, effects=op.effects)
    low.origins[result] = f"op {name!r}"
    return of_ref(result, kind)


def _op_inputs(
    low: Lowering, op: Op, given: Arguments, names: tuple[str, ...] | None, where: ast.expr, *, checked: bool
) -> Inputs:
    takes: Mapping[str, Annotation] = (op.takes or hints_of(op.function)) if checked else {}
    inputs: list[tuple[str, Ref]] = []
    for index, code in enumerate(given.positional):
        name = names[index] if names is not None else str(index)
        inputs.append((name, _op_edge(low, code, takes.get(name, Any), name, op, where)))
    for name, code in given.keywords.items():
        inputs.append((name, _op_edge(low, code, takes.get(name, Any), name, op, where)))
    return tuple(inputs)


def _op_edge(low: Lowering, code: Code, kind: Annotation, name: str, op: Op, where: ast.expr) -> Ref:
    if kind is Any:
        return low.ref(code, where)
    return edge(low, code, Slot(name=name, annotation=kind), f"op {op.name!r}", where)


def call_program(
    low: Lowering,
    name: str,
    signature: Signature,
    graph: Graph,
    given: Arguments,
    where: ast.expr,
    ops: Mapping[str, Op],
) -> Code:
    """Another program's graph, put in place."""
    from treadle.compiler.frontend.resolve import constant

    named = {slot.name: code for slot, code in _by_field(low, signature, given, where)}
    renamed = {known: low.report.op(op) for known, op in ops.items()}
    if given.poisoned:
        return POISON
    low.needs_place()
    known: dict[Ref, Ref] = {}
    for given_input in graph.inputs:
        slot = given_input.slot
        code = named.get(slot.name)
        if code is None:
            code = constant(low, ast.copy_location(ast.Name(id=f"{name}.{slot.name}"), where), slot.default)
        known[given_input.results[0]] = edge(low, code, slot, f"program {name!r}", where)
    renumbering = Renumbering(low.numbers(), known)
    adopted = _Adopted(low, where, renamed)
    for old in graph.nodes[len(graph.inputs) : -1]:
        node = adopted.node(renumbering.node(old))
        low.block.append(node)
        low.types.update(zip(node.results, node.types, strict=True))
        low.written.update(dict.fromkeys(node.results, node))
    low.numbers(renumbering.next)
    result = renumbering.ref(graph.output.value)
    low.origins.setdefault(result, f"program {name!r}")
    return of_ref(result, low.types.get(result, signature.value.annotation))


class _Adopted:
    """Nodes of another program under this one's names: its steps are numbered anew, its lines are the call's."""

    def __init__(self, low: Lowering, where: ast.expr, ops: Mapping[str, str]) -> None:
        self._low = low
        self._where = where
        self._ops = ops
        self._count = 0

    def node(self, old: Node) -> Node:
        """The node, and those in its regions."""
        new: Node = dataclasses.replace(old, line=self._where.lineno)
        if isinstance(new, nodes.Step):
            self._count += 1
            key = (self._where.lineno, self._where.col_offset, self._count)
            return dataclasses.replace(new, name=_site(self._low, key, new.predictor))
        if isinstance(new, nodes.Op):
            return dataclasses.replace(new, op=self._ops.get(new.op, new.op))
        return with_inner(new, self.node) if new.regions else new


def choose(low: Lowering, choices: Sequence[tuple[Code, Callable[[], Code]]], where: ast.expr) -> Code:
    """One of several calls: the first whose condition holds; the last where none does."""
    from treadle.compiler.frontend.branches import branch

    *conditioned, (_, last) = choices
    if not conditioned:
        return last()
    name = low.temporary("choice")
    (condition, first), rest = conditioned[0], choices[1:]
    branch(
        low,
        low.ref(condition, where),
        lambda: low.bind(name, first(), where),
        lambda: low.bind(name, choose(low, rest, where), where),
        frozenset({name}),
        where,
    )
    return low.taken(name)
