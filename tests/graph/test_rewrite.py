"""Rewrites: legal ones keep every rule and have an inverse, illegal ones are refused with the reason."""

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import treadle.compiler.graph.rewrite as rewrite_module
from tests.graph.strategies import MODULES, graphs
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ArtifactError, GraphError, SignatureError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.rewrite import (
    OPS,
    Rewrite,
    apply,
    changed_edges,
    describe,
    edge_parameters,
    edited,
    inverse,
    module_in_words,
    rewired,
    rewrites_of,
    sites,
    with_edits,
)
from treadle.compiler.graph.rewrite_edges import restore
from treadle.compiler.graph.serialize import predictor_to_json, to_json
from treadle.compiler.hints import from_string
from treadle.compiler.module import Module, expand_step
from treadle.compiler.signature import Signature
from treadle.modules import BestOf, ChainOfThought, Predict, Vote

TRIAGE = from_string("ticket -> team: Literal['a', 'b']", name="triage", instruction="Choose.")
REPLY = from_string("ticket -> text", name="reply")
PLAN = from_string("ticket -> text", name="plan")


def expand(name: str, predictor: Predictor) -> Graph:
    return expand_step(name, predictor, {})


def add(target: str, source: str) -> Rewrite:
    return Rewrite(op="add_context_edge", target=target, args={"source": source})


def prune(target: str, source: str) -> Rewrite:
    return Rewrite(op="prune_context_edge", target=target, args={"source": source})


def swap(target: str, module: Module | None) -> Rewrite:
    data = None if module is None else module.to_json()
    return Rewrite(op="swap_module", target=target, args={"module": data})


def program(body: Any) -> Graph:
    g = GraphBuilder("program", from_string("ticket -> answer", name="program"))
    signatures = {"triage": TRIAGE, "reply": REPLY, "plan": PLAN}
    sites: dict[str, int] = {}

    def step(name: str) -> Value:
        sites[name] = sites.get(name, 0) + 1
        site = name if sites[name] == 1 else f"{name}#{sites[name]}"
        return g.step(site, name, signatures[name], {"ticket": g.inputs["ticket"]})

    return g.finish(body(g, step), {name: Predictor(signature=signatures[name]) for name in sorted(sites)})


def straight(g: GraphBuilder, step: Any) -> Value:
    step("triage")
    step("plan")
    return step("reply")  # type: ignore[no-any-return]


def test_an_edge_is_added_in_order_and_pruned() -> None:
    before = program(straight)
    both = apply(apply(before, add("reply", "triage")), add("reply", "plan"))
    assert both.steps()[2].context == (("plan", "n3"), ("triage", "n2"))
    assert graph_hash(both) == graph_hash(apply(apply(before, add("reply", "plan")), add("reply", "triage")))
    one = apply(both, prune("reply", "plan"))
    assert graph_hash(one) == graph_hash(apply(before, add("reply", "triage")))
    assert graph_hash(before) == graph_hash(apply(one, prune("reply", "triage")))
    assert before.steps()[2].context == ()


def test_an_edge_reaches_every_step_of_its_target_at_any_depth() -> None:
    def body(g: GraphBuilder, step: Any) -> Value:
        step("triage")
        g.map(g.const(["x"], list[str]), lambda item: step("reply"), bound=1)
        return g.branch(g.inputs["ticket"], lambda: step("reply"), lambda: g.inputs["ticket"])[0]

    after = apply(program(body), add("reply", "triage"))
    assert [step.context for step in after.steps()] == [(), (("triage", "n2"),), (("triage", "n2"),)]


