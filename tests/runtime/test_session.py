"""Which LM answers which step."""

from __future__ import annotations

import threading

import pytest

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.session import Session, context

DECLARED, BOUND, AMBIENT = Scripted([], model="declared"), Scripted([], model="bound"), Scripted([], model="ambient")


def test_the_nearest_lm_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_LM", "offline")
    with context(lm=AMBIENT):
        assert Session(lm=BOUND, bound={"a": DECLARED}).lm_for("a") is DECLARED
        assert Session(lm=BOUND, bound={"a": DECLARED}).lm_for("b") is BOUND
        assert Session().lm_for("a") is AMBIENT
    assert Session().lm_for("a").model == "offline"


def test_a_model_asked_for_by_name_is_one_of_the_bound() -> None:
    session = Session(lm=BOUND, lms={"declared": DECLARED}, bound={"a": BOUND})
    assert session.lm_for("a", "declared") is DECLARED
    assert session.lm_for("a", "bound") is BOUND
    assert Session(lm=BOUND).lm_for("b", "bound") is BOUND
    with context(lm=AMBIENT):
        assert Session().lm_for("b", "ambient") is AMBIENT
    with pytest.raises(ConfigurationError, match=r"asks for the model 'gpt'.*bound: bound, declared"):
        session.lm_for("b", "gpt")


def test_the_context_ends_with_its_block_and_takes_a_name() -> None:
    with context(lm="offline") as outer, context(lm=AMBIENT):
        assert Session().lm_for("a") is AMBIENT
    assert outer == LM("offline")
    with pytest.raises(ConfigurationError, match="no LM for step 'a'"):
        Session().lm_for("a")


def test_a_thread_of_ones_own_is_told_the_remedy() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            Session().lm_for("a")
        except ConfigurationError as error:
            errors.append(error)

    with context(lm=AMBIENT):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert "copy_context" in str(errors[0])


def test_a_run_inside_another_takes_what_it_leaves_open_from_outside() -> None:
    async def metered(lm: LM, request: Request) -> Completion:
        raise AssertionError

    outer = Session(lm=BOUND, caller=metered, candidate=Candidate(values={"a.instruction": "outer"}))
    inner = Session(bound={"a": DECLARED}, candidate=Candidate(values={"a.instruction": "inner", "b.instruction": "b"}))
    merged = inner.within(outer)
    assert merged.lm is BOUND
    assert merged.caller is metered
    assert merged.lm_for("a") is DECLARED
    assert merged.candidate.values == {"a.instruction": "outer", "b.instruction": "b"}
    assert Session(lm=AMBIENT).within(outer).lm is AMBIENT


def test_the_temperature_of_an_lm_not_yet_known_is_unknown() -> None:
    assert Session().temperature_for("a") is None
    assert Session(lm=Scripted([], temperature=0.3)).temperature_for("a") == 0.3
