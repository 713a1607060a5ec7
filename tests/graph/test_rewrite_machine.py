"""Long runs of random rewrites: whatever legal edits are made, the invariants of rewritten graphs hold.

I1 types, I2 acyclic, I3 what is added is bounded, I4 interface, I5 nothing is dropped unasked, I6 bounds, I7 untouched
parameters, I8 no value from outside, I9 hash and JSON, I10 pruning, I11 determinism, I13 a trace unfolds the graph.
I12, the budget, is the study's: ``tests/study``. What must hold is asked of the graphs themselves here, not only of the
rules that are meant to see to it.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.graph.strategies import MODULES, graphs, renamed
from tests.graph.stubs import Ran, run
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import TreadleError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bounds import bounds
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.rewrite import OPS, Rewrite, apply, describe, inverse, sites
from treadle.compiler.graph.serialize import from_json, predictor_to_json, to_json
from treadle.compiler.module import expand_step


def expand(name: str, predictor: Predictor) -> Graph:
    return expand_step(name, predictor, {})


def spans(ran: Ran) -> list[str]:
    """What a run did, in an order that does not depend on which reply came first."""
    found = ran.trace.spans
    return sorted(canonical([s.kind, s.name, list(s.indices), dict(s.inputs), s.output]) for s in found)


class Rewriting(RuleBasedStateMachine):
    """A graph and the edits made to it."""

    graph: Graph
    start: Graph

    @initialize(graph=graphs(bounded=True, most=4))
    def begin(self, graph: Graph) -> None:
        self.graph = self.start = graph
        self.undo: list[Rewrite] = []
        self.new = 0

    def make(self, rewrite: Rewrite) -> None:
        before = self.graph
        try:
            after = apply(before, rewrite, expand=expand)
        except TreadleError:
            return  # refused: a module that cannot serve, an edge that is not legal
        back = inverse(before, rewrite)
        assert graph_hash(apply(after, back, expand=expand)) == graph_hash(before)
        assert describe(rewrite)
        self.hold(before, after, rewrite)
        self.graph = after
        self.undo.append(back)

    def hold(self, before: Graph, after: Graph, rewrite: Rewrite) -> None:
        check(after)  # I1, I2
        known = {node.id: node for _, node in before.walk()}
        new = [node for _, node in after.walk() if node.id not in known]
        assert all(node.bound is not None for node in new if isinstance(node, nodes.Map | nodes.Loop))  # I3
        assert not any(isinstance(node, nodes.Input | nodes.Const) for node in new)  # I8
        assert [node.slot for node in before.inputs] == [node.slot for node in after.inputs]  # I4
        touched = OPS[rewrite.op].touched(before, rewrite)
        for name in before.predictors.keys() & after.predictors.keys() - touched:
            assert predictor_to_json(before.predictors[name]) == predictor_to_json(after.predictors[name])  # I7
        still = {node.id for _, node in after.walk()}
        gone = [node for id, node in known.items() if id not in still]
        if rewrite.op == "bypass":
            (step,) = gone
            assert isinstance(step, nodes.Step)  # I5: the one step it names, and nothing else
            assert step.name == rewrite.target
        elif rewrite.op == "normalise":
            assert all(isinstance(node, nodes.Expr | nodes.Const) for node in gone)  # I5
        else:
            assert not gone  # I5
        if rewrite.op == "prune_context_edge":
            assert [node.inputs for node in after.steps()] == [node.inputs for node in before.steps()]  # I10

    @rule(data=st.data())
    def any_site(self, data: st.DataObject) -> None:
        found = sites(self.graph)
        assume(found)
        self.make(data.draw(st.sampled_from(found)))

    @precondition(lambda self: self.graph.predictors)
    @rule(data=st.data(), module=st.sampled_from(MODULES))
    def swap_module(self, data: st.DataObject, module: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.graph.predictors)))
        self.make(Rewrite(op="swap_module", target=name, args={"module": module}))

    @precondition(lambda self: self.graph.predictors)
    @rule(data=st.data(), model=st.sampled_from([None, "small", "other"]), n=st.integers(2, 4))
    def swap_model_or_knob(self, data: st.DataObject, model: str | None, n: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.graph.predictors)))
        knobs: dict[str, JSON] = {"vote.n": n}
        self.make(Rewrite(op="swap_model", target=name, args={"model": model}))
        self.make(Rewrite(op="change_knobs", target=name, args={"knobs": knobs}))

    @precondition(lambda self: self.graph.steps())
    @rule(data=st.data())
    def insert_step(self, data: st.DataObject) -> None:
        step = data.draw(st.sampled_from(self.graph.steps()))
        field = data.draw(st.sampled_from([name for name, _ in step.inputs] or ["field_0"]))
        self.new += 1
        args: dict[str, JSON] = {"field": field, "name": f"polish_{self.new}", "instruction": "Say it better."}
        self.make(Rewrite(op="insert_step", target=step.name, args=args))

    @rule()
    def normalise(self) -> None:
        self.make(Rewrite(op="normalise", target="", args={}))

    @precondition(lambda self: self.undo)
    @rule()
    def undo_one(self) -> None:
        self.graph = apply(self.graph, self.undo.pop(), expand=expand)

    @invariant()
    def stays_a_program(self) -> None:
        if not hasattr(self, "graph"):
            return
        data = to_json(self.graph)
        assert canonical(to_json(from_json(data))) == canonical(data)  # I9
        assert graph_hash(renamed(self.graph)) == graph_hash(self.graph)  # I9
        first = run(self.graph)
        most = bounds(self.graph, expand=expand).lm_calls
        assert most is not None
        assert len(first.calls) <= most  # I6: the stub's replies fit, so that nothing is asked again
        again = run(self.graph, stagger=3)
        assert again.outcome == first.outcome  # I11
        if not first.failed:
            assert again.calls == first.calls
            assert spans(again) == spans(first)
        ids = {node.id for _, node in self.graph.walk()}
        for span in first.trace.spans:  # I13
            if span.kind == "step":
                assert span.node in ids
                around = next(outer for outer, node in self.graph.walk() if node.id == span.node)
                loops = [n for n in around if not isinstance(self._node(n), nodes.Branch)]
                assert len(span.indices) == len(loops)

    def _node(self, id: nodes.NodeId) -> nodes.Node:
        return next(node for _, node in self.graph.walk() if node.id == id)

    def teardown(self) -> None:
        if hasattr(self, "graph"):
            for back in reversed(self.undo):
                self.graph = apply(self.graph, back, expand=expand)
            assert graph_hash(self.graph) == graph_hash(self.start)


Rewriting.TestCase.settings = settings(
    max_examples=8, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
TestRewriting = pytest.mark.filterwarnings("default")(Rewriting.TestCase)
