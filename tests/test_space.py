import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError, SignatureError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.parameters import Candidate, ParameterSpace
from treadle.compiler.hints import from_string
from treadle.compiler.module import Module, expand_step
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.space import active, parameters_of
from treadle.modules import BestOf, ChainOfThought, Predict, Vote

TRIAGE = from_string("ticket -> team: Literal['billing', 'shipping']", name="triage", instruction="Choose.")


def predictor(module: Module | None = None) -> Predictor:
    demo = Demo(inputs={"ticket": "late"}, outputs={"team": "shipping"})
    return Predictor(signature=TRIAGE, module=None if module is None else module.to_json(), demos=(demo,))


def addresses(module: Module | None = None, *others: Module) -> list[str]:
    return [parameter.address for parameter in parameters_of("triage", predictor(module), modules=others)]


def test_a_bare_step_has_its_own_parameters_only() -> None:
    assert addresses() == addresses(Predict())
    assert addresses() == ["triage.instruction", "triage.demos", "triage.module", "triage.model"]


def test_knobs_and_inner_calls_stand_behind_their_modules() -> None:
    assert addresses(Vote(BestOf(ChainOfThought())))[4:] == [
        "triage/vote/best_of/chain_of_thought.steps",
        "triage/vote/best_of/chain_of_thought.brief",
        "triage/vote/best_of.n",
        "triage/vote/best_of.temperature",
        "triage/vote.n",
        "triage/vote.how",
        "triage/vote.temperature",
        "triage/vote/best_of/chain_of_thought/predict.instruction",
        "triage/vote/best_of/chain_of_thought/predict.demos",
        "triage/vote/best_of.judge/predict.instruction",
        "triage/vote/best_of.judge/predict.demos",
    ]


def test_every_address_is_unique_and_every_choice_contributes() -> None:
    found = addresses(None, Predict(), ChainOfThought(), Vote(ChainOfThought()), Vote(ChainOfThought(), n=3))
    assert len(set(found)) == len(found)
    assert "triage/chain_of_thought/predict.demos" in found
    assert "triage/vote/chain_of_thought/predict.demos" in found


def test_defaults_and_choices() -> None:
    found = parameters_of(
        "triage", predictor(), modules=[ChainOfThought()], models=["small", "large"], temperature=(0, 1.5)
    )
    space = ParameterSpace(found)
    assert space["triage.instruction"].default == "Choose."
    assert space["triage.demos"].default == [
        {"inputs": {"ticket": "late"}, "outputs": {"team": "shipping"}, "origin": "user"}
    ]
    assert space["triage.module"].choices == ({"module": "predict"}, {"module": "chain_of_thought"})
    assert space["triage.model"].choices == (None, "small", "large")
    assert (space["triage.temperature"].low, space["triage.temperature"].high) == (0, 1.5)
    assert space["triage/chain_of_thought/predict.instruction"].default is None
    assert space.candidate({"triage.module": {"module": "predict"}}).values == {}


def test_a_whole_number_stays_one() -> None:
    space = ParameterSpace(parameters_of("triage", predictor(Vote())))
    assert space["triage/vote.n"].integer
    with pytest.raises(GraphError, match="whole number"):
        space.candidate({"triage/vote.n": 3.5})
    with pytest.raises(GraphError, match="2 to 15"):
        space.candidate({"triage/vote.n": 16})


def test_entries_of_modules_that_are_not_there_are_dropped() -> None:
    values: dict[str, JSON] = {
        "triage.instruction": "Tuned.",
        "triage.module": Vote().to_json(),
        "triage/vote.n": 3,
        "triage/vote/predict.demos": [],
        "triage/vote/chain_of_thought/predict.demos": [],
        "triage/best_of.judge/predict.instruction": "Hard.",
    }
    kept = active({"triage": predictor()}, Candidate(values=values))
    assert sorted(kept.values) == ["triage.instruction", "triage.module", "triage/vote.n", "triage/vote/predict.demos"]
    assert active({"triage": predictor()}, kept) is kept
    judged = Candidate(values={**values, "triage.module": BestOf(judge="closeness").to_json()})
    assert sorted(active({"triage": predictor()}, judged).values) == ["triage.instruction", "triage.module"]


def test_a_module_that_cannot_serve_is_refused() -> None:
    text = Predictor(signature=from_string("question -> answer"))
    with pytest.raises(SignatureError, match="Vote cannot count"):
        parameters_of("reply", text, modules=[Vote()])


def test_every_parameter_of_a_module_has_an_effect() -> None:
    module = Vote(BestOf(ChainOfThought()))
    before = expand_step("triage", predictor(module), {})
    demo: JSON = {"inputs": {"ticket": "x"}, "outputs": {"team": "billing"}}
    new: dict[str, JSON] = {"instruction": "New.", "demos": [demo], "model": "other", "module": {"module": "predict"}}
    new |= {"steps": "First the team.", "brief": True, "how": "self_agreement"}
    for parameter in parameters_of("triage", predictor(module), temperature=(0.1, 1)):
        value = new.get(parameter.field, parameter.high if parameter.kind != "number" else parameter.low)
        assert expand_step("triage", predictor(module), {parameter.address: value}) != before, parameter.address
