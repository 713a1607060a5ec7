import dataclasses

from tests.optimizers.program import GRAPH, TICKET, Support, node, ref
from treadle.compiler.graph.nodes import Const, Expr, Graph, Input, Op, Output, Predictor, Step
from treadle.compiler.hints import from_string
from treadle.compiler.study.data import Example
from treadle.optimizers.wiring import inputs_from_labels, program_in_words, role_in_words

EXAMPLE = Example(id="e", inputs={"ticket": "late"}, labels={"triage": "T1", "ask": "when?"}, row=1)
PARTS = {
    "ask": Predictor(signature=from_string("ticket, tone -> ask", name="ask")),
    "tell": Predictor(signature=from_string("notes: list[str], asked -> tell", name="tell")),
}
# a program with a constant, and a function between its two steps
OTHER = Support(
    predictors=PARTS,
    graph=Graph(
        name="both",
        predictors=PARTS,
        nodes=(
            Input(id=node(0), slot=TICKET, types=(str,)),
            Const(id=node(1), value="kind", types=(str,)),
            Step(id=node(2), name="ask", predictor="ask", inputs=(("ticket", ref(0)), ("tone", ref(1))), types=(str,)),
            Op(id=node(3), op="look_up", inputs=(("key", ref(2)),), types=(list[str],)),
            Step(
                id=node(4), name="tell", predictor="tell", inputs=(("notes", ref(3)), ("asked", ref(2))), types=(str,)
            ),
            Output(id=node(5), value=ref(4)),
        ),
    ),
)


def test_inputs_of_a_step_come_from_program_inputs_and_labels() -> None:
    assert inputs_from_labels(Support(), "triage", EXAMPLE) == {"ticket": "late"}
    assert inputs_from_labels(Support(), "reply", EXAMPLE) == {"ticket": "late", "team": "T1"}


def test_a_missing_label_makes_no_demo_of_the_step_that_reads_it() -> None:
    assert inputs_from_labels(Support(), "reply", dataclasses.replace(EXAMPLE, labels={})) is None


def test_in_host_mode_inputs_go_by_name() -> None:
    assert inputs_from_labels(Support(graph=None), "triage", EXAMPLE) == {"ticket": "late"}
    assert inputs_from_labels(Support(graph=None), "reply", EXAMPLE) is None


def test_constants_count_and_what_a_function_makes_does_not() -> None:
    assert inputs_from_labels(OTHER, "ask", EXAMPLE) == {"ticket": "late", "tone": "kind"}
    assert inputs_from_labels(OTHER, "tell", EXAMPLE) is None


def test_pure_expressions_of_what_is_known_are_computed() -> None:
    looked_up = Expr(
        id=node(3), expression=["item", ["arg", 0], ["arg", 1]], inputs=(ref(1), ref(2)), types=(list[str],)
    )
    policies = Const(id=node(1), value={"when?": ["soon"]}, types=(dict[str, list[str]],))
    assert OTHER.graph is not None
    first, _, ask, _, *rest = OTHER.graph.nodes
    graph = dataclasses.replace(OTHER.graph, nodes=(first, policies, ask, looked_up, *rest))
    program = Support(predictors=PARTS, graph=graph)
    assert inputs_from_labels(program, "tell", EXAMPLE) == {"notes": ["soon"], "asked": "when?"}
    for labels in ({}, {"ask": "who?"}, {"ask": 5}):
        assert inputs_from_labels(program, "tell", dataclasses.replace(EXAMPLE, labels=labels)) is None


def test_a_predictor_with_two_steps_has_no_inputs_of_its_own() -> None:
    again = Step(id=node(9), name="triage#2", predictor="triage", inputs=(("ticket", ref(0)),), types=(str,))
    graph = dataclasses.replace(GRAPH, nodes=(*GRAPH.nodes[:-1], again, GRAPH.nodes[-1]))
    assert inputs_from_labels(Support(graph=graph), "triage", EXAMPLE) is None


def test_a_role_says_where_inputs_come_from_and_who_reads_the_answer() -> None:
    assert role_in_words(OTHER, "ask").splitlines() == [
        "ask(ticket: str, tone: str) -> str",
        "ticket comes from the program's input ticket",
        "tone comes from a constant",
        "its answer is read by function look_up as key",
        "its answer is read by step tell as asked",
    ]
    assert role_in_words(OTHER, "tell").splitlines()[1:] == [
        "notes comes from function look_up",
        "asked comes from step ask",
        "its answer is the program's result",
    ]


def test_in_host_mode_a_role_is_what_the_step_promises() -> None:
    assert role_in_words(Support(graph=None), "reply") == "reply(ticket: str, team: str) -> str"


def test_a_program_is_told_by_its_docstring_and_its_steps_in_order() -> None:
    told = program_in_words(Support())
    assert told.startswith("support(ticket: str) -> str\n\nAnswer tickets.\n\nStep triage(ticket: str) -> ")
    assert told.index("Step triage") < told.index("Step reply")
    assert "Step reply" in program_in_words(Support(graph=None))
