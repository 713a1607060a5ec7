"""Text of data and replies does not act where it is shown."""

import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler import escape

HOSTILE = '\x1b]0;title\x07\x1b[2J\r\x9b31m\u202e[red]<script>alert("1")</script>&amp;\x00\ud800\ufffe\u2028]]>--%%;'


def test_plain_text_stays_as_it_is() -> None:
    for text in ("Where is my parcel?\n\tline two", "Grüße, 世界, 👩\u200d💻, مرحبا, می\u200cخواهم", ""):
        assert escape.plain(text) == text


@given(st.text(st.characters(exclude_categories=())) | st.just(HOSTILE))
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = escape.plain(text)
    assert all(
        character in "\n\t\u200c\u200d" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        for character in shown
    )
    shown.encode()


@given(st.text(st.characters(exclude_categories=())) | st.just(HOSTILE))
def test_xml_of_any_text_parses_to_that_text_made_plain(text: str) -> None:
    element = ElementTree.fromstring(f'<a title="{escape.xml(text)}">{escape.xml(text)}</a>')
    assert len(element) == 0
    assert (element.text or "") == escape.plain(text)


def test_html_of_a_hostile_text_has_no_tag() -> None:
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            tags.append(tag)

    Reader().feed(f"<p>{escape.xml(HOSTILE)}</p>")
    assert tags == ["p"]


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("one\n two\t three", 0, "one two three"),
        ("one two", 5, "one …"),
        ("a\x1b[0m\rb", 0, "a\\x1b[0m b"),
        ("", 4, ""),
    ],
)
def test_line(text: str, limit: int, shown: str) -> None:
    assert escape.line(text, limit) == shown
