"""Knobs, models, and predictors that are copied and tied."""

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DeclarationError, GraphError
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.rewrite import Rewrite, apply, describe, inverse
from treadle.compiler.graph.rewrite_predictors import module_in_words, with_knob
from treadle.compiler.hints import from_string
from treadle.compiler.module import Module, expand_step, module_from_json
from treadle.compiler.prompt.demo import Demo
from treadle.modules import BestOf, ChainOfThought, Escalate, Predict, Refine, Route, Vote

TRIAGE = from_string("ticket -> team: Literal['a', 'b']", name="triage", instruction="Choose.")
DEMO = Demo(inputs={"ticket": "x"}, outputs={"team": "a"}, origin="labelled")


def expand(name: str, predictor: Predictor) -> Graph:
    return expand_step(name, predictor, {})


def program(module: Module | None = None, steps: int = 3) -> Graph:
    g = GraphBuilder("p", from_string("ticket -> answer"))
    names = ["triage", *(f"triage#{number}" for number in range(2, steps + 1))]
    found = [g.step(name, "triage", TRIAGE, g.inputs) for name in names]
    data = None if module is None else module.to_json()
    return g.finish(found[-1], {"triage": Predictor(signature=TRIAGE, module=data, demos=(DEMO,))})


def undone(graph: Graph, rewrite: Rewrite) -> bool:
    after = apply(graph, rewrite)
    check(after)
    return graph_hash(apply(after, inverse(graph, rewrite))) == graph_hash(graph)


def test_knobs_are_set_wherever_they_are() -> None:
    modules: list[tuple[Module, dict[str, JSON]]] = [
        (Vote(), {"vote.n": 3}),
        (Vote(BestOf(ChainOfThought())), {"vote/best_of.n": 2, "vote/best_of/chain_of_thought.brief": True}),
        (BestOf(judge=Vote(n=7)), {"best_of.judge/vote.n": 9}),
        (Refine(), {"refine.rounds": 3, "refine.critic/predict.x": 1}),
        (Route(arms={"easy": Predict(), "hard": Vote()}), {"route:hard/vote.n": 4}),
        (Escalate(), {"escalate:to/chain_of_thought.brief": True}),
    ]
    for module, values in modules:
        good = {address: value for address, value in values.items() if not address.endswith(".x")}
        rewrite = Rewrite(op="change_knobs", target="triage", args={"knobs": good})
        after = apply(program(module), rewrite, expand=expand)
        assert module_from_json(after.predictors["triage"].module) == module.tuned(
            "triage", {f"triage/{address}": value for address, value in good.items()}
        )
        assert undone(program(module), rewrite)


def test_knobs_that_are_not_there_or_out_of_range_are_refused() -> None:
    def set_knobs(knobs: JSON) -> None:
        apply(program(Vote()), Rewrite(op="change_knobs", target="triage", args={"knobs": knobs}), expand=expand)

    with pytest.raises(GraphError, match=r"'triage' is answered by 'vote' there, so it has no knob 'best_of\.n'"):
        set_knobs({"best_of.n": 3})
    with pytest.raises(DeclarationError, match="'vote': n: Input should be less"):
        set_knobs({"vote.n": 99})
    empty: JSON = {}
    for wrong in (empty, "n=3"):
        with pytest.raises(GraphError, match="knobs are written as"):
            set_knobs(wrong)
    assert with_knob("triage", None, "predict.x", 1) == {"module": "predict", "x": 1}


def test_edits_of_predictors_say_what_they_do() -> None:
    said = {
        describe(Rewrite(op="change_knobs", target="t", args={"knobs": {"vote.n": 3}})): "set vote.n = 3 of t",
        describe(Rewrite(op="swap_model", target="t", args={"model": "big"})): "run t on big",
        describe(Rewrite(op="swap_model", target="t", args={"model": None})): "run t on the model in force",
        describe(Rewrite(op="copy", target="t", args={"name": "u", "steps": ["t#2", "t#3"]})): (
            "give t#2, t#3 parameters of their own, as u"
        ),
        describe(Rewrite(op="tie", target="u", args={"into": "t"})): "let u share the parameters of t",
    }
    assert all(words == meant for words, meant in said.items())
    arms = Route(arms={"easy": Predict(), "hard": Vote(n=3)}).to_json()
    assert module_in_words(arms) == "Route(arms={easy: Predict(), hard: Vote(n=3)})"


