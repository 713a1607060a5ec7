"""What a load asks of its caller: ops, LMs, the program; and what it does when the program has changed."""

import dataclasses
import json
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from tests.artifact.programs import (
    DEMO,
    REPLY,
    TICKET,
    TRIAGE,
    TUNED,
    answer,
    graph,
    predictors,
    program_of,
    scripted,
    tuned,
)
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.artifact.load import loads
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ArtifactError, ConfigurationError
from treadle.compiler.frontend.decorators import op, predict, program
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.signature import Signature, Slot

TEXT = dumps(tuned())
OFFLINE = LM("offline", temperature=0.2)


def refused(text: str, says: str, **how: Any) -> None:
    with pytest.raises(ArtifactError, match=says):
        loads(text, **how)


# --- ops -------------------------------------------------------------------------------------------------------------


@op
def policies(team: str) -> list[str]:
    return [f"The policy of {team}."]


def test_ops_are_given_by_name_and_never_come_from_the_file() -> None:
    text = dumps(program_of(graph(op="policies"), {"policies": policies.op}))
    assert json.loads(text)["ops"] == ["policies"]
    refused(text, r"\$\.ops: calls policies, which the file names and does not hold: load with ops=\[policies\]")
    for given in (policies, policies.op, policies.op.function):
        loaded = loads(text, ops=[given], lm=scripted())
        assert loaded(ticket="Where is it?").text == "We trace it."
    assert dumps(loads(text, ops=[policies])) == text


def test_an_op_the_program_does_not_call_is_an_error() -> None:
    refused(TEXT, "does not call policies; it calls no ops of yours", ops=[policies])
    with pytest.raises(ConfigurationError, match="two functions called 'policies'"):
        loads(TEXT, ops=[policies, policies])
    with pytest.raises(ConfigurationError, match="ops takes functions"):
        loads(TEXT, ops=["policies"])  # type: ignore[list-item]


def test_an_op_that_gained_effects_is_refused() -> None:
    text = dumps(program_of(graph(op="policies"), {"policies": policies.op}))
    refused(text, "had no effects when the file was written", ops=[dataclasses.replace(policies.op, effects=True)])


def test_library_ops_resolve_themselves() -> None:
    assert json.loads(TEXT)["ops"] == ["treadle:majority", "treadle:value"]
    document = json.loads(TEXT.replace("treadle:value", "treadle:oracle"))
    refused(json.dumps(document), "later one wrote the file; upgrade|treadle:oracle")


# --- LMs -------------------------------------------------------------------------------------------------------------


def noting(seen: list[str], note: str = "") -> LM:
    """An LM that notes who was asked."""

    def reply(request: Request) -> JSON:
        seen.append(note or request.model)
        return answer(request)

    return Scripted(reply)


def two_models() -> str:
    values = {"reply.model": "large"}
    bound = {"large": LM("http://127.0.0.1:9/v1", model="large")}
    made = program_of(graph()).bind(lm=LM("offline")).bind(lm=bound)
    return dumps(made.with_candidate(Candidate(values=values)))


def test_one_lm_answers_whatever_the_file_records() -> None:
    seen: list[str] = []
    lm = noting(seen)
    loads(two_models(), lm=lm)(ticket="x")
    assert set(seen) == {lm.model}


def test_a_recorded_name_without_an_lm_is_an_error() -> None:
    refused(two_models(), r"records the models large, offline, and lm= has no LM for large", lm={"offline": "offline"})


def test_lms_by_recorded_name() -> None:
    seen: list[str] = []
    loads(two_models(), lm={"offline": noting(seen, "small"), "large": noting(seen, "large")})(ticket="x")
    assert seen == ["small", "large"]


def test_an_lm_under_a_name_the_file_does_not_record_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="gpt-4; the file records large, offline"):
        loads(two_models(), lm={"offline": "offline", "large": "offline", "gpt-4": "offline"})


def test_another_decoding_of_the_same_model_is_said() -> None:
    with pytest.warns(UserWarning, match=r"compiled with temperature=0\.2 on offline, and the LM given has None"):
        loads(TEXT, lm="offline")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loads(TEXT, lm=scripted())


# --- onto a program --------------------------------------------------------------------------------------------------


def declared(**changes: Predictor) -> Program[..., Any]:
    return program_of(graph({**predictors(), **changes}))


def test_values_go_onto_the_same_program() -> None:
    given = declared()
    loaded = loads(TEXT, program=given, lm=OFFLINE)
    assert dict(loaded.candidate.values) == dict(TUNED)
    assert dumps(loaded) == TEXT
    assert given.candidate == Candidate()


def test_a_reworded_default_instruction_warns() -> None:
    given = declared(triage=Predictor(signature=TRIAGE.with_instruction("Pick the team."), demos=(DEMO,)))
    with pytest.warns(UserWarning, match="instruction of 'triage' has been reworded .* the tuned one is used"):
        loaded = loads(TEXT, program=given)
    assert dict(loaded.candidate.values) == dict(TUNED)


def other_fields() -> Program[..., Any]:
    signature = dataclasses.replace(REPLY, inputs=(TICKET, Slot(name="policies", annotation=list[str], default=[])))
    return declared(reply=dataclasses.replace(predictors()["reply"], signature=signature))


