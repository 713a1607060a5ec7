"""Decompose and Plan."""

import json

import pytest

from tests.modules.any_module import LABEL, TEXT, calls, lms
from tests.modules.scripts import Script, run
from treadle.compiler.errors import DeclarationError
from treadle.compiler.graph.op import Op
from treadle.modules import ChainOfThought, Decompose, Plan, Predict


def texts(inputs: dict[str, str]) -> str:
    """A worker's reply or the last answer; both are plain text."""
    return f"did {inputs['part']}" if "part" in inputs else f"all of {inputs['results']}"


def test_parts_in_turn_see_what_came_before() -> None:
    script = Script({"parts": ["a", "b"], "": texts})
    script.replies["parts"] = lambda _: ["a", "b"]
    answer = run(Decompose(), script, TEXT, question="?")
    assert json.loads(answer.removeprefix("all of ")) == [
        {"part": "a", "result": "did a"},
        {"part": "b", "result": "did b"},
    ]
    assert [json.loads(inputs["results"]) for inputs in script.inputs("")[:2]] == [
        [],
        [{"part": "a", "result": "did a"}],
    ]


def test_parts_at_once_see_nothing_of_one_another_and_are_capped() -> None:
    script = Script({"": texts})
    script.replies["parts"] = lambda _: [str(number) for number in range(9)]
    answer = run(Decompose(order="parallel", parts=3), script, TEXT, question="?")
    assert [entry["part"] for entry in json.loads(answer.removeprefix("all of "))] == ["0", "1", "2"]
    assert all("results" not in inputs for inputs in script.inputs("") if "part" in inputs)
    assert len(script.requests) == 5 == Decompose(order="parallel", parts=3).lm_calls()


def test_a_simple_task_has_no_parts() -> None:
    script = Script({"": texts})
    script.replies["parts"] = lambda _: []
    assert run(Decompose(), script, TEXT, question="?") == "all of []"
    assert len(script.requests) == 2


def test_handlers_are_modules_or_functions() -> None:
    counting = Op(name="count", function=lambda text: len(text))
    parts = [
        {"task": "abc", "handler": "count"},
        {"task": "think", "handler": "thinker"},
        {"task": "rest", "handler": "worker"},
    ]
    module = Decompose(handlers={"count": counting, "thinker": ChainOfThought()})
    script = Script({"": texts, "reasoning,result": {"reasoning": "…", "result": "thought"}})
    script.replies["parts"] = lambda _: parts
    answer = run(module, script, TEXT, question="?")
    assert [entry["result"] for entry in json.loads(answer.removeprefix("all of "))] == [3, "thought", "did rest"]
    addresses = {node.address for node in lms(module.build(TEXT))}
    assert "decompose.thinker/chain_of_thought/predict" in addresses
    assert module.ops() == {"count": counting}


def test_parts_are_split_again_to_the_cap() -> None:
    for depth in (1, 2, 3):
        module = Decompose(parts=2, depth=depth)
        assert calls(module.build(LABEL)) == module.lm_calls() == {1: 4, 2: 10, 3: 22}[depth]


def test_a_handlers_name_is_an_identifier() -> None:
    with pytest.raises(DeclarationError, match="identifier"):
        Decompose(handlers={"look up": Predict()})


def test_a_plan_is_carried_out_in_one_go() -> None:
    script = Script({"": lambda inputs: f"by {inputs['plan']}"})
    script.replies["plan"] = lambda _: ["one", "two", "three"]
    assert run(Plan(steps=2), script, TEXT, question="?") == 'by ["one", "two"]'
    assert len(script.requests) == 2
