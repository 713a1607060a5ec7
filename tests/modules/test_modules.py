"""What every module promises: its graph, its call formula, its JSON, its addresses."""

import enum
from typing import Any, cast

import pytest
from hypothesis import given

import treadle.modules
from tests.modules.any_module import (
    LABEL,
    SEVERAL,
    TEXT,
    any_module,
    any_served,
    calls,
    lms,
    one_of_each,
    signature_for,
)
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ConfigurationError, DeclarationError, SignatureError
from treadle.compiler.graph.check import check
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import Op, library
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.hints import from_function, from_string
from treadle.compiler.module import Module, expand_step, module_from_json, registered
from treadle.compiler.signature import Signature
from treadle.compiler.space import parameters_of
from treadle.modules import BestOf, ChainOfThought, Predict, Refine, Route, Summarize, Vote


def addresses(module: Module, signature: Signature = LABEL) -> list[str]:
    return [node.address for node in lms(module.build(signature))]


def test_every_standard_module_is_covered_here() -> None:
    shipped = {name for name, cls in registered().items() if cls.__module__.startswith("treadle.")}
    assert {module.name for module in one_of_each()} == shipped
    assert set(treadle.modules.__all__) == {"Module", *(type(module).__name__ for module in one_of_each())}


@given(any_served())
def test_json_keeps_the_class_and_the_knobs(served: tuple[Module, Signature]) -> None:
    module, signature = served
    data = module.to_json()
    again = module_from_json(data)
    assert again == module
    assert type(again) is type(module)
    assert again.to_json() == data
    assert again.build(signature) == module.build(signature)


@given(any_served())
def test_the_call_formula_counts_the_graph(served: tuple[Module, Signature]) -> None:
    module, signature = served
    assert module.lm_calls() == calls(module.build(signature))


@given(any_served())
def test_purposes_are_unique_in_a_step(served: tuple[Module, Signature]) -> None:
    module, signature = served
    purposes = [node.purpose for node in lms(module.build(signature))]
    assert len(set(purposes)) == len(purposes)


@given(any_module())
def test_every_knob_can_be_set_by_address(module: Module) -> None:
    for knob in module.knobs("triage"):
        value: JSON = "in words" if knob.kind == "text" else knob.high if knob.kind == "number" else knob.choices[-1]
        assert value is not None
        knob.check(value)
        changed = module.tuned("triage", {knob.address: value})
        assert {k.address: k.default for k in changed.knobs("triage")}[knob.address] == value


@given(any_served())
def test_graphs_are_legal_and_plain_data(served: tuple[Module, Signature]) -> None:
    module, signature = served
    graph = module.build(signature)
    check(graph)
    data = to_json(graph)
    assert canonical(to_json(from_json(data))) == canonical(data)


@given(any_served())
def test_every_inner_call_is_in_the_parameter_space(served: tuple[Module, Signature]) -> None:
    module, signature = served
    predictor = Predictor(signature=signature.with_name("triage"), module=module.to_json())
    found = {parameter.address for parameter in parameters_of("triage", predictor)}
    for node in lms(module.build(signature)):
        if node.address != "predict":
            assert {f"triage/{node.address}.instruction", f"triage/{node.address}.demos"} <= found


@pytest.mark.parametrize("module", one_of_each(), ids=lambda module: str(module.name))
def test_a_module_draws_itself(module: Module) -> None:
    drawn = module.draw(signature_for(module))
    assert drawn.startswith("flowchart TD\n")
    assert drawn.count("LM call") == len(list(lms(module.build(signature_for(module)))))


@pytest.mark.parametrize("module", one_of_each(), ids=lambda module: str(module.name))
def test_a_module_nests_in_any_other_and_keeps_the_steps_text(module: Module) -> None:
    demo: JSON = {"inputs": {}, "outputs": {signature_for(module).outputs[0].name: "x"}}
    values: dict[str, JSON] = {"s.instruction": "Tuned.", "s.demos": [demo]}
    signature = signature_for(module).with_name("s")
    for nested in (module, Route(arms={"easy": module, "hard": Predict()}), Summarize(Refine(module), field="ticket")):
        if isinstance(nested, Summarize) and "ticket" not in signature.takes():
            nested = Refine(module)
        graph = expand_step("s", Predictor(signature=signature, module=nested.to_json()), values)
        check(graph)
        assert calls(graph) == nested.lm_calls()
        answering = [node for node in lms(graph) if "." not in node.address]
        assert {(node.signature.instruction, len(node.demos)) for node in answering} == {("Tuned.", 1)}


def test_a_module_states_its_formula() -> None:
    for module in one_of_each():
        assert "LM calls: " in (type(module).__doc__ or "")


