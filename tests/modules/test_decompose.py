"""Decompose and Plan."""

import json
from typing import Any

import pytest

import treadle
from tests.modules.any_module import LABEL, TEXT, calls, lms
from tests.modules.scripts import Script, run
from treadle.compiler.errors import DeclarationError
from treadle.compiler.graph.op import Op
from treadle.compiler.module import module_from_json
from treadle.compiler.prompt.demo import Demo
from treadle.modules import BestOf, ChainOfThought, Decompose, Plan, Predict, Refine


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


@treadle.op
def count(part: str) -> int:
    """Counts letters.

    All of them.
    """
    return len(part)


@treadle.predict(ChainOfThought(brief=True))
def quote(part: str) -> str:
    """Quotes the law that applies."""
    ...


def test_the_splitter_is_told_what_handlers_are_for_and_so_are_they() -> None:
    module = Decompose(handlers={"count": count, "law": quote, "poet": Predict()}, when={"worker": "All that is easy."})
    splitter, law, poet, worker, _ = lms(module.build(TEXT))
    assert splitter.signature.instruction.splitlines()[1:6] == [
        "Say who does each part:",
        "- count: Counts letters.",
        "- law: Quotes the law that applies.",
        "- poet",
        "- worker: All that is easy.",
    ]
    assert "nothing else. Quotes the law that applies.\n" in law.signature.instruction
    assert "nothing else.\n" in poet.signature.instruction
    assert "nothing else. All that is easy.\n" in worker.signature.instruction
    assert law.address == "decompose.law/chain_of_thought/predict"
    assert module.handlers["law"] == ChainOfThought(brief=True)
    again = module_from_json(json.loads(json.dumps(module.to_json())))
    assert again == module
    assert again.build(TEXT) == module.build(TEXT)


@treadle.predict
def judge(part: str, law: str) -> str:
    """Judges."""
    ...


@treadle.predict(demos=[Demo(inputs={"part": "a"}, outputs={"taught": "b"})])
def taught(part: str) -> str:
    """Knows it already."""
    ...


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"handlers": {"judge": judge}}, "'judge' cannot be the handler 'judge': a part is one text"),
        ({"handlers": {"taught": taught}}, "'taught' has demos or an LM of its own"),
        ({"handlers": {"worker": Predict()}}, "another name"),
        ({"handlers": {"law": quote}, "when": {"poet": "rhymes"}}, "no handler poet; it has law, worker"),
    ],
)
def test_what_cannot_handle_parts_is_refused(knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        Decompose(**knobs)


def test_a_predictor_is_no_judge_or_critic() -> None:
    with pytest.raises(DeclarationError, match="is a predictor, and an op or a module belongs here"):
        BestOf(judge=quote)
    with pytest.raises(DeclarationError, match="is a predictor, and an op or a module belongs here"):
        Refine(critic=quote)


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