def test_changed_fields_refuse_that_predictor() -> None:
    refused(
        TEXT,
        r"the fields of 'reply' have changed: .*\n.*\n.*fields\n.*- policies: list\[str\]\n",
        program=other_fields(),
    )


def test_what_still_fits_is_taken_when_asked_for() -> None:
    with pytest.warns(UserWarning, match="the fields of 'reply' have changed"):
        loaded = loads(TEXT, program=other_fields(), strict=False)
    assert dict(loaded.candidate.values) == {k: v for k, v in TUNED.items() if k.startswith("triage")}


def test_a_changed_graph_refuses_with_a_diff() -> None:
    given = program_of(graph(op="policies"), {"policies": policies.op})
    refused(TEXT, r"(?s)the program has changed since the file was written:.*ops\n.*\+ policies", program=given)
    with pytest.warns(UserWarning, match="has changed since"):
        loaded = loads(TEXT, program=given, strict=False)
    assert dict(loaded.candidate.values) == dict(TUNED)


def test_a_predictor_that_is_gone_is_said() -> None:
    refused(TEXT, "no predictor 'reply' any more", program=program_without_reply())


def program_without_reply() -> Program[..., Any]:
    signature = Signature(name="support", inputs=(TICKET,), outputs=TRIAGE.outputs)
    g = GraphBuilder("support", signature)
    made = g.finish(g.step("triage", "triage", TRIAGE, g.inputs), {"triage": predictors()["triage"]})
    return program_of(made, signature=signature)


# --- renaming --------------------------------------------------------------------------------------------------------


def test_a_file_follows_a_renaming() -> None:
    loaded = loads(TEXT, rename={"triage": "route"}, lm=OFFLINE)
    assert set(loaded.predictors) == {"reply", "route"}
    assert loaded.predictors["route"].signature.outputs[0].name == "route"
    values = loaded.candidate.values
    assert values["route.instruction"] == TUNED["triage.instruction"]
    assert values["reply.from_route"] is True
    assert values["route/vote.n"] == 7
    demos = values["route.demos"]
    assert isinstance(demos, list)
    assert [list(demo["outputs"]) for demo in demos] == [["route"], ["route"]]
    assert loaded.predictors["route"].demos[0].outputs == {"route": "billing"}
    assert dumps(loads(dumps(loaded), rename={"route": "triage"}, lm=OFFLINE)) == TEXT


def test_an_op_is_renamed_too() -> None:
    text = dumps(program_of(graph(op="policies"), {"policies": policies.op}))
    rules = Op(name="rules", function=policies.op.function)
    assert loads(text, rename={"policies": "rules"}, ops=[rules], lm=scripted())(ticket="x").text == "We trace it."


@pytest.mark.parametrize(
    ("rename", "says"),
    [
        ({"answer": "x"}, "no predictor or op 'answer'"),
        ({"reply": "triage"}, "that name is taken"),
        ({"reply": "a b"}, "no name"),
        ({"reply": "x", "triage": "x"}, "two names become one"),
    ],
)
def test_a_renaming_that_makes_no_sense_is_refused(rename: Mapping[str, str], says: str) -> None:
    refused(TEXT, says, rename=rename)


# --- host mode -------------------------------------------------------------------------------------------------------


@predict
def label(ticket: str) -> Literal["yes", "no"]:
    """Say whether it is urgent."""
    ...


@program
def hosted(ticket: str) -> str:
    """Comments and this text are not part of the function's identity."""
    while True:
        return label(ticket)


@program(name="hosted")
def hosted_later(ticket: str) -> str:
    while True:
        said = label(ticket)
        return said.upper()


HOST_VALUES: Mapping[str, JSON] = {"label.instruction": "Is it urgent?", "label.module": {"module": "chain_of_thought"}}


def host_text() -> str:
    return dumps(hosted.with_candidate(Candidate(values=HOST_VALUES)))


def test_a_host_mode_file_holds_no_graph_and_loads_only_with_its_program() -> None:
    document = json.loads(host_text())
    assert (document["capture"], document["graph"]) == ("host", None)
    refused(host_text(), r"\$\.capture: .*load it with program=hosted")
    loaded = loads(host_text(), program=hosted, lm=Scripted(lambda _: {"reasoning": "so", "label": "yes"}))
    assert loaded(ticket="x") == "yes"
    assert dict(loaded.candidate.values) == dict(HOST_VALUES)
    assert dumps(loads(host_text(), program=hosted)) == host_text()


def test_a_host_mode_function_that_changed_is_refused_unless_asked_for() -> None:
    refused(host_text(), r"(?s)changed since.*source\n.*the function's text has changed", program=hosted_later)
    with pytest.warns(UserWarning, match="changed since"):
        loaded = loads(host_text(), program=hosted_later, strict=False)
    assert dict(loaded.candidate.values) == dict(HOST_VALUES)


def test_a_host_mode_file_with_an_edge_is_refused() -> None:
    document = json.loads(host_text())
    document["edits"].insert(0, {"op": "add_context_edge", "target": "label", "args": {"source": "label"}})
    refused(json.dumps(document), "in host mode has none", program=hosted)
