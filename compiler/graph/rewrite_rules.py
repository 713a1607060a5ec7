"""Where a rewrite breaks the rules of rewrites: one function a rule, which says every place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from treadle.compiler.annotations import assignable, type_name
from treadle.compiler.canonical import canonical
from treadle.compiler.graph import nodes
from treadle.compiler.graph.rules import Facts, called
from treadle.compiler.graph.serialize import predictor_to_json


@dataclasses.dataclass(frozen=True)
class Change:
    """A graph before and after a rewrite.

    Attributes:
        before: Facts of the graph that was rewritten.
        after: Facts of the result.
        touched: Predictors whose parameters the rewrite may change.
        dropped: Nodes the rewrite names to be taken out.
    """

    before: Facts
    after: Facts
    touched: frozenset[str]
    dropped: frozenset[nodes.NodeId] = frozenset()


def interface(change: Change) -> Iterator[str]:
    """A rewrite keeps the fields of program and predictors."""
    before, after = change.before.graph, change.after.graph
    if [node.slot for node in before.inputs] != [node.slot for node in after.inputs]:
        yield "the program's inputs have changed"
    kinds = [facts.written[facts.graph.output.value][1] for facts in (change.before, change.after)]
    if not assignable(kinds[1], kinds[0]):
        yield f"the program gave {type_name(kinds[0])} and now gives {type_name(kinds[1])}"
    for name, predictor in before.predictors.items():
        if name in after.predictors:
            fields = predictor.signature, after.predictors[name].signature
            if fields[0].interface_hash != fields[1].interface_hash:
                yield f"the fields of {name!r} have changed"


def kept(change: Change) -> Iterator[str]:
    """Nothing but an unused pure expression is ever dropped, and what the rewrite is named to take out."""
    still = {node.id for _, node in change.after.walked}
    read = {ref for _, node in change.before.walked for ref in node.reads}
    read |= {ref for _, node in change.before.walked for region in node.regions for ref in region.results}
    for _, node in change.before.walked:
        unused = not any(ref in read for ref in node.results)
        if node.id in still or node.id in change.dropped:
            continue
        if not (unused and isinstance(node, nodes.Expr | nodes.Const)):
            yield f"{called(node)} is gone; only an unused pure expression may go"


def untouched(change: Change) -> Iterator[str]:
    """Parameters of predictors it does not name stay as they are."""
    after = change.after.graph.predictors
    for name, predictor in change.before.graph.predictors.items():
        if name in change.touched or predictor is after.get(name):
            continue
        if name not in after or canonical(predictor_to_json(after[name])) != canonical(predictor_to_json(predictor)):
            yield f"the parameters of {name!r} have changed, and the rewrite does not name it"


def no_new_source(change: Change) -> Iterator[str]:
    """It adds no input and no constant: no label reaches a node."""
    known = {node.id for _, node in change.before.walked}
    for _, node in change.after.walked:
        if isinstance(node, nodes.Input | nodes.Const) and node.id not in known:
            yield f"{called(node)} is new: a rewrite adds no value from outside, so no label can come in"


def bounded_additions(change: Change) -> Iterator[str]:
    """What a rewrite adds is bounded."""
    known = {node.id for _, node in change.before.walked}
    for _, node in change.after.walked:
        if isinstance(node, nodes.Map | nodes.Loop) and node.id not in known and node.bound is None:
            yield f"{called(node)} is new and has no bound"
