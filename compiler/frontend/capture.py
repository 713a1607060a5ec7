"""Capture: from a program's function to its graph, or to the reasons why it has none."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import treadle.compiler.frontend.library  # noqa: F401  registers the library ops captured programs call
from treadle.compiler.frontend.captured import Captured, Reason
from treadle.compiler.frontend.code import const, of_ref
from treadle.compiler.frontend.liveness import always_leaves
from treadle.compiler.frontend.lower_statements import STATEMENTS
from treadle.compiler.frontend.lower_values import EXPRESSIONS
from treadle.compiler.frontend.lowering import Lowering
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.report import Report
from treadle.compiler.frontend.source import NoSource, Outside, source_of
from treadle.compiler.frontend.state import RETURNED, Binding
from treadle.compiler.frontend.steps_inside import ops_of, steps_held, steps_of
from treadle.compiler.frontend.tidy import tidied
from treadle.compiler.graph import nodes
from treadle.compiler.graph.check import check
from treadle.compiler.graph.nodes import Graph, Node
from treadle.compiler.graph.substitute import Renumbering, with_inner
from treadle.compiler.signature import Signature


def capture(function: Callable[..., Any], signature: Signature, instance: object) -> Captured:
    """Lower a program's function.

    Args:
        function: The function as the user wrote it.
        signature: Its inputs and output.
        instance: What ``self`` is, for a method.

    Raises:
        DeclarationError: A call in it cannot be right, or two different predictors have one name.
    """
    report = Report(signature.name)
    try:
        tree = source_of(function).tree
    except NoSource as error:
        report.reasons.append(Reason(function.__code__.co_firstlineno, str(error)))
        _find_steps(report, function, instance)
        return report.captured(None)
    low = _lowering(function, tree, report, instance)
    inputs = [_input(low, slot) for slot in signature.inputs]
    body = tree.body if always_leaves(tree.body) else [*tree.body, _at_end(tree)]
    low.statements(body, frozenset())
    if report.reasons:
        _find_steps(report, function, instance)
        return report.captured(None)
    returned = low.env.get(RETURNED)
    value = low.ref(returned.code if returned is not None else const(None))
    output = nodes.Output(id=low.new_id(), value=value)
    constants = [node for node, _ in low.constants.values()]
    graph = _finished(low, signature.name, [*inputs, *constants, *low.block, output])
    check(graph)
    return report.captured(graph)


def _lowering(
    function: Callable[..., Any], tree: ast.FunctionDef | ast.AsyncFunctionDef, report: Report, instance: object
) -> Lowering:
    given = [argument.arg for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)]
    self_name = given.pop(0) if instance is not None and given else ""
    low = Lowering(
        report,
        Outside.of(function, instance),
        _binding_order(given, tree.body, self_name),
        EXPRESSIONS,
        STATEMENTS,
        is_async=isinstance(tree, ast.AsyncFunctionDef),
    )
    low.self_name = self_name
    return low


def _binding_order(given: Sequence[str], body: Sequence[ast.stmt], self_name: str) -> dict[str, int]:
    """Every local's place in the order in which the source first binds it; names of comprehensions are their own."""
    names = dict.fromkeys(given)
    for statement in body:
        _collect(statement, names)
    names.pop(self_name, None)
    return {name: index for index, name in enumerate(names)}


def _collect(tree: ast.AST, names: dict[str, None]) -> None:
    if isinstance(tree, ast.Name) and isinstance(tree.ctx, ast.Store | ast.Del):
        names.setdefault(tree.id)
    elif isinstance(tree, ast.MatchAs | ast.MatchStar) and tree.name:
        names.setdefault(tree.name)
    elif isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.setdefault(tree.name)
        return
    elif isinstance(tree, ast.alias):
        names.setdefault((tree.asname or tree.name).partition(".")[0])
    elif isinstance(tree, ast.ExceptHandler) and tree.name:
        names.setdefault(tree.name)
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.comprehension):
            for part in (child.iter, *child.ifs):
                _collect(part, names)
        elif not isinstance(child, ast.Lambda):
            _collect(child, names)


def _at_end(tree: ast.AST) -> ast.stmt:
    end = ast.Return(value=None)
    end.lineno, end.col_offset = getattr(tree, "end_lineno", 0) or 0, 0
    return end


def _input(low: Lowering, slot: Any) -> Node:
    node = nodes.Input(id=low.new_id(), types=(slot.annotation,), slot=slot)
    ref = node.results[0]
    low.types[ref] = slot.annotation
    low.origins[ref] = f"input {slot.name!r}"
    low.env[slot.name] = Binding(code=of_ref(ref, slot.annotation))
    return node


def _find_steps(report: Report, function: Callable[..., Any], instance: object) -> None:
    """In host mode all predictors and ops the function mentions are its own, also those without a call site found."""
    for op in ops_of(function):
        report.op(op.op)
    held = steps_held(function, instance) if isinstance(function, FunctionType) else []
    for found in (*steps_of(function), *held):
        if isinstance(found, PredictorFunction):
            report.predictor(found)
        elif found.declaration.function is not function and not getattr(found.declaration, "is_being_captured", False):
            for predictor in found.declaration.captured.predictors.values():
                report.predictor(predictor)


def _finished(low: Lowering, name: str, written: Sequence[Node]) -> Graph:
    """The graph: without unused constants, its steps named, its nodes numbered."""
    names = _step_names(low)
    kept = tidied(written)
    numbered_nodes = Renumbering().nodes([_renamed(node, names) for node in kept])
    predictors = {name: found.declared for name, found in sorted(low.report.predictors.items())}
    return Graph(name=name, nodes=numbered_nodes, predictors=predictors)


def _step_names(low: Lowering) -> dict[str, str]:
    """The step's name for each site: its predictor's, numbered in the order of the source."""
    seen: dict[str, int] = {}
    names: dict[str, str] = {}
    for site, (_, predictor) in sorted(low.sites.items(), key=lambda pair: pair[1]):
        count = seen[predictor] = seen.get(predictor, 0) + 1
        names[site] = predictor if count == 1 else f"{predictor}#{count}"
    return names


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    if isinstance(node, nodes.Step):
        return dataclasses.replace(node, name=names[node.name])
    return with_inner(node, lambda inner: _renamed(inner, names)) if node.regions else node
