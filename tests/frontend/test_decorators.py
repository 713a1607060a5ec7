from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import pydantic
import pytest

import treadle
from treadle.compiler.errors import DeclarationError, InputError, SignatureError
from treadle.compiler.lm.protocol import Request
from treadle.modules import ChainOfThought


class Tone(enum.Enum):
    KIND = "kind"
    SHORT = "short"


def echo(request: Request) -> Any:
    return "re: " + request.messages[-1].content.splitlines()[1]


def test_a_function_declares_a_signature() -> None:
    @treadle.predict
    def reply(ticket: Annotated[str, "what the customer wrote"], tone: Tone = Tone.KIND) -> str:
        """Answer the customer."""
        ...

    assert reply.name == "reply"
    assert reply.signature.instruction == "Answer the customer."
    assert [slot.name for slot in reply.signature.inputs] == ["ticket", "tone"]
    assert reply.signature.input("ticket").description == "what the customer wrote"
    assert reply.signature.value.annotation is str
    assert reply.__doc__ == "Answer the customer."
    assert reply.__wrapped__.__name__ == "reply"


def test_a_predictor_called_by_itself_runs_as_one_step() -> None:
    @treadle.predict
    def reply(ticket: str) -> str:
        """Answer."""
        ...

    with treadle.context(lm=treadle.Scripted(echo)), treadle.trace() as traced:
        assert reply("late") == "re: late"
        assert reply(ticket="lost") == "re: lost"
    assert [trace.program for trace in traced.traces] == ["reply", "reply"]
    assert [span.name for span in traced.traces[0].spans if span.kind == "step"] == ["reply"]


@pytest.mark.parametrize(
    "name", ["fields", "instructions", "signature", "config", "lm", "demos", "copy", "name", "module", "inputs", "args"]
)
def test_any_field_name_works(name: str) -> None:
    step = treadle.predict(f"{name} -> answer", name="step")
    with treadle.context(lm=treadle.Scripted(echo)):
        assert step(**{name: "x"}) == "re: x"
        assert [message.role for message in step.render(**{name: "x"})] == ["system", "user"]


def test_a_string_declares_a_signature() -> None:
    one = treadle.predict("question, context: list[str] -> answer: float", instruction="Answer.", name="ask")
    assert one.name == "ask"
    assert one.signature.takes() == "question: str, context: list[str]"
    with treadle.context(lm=treadle.Scripted([{"answer": 1.5}])):
        assert one("why", []) == 1.5


def test_several_outputs_come_back_as_one_frozen_model() -> None:
    both = treadle.predict("text -> label: Literal['a', 'b'], score: int")
    with treadle.context(lm=treadle.Scripted([{"label": "a", "score": 2}])):
        value = both("x")
    assert (value.label, value.score) == ("a", 2)
    with pytest.raises(pydantic.ValidationError):
        value.score = 3


def test_settings_of_a_declaration_reach_the_request() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Any:
        asked.append(request)
        return "x"

    own = treadle.Scripted(answer, model="own")
    step = treadle.predict("text -> answer", lm=own, temperature=0.3, max_tokens=7)
    assert step.declared.model == "own"
    step("x")
    assert (asked[0].model, asked[0].temperature, asked[0].max_tokens) == ("own", 0.3, 7)


def test_a_module_answers_the_step() -> None:
    @treadle.predict(ChainOfThought())
    def reply(ticket: str) -> str:
        """Answer."""
        ...

    with treadle.context(lm=treadle.Scripted([{"reasoning": "so", "reply": "yes"}])):
        assert reply("x") == "yes"
    assert reply.declared.module is not None


def test_a_copy_has_parameters_of_its_own_and_the_same_prompt() -> None:
    @treadle.predict
    def triage(ticket: str) -> Literal["a", "b"]:
        """Choose."""
        ...

    second = triage.copy("second_look")
    assert (second.name, triage.name) == ("second_look", "triage")
    assert second.render(ticket="x") == triage.render(ticket="x")
    with pytest.raises(DeclarationError, match="identifier"):
        triage.copy("no name")


def test_reading_shows_the_values_of_its_sources() -> None:
    seen: list[str] = []

    def answer(request: Request) -> Any:
        seen.append(request.messages[-1].content)
        return "x"

    step = treadle.predict("ticket -> reply", name="reply")
    with treadle.context(lm=treadle.Scripted(answer)):
        step.reading(triage="billing", urgency=None)("late")
    assert "Context from triage:" in seen[0]
    assert "urgency" not in seen[0]


def test_wrong_calls_name_the_input() -> None:
    step = treadle.predict("ticket, count: int -> reply", name="reply")
    with treadle.context(lm=treadle.Scripted(echo)):
        with pytest.raises(InputError, match="needs the input 'count'"):
            step("x")
        with pytest.raises(InputError, match="no input 'letter'"):
            step("x", 1, letter=2)
        with pytest.raises(InputError, match="'count' takes int"):
            step("x", "two")
        with pytest.raises(InputError, match="but 3 were given"):
            step("x", 1, 2)


def test_a_predictor_with_a_body_is_refused() -> None:
    with pytest.raises(DeclarationError, match="has a body"):

        @treadle.predict
        def reply(ticket: str) -> str:
            """Answer."""
            return ticket.upper()


def test_what_cannot_be_declared_is_refused_where_it_stands() -> None:
    with pytest.raises(DeclarationError, match="takes a function"):
        treadle.predict(3)  # type: ignore[call-overload]
    with pytest.raises(SignatureError, match="no type hint"):

        @treadle.predict
        def untyped(ticket) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
            ...

    with pytest.raises(SignatureError, match="no return type"):

        @treadle.predict
        def nothing(ticket: str) -> None: ...

    with pytest.raises(DeclarationError, match="yields"):

        @treadle.op
        def each(items: list[str]) -> Any:
            yield from items

    with pytest.raises(DeclarationError, match="plain function"):
        treadle.op(int)  # type: ignore[type-var, unused-ignore]
    with pytest.raises(DeclarationError, match="only value is 'graph'"):
        treadle.program(require="host")  # type: ignore[call-overload]
    with pytest.raises(SignatureError, match="name every input"):

        @treadle.program
        def many(*tickets: str) -> str:
            return tickets[0]


def test_an_op_is_its_function() -> None:
    @treadle.op(effects=True, idempotent=True, name="mail")
    def send(text: str, *, times: int = 1) -> int:
        """Send it."""
        return len(text) * times

    assert send("abc", times=2) == 6
    assert send.__doc__ == "Send it."
    assert (send.op.name, send.op.effects, send.op.idempotent, send.op.returns) == ("mail", True, True, int)