def test_addresses_name_modules_and_roles_and_no_numbers() -> None:
    assert addresses(Predict()) == ["predict"]
    assert addresses(ChainOfThought()) == ["chain_of_thought/predict"]
    assert addresses(Vote(ChainOfThought(), n=5)) == addresses(Vote(ChainOfThought(), n=3))
    assert addresses(Vote(ChainOfThought())) == ["vote/chain_of_thought/predict"]
    assert addresses(BestOf(judge=ChainOfThought())) == ["best_of/predict", "best_of.judge/chain_of_thought/predict"]
    assert addresses(Vote(BestOf(n=2))) == ["vote/best_of/predict", "vote/best_of.judge/predict"]


def test_node_ids_follow_program_order() -> None:
    walked = [node.id for _, node in Vote(BestOf(ChainOfThought())).build(LABEL).walk()]
    assert walked == [f"n{number}" for number in range(1, len(walked) + 1)]


def test_any_input_name_is_allowed() -> None:
    names = "signature, inputs, role, temperature, self, g, name, lm, demos, copy, config, answer"
    signature = from_string(f"{names} -> team: Literal['a', 'b']")
    for module in (Predict(), ChainOfThought(), Vote(BestOf(ChainOfThought()))):
        asked = [slot.name for slot in next(lms(module.build(signature))).signature.inputs]
        assert asked == names.split(", ")


def test_chain_of_thought_asks_for_reasoning_first() -> None:
    (node,) = lms(ChainOfThought().build(TEXT))
    assert [slot.name for slot in node.signature.outputs] == ["reasoning", "answer"]
    assert node.signature.instruction == "Reply."


def test_chain_of_thought_leaves_the_reasoning_out_of_several_outputs() -> None:
    graph = ChainOfThought().build(SEVERAL)
    (node,) = lms(graph)
    full = node.signature.value.annotation(reasoning="because", answer=3, sure=True)
    value = library()["treadle:outputs"].function(full, ["answer", "sure"])
    assert value == SEVERAL.value.annotation(answer=3, sure=True)
    assert type(value) is SEVERAL.value.annotation


def test_chain_of_thought_refuses_a_step_that_reasons_already() -> None:
    with pytest.raises(SignatureError, match="already has an output 'reasoning'"):
        ChainOfThought().build(from_string("question -> reasoning, answer"))


def test_vote_refuses_free_text_and_says_what_to_do() -> None:
    with pytest.raises(SignatureError, match=r"Vote\(key='treadle:text'\)"):
        Vote().build(TEXT)
    assert calls(Vote(key="treadle:text", n=3).build(TEXT)) == 3


class Colour(enum.Enum):
    RED = "red"


def paint(thing: str) -> list[Colour]:
    """Paint it."""
    ...


def test_vote_takes_what_can_be_counted() -> None:
    for text in ("int", "float", "bool", "Literal['a', 3]", "list[int]", "dict[str, bool]", "Optional[float]"):
        Vote().build(from_string(f"question -> answer: {text}"))
    Vote().build(from_function(paint))
    Vote().build(SEVERAL)
    for text in ("str", "list[str]", "dict[str, str]", "Any", "list"):
        with pytest.raises(SignatureError, match="seldom"):
            Vote().build(from_string(f"question -> answer: {text}"))


def test_majority_takes_the_most_frequent_and_the_first_of_equals() -> None:
    key, majority = library()["treadle:value"].function, library()["treadle:majority"].function

    def elected(*answers: Any) -> Any:
        return majority(list(answers), [key(answer) for answer in answers])

    assert elected("b", "a", "a") == "a"
    assert elected("b", "a", "a", "b") == "b"
    assert elected(0.1 + 0.2, 0.3, 7.0) == 0.1 + 0.2
    assert elected(True, 1, 1) == 1
    assert elected([1, 2], [1.0, 2.0], [3]) == [1, 2]
    assert elected("1", 1, "1") == "1"


def test_text_meets_without_case_spacing_and_punctuation() -> None:
    key = library()["treadle:text"].function
    assert key(" The  parcel, late.") == key("the parcel late")
    assert key("3.5 kg") != key("35 kg")


def test_best_takes_the_highest_score_and_the_first_of_equals() -> None:
    best = library()["treadle:best"].function
    assert best(["a", "b", "c"], [1, 3, 3]) == "b"
    for bad in (float("nan"), None, "7"):
        with pytest.raises(ValueError, match="a judge returns a number"):
            best(["a"], [bad])


def test_the_judge_is_an_op_or_a_module() -> None:
    def close(answer: str, inputs: dict[str, str]) -> float:
        return float(answer in inputs["question"])

    op = Op(name="close", function=close)
    given = BestOf(judge=op, n=4)
    assert given.lm_calls() == 4
    assert given.ops() == {"close": op}
    assert Vote(given, key=Op(name="key", function=str)).ops().keys() == {"close", "key"}
    assert given == module_from_json(given.to_json()) == BestOf(judge="close", n=4)
    assert BestOf(n=4).lm_calls() == 8
    with pytest.raises(DeclarationError, match="@op"):
        module_from_json({"module": "best_of", "judge": 7})


