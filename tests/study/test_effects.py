import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.study.programs import studying
from tests.study.world import IMPATIENT
from treadle.compiler.canonical import digest
from treadle.compiler.errors import ConfigurationError, ServerFault, StudyError
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.study.budget import Budget

DONE: list[str] = []
NUMBER = iter(range(10_000))


@dataclasses.dataclass(frozen=True)
class Receipt:
    number: int
    lines: dict[str, str]


@treadle.predict
def write(text: str) -> str:
    """Write."""
    ...


def posted(text: str) -> Receipt:
    """Never the same twice."""
    DONE.append(text)
    return Receipt(next(NUMBER), {"text": text, "answer": "yes"})


@treadle.op(effects=True, idempotent=True)
def post(text: str) -> Receipt:
    return posted(text)


@treadle.op(effects=True, idempotent=True, blocking=True)
def post_blocking(text: str) -> Receipt:
    return posted(text)


@treadle.op(effects=True, idempotent=True)
async def post_async(text: str) -> Receipt:
    return posted(text)


@treadle.op(effects=True, idempotent=True)
def handle(text: str) -> object:
    """Gives what JSON cannot."""
    DONE.append(text)
    return object()


@treadle.program(require="graph")
def plain(text: str) -> str:
    first = post(text)
    second = post(write(text))
    return write(f"{first.number} {second.lines}")


@treadle.program(require="graph")
def blocking(text: str) -> str:
    first = post_blocking(text)
    second = post_blocking(write(text))
    return write(f"{first.number} {second.lines}")


@treadle.program(require="graph")
async def asynchronous(text: str) -> str:
    first = await post_async(text)
    second = await post_async(await write.acall(text))
    return await write.acall(f"{first.number} {second.lines}")


@treadle.program
def hosted(text: str) -> str:
    try:
        first = post(text)
        second = post(write(text))
    finally:
        pass
    return write(f"{first.number} {second.lines}")


@treadle.program
def unkept(text: str) -> str:
    handle(text)
    return write(text)


PROGRAMS = [plain, blocking, asynchronous, hosted]
ROWS = [{"text": f"t{number}"} for number in range(4)]
ONCE = 2 * len(ROWS)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DONE.clear()


class Model:
    """Answers until it is told to fail; counts."""

    def __init__(self, fails_on: str = "") -> None:
        self.calls = 0
        self.fails_on = fails_on
        self.lm = Scripted(self._answer)

    def _answer(self, request: Request) -> str | Exception:
        text = request.messages[-1].content
        if self.fails_on and self.fails_on in text:
            return ServerFault("down")
        self.calls += 1
        return f"about {digest(text)}"


START = Candidate()


def values(study: Any) -> list[Any]:
    return [outcome.prediction for outcome in study.table.outcomes(START)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_run_that_is_made_again_for_its_trace_repeats_no_effect(program: Any, tmp_path: Path) -> None:
    model = Model()
    with studying(program, model.lm, ROWS, folder=tmp_path) as study:
        study.evaluate([START], study.splits.select)
        first = values(study)
    assert len(DONE) == ONCE
    with studying(program, model.lm, ROWS, folder=tmp_path, budget=Budget(calls=1000)) as study:
        (row,) = study.evaluate([START], study.splits.select, traces=True)
        assert values(study) == first
        assert all(outcome.trace is not None and outcome.trace.spans[0].output == outcome.prediction for outcome in row)
    assert len(DONE) == ONCE
    assert model.calls == ONCE


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_run_that_was_broken_off_goes_on_behind_its_effects(program: Any, tmp_path: Path) -> None:
    model = Model(fails_on="answer")  # the last step of every run
    broken = studying(program, model.lm, ROWS, folder=tmp_path, policy=IMPATIENT)
    with broken as study, pytest.raises(StudyError, match="down"):
        study.evaluate([START], study.splits.select)
    done, calls = list(DONE), model.calls
    assert len(done) >= 2
    assert calls < ONCE
    model.fails_on = ""
    with studying(program, model.lm, ROWS, folder=tmp_path) as study:
        study.evaluate([START], study.splits.select)
    assert len(DONE) == len(set(DONE)) == ONCE
    assert model.calls == ONCE


def test_a_stand_in_is_kept_like_what_it_stands_for(tmp_path: Path) -> None:
    faked: list[str] = []

    def fake(text: str) -> Receipt:
        faked.append(text)
        return Receipt(len(faked), {})

    for traces in (False, True):
        with studying(plain, Model().lm, ROWS, stubs={post: fake}, folder=tmp_path) as study:
            study.evaluate([START], study.splits.select)
            study.evaluate([START], study.splits.select, traces=traces)
    assert len(faked) == ONCE
    assert DONE == []


def test_another_stand_in_is_another_study(tmp_path: Path) -> None:
    with studying(plain, Model().lm, ROWS, stubs={post: lambda text: Receipt(1, {})}, folder=tmp_path) as study:
        study.evaluate([START], study.splits.select)
    with (
        pytest.raises(ConfigurationError, match="holds another study: its ops is"),
        studying(plain, Model().lm, ROWS, stubs={post: lambda text: Receipt(2, {})}, folder=tmp_path),
    ):
        pass


def test_another_candidate_does_it_itself() -> None:
    with studying(plain, Model().lm, ROWS) as study:
        study.evaluate([START, Candidate(values={"write.instruction": "Write well."})], study.splits.select)
    assert len(DONE) == 2 * ONCE


def test_an_effect_with_other_arguments_is_another_effect(tmp_path: Path) -> None:
    with studying(plain, Model().lm, ROWS, folder=tmp_path) as study:
        study.evaluate([START], study.splits.select)
    connection = sqlite3.connect(tmp_path / "study.sqlite")
    connection.execute("DELETE FROM cells")
    connection.execute("DELETE FROM replies")
    connection.commit()
    connection.close()
    other = Scripted(lambda request: "something else")
    with studying(plain, other, ROWS, folder=tmp_path) as study:
        study.evaluate([START], study.splits.select)
    assert DONE[ONCE:] == ["something else"] * len(ROWS)


def test_what_json_cannot_give_back_is_said_once_and_done_again(tmp_path: Path) -> None:
    for traces in (False, True):
        with studying(unkept, Model().lm, ROWS, folder=tmp_path) as study:
            study.evaluate([START], study.splits.select, traces=traces)
            assert [text for text in study.warnings if "op 'handle' has effects" in text] == list(study.warnings)
            assert len(study.warnings) == 1
    assert len(DONE) == 2 * len(ROWS)


def test_a_replay_repeats_no_effect(tmp_path: Path) -> None:
    with studying(unkept, Model().lm, ROWS, folder=tmp_path) as study:
        study.evaluate([START], study.splits.select)
    with studying(unkept, Model().lm, ROWS, folder=tmp_path, mode="replay") as study:
        study.evaluate([START], study.splits.select)
        with pytest.raises(StudyError, match="op 'handle' gave is not stored, and a replay repeats no effect"):
            study.evaluate([START], study.splits.select, traces=True)
    assert len(DONE) == len(ROWS)


def test_with_the_store_off_every_run_does_it(tmp_path: Path) -> None:
    with studying(plain, Model().lm, ROWS, folder=tmp_path, mode="off") as study:
        study.evaluate([START], study.splits.select)
        study.evaluate([START], study.splits.select, traces=True)
    assert len(DONE) == 2 * ONCE
