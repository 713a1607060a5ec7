"""A key goes to its provider and nowhere else, whatever the provider does with it."""

import traceback
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.compile import desk
from tests.fake_server import FakeServer, Fault, JsonObject
from treadle.compiler.artifact.emit import dumps
from treadle.compiler.canonical import digest
from treadle.compiler.errors import StudyError
from treadle.compiler.trace.export import write_jsonl

KEY = "sk-canary-4f1d6a0b9c"


def leaking(request: JsonObject) -> str:
    """The world, but half of the plain answers quote the key."""
    text = desk.answer(request)
    return text if text.startswith("{") or digest(text) < "8" else f"{text} (your key is {KEY})"


def nowhere(folder: Path, *texts: object) -> None:
    for path in sorted(folder.rglob("*")):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
    for text in texts:
        assert KEY not in str(text)


def test_a_compile_writes_and_tells_no_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []
    refusals = [Fault("400", times=3), Fault("length", times=3)]
    with FakeServer(reply=leaking, faults=refusals, keep_log=True) as server:
        done = desk.compiled(server.base_url, str(tmp_path / "study"), key=KEY, events=told.append)
        assert all(logged.headers["authorization"] == f"Bearer {KEY}" for logged in server.log)
    report = done.report
    nowhere(tmp_path, dumps(done), report, repr(report), report.html(), told, caplog.text, repr(done), done.winner)
    assert "[redacted]" in (tmp_path / "study" / "study.sqlite").read_bytes().decode(errors="replace")


def test_a_refused_key_is_in_no_error(tmp_path: Path) -> None:
    with FakeServer(reply=leaking, faults=[Fault("401", times=None)]) as server:  # its body quotes the key
        with pytest.raises(StudyError, match="give a key that works") as caught:
            desk.compiled(server.base_url, str(tmp_path / "study"), key=KEY)
        assert server.counters().requests <= desk.CONCURRENCY
    nowhere(tmp_path, "".join(traceback.format_exception(caught.value)))


def test_a_trace_holds_no_key(tmp_path: Path) -> None:
    with FakeServer(reply=leaking) as server, treadle.trace() as traced:
        program = desk.desk.bind(lm=desk.lm(server.base_url, key=KEY))
        for row in desk.rows(0, 4):
            program(ticket=row["ticket"])
    with (tmp_path / "traces.jsonl").open("w") as file:
        write_jsonl(traced.traces, file)
    nowhere(tmp_path)
