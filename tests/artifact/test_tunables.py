"""Numbers, choices, texts and code in a file: data, and code runs only where the caller has accepted it by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

import treadle
from treadle.compiler.errors import ArtifactError, ConfigurationError

limit = treadle.Parameter("limit", 2, low=1, high=9)
greeting = treadle.Parameter("greeting", "Hello")
LIMITS = treadle.Isolated(isolation="limits")


@treadle.op(trainable=True)
def shorten(text: str, most: int) -> str:
    """Shorten it."""
    return text[:most]


@treadle.program
def note(text: str) -> str:
    return f"{greeting()} {shorten(text, limit())}"


@treadle.program
def host(text: str) -> str:
    while True:
        return f"{greeting()} {shorten(text, limit())}"


CODE = "def shorten(text, most):\n    return text[-most:]\n"


def file(program: Any = note, **values: Any) -> str:
    space = program.space()
    candidate = space.candidate({f".{name}": value for name, value in values.items()})
    return treadle.dumps(program.with_candidate(candidate))


def test_values_come_back_without_the_users_parameters() -> None:
    text = file(limit=3, greeting="Hi")
    assert treadle.loads(text, ops=[shorten])(text="abcdef") == "Hi abc"
    assert treadle.loads(file(), ops=[shorten])(text="abcdef") == "Hello ab"


def test_code_is_refused_until_it_is_accepted_by_name() -> None:
    text = file(shorten=CODE)
    with pytest.raises(ArtifactError, match=r"carries code for shorten .* accept_code=\['shorten'\]"):
        treadle.loads(text, ops=[shorten])
    for ops in ([shorten], []):
        loaded = treadle.loads(text, ops=ops, accept_code=["shorten"]).bind(executor=LIMITS)
        assert loaded(text="abcdef") == "Hello ef"


def test_loading_runs_nothing() -> None:
    asked: list[str] = []

    def executor(request: str) -> str:
        asked.append(request)
        return '{"value": "x"}'

    loaded = treadle.loads(file(shorten=CODE), accept_code=["shorten"]).bind(executor=executor)
    assert not asked
    assert loaded(text="abc") == "Hello x"
    assert json.loads(asked[0])["code"] == CODE


def test_what_is_accepted_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match="accept_code names shorten; the file carries code for nothing"):
        treadle.loads(file(), ops=[shorten], accept_code=["shorten"])


def test_a_host_mode_program_takes_its_values() -> None:
    text = file(host, shorten=CODE, limit=4)
    with pytest.raises(ArtifactError, match="carries code for shorten"):
        treadle.loads(text, program=host)
    loaded = treadle.loads(text, program=host, accept_code=["shorten"]).bind(executor=LIMITS)
    assert loaded(text="abcdef") == "Hello cdef"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((".limit",), 99, "it takes 1 to 9"),
        ((".limit",), "a", "it takes a number"),
        ((".shorten",), "import os\ndef shorten(text, most):\n    return text", "imports 'os'"),
        ((".shorten",), "def shorten(text):\n    return text", "it must take"),
        ((".other",), 1, "there is no parameter 'other'"),
    ],
)
def test_a_changed_file_is_refused(path: tuple[str], value: Any, said: str) -> None:
    document = json.loads(file(limit=3, shorten=CODE))
    document["parameters"][path[0]] = value
    with pytest.raises(ArtifactError, match=said):
        treadle.loads(json.dumps(document), ops=[shorten], accept_code=["shorten"])


def test_a_changed_declaration_is_refused() -> None:
    document = json.loads(file(limit=3))
    document["tunable"]["spare"] = {"kind": "text", "default": "x"}
    with pytest.raises(ArtifactError, match="does not use 'spare'"):
        treadle.loads(json.dumps(document), ops=[shorten])
    document = json.loads(file(limit=3))
    document["tunable"]["limit"]["default"] = 100
    with pytest.raises(ArtifactError, match="it takes 1 to 9"):
        treadle.loads(json.dumps(document), ops=[shorten])


def test_a_diff_says_what_changed() -> None:
    space = note.space()
    changed = note.with_candidate(space.candidate({".limit": 5, ".shorten": CODE, ".greeting": "Good day"}))
    said = str(treadle.diff(note, changed))
    assert "limit\n    - 2\n    + 5" in said
    assert "code of shorten" in said
    assert "+     return text[-most:]" in said
    assert "greeting\n    - Hello\n    + Good day" in said
    assert not treadle.diff(note, note)


def test_a_parameter_can_be_renamed_and_code_cannot() -> None:
    text = file(limit=3)
    assert treadle.loads(text, ops=[shorten], rename={"limit": "most"})(text="abcdef") == "Hello abc"
    with pytest.raises(ArtifactError, match="compile again"):
        treadle.loads(file(shorten=CODE), rename={"shorten": "cut"}, accept_code=["shorten"])


def test_the_same_program_is_the_same_text() -> None:
    text = file(limit=3, shorten=CODE)
    again = treadle.loads(text, ops=[shorten, limit, greeting], accept_code=["shorten"])
    assert treadle.dumps(again) == text