def test_a_model_is_changed_and_changed_back() -> None:
    rewrite = Rewrite(op="swap_model", target="triage", args={"model": "big"})
    assert apply(program(), rewrite).predictors["triage"].model == "big"
    assert undone(program(), rewrite)
    for wrong in ("", 3):
        with pytest.raises(GraphError, match="recorded name"):
            apply(program(), Rewrite(op="swap_model", target="triage", args={"model": wrong}))


def copy(name: str, *steps: str) -> Rewrite:
    return Rewrite(op="copy", target="triage", args={"name": name, "steps": list(steps)})


def tie(target: str, into: str) -> Rewrite:
    return Rewrite(op="tie", target=target, args={"into": into})


def test_a_copy_starts_equal_and_has_parameters_of_its_own() -> None:
    graph = program(Vote())
    after = apply(graph, copy("second_look", "triage#2", "triage#3"))
    assert [step.name for step in after.steps()] == ["triage", "second_look", "second_look#2"]
    copied, first = after.predictors["second_look"], after.predictors["triage"]
    assert (copied.module, copied.demos, copied.signature.instruction) == (
        first.module,
        first.demos,
        first.signature.instruction,
    )
    assert undone(graph, copy("second_look", "triage#2"))
    assert undone(graph, copy("second_look", "triage", "triage#3"))


def test_tying_gives_up_the_copys_parameters_and_its_inverse_brings_them_back() -> None:
    graph = apply(program(), copy("second_look", "triage#2"))
    tuned = apply(graph, Rewrite(op="swap_module", target="second_look", args={"module": Vote().to_json()}))
    tied = apply(tuned, tie("second_look", "triage"))
    assert set(tied.predictors) == {"triage"}
    assert sorted(step.name for step in tied.steps()) == ["triage", "triage#2", "triage#3"]
    assert graph_hash(tied) == graph_hash(program())
    assert undone(tuned, tie("second_look", "triage"))


@pytest.mark.parametrize(
    ("rewrite", "said"),
    [
        (copy("x", "triage", "triage#2", "triage#3"), "one must stay"),
        (copy("x", "triage#9"), "its steps are triage, triage#2, triage#3, not triage#9"),
        (copy("x"), "not none"),
        (copy("triage", "triage#2"), "no free name"),
        (copy("a b", "triage#2"), "no free name"),
        (tie("triage", "triage"), "shares its parameters with itself"),
        (tie("triage", "nobody"), "no step of 'nobody'"),
    ],
)
def test_what_cannot_be_copied_or_tied_is_refused(rewrite: Rewrite, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        apply(program(), rewrite)


def test_only_equal_fields_are_tied() -> None:
    g = GraphBuilder("p", from_string("ticket -> answer"))
    other = from_string("ticket, tone -> team: Literal['a', 'b']", name="other")
    named = from_string("ticket -> group: Literal['a', 'b']", name="named")
    g.step("triage", "triage", TRIAGE, g.inputs)
    g.step("other", "other", other, {"ticket": g.inputs["ticket"], "tone": g.inputs["ticket"]})
    last = g.step("named", "named", named, g.inputs)
    predictors = {s.name: Predictor(signature=s) for s in (TRIAGE, other, named)}
    graph = g.finish(last, predictors)
    with pytest.raises(GraphError, match="their fields are not the same"):
        apply(graph, tie("other", "triage"))
    with pytest.raises(GraphError, match="name the output 'team', of the other 'group'"):
        apply(graph, tie("named", "triage"))
