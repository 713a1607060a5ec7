"""Searches over context edges in worlds where agents lie, or talk and say nothing, and in controls."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from tests.optimizers.structures import accuracy, program_of, study_of
from tests.worlds.edges import EdgeWorld
from tests.worlds.families import TOPOLOGY_SEALED, TOPOLOGY_TUNING
from treadle.compiler.graph.parameters import Candidate, ParameterSpace
from treadle.compiler.study.events import Event
from treadle.compiler.study.optimizer import Optimizer
from treadle.compiler.study.study import Study
from treadle.optimizers.ablation import Ablation
from treadle.optimizers.agent_prune import AgentPrune
from treadle.optimizers.gptswarm import GPTSwarm

FAMILIES = {"tuning": TOPOLOGY_TUNING, "sealed": TOPOLOGY_SEALED}
SWARM = GPTSwarm()
PRUNE = AgentPrune(rounds=20)
START = Candidate()


def world(kind: str, family: str, number: int = 0) -> EdgeWorld:
    """A world of a family, with rows to search with and to test on."""
    found = FAMILIES[kind][family].worlds(number + 1)[number]
    assert isinstance(found, EdgeWorld)
    return EdgeWorld(dataclasses.replace(found.settings, rows=450), found.seed)


def to_the_judge(space: ParameterSpace) -> ParameterSpace:
    """The space with the edges to the judge alone: fewer graphs, and every agent is asked once."""
    return ParameterSpace(tuple(p for p in space.values() if p.kind != "edge" or p.predictor == "judge"))


def searched(world: EdgeWorld, optimizer: Optimizer, rows: int = 300) -> tuple[Candidate, Study, Mapping[str, float]]:
    """The winner, the study, and the last probabilities by agent."""
    events: list[Event] = []
    with study_of(world, rows=rows, listener=events.append) as study:
        winner = optimizer.search(study, to_the_judge(study.program.space()))
    told: list[Any] = [event.fields["probabilities"] for event in events if event.kind == "edges"]
    last = {address.removeprefix("judge.from_"): p for address, p in told[-1].items()} if told else {}
    return winner, study, last


def agents(world: EdgeWorld, *kinds: str) -> list[str]:
    names = enumerate(world.agents, start=1)
    return [f"agent_{number}" for number, agent in names if world.kinds[agent] in kinds]


def cut(winner: Candidate) -> set[str]:
    """Agents the judge reads no more."""
    return {a.removeprefix("judge.from_") for a, on in winner.values.items() if ".from_" in a and on is False}


def honest_level(world: EdgeWorld) -> float:
    gone = {f"judge.from_{name}": False for name in agents(world, "liar", "idle")}
    return accuracy(world, program_of(world).space().candidate(gone))


def prompt_tokens(study: Study, candidate: Candidate) -> float:
    outcomes = study.table.outcomes(candidate, study.splits.select)
    return sum(outcome.usage.input_tokens for outcome in outcomes) / len(outcomes)


@pytest.mark.parametrize(
    ("kind", "number", "baseline"),
    [("tuning", 0, "round"), ("tuning", 1, "moving_average"), ("sealed", 0, "round"), ("sealed", 1, "round")],
)
def test_edges_to_liars_are_learned_away(kind: str, number: int, baseline: Any) -> None:
    found = world(kind, "EDGE liars", number)
    winner, study, probable = searched(found, dataclasses.replace(SWARM, baseline=baseline), rows=200)
    assert max(probable[name] for name in agents(found, "liar")) < 0.1
    assert min(probable[name] for name in agents(found, "honest")) > 0.8
    assert cut(winner) == set(agents(found, "liar"))
    assert accuracy(found, winner) == honest_level(found) > accuracy(found, START) + 0.2
    said = "\n".join(study.findings.said)
    for name in agents(found, "liar"):
        assert f"judge reads {name}: harms (probability 0.0" in said
    assert "context edges were decided in 200 rounds" in said


def test_where_all_are_honest_all_edges_stay() -> None:
    found = world("sealed", "EDGE honest")
    winner, _, probable = searched(found, dataclasses.replace(SWARM, rounds=60), rows=200)
    assert winner == START
    assert min(probable.values()) > 0.1


def test_with_shuffled_answers_nothing_is_learned() -> None:
    found = world("tuning", "EDGE liars")
    verdicts = [row["verdict"] for row in found.rows]
    found.rows = [{**row, "verdict": v} for row, v in zip(found.rows, verdicts[7:] + verdicts[:7], strict=True)]
    _, study, probable = searched(found, dataclasses.replace(SWARM, rounds=60, rate=0.05), rows=200)
    assert all(0.1 < p < 0.9 for p in probable.values())
    assert "0 of 6 context edges were decided" in "\n".join(study.findings.said)


@pytest.mark.parametrize(("optimizer", "kind"), [(PRUNE, "tuning"), (Ablation(), "sealed")])
def test_talkers_are_pruned_at_equal_score(optimizer: Optimizer, kind: str) -> None:
    found = world(kind, "EDGE idle")
    winner, study, _ = searched(found, optimizer)
    assert cut(winner) <= set(agents(found, "idle"))
    before, after = prompt_tokens(study, START), prompt_tokens(study, winner)
    assert after <= 0.72 * before  # AgentPrune's smallest published saving is 28 per cent
    assert accuracy(found, winner) >= accuracy(found, START) - 0.01
    assert study.findings.accepted_loss == 0.02
    said = "\n".join(study.findings.said)
    assert "fewer tokens" in said


def test_ablation_says_what_each_edge_is_worth() -> None:
    found = world("tuning", "EDGE liars")
    winner, study, _ = searched(found, Ablation())
    assert cut(winner) == set(agents(found, "liar"))
    said = [line for line in study.findings.said if line.startswith("without ")]
    assert len(said) == 6
    for name in agents(found, "honest"):
        assert any(f"“judge reads {name}”: -" in line and line.endswith("it stays") for line in said)
    for name in agents(found, "liar"):
        assert any(f"“judge reads {name}”: +" in line and line.endswith("it can be spared") for line in said)


def test_too_few_examples_show_nothing_to_spare() -> None:
    found = world("tuning", "EDGE idle")
    with study_of(found, rows=45) as study:
        winner = Ablation().search(study, to_the_judge(study.program.space()))
    assert winner == START
    assert all(line.endswith("it stays") for line in study.findings.said)