REFUSED: list[tuple[Any, Rewrite, str]] = [
    (straight, add("triage", "reply"), "runs later"),
    (straight, add("reply", "reply"), "cannot read what it said itself"),
    (straight, add("reply", "nobody"), "no step of 'nobody'; its predictors are plan, reply, triage"),
    (straight, add("nobody", "reply"), "no step of 'nobody'"),
    (straight, prune("reply", "triage"), "no edge to prune"),
    (straight, swap("nobody", Vote()), "no step of 'nobody'"),
    (straight, Rewrite(op="swap_module", target="reply", args={"module": "vote"}), "a module is written as"),
    (straight, Rewrite(op="explode", target="reply", args={}), "unknown rewrite 'explode'; known are swap_module"),
    (straight, Rewrite(op="add_context_edge", target="reply", args={"source": 3}), "needs the name of a source"),
    (lambda g, step: [step("triage"), step("triage"), step("reply")][-1], add("reply", "triage"), r"triage\.copy"),
    (lambda g, step: [step("reply"), step("triage"), step("reply")][-1], add("reply", "triage"), "'reply' cannot read"),
    (
        lambda g, step: [g.map(g.inputs["ticket"], lambda item: step("triage")), step("reply")][-1],
        add("reply", "triage"),
        "inside a region 'reply' is not in",
    ),
    (
        lambda g, step: g.branch(g.inputs["ticket"], lambda: step("triage"), lambda: step("reply"))[0],
        add("reply", "triage"),
        "inside a region 'reply' is not in",
    ),
]


@pytest.mark.parametrize(("body", "rewrite", "said"), REFUSED)
def test_an_illegal_rewrite_is_refused_with_the_reason(body: Any, rewrite: Rewrite, said: str) -> None:
    graph = program(body)
    with pytest.raises(GraphError, match=said):
        apply(graph, rewrite)


def test_an_edge_is_not_added_twice_nor_over_an_input() -> None:
    before = apply(program(straight), add("reply", "triage"))
    with pytest.raises(GraphError, match="already"):
        apply(before, add("reply", "triage"))
    named = from_string("ticket, from_plan: str -> text", name="reply")
    g = GraphBuilder("program", from_string("ticket -> answer"))
    g.step("plan", "plan", PLAN, {"ticket": g.inputs["ticket"]})
    both = {"ticket": g.inputs["ticket"], "from_plan": g.inputs["ticket"]}
    predictors = {"plan": Predictor(signature=PLAN), "reply": Predictor(signature=named)}
    graph = g.finish(g.step("reply", "reply", named, both), predictors)
    with pytest.raises(GraphError, match="an input 'from_plan' of its own"):
        apply(graph, add("reply", "plan"))


def test_a_module_that_cannot_serve_is_refused_where_modules_are_known() -> None:
    graph = program(straight)
    with pytest.raises(SignatureError, match="Vote cannot count"):
        apply(graph, swap("reply", Vote()), expand=expand)
    apply(graph, swap("reply", Vote()))
    swapped = apply(graph, swap("triage", Vote(ChainOfThought())), expand=expand)
    assert swapped.predictors["triage"].module == Vote(ChainOfThought()).to_json()


def unbounded(name: str, predictor: Predictor) -> Graph:
    g = GraphBuilder("endless", predictor.signature)
    g.map(g.inputs["ticket"], lambda item: g.lm(predictor.signature, {"ticket": item}))
    return g.finish(g.inputs["ticket"])


def test_a_module_without_a_bound_is_refused() -> None:
    with pytest.raises(GraphError, match="no bound") as caught:
        apply(program(straight), swap("reply", Predict()), expand=unbounded)
    assert caught.value.rule == 16


def test_a_users_own_value_comes_back_after_a_prune() -> None:
    plain = program(straight)
    step = plain.steps()[2]
    reading = dataclasses.replace(step, context=(("triage", nodes.Ref("n1")),))
    before = dataclasses.replace(plain, nodes=tuple(reading if node is step else node for node in plain.nodes))
    back = inverse(before, prune("reply", "triage"))
    assert back.args == {"source": "triage", "values": {"reply": "n1"}}
    assert graph_hash(apply(apply(before, prune("reply", "triage")), back)) == graph_hash(before)
    for values, said in (({"plan": "n1"}, "not the target's"), ({"reply": 3}, "references"), ({}, "not the target's")):
        broken: dict[str, JSON] = {"source": "triage", "values": values}
        with pytest.raises(GraphError, match=said):
            apply(plain, Rewrite(op="add_context_edge", target="reply", args=broken))


