import ast
import json
import math
import os
import pathlib
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from tests.worlds.blocks import KINDS, BlockWorld
from tests.worlds.blocks import Settings as BlockSettings
from tests.worlds.demos import DemoWorld
from tests.worlds.demos import Settings as DemoSettings
from tests.worlds.edges import EdgeWorld
from tests.worlds.edges import Settings as EdgeSettings
from tests.worlds.families import SEALED, TOPOLOGY_SEALED, TOPOLOGY_TUNING, TUNING
from tests.worlds.noise import NoiseWorld
from tests.worlds.noise import Settings as NoiseSettings
from tests.worlds.rules import RuleWorld, Settings


def _ask(
    world: Any, labels: tuple[str, ...], text: str, system: str = "", demos: Sequence[tuple[str, str]] = ()
) -> str:
    turns = [m for q, a in demos for m in ({"role": "user", "content": q}, {"role": "assistant", "content": a})]
    schema = {"properties": {"out": {"enum": list(labels)}}}
    messages = [{"role": "system", "content": system}, *turns, {"role": "user", "content": text}]
    return str(json.loads(world.answer(messages, {"json_schema": {"schema": schema}}))["out"])


def _accuracy(world: Any, labels: tuple[str, ...], name: str, **prompt: Any) -> float:
    rows = world.rows[:150]
    return math.fsum(_ask(world, labels, row["text"], **prompt) == row[name] for row in rows) / len(rows)


def test_rules_help_when_stated_or_shown_and_not_otherwise() -> None:
    world = RuleWorld(Settings(), 1)
    [step] = world.steps
    stated = "\n".join(f"{clue}: answer {label}" for clue, label in step.rules.items())
    shown = [(row["text"], row["step1"]) for row in world.rows[:60]]
    start = _accuracy(world, step.labels, "step1")
    assert start < 0.4
    assert _accuracy(world, step.labels, "step1", system=stated) > 0.9
    assert _accuracy(world, step.labels, "step1", demos=shown[:6]) > start


def test_wrong_rules_hurt() -> None:
    world = RuleWorld(Settings(), 1)
    [step] = world.steps
    after = dict(zip(step.labels, step.labels[1:] + step.labels[:1], strict=True))
    wrong = "\n".join(f"{clue}: answer {after[label]}" for clue, label in step.rules.items())
    assert _accuracy(world, step.labels, "step1", system=wrong) < 0.1


def _proposal(world: RuleWorld) -> str:
    shown = "\n".join(f"{row['text']} -> {row['step1']}" for row in world.rows[:20])
    return world.answer([{"role": "user", "content": f"Write an instruction. Worked examples:\n{shown}"}])


def _true_rules(world: RuleWorld, text: str) -> int:
    return sum(f"when {clue} occurs, answer {label}." in text for clue, label in world.steps[0].rules.items())


def test_the_proposer_writes_what_it_was_shown_and_errs_at_the_set_rate() -> None:
    right = [_true_rules(w, _proposal(w)) for w in (RuleWorld(Settings(misdiagnosis=0), s) for s in range(8))]
    wrong = [_true_rules(w, _proposal(w)) for w in (RuleWorld(Settings(misdiagnosis=1), s) for s in range(8))]
    assert right == [6] * 8
    assert wrong == [0] * 8


def test_the_proposer_knows_nothing_it_was_not_shown() -> None:
    world = RuleWorld(Settings(misdiagnosis=0), 0)
    assert _true_rules(world, world.answer([{"role": "user", "content": "Write an instruction."}])) == 0


def test_the_proposer_believes_the_correction_and_not_the_answer_before_it() -> None:
    world = RuleWorld(Settings(misdiagnosis=0), 1)
    after = dict(zip(world.steps[0].labels, (*world.steps[0].labels[1:], world.steps[0].labels[0]), strict=True))
    shown = "\n".join(
        f"{row['text']}\nAnswered: {after[row['step1']]}\nFeedback: the right answer is {row['step1']}."
        for row in world.rows[:20]
    )
    reversed_order = "\n".join(
        f"{row['text']} should_be: {row['step1']}, answered: {after[row['step1']]}" for row in world.rows[:20]
    )
    for text in (shown, reversed_order):
        assert _true_rules(world, world.answer([{"role": "user", "content": f"Write an instruction.\n{text}"}])) == 6


