"""The page of a report: whole, self-contained, under a megabyte, harmless whatever the data say."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import treadle
from tests.pages import Page, check_accessible, check_harmless
from tests.study.quiz import KEY, Tries, compiled, hostile_report, report
from treadle.compiler.artifact.diff import Change, Diff
from treadle.compiler.study.report_charts import ticks
from treadle.compiler.study.report_examples import Judged, Side
from treadle.compiler.study.report_page import LARGEST

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="headless Chromium is not installed")


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", KEY)


@pytest.mark.parametrize("count", [12, 60, 200])
def test_a_page_is_whole_and_harmless(count: int) -> None:
    page = Page(report(count).html())
    check_harmless(page)
    check_accessible(page)
    for title in ("What changed", "Wins and losses", "The search", "Parameter importance", "Stages and spend"):
        assert title in page.text


def test_it_holds_what_the_report_holds() -> None:
    found = report()
    assert found.comparison is not None
    text = Page(found.html()).text
    assert f"{found.comparison.winner:.1%}" in text
    for one in found.candidates:
        assert one.id in text
        assert one.origin in text
    for stage in found.stages:
        assert stage.name in text
    for example in found.examples:
        if example.difference:
            assert example.fields["question"] in text
    assert "Be good." in text
    assert all(warning in text for warning in found.warnings)


def test_every_link_leads_to_a_candidate_on_the_page() -> None:
    page = Page(report().html())
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    links = [attributes["href"] for attributes in page.named("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(ids) == len(set(ids))


def test_charts_stay_inside_their_frame() -> None:
    text = report().html()
    numbers = re.findall(r' (?:[xyr]|[xy][12]|c[xy]|width|height)="([^"]+)"', text)
    places = [float(number) for path in re.findall(r' d="([^"]+)"', text) for number in re.findall(r"[\d.]+", path)]
    assert places
    assert all(0 <= float(number) <= 760 for number in (*numbers, *places))


def test_scores_that_are_no_shares_are_shown_as_they_are() -> None:
    found = report()
    assert found.comparison is not None
    worse = dataclasses.replace(found.comparison, start=-12.0, winner=-3.0, difference=9.0, low=4.0, high=11.0)
    text = Page(dataclasses.replace(found, comparison=worse).html()).text
    assert "-12" in text
    assert "points" not in text


def test_nothing_found_is_a_page_too() -> None:
    page = Page(compiled(60, optimizer=Tries(instructions=())).report.html())
    check_harmless(page)
    assert "Nothing was found" in page.text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    found = hostile_report()
    text = found.html()
    page = Page(text)
    check_harmless(page)
    check_accessible(page)
    assert KEY not in text
    assert "<script>" in page.text
    assert "[bold]rich[/bold]" in page.text
    assert "\u202b" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2028\ufffe]", text)


def large() -> treadle.Report:
    """A report with thousands of candidates, examples and lines, all long."""
    found, long = report(), "ü<&\"'" * 500
    candidates = tuple(
        dataclasses.replace(one, id=f"{number:012x}", origin=f"try {number} {long[:50]}")
        for number in range(500)
        for one in found.candidates[1:]
    )
    side = Side(score=0.5, prediction=long, feedback=long)
    judged = [
        Judged(example=f"{n}", row=n, fields={"q": long}, before=dataclasses.replace(side, score=n % 3 / 2), after=side)
        for n in range(1000)
    ]
    changes = [Change(subject=f"p{n}", what="instruction", lines=(f"+ {long}",) * 300) for n in range(10)]
    effects = [
        dataclasses.replace(effect, address=f"p{n}.x{long[:90]}") for effect in found.importance for n in range(300)
    ]
    return dataclasses.replace(
        found,
        candidates=(found.candidates[0], *candidates),
        examples=tuple(judged),
        diff=Diff(tuple(changes)),
        importance=tuple(effects),
        stages=tuple(dataclasses.replace(stage, notes=(long,) * 13) for stage in found.stages),
        warnings=(long,) * 50,
        objectives={f"{n}{long}": found.objectives["length"] for n in range(50)},
    )


def test_a_page_stays_under_a_megabyte() -> None:
    text = large().html()
    assert len(text.encode()) < LARGEST
    check_harmless(Page(text))


def test_a_notebook_gets_a_card() -> None:
    for found in (report(), hostile_report()):
        text = found._repr_html_()
        check_harmless(Page(text))
        assert len(text) < 200_000
        assert KEY not in text
    assert "What changed" in Page(report()._repr_html_()).text


def test_ticks_are_round_numbers_inside_the_range() -> None:
    assert ticks(0.31, 0.78) == [0.4, 0.5, 0.6, 0.7]
    assert ticks(5, 5) == [5]
    assert ticks(0, 4703, 6) == [0, 1000, 2000, 3000, 4000]


# --- in a browser ----------------------------------------------------------------------------------------------------


def browse(page: Path, *options: str) -> str:
    """What Chromium says of a page that may reach nothing; the page is loaded from a file."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={page.parent / 'profile'}",
        "--virtual-time-budget=2000", *options, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@needs_chromium
def test_a_browser_shows_the_page_and_runs_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text(hostile_report().html(), encoding="utf-8")
    shown = browse(tmp_path / "r.html", "--dump-dom", "--enable-logging=stderr")
    page = Page(shown)
    check_harmless(page)
    assert len(page.named("section")) == 5
    assert len(page.named("svg")) >= 3
    assert "alert" in page.text  # still text


@needs_chromium
@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits_the_window_in_light_and_dark(tmp_path: Path, width: int) -> None:
    """Measured by a script put into a copy of the page, whose policy is taken out: the page itself runs none."""
    probe = (
        "<script>document.title=[document.documentElement.scrollWidth<=innerWidth,"
        "getComputedStyle(document.body).backgroundColor].join(' ')</script>"
    )
    text = report().html().replace("Content-Security-Policy", "none", 1).replace("</body>", f"{probe}</body>")
    (tmp_path / "r.html").write_text(text, encoding="utf-8")
    seen = {}
    for name, scheme in (("light", 1), ("dark", 0)):
        options = (f"--window-size={width},900", f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom")
        seen[name] = re.findall("<title>(.*?)</title>", browse(tmp_path / "r.html", *options), re.DOTALL)[0]
    assert seen == {"light": "true rgb(255, 255, 255)", "dark": "true rgb(11, 17, 32)"}
