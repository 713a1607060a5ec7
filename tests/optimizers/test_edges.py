"""Context edges as choices: legal, acyclic, and steps nobody reads any more."""

import dataclasses
import random
from typing import Any

import networkx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import treadle.modules  # noqa: F401  graphs name modules, which must be registered
from tests.graph.strategies import graphs
from tests.optimizers.planted import LIARS
from tests.optimizers.program import Lab, OpenLab, Support
from tests.optimizers.program import space as support_space
from treadle.compiler.graph.check import check
from treadle.compiler.graph.links import links
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.graph.parameters import Candidate, Parameter, ParameterSpace
from treadle.compiler.graph.rewrite import EDITS, edge_parameters, rewired
from treadle.optimizers.edge_policy import EdgePolicy
from treadle.optimizers.edges import Edges, edge_in_words, without_unread
from treadle.optimizers.topologies import structure


class _Unrun:
    """A study nobody measures with: a program, and a log."""

    def __init__(self, graph: Graph) -> None:
        self.program = Support(graph=graph, predictors=graph.predictors)

    def log(self, event: str, **fields: Any) -> None:
        """Nobody listens."""

    def refusal(self, candidate: Candidate) -> str:
        """Nothing runs, so nothing is refused."""
        return ""


@given(graphs(most=6), st.integers(0, 10_000))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_every_sample_is_legal_and_acyclic(graph: Graph, seed: int) -> None:
    space = ParameterSpace((*edge_parameters(graph), Parameter(address=EDITS, kind="edits", default=[])))
    edges = Edges(_Unrun(graph), space, "test")  # type: ignore[arg-type]  # a study that only logs
    assert edges.addresses == tuple(space.only(kind="edge"))
    policy, rng = EdgePolicy(len(edges), rate=0.1), random.Random(seed)
    for _ in range(3):
        chosen = policy.sample(rng)
        found = edges.candidate(chosen, "sample")
        assert found is not None
        wired = rewired(graph, structure(space, found.values))
        check(wired)
        whole = networkx.DiGraph([(link.source, link.target) for link in links(wired)])
        assert networkx.is_directed_acyclic_graph(whole)
        there = {f"{step.predictor}.from_{source}" for step in wired.steps() for source, _ in step.context}
        assert {a for a, on in zip(edges.addresses, chosen, strict=True) if on} <= there


def opened(lab: OpenLab) -> Lab:
    return lab(rows=LIARS.rows(20), **LIARS.settings)


def test_the_edges_of_a_program(lab: OpenLab) -> None:
    study, space = opened(lab).study, LIARS.space()
    edges = Edges(study, space, "test")
    assert edges.addresses == ("agent_2.from_agent_1", "judge.from_agent_1", "judge.from_agent_2")
    assert edges.start == (False, True, True)
    assert edges.candidate(edges.start, "start") == space.default()
    present = Edges(study, space, "test", present=True)
    assert present.addresses == ("judge.from_agent_1", "judge.from_agent_2")
    assert edges.said(1) == edge_in_words("judge.from_agent_1") == "judge reads agent_1"


def test_a_program_without_a_graph_has_none(lab: OpenLab) -> None:
    assert len(Edges(lab(host=True).study, support_space(), "test")) == 0


def test_a_step_nobody_reads_any_more_is_left_out(lab: OpenLab) -> None:
    study, space = opened(lab).study, LIARS.space()
    edges = Edges(study, space, "test")
    alone = edges.realised((False, True, False), "one")
    assert alone is not None
    assert alone.values["judge.from_agent_2"] is False
    bypass = {"op": "bypass", "target": "agent_2", "args": {"input": "text"}}
    assert alone.values[EDITS] == [bypass]
    both = edges.realised((True, True, False), "chain")  # agent_1 is read by the judge still
    assert both is not None
    assert both.values[EDITS] == [bypass]
    nobody = edges.realised((True, False, False), "nobody")  # agent_1 is read by agent_2 alone, and goes with it
    assert nobody is not None
    assert [edit["target"] for edit in nobody.values[EDITS]] == ["agent_2", "agent_1"]  # type: ignore[union-attr, index, call-overload]


def test_steps_stay_where_the_space_has_no_edits(lab: OpenLab) -> None:
    study = opened(lab).study
    space = ParameterSpace(tuple(p for p in LIARS.space().values() if p.kind != "edits"))
    values = {"judge.from_agent_2": False}
    assert without_unread(study, space, dict(values)) == values


def test_a_program_compiled_before_goes_on_from_its_edges(lab: OpenLab) -> None:
    pruned = {"judge.from_agent_1": False}
    known = LIARS.space()
    space = ParameterSpace(
        tuple(dataclasses.replace(p, default=pruned.get(p.address, p.default)) for p in known.values())
    )
    edges = Edges(opened(lab).study, space, "test")
    assert edges.start == (False, False, True)
    back = edges.candidate((False, True, True), "back")
    assert back is not None
    assert back.values == {"judge.from_agent_1": True}
