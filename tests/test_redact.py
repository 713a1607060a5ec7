from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.canonical import JSON
from treadle.compiler.redact import REDACTED, Secret, redact, redact_json, refresh, register

KEY = "zq8-planted-canary-4471"


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "HF_TOKEN", "MY_SECRET", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "DB_PASSWORD", "APIKEY"],
)
def test_values_of_key_variables_are_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, KEY)
    assert redact(f"before {KEY} after {KEY}") == f"before {REDACTED} after {REDACTED}"


@pytest.mark.parametrize("name", ["HOME", "MAX_TOKENS", "KEYBOARD", "TREADLE_LM"])
def test_other_variables_are_not(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "an ordinary-value-1")
    assert redact("an ordinary-value-1") == "an ordinary-value-1"


def test_a_changed_value_is_found_after_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "first-value-123")
    redact("warm")
    monkeypatch.setenv("SOME_API_KEY", "second-value-123")
    refresh()
    assert redact("second-value-123") == REDACTED


def test_a_registered_key_is_found_in_every_spelling() -> None:
    register('pläin/key+with="quotes"')
    for spelling in (
        'pläin/key+with="quotes"',
        "pl%C3%A4in%2Fkey%2Bwith%3D%22quotes%22",
        'pl\\u00e4in/key+with=\\"quotes\\"',
    ):
        assert redact(f"x {spelling} y") == f"x {REDACTED} y"


@pytest.mark.parametrize("value", ["none", "EMPTY", "1234567", "notneeded", "postgres"])
def test_placeholders_do_not_blacken_texts(value: str) -> None:
    register(value)
    assert redact(f"the word {value} stays") == f"the word {value} stays"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key sk-proj-abcDEF123456_789 used", "key [redacted] used"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [redacted]"),
        ('{"authorization": "bearer ABCDEFGHIJKLMNOPQRSTUVWX"}', '{"authorization": "bearer [redacted]"}'),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [redacted]"),
        ("GET /v1?api_key=hello&x=1", "GET /v1?api_key=[redacted]&x=1"),
        ("GET /v1?x=1&key=AB", "GET /v1?x=1&key=[redacted]"),
        ("x-api-key: 1234abcd", "x-api-key: [redacted]"),
        ('"api_key": "1234abcd"', '"api_key": "[redacted]"'),
        ("https://me:hunter2@host/v1", "https://me:[redacted]@host/v1"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("hf_abcdefghijklmnopqrstuvwx", "[redacted]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[redacted]"),
    ],
)
def test_what_looks_like_a_key_is_found(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "a task-management-system and a risk-assessment-form",
        "The bearer of this card, bearer certificates, the bearer instruments",
        "What is the key=value format? Is my api key: missing",
        "https://example.com:8000/a@b and the ratio 3://4",
        "sk-short",
        "",
    ],
)
def test_ordinary_text_stays_the_same_object(text: str) -> None:
    assert redact(text) is text


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_known_key_never_survives(before: str, after: str) -> None:
    register(KEY)
    assert KEY not in redact(before + KEY + after)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("zq8-very-secret-99")
    assert secret.reveal() == "zq8-very-secret-99"
    assert {str(secret), repr(secret), f"{secret}", f"{[secret]}"} == {REDACTED, f"[{REDACTED}]"}
    assert redact("zq8-very-secret-99") == REDACTED
    assert secret == Secret("zq8-very-secret-99")
    assert secret != Secret("zq8-very-secret-98")
    with pytest.raises(TypeError, match="not written anywhere"):
        copy.copy(secret)


@pytest.mark.parametrize("key", ["sk-abcdefghijklmnop123", "Bearer\nabcdef123456", "https://host/?api_key=abc"])
def test_keys_are_found_in_every_text_of_a_value(key: str) -> None:
    value: JSON = {"lines": ["first", f"second\n{key}"], "deep": [{"deeper": (key,)}, None, 1.5], key: True}
    cleaned = redact_json(value)
    assert key not in str(cleaned)
    assert cleaned == {
        "lines": ["first", f"second\n{redact(key)}"],
        "deep": [{"deeper": [redact(key)]}, None, 1.5],
        redact(key): True,
    }


def test_a_value_without_keys_is_returned_as_it_is() -> None:
    value: JSON = {"text": "nothing", "rows": [1, "two", {"three": None}]}
    assert redact_json(value) is value


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_value_is_cleaned_as_its_texts_are(value: JSON) -> None:
    def one_by_one(part: JSON) -> JSON:
        if isinstance(part, str):
            return redact(part)
        if isinstance(part, dict):
            return {redact(name): one_by_one(inner) for name, inner in part.items()}
        return [one_by_one(inner) for inner in part] if isinstance(part, list) else part

    assert redact_json(value) == one_by_one(value)
