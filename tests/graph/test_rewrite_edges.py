"""Data edges: inputs left out, steps put on an edge and bypassed."""

import dataclasses

import pydantic
import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError, SignatureError
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.rewrite import Rewrite, apply, describe, inverse, sites
from treadle.compiler.hints import from_function, from_string
from treadle.compiler.module import expand_step
from treadle.compiler.signature import Signature, Slot
from treadle.modules import Vote


def reply(ticket: str, policies: list[str], tone: str = "kind") -> str:
    """Reply."""
    ...


POLISH = from_string("text -> polished", name="polish", instruction="Polish.")
REPLY = from_function(reply)


def program() -> Graph:
    """Two replies, the first polished."""
    signature = from_string("ticket, policies: list[str], tone -> answer", name="support")
    g = GraphBuilder("support", signature)
    first = g.step("reply", "reply", REPLY, g.inputs)
    g.step("reply#2", "reply", REPLY, {"ticket": first, "policies": g.inputs["policies"]})
    last = g.step("polish", "polish", POLISH, {"text": first})
    return g.finish(last, {"reply": Predictor(signature=REPLY), "polish": Predictor(signature=POLISH)})


def insert(target: str, field: str, **more: JSON) -> Rewrite:
    args: dict[str, JSON] = {"field": field, "name": "shorten", "instruction": "Make it short.", **more}
    return Rewrite(op="insert_step", target=target, args=args)


def bypass(target: str, field: str) -> Rewrite:
    return Rewrite(op="bypass", target=target, args={"input": field})


def undone(graph: Graph, rewrite: Rewrite) -> bool:
    after = apply(graph, rewrite)
    check(after)
    return graph_hash(apply(after, inverse(graph, rewrite))) == graph_hash(graph)


def test_an_optional_input_is_left_out_everywhere_and_given_again() -> None:
    graph = program()
    drop = Rewrite(op="drop_input", target="reply", args={"field": "tone"})
    after = apply(graph, drop)
    assert [[field for field, _ in step.inputs] for step in after.steps()] == [
        ["ticket", "policies"],
        ["ticket", "policies"],
        ["text"],
    ]
    back = inverse(graph, drop)
    assert back.args == {"field": "tone", "values": {"reply": "n3"}}
    assert undone(graph, drop)
    assert describe(drop) == "no longer give reply its input tone"
    assert describe(back) == "give reply its input tone again"


