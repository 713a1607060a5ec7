import json
import logging
import os
import stat
from pathlib import Path

import pytest

from tests.study.world import WRITE, Chain, Provider, candidate, study
from treadle.compiler.redact import Secret
from treadle.compiler.study.events import Event, Events


def test_events_go_to_the_listener_and_to_the_file(tmp_path: Path) -> None:
    told: list[Event] = []
    events = Events(tmp_path, told.append)
    events.emit("asked", number=1, what="x")
    events.close()
    events.emit("late")
    assert [(event.kind, event.fields) for event in told] == [("asked", {"number": 1, "what": "x"}), ("late", {})]
    (line,) = (tmp_path / "events.jsonl").read_text().splitlines()
    assert json.loads(line) == {"event": "asked", "number": 1, "what": "x", "seconds": round(told[0].seconds, 3)}
    assert stat.S_IMODE((tmp_path / "events.jsonl").stat().st_mode) == 0o600


def test_keys_do_not_reach_the_file_or_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("correct-horse-battery-3")
    events = Events(tmp_path)
    with caplog.at_level(logging.WARNING):
        events.warn(f"key {secret.reveal()}")
    events.close()
    assert secret.reveal() not in caplog.text + (tmp_path / "events.jsonl").read_text()
    assert "key [redacted]" in caplog.text


def test_a_listener_that_fails_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def listener(event: Event) -> None:
        raise RuntimeError("display gone")

    with study(Chain(Provider().lm()), listener=listener) as s:
        assert len(s.evaluate([candidate("")], s.splits.select)[0]) == 4
    assert "display gone" in caplog.text


def test_a_file_that_cannot_be_written_any_more_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = Events(tmp_path)
    os.close(events._file)
    events._file = os.open("/dev/full", os.O_WRONLY)
    events.emit("one")
    events.emit("two")
    assert len(caplog.records) == 1


def test_a_study_tells_what_it_does(tmp_path: Path) -> None:
    told: list[Event] = []
    with study(Chain(Provider().lm()), folder=tmp_path, listener=told.append) as s:
        s.evaluate([candidate("")], s.splits.select)
        s.propose(WRITE, [{"topic": "impossible"}], key="k")
        s.log("round", number=3)
    kinds = [event.kind for event in told]
    assert kinds == ["opened", "asked", "candidate", *["cell"] * 4, "settled", "asked", "unfit", "settled", "round"]
    settled = told[7].fields
    assert (settled["done"], settled["of"]) == (4, 4)
    assert settled["by_role"] == {"task": settled["search"]}
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == len(told)
    with study(Chain(Provider().lm()), folder=tmp_path) as s:
        s.evaluate([candidate("")], s.splits.select)
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) > len(told)
