"""What makes a graph legal, as numbered rules.

Each rule is data: a number, one line that states it, a function that finds where it is broken. ``check`` holds a graph
against the rules of graphs, ``check_rewrite`` a rewrite against those and the rules of rewrites; it runs after every
one. An error names the rule, the nodes and the user's line.

Labels (the keys of an example that are no inputs) have no node kind: a value enters a graph only as an ``Input``, whose
slot names a program input, or as a ``Const``. So no label can reach a node that runs as long as rewrites add neither
(rule 15).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from treadle.compiler.errors import GraphError
from treadle.compiler.graph import rewrite_rules, rules
from treadle.compiler.graph.nodes import Graph, NodeId
from treadle.compiler.graph.rewrite_rules import Change
from treadle.compiler.graph.rules import Facts


@dataclasses.dataclass(frozen=True)
class GraphRule:
    """A rule every graph keeps.

    Attributes:
        number: Its number, which errors carry.
        broken: Yields every place where a graph breaks it; its docstring states the rule.
    """

    number: int
    broken: Callable[[Facts], Iterator[str]]

    @property
    def states(self) -> str:
        """The rule in one line."""
        return self.broken.__doc__ or ""


@dataclasses.dataclass(frozen=True)
class RewriteRule:
    """A rule every rewrite keeps; fields as in ``GraphRule``."""

    number: int
    broken: Callable[[Change], Iterator[str]]

    @property
    def states(self) -> str:
        """The rule in one line."""
        return self.broken.__doc__ or ""


GRAPH_RULES: tuple[GraphRule, ...] = (
    GraphRule(1, rules.shape),
    GraphRule(2, rules.single),
    GraphRule(3, rules.scoped),
    GraphRule(4, rules.acyclic),
    GraphRule(5, rules.typed),
    GraphRule(6, rules.named),
    GraphRule(7, rules.arities),
    GraphRule(8, rules.context),
    GraphRule(9, rules.bounded),
    GraphRule(10, rules.data),
    GraphRule(11, rules.hashed),
)

REWRITE_RULES: tuple[RewriteRule, ...] = (
    RewriteRule(12, rewrite_rules.interface),
    RewriteRule(13, rewrite_rules.kept),
    RewriteRule(14, rewrite_rules.untouched),
    RewriteRule(15, rewrite_rules.no_new_source),
    RewriteRule(16, rewrite_rules.bounded_additions),
)

RULES: tuple[GraphRule | RewriteRule, ...] = (*GRAPH_RULES, *REWRITE_RULES)
"""All rules in the order in which they are checked; a rule may take those before it for granted."""


def check(graph: Graph) -> None:
    """Hold a graph against the rules of graphs. Time is linear in the number of nodes.

    Raises:
        GraphError: A rule is broken; ``rule`` is its number.
    """
    _check(Facts(graph))


def _check(facts: Facts) -> None:
    for rule in GRAPH_RULES:
        for where in rule.broken(facts):
            raise GraphError(f"{where}. Rule {rule.number} of graphs: {rule.states}", rule=rule.number)


def check_rewrite(
    before: Graph,
    after: Graph,
    *,
    touched: frozenset[str] = frozenset(),
    dropped: frozenset[NodeId] = frozenset(),
) -> None:
    """Hold the result of a rewrite against all rules.

    Args:
        before: The legal graph that was rewritten.
        after: The result.
        touched: Predictors whose parameters the rewrite says it changes.
        dropped: Nodes the rewrite says it takes out.

    Raises:
        GraphError: A rule is broken; ``rule`` is its number.
    """
    change = Change(Facts(before), Facts(after), touched, dropped)
    _check(change.after)
    for rule in REWRITE_RULES:
        for where in rule.broken(change):
            raise GraphError(f"{where}. Rule {rule.number} of rewrites: {rule.states}", rule=rule.number)


def check_restored(before: Graph, after: Graph) -> None:
    """Hold a graph that was brought back against the rules of graphs, and against the interface of what it replaces.

    Raises:
        GraphError: A rule is broken; ``rule`` is its number.
    """
    change = Change(Facts(before), Facts(after), frozenset())
    _check(change.after)
    for where in rewrite_rules.interface(change):
        raise GraphError(f"{where}. Rule 12 of rewrites: {rewrite_rules.interface.__doc__}", rule=12)
