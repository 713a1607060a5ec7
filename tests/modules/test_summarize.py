import pytest

from tests.modules.any_module import LABEL, SEVERAL
from tests.modules.scripts import Script, run
from treadle.compiler.errors import SignatureError
from treadle.compiler.hints import from_string
from treadle.modules import Summarize

PASSAGES = from_string("question, passages: list[str], year: int -> answer: int", name="read", instruction="Answer.")


def test_the_answer_is_given_on_the_summary() -> None:
    script = Script({"summary": [["short"]], "answer": 7})
    assert run(Summarize(), script, PASSAGES, question="?", passages=["long", "longer"], year=2001) == 7
    assert script.inputs("summary") == [{"question": "?", "passages": '["long", "longer"]', "year": "2001"}]
    assert script.inputs("answer") == [{"question": "?", "passages": '["short"]', "year": "2001"}]
    assert "Shorten `passages`" in script.requests[0].messages[0].content


def test_a_summariser_that_changes_nothing_leaves_the_step_as_it_is() -> None:
    script = Script({"": lambda inputs: inputs["question"], "answer,sure": {"answer": 1, "sure": True}})
    run(Summarize(rounds=4), script, SEVERAL, question="the question")
    assert script.inputs("answer,sure") == [{"question": "the question"}]
    assert len(script.requests) == 2


def test_rounds_go_on_with_what_is_left() -> None:
    script = Script({"": lambda inputs: inputs["ticket"][1:], "team": "billing"})
    run(Summarize(rounds=3), script, LABEL, ticket="abcdef")
    assert script.inputs("team") == [{"ticket": "def"}]
    assert len(script.requests) == 4 == Summarize(rounds=3).lm_calls()


def test_only_free_text_is_shortened() -> None:
    with pytest.raises(SignatureError, match="none of year: int is free text"):
        Summarize().build(from_string("year: int -> answer: int"))
    with pytest.raises(SignatureError, match="int is not compressible"):
        Summarize(field="year").build(PASSAGES)
    with pytest.raises(SignatureError, match="no input 'text'"):
        Summarize(field="text").build(PASSAGES)


def test_clarifying_rewords() -> None:
    script = Script({"": "clear", "answer": 7})
    run(Summarize(field="question", aim="clarify"), script, PASSAGES, question="murky", passages=[], year=1)
    assert "Reword `question`" in script.requests[0].messages[0].content
    assert script.inputs("answer")[0]["question"] == "clear"
