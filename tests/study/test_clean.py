from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.canonical import JSON
from treadle.compiler.redact import redact_json
from treadle.compiler.study.clean import clean

_TEXTS = st.text() | st.sampled_from(
    ["sk-abcdefghijklmnop123", "line\nsk-abcdefghijklmnop123", 'say "Bearer abcdef123456"', "Bearer\tabcdef123456"]
)
_VALUES: st.SearchStrategy[JSON] = st.recursive(
    _TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
)


@given(_VALUES)
def test_what_is_cleaned_is_what_is_read_back_and_holds_no_key(value: JSON) -> None:
    body, text = clean(value)
    assert body == redact_json(value)
    assert (body is value) == (redact_json(value) is value)
    assert json.loads(text) == body
    assert list(json.loads(text)) == list(body) if isinstance(body, dict) else True
    assert text.encode()


def test_a_number_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        clean({"score": float("nan")})


def test_a_lone_surrogate_is_escaped_and_the_word_nan_is_no_number() -> None:
    body: JSON = {"reply": "half \ud800", "word": "NaN and Infinity"}
    assert clean(body) == (body, '{"reply":"half \\ud800","word":"NaN and Infinity"}')
