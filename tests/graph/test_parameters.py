"""Every kind of parameter: in the space of a program, by its address, and through JSON and back."""

import json
from typing import Any, Literal, get_args

import pytest

import treadle
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import GraphError
from treadle.compiler.graph.parameters import Candidate, Kind, Parameter, ParameterSpace
from treadle.compiler.space import active
from treadle.modules import ChainOfThought, Vote

limit = treadle.Parameter("limit", 20, low=1, high=90)
style = treadle.Parameter("style", "plain", choices=["plain", "short"])
greeting = treadle.Parameter("greeting", "Hello")


@treadle.predict
def triage(ticket: str) -> Literal["a", "b"]:
    """Choose."""
    ...


@treadle.predict
def rate(ticket: str) -> Literal["low", "high"]:
    """Rate."""
    ...


@treadle.op(trainable=True)
def shorten(text: str, most: int) -> str:
    """Shorten it."""
    return text[:most]


@treadle.program(require="graph")
def desk(ticket: str) -> str:
    """Uses one of each."""
    team = triage(ticket)
    return f"{greeting()} {style()} {team} {rate(shorten(ticket, limit()))}"


DEMO: JSON = {"inputs": {"ticket": "x"}, "outputs": {"triage": "b"}, "origin": "labelled"}
VALUES: dict[str, JSON] = {
    "triage.instruction": "Choose well:\n\u202e\x00 é 💥 {{ticket}}",
    "triage.demos": [DEMO],
    "triage.module": Vote(ChainOfThought()).to_json(),
    "triage.model": "large",
    "triage.temperature": 0.25,
    "triage/vote.n": 7,
    "triage/vote/chain_of_thought/predict.instruction": "Think.",
    "triage/vote/chain_of_thought/predict.demos": [],
    "rate.from_triage": True,
    ".limit": 3,
    ".style": "short",
    ".greeting": "Hi",
    ".shorten": "def shorten(text, most):\n    return text[-most:]\n",
    ".edits": [{"op": "insert_step", "target": "rate", "args": {"field": "ticket", "name": "tidy"}}],
}


def space() -> ParameterSpace:
    return desk.space(modules=[Vote(ChainOfThought())], models=["large"], temperature=(0, 1))


def test_a_program_shows_every_kind() -> None:
    found = space()
    assert {parameter.kind for parameter in found.values()} == set(get_args(Kind))
    assert set(VALUES) <= set(found)
    assert list(found) == sorted(found)
    for kind in get_args(Kind):
        assert {parameter.kind for parameter in found.only(kind=kind).values()} == {kind}


@pytest.mark.parametrize("address", VALUES)
def test_a_value_goes_through_json_and_back(address: str) -> None:
    one = space().candidate({address: VALUES[address]}, origin="test")
    assert dict(one.values) == {address: VALUES[address]}
    again = space().candidate(json.loads(canonical(dict(one.values))))
    assert again == one
    assert again.id == one.id
    assert space().value(again, address) == VALUES[address]
    assert space().candidate({address: space()[address].default}) == Candidate()


def test_all_of_them_make_one_candidate_whatever_their_order() -> None:
    one = space().candidate(VALUES)
    other = space().candidate(dict(reversed(list(VALUES.items()))))
    assert (one, one.id, list(one.values)) == (other, other.id, list(other.values))
    assert json.loads(canonical(dict(one.values))) == dict(one.values)


@pytest.mark.parametrize("address", [address for address in VALUES if address != ".edits"])
def test_a_program_file_keeps_the_value(address: str) -> None:
    module = {"triage.module": VALUES["triage.module"]} if address.startswith("triage/") else {}
    program = desk.with_candidate(space().candidate({**module, address: VALUES[address]}))
    lms: dict[str, Any] | None = {"large": treadle.LM("offline")} if address == "triage.model" else None
    accepted = ["shorten"] if address == ".shorten" else []
    loaded = treadle.loads(treadle.dumps(program), ops=[shorten], accept_code=accepted, lm=lms)
    assert loaded.candidate == program.candidate
    if lms is None:  # with an LM bound the file says how that decodes
        assert treadle.dumps(loaded) == treadle.dumps(program)


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("triage.instruction", 3),
        ("triage.instruction", "x" * 20_001),
        ("triage.demos", "none"),
        ("triage.module", {"module": "predict", "more": 1}),
        ("triage.model", "unheard of"),
        ("triage.temperature", 1.5),
        ("triage.temperature", True),
        ("triage/vote.n", 3.5),
        ("rate.from_triage", 1),
        (".limit", 91),
        (".style", "long"),
        (".greeting", None),
        (".shorten", []),
        (".edits", {}),
        ("triage.unheard_of", 1),
    ],
)
def test_what_a_parameter_cannot_be_is_refused(address: str, value: JSON) -> None:
    with pytest.raises(GraphError, match=r"cannot be|no parameter"):
        space().candidate({address: value})


def test_the_prefix_of_an_address_is_its_condition() -> None:
    predictors = desk.predictors
    inner = {address for address in VALUES if "/" in address}
    whole = space().candidate(VALUES)
    assert active(predictors, whole) == whole
    without = Candidate(values={address: value for address, value in VALUES.items() if address != "triage.module"})
    assert set(active(predictors, without).values) == set(without.values) - inner


def test_an_address_says_whose_it_is() -> None:
    found = {
        address: (Parameter(address=address, kind="text", default="").predictor, address.rpartition(".")[2])
        for address in VALUES
    }
    assert found["triage/vote/chain_of_thought/predict.demos"] == ("triage", "demos")
    assert found["rate.from_triage"] == ("rate", "from_triage")
    assert found[".edits"] == ("", "edits")
