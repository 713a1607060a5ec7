"""Edits in a file: every kind is written, read, run and said; parameters may be those of predictors an edit makes."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import pytest

import treadle
from treadle.compiler.artifact.emit import contents_of, dumps
from treadle.compiler.artifact.load import loads
from treadle.compiler.artifact.show import described
from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import ArtifactError
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.graph.rewrite import OPS, describe, rewrites_of
from treadle.compiler.lm.protocol import Request
from treadle.modules import ChainOfThought, Vote

Team = Literal["billing", "shipping"]
Edit = dict[str, Any]


@treadle.predict
def triage(ticket: str, tone: str = "kind") -> Team:
    """Choose the team."""
    ...


@treadle.predict(Vote(n=3, key="treadle:text"))
def reply(ticket: str, team: Team) -> str:
    """Reply."""
    ...


@treadle.predict
def polish(text: str) -> str:
    """Polish."""
    ...


@treadle.program
def desk(ticket: str, tone: str) -> str:
    """Answer, and answer the answer."""
    first = polish(reply.reading(triage=tone)(ticket, triage(ticket, tone)))
    return polish(f"{first}{triage(first, tone)}")


def edit(op: str, target: str, **args: JSON) -> Edit:
    return {"op": op, "target": target, "args": args}


SHORTEN = edit("insert_step", "reply", field="ticket", name="shorten", instruction="Make it short.")
COPY = edit("copy", "polish", name="again", steps=["polish#2"])

EDITS: list[tuple[Edit, dict[str, int], int]] = [
    (edit("swap_module", "triage", module=ChainOfThought().to_json()), {}, 7),
    (edit("change_knobs", "reply", knobs={"vote.n": 5}), {}, 9),
    (edit("swap_model", "reply", model="large"), {}, 7),
    (edit("add_context_edge", "polish", source="reply"), {}, 7),
    (edit("prune_context_edge", "reply", source="triage"), {}, 7),
    (edit("drop_input", "triage", field="tone"), {}, 7),
    (edit("add_input", "triage", field="tone", values={"triage": "n2", "triage#2": "n2"}), {}, 7),
    (SHORTEN, {"shorten": 1}, 8),
    (edit("bypass", "polish", input="text"), {"polish": 1}, 6),
    (COPY, {"polish": 1, "again": 1}, 7),
    (edit("tie", "again", into="polish"), {}, 7),
    (edit("normalise", ""), {}, 7),
]
"""Every kind of edit, steps it changes, LM calls of a run."""

BEFORE: Mapping[str, list[Edit]] = {"add_input": [edit("drop_input", "triage", field="tone")], "tie": [COPY]}
STEPS = {"triage": 2, "reply": 1, "polish": 2}


def answer(request: Request) -> JSON:
    """Answers by what is asked for; a prompt that differs gives another text."""
    fields: Any = request.schema["properties"] if request.schema else {}
    if fields:
        return {name: "billing" if "enum" in str(kind) else "because" for name, kind in fields.items()}
    return f"text {digest([message.content for message in request.messages])}"


def ran(program: Program[..., Any]) -> tuple[Any, dict[str, int], list[str]]:
    """The value, steps by predictor, and every prompt."""
    lm = treadle.Scripted(answer)
    value, trace = program.bind(lm={"scripted": lm, "large": lm}).bind(lm=lm).traced(ticket="late", tone="plain")
    steps = Counter(span.name.partition("#")[0] for span in trace.spans if span.kind == "step")
    return value, dict(steps), ["".join(m.content for m in call.messages or ()) for call in trace.calls()]


def with_values(values: Mapping[str, JSON]) -> Program[..., Any]:
    return desk.with_candidate(Candidate(values=values))


def test_every_rewrite_a_file_may_hold_is_here() -> None:
    assert {found["op"] for found, _, _ in EDITS} == {name for name, op in OPS.items() if op.stored}


@pytest.mark.parametrize(("given", "steps", "calls"), EDITS, ids=[found["op"] for found, _, _ in EDITS])
def test_an_edit_is_written_read_run_and_said(given: Edit, steps: dict[str, int], calls: int) -> None:
    listed = [*BEFORE.get(given["op"], []), given]
    edited = with_values({".edits": listed})
    value, taken, prompts = ran(edited)
    assert (taken, len(prompts)) == ({**STEPS, **steps}, calls)
    document = dumps(edited)
    assert json.loads(document)["edits"] == listed
    loaded = loads(document)
    assert ran(loaded) == (value, taken, prompts)
    assert dumps(loaded) == document
    for said in (described(contents_of(edited)), str(treadle.diff(desk, edited))):
        for rewrite in rewrites_of({".edits": listed}):
            assert describe(rewrite) in said


FURTHER: list[tuple[dict[str, JSON], str]] = [
    ({"again.instruction": "Polish it again."}, "+ Polish it again."),
    ({"again.module": ChainOfThought().to_json()}, "+ ChainOfThought()"),
    ({"again.from_reply": True}, "+ reply"),
    ({"shorten.instruction": "Say it in one word."}, "+ Say it in one word."),
    ({"reply.from_shorten": True}, "+ shorten"),
    ({"again/chain_of_thought.brief": True, "again.module": ChainOfThought().to_json()}, "brief=True"),
]


@pytest.mark.parametrize(("values", "said"), FURTHER, ids=["+".join(values) for values, _ in FURTHER])
def test_what_an_edit_makes_has_parameters_like_all_others(values: dict[str, JSON], said: str) -> None:
    only: dict[str, JSON] = {".edits": [COPY, SHORTEN]}
    before, after = with_values(only), with_values({**only, **values})
    assert ran(after)[2] != ran(before)[2]
    loaded = loads(dumps(after))
    assert ran(loaded) == ran(after)
    assert dict(loaded.candidate.values) == dict(after.candidate.values)
    assert said in str(treadle.diff(desk, after))


def test_edits_may_build_on_one_another() -> None:
    listed = [COPY, edit("swap_module", "again", module=Vote(n=2, key="treadle:text").to_json()), SHORTEN]
    edited = with_values({".edits": listed})
    assert len(ran(edited)[2]) == 9
    assert ran(loads(dumps(edited))) == ran(edited)


def test_a_pruned_edge_of_the_programs_own_is_said() -> None:
    pruned = with_values({"reply.from_triage": False})
    assert str(treadle.diff(desk, pruned)) == "reply\n  also reads\n    - triage"
    assert "Context from triage" in "".join(ran(desk)[2])
    assert "Context from triage" not in "".join(ran(pruned)[2])
    assert ran(loads(dumps(pruned))) == ran(pruned)


@pytest.mark.parametrize(
    ("listed", "path", "said"),
    [
        ([edit("swap_module", "", module=None)], "$.edits[0].target", "names no predictor"),
        ([edit("bypass", "", input="text")], "$.edits[0]", "no step ''"),
        ([COPY, COPY], "$.edits[1]", "no free name|its steps are"),
        ([edit("normalise", "", n=1)], "$.edits[0].args.n", "unknown field"),
    ],
)
def test_edits_that_do_not_fit_are_refused_with_their_path(listed: list[Edit], path: str, said: str) -> None:
    document = json.loads(dumps(desk))
    with pytest.raises(ArtifactError, match=said) as caught:
        loads(json.dumps({**document, "edits": listed}))
    assert caught.value.path.startswith(path)


def test_a_parameter_of_a_predictor_that_an_edit_has_taken_away_is_refused() -> None:
    document = json.loads(dumps(with_values({".edits": [COPY, edit("tie", "again", into="polish")]})))
    with pytest.raises(ArtifactError, match="there is no predictor 'again'"):
        loads(json.dumps({**document, "parameters": {"again.instruction": "x"}}))
