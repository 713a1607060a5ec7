"""Modules of every class with random knobs, nested in one another, and what several tests ask of their graphs."""

from collections.abc import Iterator

from hypothesis import strategies as st

from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node
from treadle.compiler.graph.op import Op
from treadle.compiler.hints import from_string
from treadle.compiler.module import Module
from treadle.compiler.signature import Signature
from treadle.modules import (
    BestOf,
    ChainOfThought,
    Compute,
    Debate,
    Decompose,
    Escalate,
    Execute,
    KNNDemos,
    Panel,
    Plan,
    Predict,
    ProgressiveHint,
    ReAct,
    Refine,
    Route,
    Summarize,
    Vote,
)

LABEL = from_string("ticket -> team: Literal['billing', 'shipping']", name="triage", instruction="Choose the team.")
TEXT = from_string("question -> answer", name="reply", instruction="Reply.")
SEVERAL = from_string("question -> answer: int, sure: bool", name="several", instruction="Both.")
CODE = from_string("task, tests: list -> code", name="write", instruction="Write `solve`.")


def look_up(order: int, exact: bool) -> str:
    """What is known of an order.

    More than a model needs to be told.
    """
    return f"order {order}: {exact}"


LOOK_UP = Op(name="look_up", function=look_up, takes={"order": int, "exact": bool}, returns=str)


def any_served(depth: int = 2, *, smallest: bool = False) -> st.SearchStrategy[tuple[Module, Signature]]:
    """Modules of every class, each with a signature it can serve: a label, or code."""
    label = any_module(depth, smallest=smallest).map(lambda module: (module, LABEL))
    return label | any_module(depth, smallest=smallest, code=True).map(lambda module: (module, CODE))


def any_module(depth: int = 2, *, smallest: bool = False, code: bool = False) -> st.SearchStrategy[Module]:
    """Modules that can answer ``LABEL``; of every class but ``Execute``, which answers with code.

    Args:
        depth: How deep they nest.
        smallest: Only as often as need be, for tests that run them.
        code: Modules that can answer ``CODE`` instead, ``Execute`` among them.
    """
    plain: st.SearchStrategy[Module] = st.sampled_from([Predict(), ChainOfThought(), ChainOfThought(brief=True)])
    if depth == 0:
        return plain
    inner = any_module(depth - 1, smallest=smallest, code=code)
    other = any_module(depth - 1, smallest=smallest)  # what is asked of a judge or a router is no code

    def upto(low: int, high: int) -> st.SearchStrategy[int]:
        return st.just(low) if smallest else st.integers(low, high)

    heat = st.none() | st.floats(0.1, 2.0)
    keys = st.just("treadle:text") if code else st.sampled_from(["treadle:value", "treadle:text"])
    judge = other | st.just("my_judge")
    executed = [st.builds(lambda i, r: Execute(i, rounds=r), inner, upto(1, 4))] if code else []
    helper = plain | st.builds(lambda i: Refine(i, rounds=1), plain)  # answers with text, which not all can
    critic = helper | st.just("my_critic")
    how = st.sampled_from(["majority", "verifier"])
    stop = st.sampled_from(["approved", "unchanged", "never"])
    order = st.sampled_from(["sequential", "parallel"])
    reads = st.sampled_from(["all", "ring", "star"])
    one = inner
    return st.one_of(
        plain,
        *executed,
        st.builds(
            lambda i, n, h, k, j, t: Vote(i, n=n, how=h, key=k, judge=j, temperature=t),
            one, upto(2, 5), how, keys, judge, heat,
        ),
        st.builds(lambda i, n, j: Vote(i, n=n, how="self_agreement", judge=j), one, upto(2, 5), inner),
        st.builds(lambda i, n, j, t: BestOf(i, n=n, judge=j, temperature=t), one, upto(2, 15), judge, heat),
        st.builds(
            lambda i, m, h, k, j: Panel(i, members=m, how=h, key=k, judge=j),
            one, st.just(("a", "b")), how, keys, judge,
        ),
        st.builds(lambda i, c, r, s: Refine(i, critic=c, rounds=r, stop=s), one, critic, upto(1, 4), stop),
        st.builds(lambda i, r: ProgressiveHint(i, rounds=r), one, upto(1, 6)),
        st.builds(
            lambda i, n, r, w, h, k, j: Debate(i, agents=n, rounds=r, reads=w, how=h, key=k, judge=j),
            one, upto(2, 9), upto(0, 4), reads, how, keys, judge,
        ),
        st.builds(lambda i, s, r: Summarize(i, summarizer=s, rounds=r), one, helper, upto(1, 4)),
        st.builds(lambda i, k: KNNDemos(i, k=k), one, upto(1, 32)),
        st.builds(lambda i, c, r: Compute(i, coder=c, rounds=r), one, helper, upto(0, 4)),
        st.builds(lambda a, b, r: Route(arms={"easy": a, "hard": b}, router=r), one, inner, other),
        st.builds(lambda i, t, n, k: Escalate(i, to=t, n=n, key=k), one, inner, upto(2, 9), keys),
        st.builds(
            lambda i, s, w, h, n, o, d: Decompose(
                i, splitter=s, worker=w, handlers={"counting": h, "other": "my_op"}, parts=n, order=o, depth=d
            ),
            one, plain, plain, plain, upto(1, 4), order, upto(1, 2),
        ),
        st.builds(lambda i, p: Plan(i, planner=p), one, helper),
        st.builds(lambda i, a, n: ReAct(i, tools=(LOOK_UP,), actor=a, steps=n), one, helper, upto(1, 5)),
    )  # fmt: skip


def one_of_each() -> list[Module]:
    """A module of every class of the library."""
    return [
        Predict(),
        ChainOfThought(),
        Vote(),
        BestOf(),
        Panel(members=("forwards", "backwards")),
        Refine(),
        Debate(),
        Summarize(),
        Execute(),
        Compute(),
        ReAct(tools=(LOOK_UP,)),
        Route(arms={"easy": Predict(), "hard": ChainOfThought()}),
        Escalate(),
        Decompose(),
        KNNDemos(),
        Plan(),
        ProgressiveHint(),
    ]


def signature_for(module: Module) -> Signature:
    """A signature the module can serve."""
    return CODE if isinstance(module, Execute) else LABEL


def lms(graph: Graph) -> Iterator[nodes.LM]:
    """The LM calls of a graph."""
    return (node for _, node in graph.walk() if isinstance(node, nodes.LM))


def calls(graph: Graph) -> int:
    """LM calls of one run, every region entered as often as it can be."""
    return _calls(graph.nodes)


def _calls(inside: tuple[Node, ...]) -> int:
    total = 0
    for node in inside:
        inner = [_calls(region.nodes) for region in node.regions]
        match node:
            case nodes.LM():
                total += 1
            case nodes.Replicate():
                total += node.count * sum(inner)
            case nodes.Map() | nodes.Loop():
                assert node.bound is not None
                total += node.bound * sum(inner)
            case nodes.Branch():
                total += max(inner)
    return total
