"""HTML by hand: text stays text, markup stays markup."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pages import Page, check_accessible, check_harmless
from tests.test_escape import HOSTILE
from treadle.compiler import escape, html

TEXT = st.text(st.characters(exclude_categories=())) | st.just(HOSTILE)


@given(TEXT, TEXT)
def test_any_text_stays_text_as_content_and_as_attribute(content: str, attribute: str) -> None:
    page = Page(html.element("p", content, "!", title=attribute))
    assert page.tags == [("p", {"title": escape.plain(attribute)})]
    assert page.text == escape.plain(content) + "!"


@given(TEXT)
def test_a_page_made_of_any_text_is_harmless(text: str) -> None:
    parts = [
        html.section(text, html.told(text, 20), note=text),
        html.table(text, [text, text], [[text, html.told(text)]], numbers=(1,), ids=[text]),
        html.details(text, text, opened=True),
        html.figures({text: text}),
        html.picture(text, text or "x"),
    ]
    page = Page(html.page(text, *parts))
    check_harmless(page)
    check_accessible(page)


def test_markup_is_not_escaped_again() -> None:
    assert html.joined([html.element("b", "<"), "<"], " & ") == "<b>&lt;</b> &amp; &lt;"


def test_attributes_that_are_not_set_are_left_out() -> None:
    assert (
        html.element("details", open=True, id=None, hidden=False, tabindex=0) == '<details open tabindex="0"></details>'
    )


def test_keys_are_cut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "correct<horse>&battery-staple"
    monkeypatch.setenv("PLANTED_API_KEY", key)
    assert html.element("p", f"it is {key}", title=key) == '<p title="[redacted]">it is [redacted]</p>'


def test_a_picture_is_the_document_it_was_given() -> None:
    (image,) = Page(html.picture("<svg>é</svg>", "words")).named("img")
    assert base64.b64decode(image["src"].partition(",")[2]).decode() == "<svg>é</svg>"


def test_a_page_forbids_scripts_and_everything_from_elsewhere() -> None:
    page = Page(html.page("t", "x"))
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert page.named("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in page.named("meta"))


def test_a_fragment_changes_nothing_around_it() -> None:
    style = Page(html.fragment("x")).style
    rules = re.sub(r"@media\([^)]*\){", "", style).split("}")
    selectors = [one.strip() for rule in rules if "{" in rule for one in rule.partition("{")[0].split(",")]
    assert selectors
    assert all(selector.startswith(".treadle") for selector in selectors)


def test_colours_can_be_told_apart_from_their_backgrounds() -> None:
    for colours in (html._LIGHT, html._DARK):
        named = dict(pair.split(":") for pair in colours.split(";"))
        for text in ("--fg", "--muted", "--accent", "--good", "--bad", "--warn"):
            assert contrast(named[text], named["--bg"]) >= 4.5, text
        for text in ("--good", "--bad", "--warn"):
            assert contrast(named[text], named[f"{text}-bg"]) >= 4.5, text
            assert contrast(named["--fg"], named[f"{text}-bg"]) >= 4.5, text


def contrast(a: str, b: str) -> float:
    """The contrast ratio of two colours by WCAG 2."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
