"""Numbers, choices, texts and code as parameters, in a graph and in host mode."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import pydantic
import pytest

import treadle
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import CodeError, DeclarationError, GraphError, InputError
from treadle.compiler.frontend.trainable import Parameter, code_of
from treadle.compiler.runtime.isolate import Isolated

NUMBER = r"\d+"
threshold = Parameter("threshold", 0.5, low=0.0, high=1.0, description="from here on a reply counts as long")
style = Parameter("style", "short", choices=["short", "long"])
greeting = Parameter("greeting", "Dear customer", max_length=40)
LIMITS = Isolated(isolation="limits")


@treadle.op(trainable=True)
def numbers(text: str) -> list[float]:
    """All numbers in the text."""
    return [math.floor(float(found)) for found in re.findall(NUMBER, text)]


@treadle.predict
def write(ticket: str, style: str) -> str:
    """Write a reply."""
    ...


@treadle.program
def graph(ticket: str) -> str:
    text = write(ticket, style())
    if len(numbers(text)) / 10 >= threshold():
        return f"{greeting()}: many"
    return f"{greeting()}: {text}"


@treadle.program
def host(ticket: str) -> str:
    text = write(ticket, style())
    while True:
        if len(numbers(text)) / 10 >= threshold():
            return f"{greeting()}: many"
        return f"{greeting()}: {text}"


LM = treadle.Scripted(lambda request: "1 2 3" if "long" in request.messages[-1].content else "1")
programs = pytest.mark.parametrize("program", [graph, host], ids=["graph", "host"])


def run(program: Any, values: Mapping[str, JSON]) -> Any:
    candidate = program.space().candidate(values)
    return program.bind(lm=LM, executor=LIMITS).with_candidate(candidate)(ticket="t")


@programs
def test_the_space_has_them(program: Any) -> None:
    space = program.space()
    found = {a: (p.kind, p.default, p.choices, p.low, p.high) for a, p in space.items() if a.startswith(".")}
    assert {a: v for a, v in found.items() if a != ".edits"} == {
        ".greeting": ("text", "Dear customer", (), None, None),
        ".numbers": ("code", code_of(numbers.op), (), None, None),
        ".style": ("choice", "short", ("short", "long"), None, None),
        ".threshold": ("number", 0.5, (), 0.0, 1.0),
    }
    assert space[".threshold"].description
    assert space[".numbers"].description == "All numbers in the text."
    assert space.predictors == ("write",)


@programs
def test_a_candidate_gives_their_values(program: Any) -> None:
    assert run(program, {}) == "Dear customer: 1"
    assert run(program, {".greeting": "Hi"}) == "Hi: 1"
    assert run(program, {".threshold": 0.1}) == "Dear customer: many"
    assert run(program, {".style": "long"}) == "Dear customer: 1 2 3"


@programs
def test_code_takes_the_place_of_the_body(program: Any) -> None:
    code = "def numbers(text):\n    return [1.0] * 9 if text == '1' else []"
    assert run(program, {".numbers": code}) == "Dear customer: many"


@programs
def test_code_that_fails_says_where(program: Any) -> None:
    with treadle.trace() as t, pytest.raises(CodeError, match="line 2 of the code of 'numbers' raised IndexError"):
        run(program, {".numbers": "def numbers(text):\n    return text[7]"})
    [span] = [span for span in t.traces[0].spans if span.name == "numbers"]
    assert span.parameters == (".numbers",)
    assert "> 2 |     return text[7]\n    ^ IndexError: string index out of range" in span.where


@programs
def test_code_that_returns_another_type_is_refused(program: Any) -> None:
    with pytest.raises(CodeError, match="does not fit its return type"):
        run(program, {".numbers": "def numbers(text):\n    return 'none'"})


@programs
def test_values_out_of_range_are_refused(program: Any) -> None:
    space = program.space()
    wrong: list[tuple[str, JSON]] = [
        (".threshold", 2), (".threshold", "a"), (".style", "tiny"), (".greeting", "x" * 41), (".numbers", 3)
    ]  # fmt: skip
    for address, value in wrong:
        with pytest.raises(GraphError, match=re.escape(address)):
            space.candidate({address: value})


def test_the_default_runs_in_this_process() -> None:
    def refuse(request: str) -> str:
        raise AssertionError(request)

    assert graph.bind(lm=LM, executor=refuse)(ticket="t") == "Dear customer: 1"


def test_an_executor_is_asked_for_code() -> None:
    seen = []

    def container(request: str) -> str:
        seen.append(json.loads(request)["named"])
        return '{"value": [1, 2]}'

    candidate = graph.space().candidate({".numbers": "def numbers(text):\n    return []"})
    graph.bind(lm=LM, executor=container).with_candidate(candidate)(ticket="t")
    assert seen == [{"text": "1"}]


def test_a_failing_op_of_the_users_is_shown_with_its_source() -> None:
    with treadle.trace() as t, pytest.raises(ZeroDivisionError):
        failing("q")
    [span] = [span for span in t.traces[0].spans if span.name == "divide"]
    assert "return 1 / len(text[9:])" in span.where
    assert "^ ZeroDivisionError: division by zero" in span.where


@treadle.op
def divide(text: str) -> float:
    """Cannot."""
    return 1 / len(text[9:])


@treadle.program
def failing(text: str) -> float:
    return divide(text)


def test_the_default_code_stands_alone() -> None:
    assert code_of(numbers.op) == (
        "import math\nimport re\nNUMBER = '\\\\d+'\n\n\ndef numbers(text: str) -> list[float]:\n"
        '    """All numbers in the text."""\n'
        "    return [math.floor(float(found)) for found in re.findall(NUMBER, text)]\n"
    )


class Record(pydantic.BaseModel):
    text: str


def helper(text: str) -> str:
    return text


def test_an_op_that_cannot_be_replaced_is_refused() -> None:
    def takes_record(record: Record) -> str:
        return record.text

    def gives_record(text: str) -> Record:
        return Record(text=text)

    async def waits(text: str) -> str:
        return text

    class Desk:
        def method(self, text: str) -> str:
            return text

    for function, said in (
        (takes_record, "takes record: Record"),
        (gives_record, "returns Record"),
        (waits, "not a plain synchronous function"),
        (Desk.method, "not a plain synchronous function"),
        (lambda text: text, "not a plain synchronous function"),
    ):
        with pytest.raises(DeclarationError, match=said):
            treadle.op(trainable=True)(function)
    with pytest.raises(DeclarationError, match="has effects"):
        treadle.op(trainable=True, effects=True)(helper)


def test_code_that_cannot_stand_alone_is_refused() -> None:
    @treadle.op(trainable=True)
    def uses_helper(text: str) -> str:
        return helper(text)

    @treadle.op(trainable=True)
    def reads_files(text: str) -> str:
        return open(text).read()

    with pytest.raises(DeclarationError, match="uses 'helper', which generated code cannot have"):
        code_of(uses_helper.op)
    with pytest.raises(DeclarationError, match="'open' may not be used"):
        code_of(reads_files.op)


def test_code_gets_what_json_holds_or_nothing() -> None:
    @treadle.op(trainable=True)
    def show(value: Any) -> str:
        return str(value)

    @treadle.program
    def shows(text: str) -> str:
        return show(Record(text=text))

    assert shows("a") == "text='a'"
    candidate = shows.space().candidate({".show": "def show(value):\n    return 'x'"})
    with pytest.raises(InputError, match="takes JSON, and its argument value is"):
        shows.bind(executor=LIMITS).with_candidate(candidate)("a")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "no name", "value": 1, "low": 0, "high": 2}, "identifier"),
        ({"name": "edits", "value": 1, "low": 0, "high": 2}, "identifier"),
        ({"name": "n", "value": 1}, "needs low= and high="),
        ({"name": "n", "value": 1, "low": 2, "high": 2}, "needs low= and high="),
        ({"name": "n", "value": 1, "low": 0, "high": math.inf}, "needs low= and high="),
        ({"name": "n", "value": 1, "low": math.nan, "high": 2}, "needs low= and high="),
        ({"name": "n", "value": 5, "low": 0, "high": 2}, "it takes 0 to 2"),
        ({"name": "n", "value": "c", "choices": ["a", "b"]}, "it takes one of a, b"),
        ({"name": "n", "value": "long", "max_length": 2}, "longer than 2"),
        ({"name": "n", "value": None}, "needs low="),
    ],
)
def test_a_parameter_declared_wrongly_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        Parameter(**settings)


def test_truth_values_and_labels_have_types() -> None:
    flag = Parameter("flag", value=True)
    assert flag.op.parameter is not None
    assert flag.op.parameter.choices == (False, True)
    assert style.op.returns == Literal["short", "long"]
    assert repr(style) == "<parameter style>"