def test_rewrites_say_what_they_do() -> None:
    assert describe(add("reply", "triage")) == "let reply read what triage said"
    assert describe(prune("reply", "triage")) == "no longer let reply read what triage said"
    assert describe(swap("reply", None)) == "answer reply by one plain call"
    assert describe(swap("reply", ChainOfThought())) == "answer reply by ChainOfThought()"
    words = module_in_words(Vote(BestOf(ChainOfThought(), judge="closeness"), n=3).to_json())
    assert words == "Vote(BestOf(ChainOfThought(), judge='closeness'), n=3)"


@pytest.mark.parametrize("rewrite", [add("reply", "triage"), prune("reply", "triage"), swap("reply", Vote())])
def test_a_rewrite_is_data(rewrite: Rewrite) -> None:
    assert Rewrite.from_json(rewrite.to_json()) == rewrite


def test_malformed_rewrites_are_refused_with_their_path() -> None:
    good: dict[str, Any] = {"op": "swap_module", "target": "reply", "args": {"module": None}}
    for spoil, path in (
        ({"op": "explode"}, "$.op"),
        ({"op": 3}, "$.op"),
        ({"target": None}, "$.target"),
        ({"args": {}}, "$.args"),
        ({"args": {"module": None, "code": ""}}, "$.args.code"),
        ({"run": 1}, "$.run"),
    ):
        with pytest.raises(ArtifactError) as caught:
            Rewrite.from_json({**good, **spoil})
        assert caught.value.path == path


def test_a_candidates_values_are_rewrites() -> None:
    values: dict[str, JSON] = {
        "reply.from_triage": True,
        "reply.instruction": "Reply.",
        "reply/vote.n": 3,
        "triage.module": Vote().to_json(),
        ".edits": [add("plan", "triage").to_json()],
    }
    assert rewrites_of(values) == (add("plan", "triage"), add("reply", "triage"), swap("triage", Vote()))
    after = edited(program(straight), values, expand=expand)
    assert [step.context for step in after.steps()] == [(), (("triage", "n2"),), (("triage", "n2"),)]
    assert edited(program(straight), {"reply.instruction": "x"}) == program(straight)


def test_the_edges_search_may_change() -> None:
    graph = apply(program(straight), add("reply", "triage"))
    found = {parameter.address: parameter.default for parameter in edge_parameters(graph)}
    assert found == {"plan.from_triage": False, "reply.from_plan": False, "reply.from_triage": True}


# --- properties ------------------------------------------------------------------------------------------------------


def all_rewrites(graph: Graph) -> list[Rewrite]:
    """Every rewrite one could ask for, legal or not, with one name that is not there."""
    names = [*graph.predictors, "nobody"]
    edges = [make(target, source) for make in (add, prune) for target in names for source in names]
    modules = [Rewrite(op="swap_module", target=name, args={"module": data}) for name in names for data in MODULES]
    return [*edges, *modules]


def legal_rewrites(graph: Graph) -> list[Rewrite]:
    edges = []
    for parameter in edge_parameters(graph):
        source = parameter.field.removeprefix("from_")
        edges.append((prune if parameter.default else add)(parameter.predictor, source))
    modules = [Rewrite(op="swap_module", target=n, args={"module": m}) for n in graph.predictors for m in MODULES]
    return [*edges, *modules]


def tried(graph: Graph, rewrite: Rewrite) -> Graph | None:
    try:
        return apply(graph, rewrite)
    except GraphError:
        return None