def test_interacting_steps_read_one_another() -> None:
    world = RuleWorld(Settings(steps=3, interacting=True), 2)
    assert [step.input for step in world.steps] == ["text", "step1", "step2"]
    assert all(world.steps[1].rules[row["step1"]] == row["step2"] for row in world.rows)


def test_markers_are_answered_with_markers() -> None:
    world = RuleWorld(Settings(), 1)
    system = f"Fields: [[ ## text ## ]] in, [[ ## step1 ## ]] out, one of {' '.join(world.steps[0].labels)}"
    question = f"[[ ## text ## ]]\n{world.rows[0]['text']}\n\nRespond with [[ ## step1 ## ]]"
    reply = world.answer([{"role": "system", "content": system}, {"role": "user", "content": question}])
    assert reply.startswith("[[ ## step1 ## ]]\n")
    assert reply.split("\n")[1] in world.steps[0].labels


def test_json_asked_for_in_words_is_answered_with_json() -> None:
    world = RuleWorld(Settings(misdiagnosis=0), 1)
    shown = "\n".join(f"{row['text']} -> {row['step1']}" for row in world.rows[:20])
    question = (
        f"[[ ## examples ## ]]\n{shown}\n\n"
        "Respond with a JSON object in the following order of fields: `new_instruction`."
    )
    reply = world.answer([{"role": "system", "content": "Improve it."}, {"role": "user", "content": question}])
    assert _true_rules(world, json.loads(reply)["new_instruction"]) == 6


def test_demos_help_alone_in_pairs_or_mislead() -> None:
    world = DemoWorld(DemoSettings(misleading=0), 3)
    shown = [(row["text"], row["sort"]) for row in world.rows[150:190]]
    start = _accuracy(world, world.labels, "sort", system="Any instruction at all.")
    assert start < 0.4
    assert _accuracy(world, world.labels, "sort", demos=shown) > 0.85
    flipped = [(text, world.labels[0] if label != world.labels[0] else world.labels[1]) for text, label in shown]
    assert _accuracy(world, world.labels, "sort", demos=flipped) < 0.5


def test_noise_has_the_accuracies_it_was_planted_with() -> None:
    world = NoiseWorld(NoiseSettings(rows=2000, flips=0, spread=0.15), 5)
    for variant in ("", *list(world._ability)[:4]):
        right = sum(world.outcome(variant, row["text"]) for row in world.rows) / 2000
        assert right == pytest.approx(world.accuracy(variant), abs=0.05)


def test_the_judge_is_as_good_as_those_it_reads() -> None:
    world = EdgeWorld(EdgeSettings(idle=2), 3)
    honest = [agent for agent, kind in world.kinds.items() if kind == "honest"]
    idle = [agent for agent, kind in world.kinds.items() if kind == "idle"]
    assert 0.3 < world.accuracy([]) < 0.5
    assert world.accuracy(honest) > 0.8
    assert world.accuracy([*honest, *idle]) == world.accuracy(honest)
    assert world.accuracy(world.agents) < world.accuracy(honest) - 0.3
    assert world.accuracy(idle) == world.accuracy([])


def test_agents_and_judge_are_told_by_their_names() -> None:
    world = EdgeWorld(EdgeSettings(), 3)
    row = world.rows[0]
    agent = world.agents[0]
    said = world.answer(_messages(row["text"], f"You are {agent}."))
    assert said == world.said(agent, row["text"])
    schema = {"json_schema": {"schema": {"properties": {"out": {"enum": list(world.labels)}}}}}
    read = f"{row['text']}\nContext from x:\n{world.labels[2]}"
    decided = json.loads(world.answer(_messages(read, f"You are {world.judge}."), schema))
    assert decided == {"out": world.labels[2]}


