"""MASS in worlds where ways of answering help, harm, or cost and do nothing."""

import dataclasses
from typing import Any

import pytest

from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.program import START, OpenLab, space
from tests.optimizers.structures import accuracy, searched
from tests.worlds.blocks import BlockWorld
from tests.worlds.families import TOPOLOGY_SEALED, TOPOLOGY_TUNING
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph.parameters import Candidate
from treadle.optimizers.blocks import Aggregating
from treadle.optimizers.labeled import LabeledFewShot
from treadle.optimizers.mass import MASS
from treadle.optimizers.mipro import MIPRO
from treadle.optimizers.random_search import RandomSearch

PROMPTS = LabeledFewShot(k=16)
FAMILIES = {"tuning": TOPOLOGY_TUNING, "sealed": TOPOLOGY_SEALED}


class TestConformance(OptimizerConformance):
    optimizer = MASS(prompts=RandomSearch(sets=3, max_labeled=6), blocks=(Aggregating((1, 3)),), topologies=1)


def worlds(kind: str, family: str, count: int) -> list[BlockWorld]:
    """Worlds of a family with enough rows to search and to test on."""
    found = []
    for world in FAMILIES[kind][family].worlds(count):
        assert isinstance(world, BlockWorld)
        found.append(BlockWorld(dataclasses.replace(world.settings, rows=450), world.seed))
    return found


def modules_in(winner: Candidate) -> str:
    return canonical(winner.values.get("sort.module", {}))


def influences(findings: list[str]) -> dict[str, float]:
    lines = [line for line in findings if " on sort: influence " in line]
    return {line.split()[0]: float(line.split()[4]) for line in lines}


@pytest.mark.parametrize("kind", FAMILIES)
def test_helpful_blocks_are_in_and_harmful_ones_out(kind: str) -> None:
    expected = {
        "COST all": ({"refine", "summarize"}, set()),
        "COST two": ({"refine"}, {"vote", "debate"}),
        "COST none": (set(), {"refine", "summarize", "vote", "debate"}),
    }
    for family, (helps, harms) in expected.items():
        for world in worlds(kind, family, 2):
            winner, study = searched(world, MASS(prompts=MIPRO(trials=8)), rows=300)
            found = modules_in(winner)
            assert all(f'"{name}"' in found for name in helps), (family, world.seed, found)
            assert not any(f'"{name}"' in found for name in harms), (family, world.seed, found)
            ratios = influences(study.findings.said)
            names = {"refine": "reflect", "summarize": "summarize", "debate": "debate"}
            for good in helps & names.keys():
                for bad in harms & names.keys():
                    assert ratios[names[good]] > ratios[names[bad]], (family, world.seed, ratios)


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_stage_is_worth_its_calls(kind: str) -> None:
    """Mean accuracy over worlds on fresh rows: with all stages, and with each left out."""

    def mean(*without: Any) -> float:
        found = []
        for world in worlds(kind, "COST all", 3):
            optimizer = MASS(prompts=MIPRO(trials=8), without=without, topologies=6)
            found.append(accuracy(world, searched(world, optimizer, rows=300)[0]))
        return sum(found) / len(found)

    whole = mean()
    assert whole > 0.75
    assert mean("prompts", "joint") < whole - 0.2
    assert mean("topology") < whole
    assert mean("blocks", "topology") < whole - 0.1


def test_the_report_has_the_three_baselines_and_every_influence() -> None:
    (world,) = worlds("tuning", "COST all", 1)
    winner, study = searched(world, MASS(prompts=PROMPTS), rows=300)
    names = list(study.findings.baselines)
    assert names[0] == "prompts only"
    assert names[1].startswith("self-consistency at equal tokens (")
    prompts, voting = study.findings.baselines.values()
    assert isinstance(prompts, Candidate)
    assert isinstance(voting, Candidate)
    assert "sort.module" not in prompts.values
    assert prompts.values["sort.demos"] == voting.values["sort.demos"] == winner.values["sort.demos"]
    assert voting.values["sort.module"]["module"] == "vote"  # type: ignore[index, call-overload]
    said = "\n".join(study.findings.said)
    assert set(influences(study.findings.said)) == {"reflect", "debate", "aggregate", "summarize"}
    for line in ("prompts of sort: +", "topologies: 10 different ones tried, ", "topology: +", "joint prompts: "):
        assert line in said


def test_duplicates_are_never_paid_for() -> None:
    (world,) = worlds("tuning", "COST all", 1)
    _, study = searched(world, MASS(prompts=PROMPTS), rows=300)
    tried = [candidate for candidate in study.table.candidates if candidate.origin.startswith("mass")]
    modules = [modules_in(candidate) for candidate in tried]
    assert len(set(modules)) == len(modules) == 4 + 10


def test_nothing_dearer_than_allowed_is_run() -> None:
    (world,) = worlds("tuning", "COST all", 1)
    _, study = searched(world, MASS(prompts=PROMPTS, max_lm_calls=5, max_agents=6), rows=300)
    for candidate in study.table.candidates:
        assert all(outcome.calls <= 5 for outcome in study.table.outcomes(candidate))
    assert "that cost too much" in "\n".join(study.findings.said)


def test_a_stage_that_does_not_help_is_rolled_back(lab: OpenLab) -> None:
    opened = lab(metric=lambda *_: 1.0)
    winner = MASS(prompts=PROMPTS, blocks=(Aggregating(),), topologies=1).search(opened.study, space())
    assert winner == START
    decided = [line for line in opened.study.findings.said if "held-out" in line]
    assert decided
    assert all(line.endswith("rolled back") for line in decided)
    assert opened.study.findings.baselines["prompts only"] == START
    reason = opened.study.findings.baselines["self-consistency at equal tokens"]
    assert isinstance(reason, str)


def test_a_step_no_block_can_serve_is_left_as_it_is(lab: OpenLab) -> None:
    opened = lab(count=45)
    MASS(prompts=PROMPTS, topologies=2).search(opened.study, space())
    said = "\n".join(opened.study.findings.said)
    assert "aggregate on triage" in said
    assert "aggregate on reply" in said  # free text: the model says what most agree on
    assert "execute" not in said


def test_a_cold_model_cannot_be_sampled_and_the_report_says_so() -> None:
    (world,) = worlds("tuning", "COST all", 1)
    from tests.optimizers.structures import program_of, study_of

    with study_of(world, rows=300, temperature=0.0) as study:
        winner = MASS(prompts=PROMPTS).search(study, program_of(world).space())
    said = "\n".join(study.findings.said)
    assert "aggregate on sort: influence" in said
    assert "runs failed, the first with ConfigurationError" in said
    assert '"vote"' not in modules_in(winner)
    assert '"refine"' in modules_in(winner)


def test_the_papers_rule_is_a_setting() -> None:
    (world,) = worlds("tuning", "COST all", 1)
    _, study = searched(world, MASS(prompts=PROMPTS, activation="paper", topologies=4), rows=300)
    tried = [candidate for candidate in study.table.candidates if candidate.origin.startswith("mass topology")]
    assert 0 < len(tried) <= 4


def test_settings_are_checked() -> None:
    for wrong, said in (
        ({"topologies": -1}, "topologies takes 0 or more"),
        ({"max_agents": 0}, "max_agents takes 1 or more"),
        ({"activation": "softmax"}, "activation takes normalised, paper"),
        ({"sharpness": 0}, "above 0"),
        ({"without": ("votes",)}, "without takes"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            MASS(prompts=PROMPTS, **wrong)
