"""Reports of real compiles: as text, as data, in files."""

from __future__ import annotations

import contextlib
import json
import stat
import unicodedata
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.study.quiz import KEY, Tries, compiled, hostile_report, report, rows
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.study.report_files import described, read


def test_it_tells_every_candidate_with_its_lineage() -> None:
    start, *tries = report().candidates
    assert [one.origin for one in (start, *tries)] == ["start", "try 0", "try 1", "try 2"]
    assert [one.parents for one in tries] == [(start.id,), (tries[0].id,), (tries[1].id,)]
    assert report().winner == tries[1].id
    assert [one.options for one in tries] == [{"answer.instruction": number} for number in (1, 2, 3)]


def test_stages_and_roles_add_up_to_what_was_spent() -> None:
    found = report()
    assert [stage.name for stage in found.stages] == ["estimate", "start", "tries", "verdict"]
    for name in ("calls", "tokens"):
        parts = [getattr(stage.total, name) for stage in found.stages]
        assert sum(parts) == getattr(found.spend.search, name)
        assert sum(getattr(amount, name) for amount in found.spend.by_role.values()) == sum(parts)
    tries = found.stages[2]
    assert tries.candidates == 3
    assert tries.notes == ("3 × trial (refused: 1 never)", "tried 0", "tried 1", "tried 2")


def test_the_curve_rises_to_the_best_search_score() -> None:
    found = report()
    best = max(one.score for one in found.candidates)
    assert [point.calls for point in found.curve] == sorted(point.calls for point in found.curve)
    assert found.curve[-1].score == pytest.approx(best)
    assert found.curve[0].score == pytest.approx(found.candidates[0].score)


def test_the_examples_are_those_of_the_verdict() -> None:
    found = report()
    assert found.comparison is not None
    assert len(found.examples) == found.comparison.n
    assert sum(example.difference > 0 for example in found.examples) == found.comparison.wins
    assert sum(example.difference < 0 for example in found.examples) == found.comparison.losses
    mean = sum(example.difference for example in found.examples) / len(found.examples)
    assert mean == pytest.approx(found.comparison.difference)
    won = next(example for example in found.examples if example.difference > 0)
    assert won.fields["question"].startswith("question ")
    assert won.after.prediction.startswith("right ")
    assert found.objectives["length"].before == 0.25


def test_under_a_hundred_examples_they_are_those_of_the_folds() -> None:
    found = report(60)
    assert found.comparison is not None
    assert found.comparison.cross_fitted
    mean = sum(example.difference for example in found.examples) / len(found.examples)
    assert mean == pytest.approx(found.comparison.difference)
    assert "each by what was chosen without it" in str(found)


def test_where_nothing_better_was_found_it_says_so() -> None:
    found = compiled(60, optimizer=Tries(instructions=())).report
    assert found.comparison is None
    assert not found.examples
    assert "nothing was found that differs" in str(found)
    assert "Nothing was found that differs" in found.html()
    assert json.loads(json.dumps(found.to_json()))["comparison"] is None


def test_where_folds_chose_something_and_all_together_the_start_the_comparison_is_told_and_the_program_stays() -> None:
    found = compiled(60, optimizer=Tries(instructions=("Be bad.",)))
    assert found.report.comparison is not None
    assert found.report.comparison.verdict == "not shown"
    assert not found.report.emitted
    assert not found.report.diff
    for text in (str(found.report), found.report.html()):
        assert "all in all nothing was better than the program as it is, so it stays" in text


@pytest.mark.parametrize("count", [12, 60, 200])
def test_data_go_through_json_and_come_back_the_same(count: int) -> None:
    data = report(count).to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["text"] == str(report(count))


def test_it_does_not_depend_on_concurrency() -> None:
    def told(concurrency: int) -> dict[str, Any]:
        data: dict[str, Any] = compiled(60, concurrency=concurrency).report.to_json()
        for stage in data["stages"]:
            del stage["seconds"]
        return data

    assert told(1) == told(64)