@pytest.mark.parametrize(
    ("target", "field", "said"),
    [
        ("reply", "ticket", "only one with a default can be left out"),
        ("reply", "nothing", "'reply' has no input 'nothing'; it has ticket, policies, tone"),
        ("nobody", "tone", "no step of 'nobody'"),
    ],
)
def test_only_optional_inputs_are_left_out(target: str, field: str, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        apply(program(), Rewrite(op="drop_input", target=target, args={"field": field}))


def test_a_step_is_put_on_an_edge_and_bypassed_again() -> None:
    graph, rewrite = program(), insert("reply#2", "policies", reads=["ticket"])
    after = apply(graph, rewrite)
    names = [step.name for step in after.steps()]
    assert names == ["reply", "shorten", "reply#2", "polish"]
    new, target = after.steps()[1], after.steps()[2]
    assert dict(target.inputs)["policies"] == new.results[0]
    assert [name for name, _ in new.inputs] == ["policies", "ticket"]
    made = after.predictors["shorten"].signature
    assert made.value.annotation == list[str]
    assert made.instruction == "Make it short."
    assert undone(graph, rewrite)
    assert describe(rewrite) == ("let policies pass through a new step shorten on its way to reply#2: “Make it short.”")


def test_an_inserted_step_may_have_a_module_that_serves_it() -> None:
    def expand(name: str, predictor: Predictor) -> Graph:
        return expand_step(name, predictor, {})

    module = Vote(key="treadle:text", n=3).to_json()
    assert apply(program(), insert("reply", "ticket", module=module), expand=expand).predictors["shorten"].module
    with pytest.raises(SignatureError, match="Vote cannot count"):
        apply(program(), insert("reply", "ticket", module=Vote().to_json()), expand=expand)


@pytest.mark.parametrize(
    ("rewrite", "said"),
    [
        (insert("reply", "nothing"), "not given nothing; its inputs are ticket, policies, tone"),
        (insert("nobody", "ticket"), "no step 'nobody'; its steps are reply, reply#2, polish"),
        (insert("reply", "ticket", name="polish"), "'polish' is no free name"),
        (insert("reply", "ticket", name="two words"), "no free name"),
        (insert("reply", "ticket", reads=["ticket"]), "each of them once"),
        (insert("reply", "ticket", reads="tone"), "a list of names"),
        (insert("reply", "ticket", instruction=3), "'instruction' as a text"),
        (insert("reply", "ticket", module="vote"), "a module is written as"),
        (bypass("polish", "nothing"), "not given 'nothing'; its inputs are text"),
        (bypass("nobody", "text"), "no step 'nobody'"),
        (bypass("reply", "policies"), r"it gives str and its input 'policies' is list\[str\]"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(rewrite: Rewrite, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        apply(program(), rewrite)


def test_a_bypassed_step_is_gone_and_its_input_goes_on() -> None:
    graph = program()
    after = apply(graph, bypass("polish", "text"))
    assert [step.name for step in after.steps()] == ["reply", "reply#2"]
    assert after.output.value == after.steps()[0].results[0]
    assert "polish" not in after.predictors
    assert undone(graph, bypass("polish", "text"))
    first = apply(graph, bypass("reply", "ticket"))
    assert [step.name for step in first.steps()] == ["reply#2", "polish"]
    assert "reply" in first.predictors
    assert undone(graph, bypass("reply", "ticket"))
    assert describe(bypass("polish", "text")) == "leave out polish: its input text goes on as it is"


def test_what_others_read_as_context_stays() -> None:
    g = GraphBuilder("support", from_string("ticket -> answer"))
    text = g.step("polish", "polish", POLISH, {"text": g.inputs["ticket"]})
    last = g.step("again", "again", POLISH.with_name("again"), {"text": text})
    predictors = {n: Predictor(signature=POLISH.with_name(n)) for n in ("polish", "again")}
    both = g.finish(last, predictors)
    read = apply(both, Rewrite(op="add_context_edge", target="again", args={"source": "polish"}))
    with pytest.raises(GraphError, match="'again' reads what 'polish' said: prune that edge first"):
        apply(read, bypass("polish", "text"))
    apply(both, bypass("polish", "text"))


def test_types_of_the_users_stay_the_users() -> None:
    class Draft(pydantic.BaseModel):
        text: str

    draft = Slot(name="draft", annotation=Draft)
    signature = Signature(name="improve", inputs=(draft,), outputs=(dataclasses.replace(draft, name="improve"),))
    g = GraphBuilder("p", Signature(name="p", inputs=signature.inputs, outputs=signature.outputs))
    graph = g.finish(g.step("improve", "improve", signature, g.inputs), {"improve": Predictor(signature=signature)})
    back = inverse(graph, bypass("improve", "draft"))
    restored = apply(apply(graph, bypass("improve", "draft")), back)
    assert restored.predictors["improve"].signature.value.annotation is Draft
    assert graph_hash(restored) == graph_hash(graph)


def test_the_sites_of_a_program_are_what_it_allows() -> None:
    found = {describe(rewrite) for rewrite in sites(program())}
    assert found == {
        "no longer give reply its input tone",
        "leave out reply: its input ticket goes on as it is",
        "leave out reply: its input tone goes on as it is",
        "leave out reply#2: its input ticket goes on as it is",
        "leave out polish: its input text goes on as it is",
        "give reply#2 parameters of their own, as reply_2",
    }
