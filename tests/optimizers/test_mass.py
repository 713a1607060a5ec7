"""MASS in worlds where ways of answering help, harm, or cost and do nothing."""

import dataclasses
import functools
import random

import pytest

import treadle
from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.program import START, OpenLab, space
from tests.optimizers.structures import accuracy, program_of, searched, study_of
from tests.worlds.blocks import BlockWorld
from tests.worlds.families import TOPOLOGY_TUNING
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.events import Event
from treadle.compiler.study.study import Study
from treadle.optimizers.blocks import Aggregating
from treadle.optimizers.labeled import LabeledFewShot
from treadle.optimizers.mass import MASS, Stage
from treadle.optimizers.mipro import MIPRO
from treadle.optimizers.random_search import RandomSearch

PROMPTS = LabeledFewShot(k=16)
SMALL = MASS(prompts=PROMPTS, topologies=4)


class TestConformance(OptimizerConformance):
    optimizer = MASS(prompts=RandomSearch(sets=3, max_labeled=6), blocks=(Aggregating((1, 3)),), topologies=1)


def worlds(family: str, count: int) -> list[BlockWorld]:
    """Tuning worlds of a family with enough rows to search and to test on."""
    found = []
    for world in TOPOLOGY_TUNING[family].worlds(count):
        assert isinstance(world, BlockWorld)
        found.append(BlockWorld(dataclasses.replace(world.settings, rows=450), world.seed))
    return found


@functools.cache
def small_search(family: str, number: int, without: tuple[Stage, ...] = ()) -> tuple[BlockWorld, Candidate, Study]:
    """The small search in one world; tests share it."""
    world = worlds(family, number + 1)[number]
    return world, *searched(world, dataclasses.replace(SMALL, without=without), rows=200)


def modules_in(winner: Candidate) -> str:
    return canonical(winner.values.get("sort.module", {}))


def influences(findings: list[str]) -> dict[str, float]:
    lines = [line for line in findings if " on sort: influence " in line]
    return {line.split()[0]: float(line.split()[4]) for line in lines}


HELP_AND_HARM = {
    "COST all": ({"refine", "summarize", "debate"}, set()),
    "COST two": ({"refine", "summarize"}, {"debate"}),
    "COST vote": ({"vote"}, {"refine", "summarize", "debate"}),
    "COST none": (set(), {"refine", "summarize", "debate", "vote"}),
}
BLOCK = {"refine": "reflect", "summarize": "summarize", "debate": "debate", "vote": "aggregate"}


@pytest.mark.parametrize("family", HELP_AND_HARM)
def test_helpful_blocks_are_in_and_harmful_ones_out(family: str) -> None:
    helps, harms = HELP_AND_HARM[family]
    for number in range(2):
        world, winner, study = small_search(family, number)
        found = modules_in(winner)
        assert all(f'"{name}"' in found for name in helps), (world.seed, found)
        assert not any(f'"{name}"' in found for name in harms), (world.seed, found)
        ratios = influences(study.findings.said)
        for good in helps:
            assert all(ratios[BLOCK[good]] > ratios[BLOCK[bad]] for bad in harms - {"vote"}), (world.seed, ratios)


def test_stages_are_worth_their_calls() -> None:
    """Accuracy on fresh rows: with all stages, and with some left out. ``benchmarks/blocks.py`` has more worlds."""

    def reached(*without: Stage) -> float:
        world, winner, _ = small_search("COST all", 0, without)
        return accuracy(world, winner)

    whole = reached()
    assert whole > 0.75
    assert reached("prompts", "joint") < whole - 0.3
    assert reached("topology") < whole - 0.1
    assert reached("blocks", "topology") < whole - 0.2


def test_where_nothing_can_be_learned_nothing_is_kept() -> None:
    """The control: every row has the label of another."""
    (world,) = worlds("COST all", 1)
    labels = [row["sort"] for row in world.rows[:200]]
    random.Random(0).shuffle(labels)
    world.rows[:200] = [{**row, "sort": label} for row, label in zip(world.rows, labels, strict=False)]
    winner, study = searched(world, SMALL, rows=200)
    assert modules_in(winner) == "{}"
    assert accuracy(world, winner) < 0.45
    assert not [said for said in study.findings.said if said.endswith("kept")]


def test_the_three_baselines_and_every_influence_are_told() -> None:
    _, winner, study = small_search("COST all", 0)
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
    for line in ("prompts of sort: +", "topologies: 4 different tried, ", "topology: +", "joint prompts: "):
        assert line in said


def test_self_consistency_takes_about_the_winners_tokens() -> None:
    """Less than one sample apart, measured on the examples of the verdict."""
    world, winner, searched_study = small_search("COST all", 0)
    prompts, voting = searched_study.findings.baselines.values()
    assert isinstance(prompts, Candidate)
    assert isinstance(voting, Candidate)
    with study_of(world, rows=200) as study:
        rows = study.evaluate([prompts, voting, winner], study.splits.select)
    plain, sampled, won = (
        sum(outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in row) for row in rows
    )
    assert abs(sampled - won) < plain


