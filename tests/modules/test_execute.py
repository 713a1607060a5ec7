"""Execute and Compute: code a model wrote, run in a process of its own."""

import asyncio
import json
from typing import Any

import pytest

from tests.modules.any_module import CODE, LABEL, SEVERAL, TEXT
from tests.modules.scripts import Script, run
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import library
from treadle.compiler.hints import from_string
from treadle.compiler.runtime.interpreter import run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Signature, Slot
from treadle.modules import Compute, Execute
from treadle.modules.programs import plain_code

TESTS = [{"args": [2], "returns": 4}, {"args": [3], "returns": 9}]
WRONG, RIGHT = "def solve(n):\n    return n + 2", "def solve(n):\n    return n * n"
SUM = from_string("numbers: list[int], word -> total: int", name="total", instruction="Add them up.")


def test_code_that_passes_is_left_alone() -> None:
    script = Script({"": f"```python\n{RIGHT}\n```"})
    assert plain_code(run(Execute(), script, CODE, task="square", tests=TESTS)).strip() == RIGHT
    assert len(script.requests) == 1


def test_code_that_fails_is_repaired_with_the_report_in_view() -> None:
    script = Script({"": [WRONG, RIGHT]})
    assert run(Execute(), script, CODE, task="square", tests=TESTS) == RIGHT
    again = script.asked[1][1]
    assert again["test_report"] == "1 of 2 tests fail:\nsolve(3) returned 5, not 9"
    assert again["earlier_answer"] == WRONG


def test_rounds_are_bounded_and_the_last_code_is_the_answer() -> None:
    script = Script({"": WRONG})
    assert run(Execute(rounds=2), script, CODE, task="square", tests=TESTS) == WRONG
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def solve(n): return 1/0", "ZeroDivisionError"),
        ("import os\ndef solve(n): return 1", "imports 'os'"),
        ("def answer(n): return 1", "does not define the function 'solve'"),
        ("not python", "line 1"),
    ],
)
def test_reports_say_what_is_wrong(code: str, said: str) -> None:
    assert said in library()["treadle:tested"].function(code, "solve", TESTS)


def test_a_test_of_another_form_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="a test is"):
        library()["treadle:tested"].function(RIGHT, "solve", ["assert solve(2) == 4"])


def test_only_steps_that_write_code_and_have_tests_are_executed() -> None:
    with pytest.raises(SignatureError, match="only text can be a program"):
        Execute().build(LABEL)
    with pytest.raises(SignatureError, match=r"needs an input 'tests', a list of tests.*Execute\(tests=…\)"):
        Execute().build(from_string("task -> code"))
    assert Execute(tests="cases").build(from_string("task, cases: list -> code")).inputs


def test_a_program_answers() -> None:
    script = Script({"": "def solve(numbers, word):\n    return sum(numbers)"})
    assert run(Compute(), script, SUM, numbers=[1, 2, 3], word="x") == 6
    assert len(script.requests) == 1
    assert "`solve(numbers: list[int], word: str) -> int`" in script.requests[0].messages[0].content


def test_a_program_is_repaired_and_where_none_runs_the_step_answers() -> None:
    def coder(inputs: dict[str, str]) -> str:
        assert "error" not in inputs or "AttributeError" in inputs["error"]
        return "def solve(numbers, word):\n    return numbers.total()" + " " * len(inputs)

    script = Script({"": coder, "total": 6})
    assert run(Compute(rounds=2), script, SUM, numbers=[1, 2, 3], word="x") == 6
    assert [names for names, _ in script.asked] == ["", "", "", "total"]
    repaired = Script({"": ["def solve(numbers, word): return word", "def solve(numbers, word): return len(numbers)"]})
    assert run(Compute(), repaired, SUM, numbers=[1, 2, 3], word="x") == 3
    assert "which is no answer" in repaired.asked[1][1]["error"]


def test_a_value_has_to_be_one_of_the_labels() -> None:
    script = Script({"": "def solve(ticket): return 'nobody'", "team": "billing"})
    assert run(Compute(rounds=0), script, LABEL, ticket="late") == "billing"
    assert len(script.requests) == 2


def test_what_no_program_can_return_is_refused() -> None:
    with pytest.raises(SignatureError, match="Compute cannot answer 'several': Several is not computable"):
        Compute().build(SEVERAL)
    picture = Signature(name="look", inputs=(Slot(name="picture", annotation=bytes),), outputs=TEXT.outputs)
    with pytest.raises(SignatureError, match="its input 'picture' is no plain data"):
        Compute().build(picture)


def test_the_runs_executor_runs_the_code() -> None:
    seen: list[Any] = []

    def executor(request: str) -> str:
        seen.append(json.loads(request))
        return json.dumps({"value": 12})

    script = Script({"": "def solve(numbers, word): return 0"})
    session = Session(lm=script.lm, executor=executor)
    predictor = Predictor(signature=SUM, module=Compute().to_json())
    assert asyncio.run(run_step("total", predictor, {"numbers": [1], "word": "x"}, session)) == 12
    assert seen[0]["named"] == {"numbers": [1], "word": "x"}