def test_a_resumed_study_gives_the_same_report_but_for_what_came_from_the_store(tmp_path: Path) -> None:
    def told() -> dict[str, Any]:
        data: dict[str, Any] = compiled(60, study=tmp_path / "s").report.to_json()
        for stage in data["stages"]:
            del stage["seconds"]
        del data["text"]
        return data

    assert told() == told()


def test_the_estimate_stands_beside_what_was_used() -> None:
    found = report()
    off = found.spend.search.calls / found.estimate.total_calls - 1
    assert f"{off:+.0%} against the estimate" in str(found)


def test_failed_runs_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = report()
    assert found.comparison is not None
    assert any(found.comparison.failures)
    assert "failed runs, counted as 0" in str(found)
    assert any("runs failed" in warning for warning in found.warnings)


# --- files -----------------------------------------------------------------------------------------------------------


def test_compile_keeps_it_beside_the_study_for_its_owner_only(tmp_path: Path) -> None:
    found = compiled(60, study=tmp_path / "s").report
    for name in ("report.html", "report.json"):
        assert stat.S_IMODE((tmp_path / "s" / name).stat().st_mode) == 0o600
    assert read(tmp_path / "s") == read(tmp_path / "s" / "report.json") == found.to_json()
    assert (tmp_path / "s" / "report.html").read_text() == found.html()
    assert described(tmp_path / "s").startswith(str(found))


def test_it_is_saved_where_it_is_wanted(tmp_path: Path) -> None:
    report().save(tmp_path / "r.html")
    report().save(tmp_path / "r.json")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert read(tmp_path / "r.json") == report().to_json()
    with pytest.raises(ConfigurationError, match="cannot write the report"):
        report().save(tmp_path / "no" / "r.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no report"),
        ('{"format": "treadle/report", "version": 2, "text": ""}', "of version '2'"),
        ('{"format": "treadle/report", "version": 1}', "of version '1'"),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        described(tmp_path)


def test_a_study_that_has_not_ended_is_told_by_its_events(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stops(event: treadle.Event) -> None:
        if event.kind == "stage" and event.fields["name"] == "verdict":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compiled(60, study=tmp_path / "s", events=stops)
    with (tmp_path / "s" / "events.jsonl").open("a") as out:
        out.write("no json\n[1]\n")
    told = described(tmp_path / "s")
    assert "no report yet" in told
    assert "stage: verdict" in told
    assert "LM calls" in told


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no study's folder"):
        described(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot read"):
        read(tmp_path)


# --- hostile text ----------------------------------------------------------------------------------------------------


@pytest.fixture(name="bad", scope="module")
def _bad() -> treadle.Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANTED_API_KEY", KEY)
        found = hostile_report()
        assert found.examples
        assert found.diff
        str(found), found.to_json(), found.html()
    return found


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", KEY)


def test_the_text_steers_no_terminal_and_holds_no_key(bad: treadle.Report) -> None:
    text = str(bad)
    dangerous = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [c for c in text if c not in "\n\t\u200c\u200d" and unicodedata.category(c) in dangerous]
    assert KEY not in text
    assert "[redacted]" in text
    text.encode()


def test_the_data_hold_no_key_and_are_ascii_in_the_file(bad: treadle.Report, tmp_path: Path) -> None:
    bad.save(tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text(encoding="ascii")
    assert KEY not in text
    assert read(tmp_path / "r.json") == json.loads(json.dumps(bad.to_json()))


def test_what_show_prints_is_plain(bad: treadle.Report, tmp_path: Path) -> None:
    bad.save(tmp_path / "report.json")
    text = described(tmp_path)
    assert "\x1b" not in text
    assert KEY not in text


def test_events_of_a_hostile_study_are_told_plainly(tmp_path: Path) -> None:
    event = {"event": "stopped", "reason": "\x1b[2J" + KEY, "text": "\u202e"}
    (tmp_path / "events.jsonl").write_text(json.dumps(event))
    text = described(tmp_path)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert KEY not in text


def test_rows_are_those_of_the_data() -> None:
    numbers = {example.row for example in report().examples}
    assert numbers <= set(range(1, len(rows(200)) + 1))
    with contextlib.suppress(StopIteration):
        lost = next(example for example in report().examples if example.difference < 0)
        assert lost.fields["question"] == f"question {lost.row - 1}"