def _messages(question: str, system: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def _sort(world: BlockWorld, question: str, sample: str = "") -> str:
    rules = "\n".join(f"{clue}: {label}" for clue, label in world.rules.items())
    schema = {"json_schema": {"schema": {"properties": {"out": {"enum": list(world.labels)}}}}}
    return str(json.loads(world.answer(_messages(question, rules), schema, sample))["out"])


def _share(world: BlockWorld, kind: str, answer: Callable[[dict[str, str]], str]) -> float:
    rows = [row for row in world.rows if world.kinds[row["text"]] == kind]
    return sum(answer(row) == row["sort"] for row in rows) / len(rows)


def _voted(world: BlockWorld, row: dict[str, str]) -> str:
    votes = Counter(_sort(world, row["text"], str(sample)) for sample in range(9))
    return votes.most_common(1)[0][0]


def _refined(world: BlockWorld, row: dict[str, str]) -> str:
    first = _sort(world, row["text"])
    schema = {"json_schema": {"schema": {"properties": {"feedback": {"type": "string"}, "ok": {"type": "boolean"}}}}}
    said = json.loads(world.answer(_messages(f"{row['text']}\n{first}", "Check."), schema))
    return first if said["ok"] else _sort(world, f"{row['text']}\n{first}\n{said['feedback']}")


def _summarised(world: BlockWorld, row: dict[str, str]) -> str:
    return _sort(world, world.answer(_messages(row["text"], "Shorten it.")))


def _debated(world: BlockWorld, row: dict[str, str]) -> str:
    said = [_sort(world, row["text"], str(sample)) for sample in range(5)]
    return _sort(world, f"{row['text']}\n{said}", "again")


WAYS = {"vote": _voted, "summarize": _summarised, "refine": _refined, "debate": _debated}


def test_each_way_of_answering_helps_with_its_kind_of_row() -> None:
    world = BlockWorld(BlockSettings(rows=400), 2)
    assert _share(world, "plain", lambda row: _sort(world, row["text"])) > 0.95
    for way, kind in KINDS.items():
        start = _share(world, kind, lambda row: _sort(world, row["text"]))
        assert _share(world, kind, partial(WAYS[way], world)) > start + 0.15, way
        assert _share(world, "plain", partial(WAYS[way], world)) > 0.9, way


def test_a_way_that_harms_costs_points() -> None:
    for way in ("summarize", "refine", "debate"):
        world = BlockWorld(BlockSettings(vote="nothing", summarize="harms", refine="harms", debate="harms"), 2)
        assert set(world.kinds.values()) == {"plain"}
        assert _share(world, "plain", partial(WAYS[way], world)) < 0.8, way


def test_without_the_rules_no_way_helps() -> None:
    world = BlockWorld(BlockSettings(), 2)
    schema = {"json_schema": {"schema": {"properties": {"out": {"enum": list(world.labels)}}}}}
    replies = [json.loads(world.answer(_messages(r["text"], "Sort."), schema))["out"] for r in world.rows]
    assert sum(a == row["sort"] for a, row in zip(replies, world.rows, strict=True)) / 300 < 0.4


def test_families_are_disjoint_and_differ_in_kind() -> None:
    tuning, sealed = {**TUNING, **TOPOLOGY_TUNING}, {**SEALED, **TOPOLOGY_SEALED}
    assert tuning.keys() == sealed.keys()
    for name, family in tuning.items():
        assert not set(family.seeds) & set(sealed[name].seeds)
        assert family.make(0).settings != sealed[name].make(0).settings


def test_a_world_is_a_function_of_its_seed() -> None:
    for family in (*TUNING.values(), *TOPOLOGY_TUNING.values()):
        assert family.make(4).rows == family.make(4).rows
        assert family.make(4).rows != family.make(5).rows


def test_nothing_that_is_imported_imports_treadle() -> None:
    names = [path.stem for path in pathlib.Path(__file__).parent.glob("*.py") if not path.stem.startswith("test_")]
    script = f"import sys, {', '.join(f'tests.worlds.{name}' for name in names)}; sys.exit('treadle' in sys.modules)"
    root = pathlib.Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})


def test_nothing_of_treadle_is_imported() -> None:
    for path in pathlib.Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "treadle"], path
