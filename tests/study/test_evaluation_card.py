"""Evaluations in notebooks."""

from __future__ import annotations

import pytest

import treadle
from tests.pages import Page, check_accessible, check_harmless
from tests.study.quiz import KEY, hostile, lm, metric, quiz, rows
from tests.test_escape import HOSTILE
from treadle.compiler.lm.scripted import Scripted


def test_an_evaluation_shows_its_score_what_failed_and_the_lowest_scores() -> None:
    found = treadle.evaluate(quiz, rows(40), metric, lm=lm())
    page = Page(found._repr_html_())
    check_harmless(page)
    check_accessible(page)
    low, high = found.interval
    for text in (f"{found.score:.1%}", f"{low:.1%} to {high:.1%}", "40 LM calls", "2 runs failed", "no such question"):
        assert text.replace("40 LM calls", "40") in page.text
    assert "should be right: n" in page.text


def test_hostile_text_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", KEY)
    note = hostile().replace("\ud800", "")
    found = treadle.evaluate(quiz, rows(40, note), metric, lm=Scripted(lambda request: HOSTILE + KEY))
    page = Page(found._repr_html_())
    check_harmless(page)
    assert "<script>" in page.text
    assert KEY not in page.text
    assert "\x1b" not in page.text
