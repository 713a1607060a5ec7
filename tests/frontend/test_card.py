"""Programs in notebooks."""

from __future__ import annotations

import base64
from typing import Literal
from xml.etree import ElementTree

import treadle
from tests.pages import Page, check_accessible, check_harmless
from tests.test_escape import HOSTILE
from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate
from treadle.modules import ChainOfThought


@treadle.predict
def triage(ticket: str) -> Literal["billing", "shipping"]:
    """Choose the team."""
    ...


@treadle.predict(ChainOfThought())
def reply(ticket: str, team: str) -> str:
    """Draft a reply."""
    ...


@treadle.program
def support(ticket: str) -> str:
    return reply(ticket, triage(ticket))


@treadle.program
def patient(ticket: str) -> str:
    try:
        return reply(ticket, triage(ticket))
    except ValueError:
        return ""


@treadle.op
def shout(text: str) -> str:
    return text.upper()


@treadle.program
def bare(text: str) -> str:
    return shout(text)


def test_a_program_shows_its_graph_and_its_predictors() -> None:
    page = Page(support._repr_html_())
    check_harmless(page)
    check_accessible(page)
    (image,) = page.named("img")
    assert image["alt"] == "The graph of support: its steps are reply, triage"
    assert ElementTree.fromstring(base64.b64decode(image["src"].partition(",")[2])).tag.endswith("svg")
    for text in ("ticket: str → support: str", "ChainOfThought", "Choose the team.", "Literal['billing', 'shipping']"):
        assert text in page.text


def test_a_program_in_host_mode_says_why() -> None:
    page = Page(patient._repr_html_())
    check_accessible(page)
    assert not page.named("img")
    assert "host mode" in page.text
    assert "line" in page.text


def test_a_program_without_steps_is_shown() -> None:
    check_accessible(Page(bare._repr_html_()))


def test_what_search_has_chosen_is_in_force_and_where_it_comes_from_is_said() -> None:
    values: dict[str, JSON] = {
        "triage.instruction": "Look for words.",
        "reply.demos": [{"inputs": {}, "outputs": {}, "origin": "labelled"}],
    }
    scores: dict[str, JSON] = {"start": 0.25, "winner": 0.75, "n": 60, "verdict": "better"}
    made: dict[str, JSON] = {"optimizer": "mipro", "seed": 3, "metric": "exact", "scores": scores}
    text = Page(support.with_candidate(Candidate(values=values)).with_provenance(made)._repr_html_()).text
    assert "Look for words." in text
    assert "Choose the team." not in text
    assert "compiled by mipro, seed 3; exact 0.250 before, 0.750 after on 60 examples: better" in text


def test_hostile_text_stays_text() -> None:
    found = support.with_candidate(Candidate(values={"triage.instruction": HOSTILE}))
    page = Page(found.with_provenance({"optimizer": HOSTILE})._repr_html_())
    check_harmless(page)
    assert "<script>" in page.text
    assert "\x1b" not in page.text
