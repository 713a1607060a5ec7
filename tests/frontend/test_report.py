"""What capture notes of a program: here, the ops of its predictors' modules."""

from __future__ import annotations

import pytest

import treadle
from treadle.modules import BestOf


@treadle.op
def brevity(answer: str, given: dict[str, str]) -> float:
    return -len(answer)


@treadle.predict(BestOf(n=2, judge=brevity))
def reply(ticket: str) -> str:
    """Answer the ticket."""
    ...


@treadle.program
def support(ticket: str) -> str:
    return reply(ticket)


def test_an_op_of_a_module_is_an_op_of_the_program() -> None:
    assert list(support.ops) == ["brevity"]
    assert support.bind(lm=treadle.Scripted(["a long answer", "short"]))(ticket="where?") == "short"


def test_it_is_given_by_name_where_the_program_is_loaded() -> None:
    text = treadle.dumps(support)
    with pytest.raises(treadle.ArtifactError, match="brevity"):
        treadle.loads(text)
    assert treadle.loads(text, ops=[brevity]).ops["brevity"].function is brevity.op.function


def test_two_ops_of_one_name_are_refused() -> None:
    @treadle.op(name="brevity")
    def other(text: str) -> str:
        return text.strip()

    @treadle.program
    def both(ticket: str) -> str:
        return reply(other(ticket))

    with pytest.raises(treadle.DeclarationError, match="brevity"):
        both.check()