def test_the_judge_sees_inputs_answer_and_what_was_asked() -> None:
    _, judge = lms(BestOf().build(from_string("answer -> reply", instruction="Improve it.")))
    assert [slot.name for slot in judge.signature.inputs] == ["answer", "answer_2"]
    assert judge.signature.instruction.endswith("What was asked:\nImprove it.")


def test_a_knob_out_of_range_is_refused() -> None:
    for data, said in (
        ({"module": "vote", "n": 1}, "n"),
        ({"module": "vote", "temperature": 0}, "temperature"),
        ({"module": "vote", "inner": {"module": "nobody"}}, "nobody"),
        ({"module": "vote", "m": 3}, "m"),
        ({"module": "nobody"}, "known are"),
        ("vote", "written as"),
    ):
        with pytest.raises(DeclarationError, match=said):
            module_from_json(data)
    with pytest.raises(DeclarationError, match="module 'vote': n: Input should be greater"):
        Vote(n=1)
    with pytest.raises(DeclarationError, match="wraps no module"):
        cast(Any, ChainOfThought)(Predict())


def step(module: Module | None = None, **fields: Any) -> Predictor:
    return Predictor(signature=LABEL, module=None if module is None else module.to_json(), **fields)


def test_tuned_text_survives_a_swap_of_the_module() -> None:
    demo: JSON = {"inputs": {"ticket": "x"}, "outputs": {"team": "billing"}}
    values: dict[str, JSON] = {"triage.instruction": "Tuned.", "triage.demos": [demo]}
    for module in (None, Predict(), ChainOfThought(), Vote(ChainOfThought()), BestOf(Vote())):
        answering = [n for n in lms(expand_step("triage", step(module), values)) if "." not in n.address]
        assert {node.signature.instruction for node in answering} == {"Tuned."}
        assert {node.demos[0].outputs["team"] for node in answering} == {"billing"}
    swapped: dict[str, JSON] = {**values, "triage.module": Vote().to_json()}
    assert calls(expand_step("triage", step(ChainOfThought()), swapped)) == 5


@pytest.mark.parametrize("module", one_of_each(), ids=lambda module: str(module.name))
def test_swapped_away_and_back_a_step_is_as_it_was(module: Module) -> None:
    signature = signature_for(module).with_name("s")
    demo: JSON = {"inputs": {}, "outputs": {signature.outputs[0].name: "x"}}
    inner = next(node.address for node in lms(module.build(signature)))
    tuned: dict[str, JSON] = {"s.instruction": "Tuned.", "s.demos": [demo]}
    if inner != "predict":
        tuned[f"s/{inner}.instruction"] = "Inner."
    before = Predictor(signature=signature, module=module.to_json())
    away = expand_step("s", before, {**tuned, "s.module": ChainOfThought().to_json()})
    assert [(node.signature.instruction, len(node.demos)) for node in lms(away)] == [
        ("Inner." if inner == "chain_of_thought/predict" else "Tuned.", 1)
    ]
    back = expand_step("s", before, {**tuned, "s.module": module.to_json()})
    assert back == expand_step("s", before, tuned)
    assert "Inner." in {node.signature.instruction for node in lms(back)} or inner == "predict"


def test_an_inner_calls_own_entry_comes_first() -> None:
    values = {
        "triage.instruction": "Step.",
        "triage/best_of.judge/predict.instruction": "Judge hard.",
        "triage/best_of/chain_of_thought/predict.instruction": "Leaf.",
    }
    answer, judge = lms(expand_step("triage", step(BestOf(ChainOfThought())), values))
    assert answer.signature.instruction == "Leaf."
    assert judge.signature.instruction == "Judge hard."
    assert judge.demos == ()
    knobs = {"triage/vote.n": 3, "triage/vote/best_of.n": 2}
    assert calls(expand_step("triage", step(Vote(BestOf(judge="closeness"))), knobs)) == 6


@pytest.mark.parametrize("module", [Vote(), BestOf(judge="closeness"), BestOf(Vote())])
def test_samples_are_never_taken_at_temperature_0(module: Module) -> None:
    def heat(predictor: Predictor, values: dict[str, Any] = {}, **lm: float) -> float | None:  # noqa: B006  read only
        return next(lms(expand_step("triage", predictor, values, lm_temperature=lm.get("lm")))).temperature

    assert heat(step(module)) == 0.7
    assert heat(step(module), lm=0.4) == 0.4
    assert heat(step(module, temperature=1.1), lm=0.4) == 1.1
    assert heat(step(module, temperature=1.1), {f"triage/{module.name}.temperature": 0.3}) == 0.3
    for predictor, values, lm in (
        (step(module, temperature=0), {}, 1.0),
        (step(module), {"triage.temperature": 0}, 1.0),
        (step(module), {}, 0.0),
    ):
        with pytest.raises(ConfigurationError, match="above 0"):
            heat(predictor, values, lm=lm)


def test_single_calls_may_run_at_temperature_0() -> None:
    (node,) = lms(expand_step("triage", step(ChainOfThought(), temperature=0), {}))
    assert node.temperature == 0