@given(graphs(most=5), st.data())
def test_any_rewrite_is_legal_and_has_an_inverse_or_is_refused(graph: Graph, data: st.DataObject) -> None:
    start = graph
    undo: list[Rewrite] = []
    for _ in range(data.draw(st.integers(1, 5))):
        rewrite = data.draw(st.sampled_from(all_rewrites(graph)))
        after = tried(graph, rewrite)
        if after is None:
            continue
        check(after)
        undo.append(inverse(graph, rewrite))
        assert graph_hash(apply(after, undo[-1])) == graph_hash(graph)
        graph = after
    for rewrite in reversed(undo):
        graph = apply(graph, rewrite)
    assert graph_hash(graph) == graph_hash(start)
    assert canonical(to_json(graph)) == canonical(to_json(start))


@given(graphs(most=5), st.data())
def test_a_rewrite_leaves_other_predictors_as_they_are(graph: Graph, data: st.DataObject) -> None:
    rewrite = data.draw(st.sampled_from(all_rewrites(graph)))
    after = tried(graph, rewrite)
    assume(after is not None)
    assert after is not None
    for name in graph.predictors:
        if name != rewrite.target:
            assert predictor_to_json(after.predictors[name]) == predictor_to_json(graph.predictors[name])
    assert [node.id for _, node in after.walk()] == [node.id for _, node in graph.walk()]


@given(graphs(most=5), st.data())
def test_independent_rewrites_commute(graph: Graph, data: st.DataObject) -> None:
    legal = legal_rewrites(graph)
    assume(legal)
    one, two = data.draw(st.sampled_from(legal)), data.draw(st.sampled_from(legal))
    if one.op == two.op == "swap_module" and one.target == two.target:
        two = one
    if one == two and one.op != "swap_module":  # the same edge cannot be added twice
        return
    assert graph_hash(apply(apply(graph, one), two)) == graph_hash(apply(apply(graph, two), one))


@given(graphs(most=6))
def test_what_the_space_offers_is_what_apply_takes(graph: Graph) -> None:
    offered = {parameter.address for parameter in edge_parameters(graph)}
    for target in graph.predictors:
        for source in graph.predictors:
            taken = tried(graph, add(target, source)) or tried(graph, prune(target, source))
            assert (taken is not None) == (f"{target}.from_{source}" in offered)


@given(graphs(most=6), st.data())
def test_what_is_no_site_is_refused_with_a_reason(graph: Graph, data: st.DataObject) -> None:
    found = sites(graph)
    asked = [*all_rewrites(graph), *others(graph)]
    rewrite = data.draw(st.sampled_from(asked))
    if rewrite.op in ("swap_module", "normalise"):
        return
    if rewrite in found:
        check(apply(graph, rewrite))
    elif rewrite.op != "copy" or "#" in str(rewrite.args["steps"]):  # copies are offered of later steps only
        with pytest.raises(GraphError):
            apply(graph, rewrite)


def others(graph: Graph) -> list[Rewrite]:
    """Edits of data edges and of predictors, legal or not."""
    names, fields = [*graph.predictors, "nobody"], [*(f"field_{n}" for n in range(4)), "nothing"]
    steps = [*(step.name for step in graph.steps()), "nobody#2"]
    found = [Rewrite(op="drop_input", target=name, args={"field": field}) for name in names for field in fields]
    found += [Rewrite(op="bypass", target=step, args={"input": field}) for step in steps for field in fields]
    found += [Rewrite(op="tie", target=name, args={"into": other}) for name in names for other in names]
    for step in steps:
        args: dict[str, JSON] = {"name": step.replace("#", "_"), "steps": [step]}
        found.append(Rewrite(op="copy", target=step.partition("#")[0], args=args))
    return found


@given(graphs(most=4))
def test_no_illegal_graph_comes_of_many_edits_at_once(graph: Graph) -> None:
    for rewrite in sites(graph)[:20]:
        after = tried(graph, rewrite)
        assert after is not None, describe(rewrite)
        check(after)