def test_duplicates_are_never_paid_for() -> None:
    _, _, study = small_search("COST all", 0)
    tried = [candidate for candidate in study.table.candidates if candidate.origin.startswith("mass")]
    modules = [modules_in(candidate) for candidate in tried]
    assert len(set(modules)) == len(modules) == 4 + 4


def test_nothing_dearer_than_allowed_is_run() -> None:
    (world,) = worlds("COST all", 1)
    _, study = searched(world, MASS(prompts=PROMPTS, topologies=4, max_lm_calls=5), rows=200)
    for candidate in study.table.candidates:
        assert all(outcome.calls <= 5 for outcome in study.table.outcomes(candidate))
    assert "that cost too much" in "\n".join(study.findings.said)


def test_no_configuration_has_more_agents_than_allowed() -> None:
    (world,) = worlds("COST all", 1)
    _, study = searched(world, dataclasses.replace(SMALL, max_agents=2), rows=120)
    searched_for = [candidate for candidate in study.table.candidates if candidate.origin != "baseline"]
    modules = [modules_in(candidate) for candidate in searched_for]
    assert not any('"vote"' in module for module in modules)
    assert any('"refine"' in module for module in modules)
    assert "aggregate on sort: not tried; max_agents=2 does not reach for it" in study.findings.said


@pytest.mark.parametrize("name", ["mipro", "bootstrap", "optoprime", "auto"])
def test_prompts_are_any_optimizers_business(lab: OpenLab, name: str) -> None:
    opened = lab(count=45)
    mass = treadle.optimizer_named(
        "mass", prompts=treadle.optimizer_named(name), blocks=(Aggregating((1, 3)),), topologies=1
    )
    winner = mass.search(opened.study, space())
    assert opened.study.table.paired(winner, START, opened.study.splits.select).mean > 0
    assert "prompts of triage: +" in "\n".join(opened.study.findings.said)


def test_the_last_stage_writes_instructions_for_the_helpers_of_the_winners_modules() -> None:
    (world,) = worlds("COST two", 1)
    events: list[Event] = []
    mass = dataclasses.replace(SMALL, prompts=MIPRO(trials=4, proposals=2, rounds=1), topologies=1)
    winner, study = searched(world, mass, rows=200, listener=events.append)
    assert '"refine"' in modules_in(winner)
    asked = {str(event.fields["parameter"]) for event in events if event.kind == "proposal"}
    assert any(address.endswith("refine.critic/predict.instruction") for address in asked)
    assert asked & {address for candidate in study.table.candidates for address in candidate.values if "/" in address}


def test_a_budget_that_ends_leaves_a_baseline_or_the_reason() -> None:
    (world,) = worlds("COST all", 1)
    for calls in (120, 700, 1_500):
        winner, study = searched(world, SMALL, rows=200, calls=calls)
        assert study.spend.search.calls <= calls
        assert next(iter(study.findings.baselines)) == "prompts only"
        assert len(study.findings.baselines) == 2
        assert winner == study.program.space().default() or winner.values


def test_a_stage_that_does_not_help_is_rolled_back(lab: OpenLab) -> None:
    opened = lab(metric=lambda *_: 1.0)
    winner = MASS(prompts=PROMPTS, blocks=(Aggregating(),), topologies=1).search(opened.study, space())
    assert winner == START
    decided = [line for line in opened.study.findings.said if "held-out" in line or "nothing better" in line]
    assert decided
    assert all(line.endswith(("rolled back", "nothing better was found")) for line in decided)
    assert opened.study.findings.baselines["prompts only"] == START
    reason = opened.study.findings.baselines["self-consistency at equal tokens"]
    assert isinstance(reason, str)


def test_a_step_no_block_can_serve_is_left_as_it_is(lab: OpenLab) -> None:
    opened = lab(count=45)
    MASS(prompts=PROMPTS, topologies=0).search(opened.study, space())
    said = "\n".join(opened.study.findings.said)
    assert "aggregate on triage" in said
    assert "aggregate on reply" in said  # free text: the model says what most agree on
    assert "execute" not in said


def test_a_cold_model_cannot_be_sampled_and_the_report_says_so() -> None:
    (world,) = worlds("COST all", 1)
    with study_of(world, rows=200, temperature=0.0) as study:
        winner = SMALL.search(study, program_of(world).space())
    said = "\n".join(study.findings.said)
    assert "aggregate on sort: not tried; 'sort' samples its reply several times" in said
    assert '"vote"' not in modules_in(winner)
    assert '"refine"' in modules_in(winner)
    reason = study.findings.baselines["self-consistency at equal tokens"]
    assert "at temperature 0 all samples are the same" in str(reason)


def test_the_papers_rule_is_a_setting() -> None:
    (world,) = worlds("COST all", 1)
    _, study = searched(world, MASS(prompts=PROMPTS, activation="paper", topologies=4), rows=120)
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
