"""Rules for repetition: ``for`` and comprehensions, as a Map where turns are independent, else as a Loop."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence

from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.branches import NOWHERE
from treadle.compiler.frontend.carried import CarriedLoop
from treadle.compiler.frontend.code import Code, const, of_ref
from treadle.compiler.frontend.collecting import Collector, collectors
from treadle.compiler.frontend.inference import LIST, element, members
from treadle.compiler.frontend.liveness import Loops
from treadle.compiler.frontend.lowering import Lowering
from treadle.compiler.frontend.state import FALL
from treadle.compiler.frontend.targets import assign
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Argument, Ref, Region
from treadle.compiler.graph.substitute import arguments_of

Names = frozenset[str]


def lower_for(low: Lowering, tree: ast.For, live: Names) -> None:
    """``for``: a Map if its turns only collect, else a Loop."""
    items = iterable(low, tree.iter)
    changed = items.names & liveness.mutated(tree.body)
    if changed:
        low.refuse(tree, f"the loop changes {', '.join(sorted(changed))}, which it runs over")
    source = low.ref(items, tree)
    found = collectors(low, tree, live)
    if found is not None:
        _map(low, tree, items, source, found)
    else:
        CarriedLoop(low, tree, items, source, live).lower()


def iterable(low: Lowering, tree: ast.expr) -> Code:
    """What a loop runs over; iterators are read at once, which no one can tell if their elements cannot fail."""
    code = low.expr(tree)
    if code.fails_late:
        low.refuse(tree, "a generator, map or filter that a loop reads step by step: wrap it in list(…)")
    if any("Iterator" in str(member) or "Generator" in str(member) for member in members(code.type)):
        low.refuse(tree, "an iterator, which can be read only once: return a list instead")
    if not code.lazy:
        return code
    return dataclasses.replace(code, tree=["call", "list", [code.tree], {}], lazy=False)


# --- maps ------------------------------------------------------------------------------------------------------------


def _map(low: Lowering, tree: ast.For, items: Code, source: Ref, found: Sequence[Collector]) -> None:
    """A Map: each turn collects for itself, and the parts are put together behind it."""
    id, names = low.new_id(), frozenset(collector.result for collector in found)
    kept = dict(low.env)
    (argument,) = arguments_of(id, 0, 1)
    low.types[argument] = element(items.type)
    low.needs_place()
    with low.inside() as block:
        for collector in found:
            low.env[collector.name] = collector.empty()
        assign(low, tree.target, of_ref(argument, element(items.type)), tree)
        low.loops.append(Loops(after=names, head=names))
        low.statements(_body(tree, found), names)
        low.loops.pop()
        low.exits, low.done = frozenset({FALL}), const("")
        codes = [low.env.get(collector.result, NOWHERE).code for collector in found]
        region = Region(
            arguments=(Argument(ref=argument, annotation=element(items.type)),),
            results=tuple(low.ref(code, tree) for code in codes),
            nodes=tuple(block),
        )
    low.env = kept
    types = [LIST[code.type] for code in codes]
    results = low.add_as(id, nodes.Map, types, tree, items=source, body=region, bound=items.most)
    for collector, code, result in zip(found, codes, results, strict=True):
        collector.collect(low, result, code.type, tree)


def _body(tree: ast.For, found: Sequence[Collector]) -> list[ast.stmt]:
    body = tree.body
    for collector in found:
        body = collector.rewritten(body)
    return body