def test_arguments_are_checked_by_name() -> None:
    graph = program(straight)
    for rewrite, said in (
        (Rewrite(op="bypass", target="reply", args={}), "bypass takes input, not nothing"),
        (Rewrite(op="swap_model", target="reply", args={"model": "m", "why": 1}), "swap_model takes model, not model"),
        (Rewrite(op="copy", target="reply", args={"name": "x"}), r"copy takes name, steps, predictor \(optional\)"),
    ):
        with pytest.raises(GraphError, match=said):
            apply(graph, rewrite)


def test_what_undoes_an_edit_is_not_stored_where_it_holds_a_whole_graph() -> None:
    with pytest.raises(ArtifactError, match="unknown rewrite 'restore'"):
        Rewrite.from_json(restore(program(straight)).to_json())


def test_every_op_is_in_the_table() -> None:
    for op in OPS:
        assert f"\n{op} " in (rewrite_module.__doc__ or "")
    assert isinstance(TRIAGE, Signature)


def test_an_edge_that_is_as_its_value_says_stays() -> None:
    graph = apply(program(straight), add("reply", "triage"))
    assert rewired(graph, {"reply.from_triage": True, "plan.from_triage": False, "other.from_triage": True}) == graph
    assert rewired(graph, {"reply.from_triage": False}) == program(straight)
    values: dict[str, JSON] = {"reply.from_triage": True, "reply.from_plan": True, "reply.instruction": "x"}
    assert changed_edges(graph, values) == {"reply.from_plan": True, "reply.instruction": "x"}
    assert changed_edges(None, values) == values


def test_edits_come_after_the_edges_that_stand_in_their_way() -> None:
    graph = apply(program(straight), add("reply", "triage"))
    leave_out = Rewrite(op="drop_input", target="nobody", args={"field": "x"}).to_json()
    with pytest.raises(GraphError, match="nobody"):
        with_edits(graph, {".edits": [leave_out]})
    assert with_edits(graph, {"reply.from_triage": False}) is graph  # edges alone change no step
    pruned = with_edits(graph, {"reply.from_triage": False, ".edits": [add("plan", "triage").to_json()]})
    assert [step.context for step in pruned.steps()] == [(), (("triage", "n2"),), ()]


def test_edges_together_are_the_same_as_one_by_one() -> None:
    graph = program(straight)
    values = {"plan.from_triage": True, "reply.from_plan": True, "reply.from_triage": True}
    one_by_one = graph
    for rewrite in rewrites_of(values):
        one_by_one = apply(one_by_one, rewrite)
    assert edited(graph, values) == one_by_one
    with pytest.raises(GraphError, match="cannot read what 'reply' says"):
        edited(graph, {"plan.from_reply": True, "reply.from_triage": True})


def test_undoing_a_tie_gives_steps_the_names_they_had() -> None:
    """A tie gives free names, which may not be in program order; a copy gives them in that order unless told."""

    def body(g: GraphBuilder, step: Any) -> Value:
        for _ in range(3):
            step("reply")
        return step("reply")  # type: ignore[no-any-return]

    def copy(name: str, *steps: str) -> Rewrite:
        return Rewrite(op="copy", target="reply", args={"name": name, "steps": list(steps)})

    def tie(target: str, into: str) -> Rewrite:
        return Rewrite(op="tie", target=target, args={"into": into})

    graph = program(body)
    for edit in (copy("first", "reply"), copy("last", "reply#3"), tie("first", "last")):
        graph = apply(graph, edit)
    assert [step.name for step in graph.steps()] == ["last#2", "reply#2", "last", "reply#4"]
    rewrite = tie("last", "reply")
    back = inverse(graph, rewrite)
    assert back.args["called"] == ["last#2", "last"]
    assert apply(apply(graph, rewrite), back).steps() == graph.steps()
    wrong = dataclasses.replace(back, args={**back.args, "called": ["reply", "last"]})
    with pytest.raises(GraphError, match="cannot be names of steps of 'last'"):
        apply(apply(graph, rewrite), wrong)
