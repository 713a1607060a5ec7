from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.lm.text import repair, sendable

ANY_TEXT = st.text(st.characters(codec=None))  # surrogates too


@pytest.mark.parametrize(
    ("text", "repaired", "what"),
    [
        ("plain", "plain", ""),
        ("emoji 👩‍🚀, bidi \u202e, é", "emoji 👩‍🚀, bidi \u202e, é", ""),
        ("half \ud83d", "half \ufffd", "surrogates"),
        ("a\0b", "a\ufffdb", "nul"),
        ("\udc00\0", "\ufffd\ufffd", "surrogates nul"),
    ],
)
def test_what_no_file_can_hold_is_replaced_and_named(text: str, repaired: str, what: str) -> None:
    assert repair(text) == (repaired, what)


@given(ANY_TEXT)
def test_a_repaired_text_can_be_written_and_is_as_long(text: str) -> None:
    repaired, what = repair(text)
    assert repaired.encode().decode() == repaired
    assert len(repaired) == len(text)
    assert bool(what) == (repaired != text)


@given(ANY_TEXT)
def test_a_sendable_text_has_an_encoding(text: str) -> None:
    assert sendable(text).encode()[:0] == b""
