import dataclasses
import enum
from typing import Annotated, Any, Literal

import pydantic
import pytest

from treadle.compiler.annotations import assignable, labels, type_name
from treadle.compiler.errors import InputError, SignatureError
from treadle.compiler.hints import from_function, from_string
from treadle.compiler.json_schema import SchemaWriter
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import dump


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Line(pydantic.BaseModel):
    price: float
    name: str = ""


@dataclasses.dataclass
class Point:
    x: int


def triage(ticket: Annotated[str, "the customer's words"], tries: Annotated[int, pydantic.Field(ge=1)] = 1) -> Color:
    """Choose the team.

    It owns the problem.
    """
    ...


def test_a_function_declares_fields_instruction_and_output() -> None:
    signature = from_function(triage)
    assert [slot.name for slot in signature.inputs] == ["ticket", "tries"]
    assert signature.inputs[0].description == "the customer's words"
    assert signature.instruction == "Choose the team.\n\nIt owns the problem."
    assert signature.value.annotation is Color
    assert signature.value.schema["x-enum-names"] == ["RED", "BLUE"]


def test_calls_are_bound_by_name_and_defaults_filled() -> None:
    assert from_function(triage).bind(("hi",), {}) == {"ticket": "hi", "tries": 1}


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((), {}, "needs the input 'ticket'"),
        ((1,), {}, "takes str, got 1 of type int"),
        (("a", 0), {}, "greater than or equal to 1"),
        (("a", 1, 2), {}, "takes 2 inputs"),
        (("a",), {"ticket": "b"}, "twice"),
        (("a",), {"colour": "b"}, "no input 'colour'"),
    ],
)
def test_a_wrong_call_says_what_was_given_and_what_is_taken(args: Any, kwargs: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_function(triage).bind(args, kwargs)


def test_a_coroutine_that_nobody_awaited_is_named() -> None:
    async def wait() -> str:
        return "hi"

    with pytest.raises(InputError, match=r"got a coroutine: write await before the call of '.*wait'"):
        from_function(triage).bind((wait(),), {})


def test_a_missing_hint_a_missing_return_and_star_arguments_are_refused() -> None:
    def no_hint(a) -> str: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    def no_return(a: str): ...  # type: ignore[no-untyped-def]  # noqa: ANN202

    def star(*a: str) -> str: ...

    for function, says in ((no_hint, "no type hint"), (no_return, "no return type"), (star, "name every input")):
        with pytest.raises(SignatureError, match=says):
            from_function(function)


def test_a_type_without_a_schema_is_refused_at_the_declaration() -> None:
    class Thing: ...

    def make(a: str) -> Thing: ...

    with pytest.raises(SignatureError, match="Thing"):
        from_function(make)


def test_a_string_declares_a_signature() -> None:
    signature = from_string("question, context: list[str] -> answer: float, sure: Literal['yes', 'no, never'] | None")
    assert signature.takes() == "question: str, context: list[str]"
    assert [type_name(slot.annotation) for slot in signature.outputs] == ["float", "Literal['yes', 'no, never'] | None"]
    value = signature.value.annotation(answer=1.5, sure="yes")
    with pytest.raises(pydantic.ValidationError):
        value.answer = 2.0


@pytest.mark.parametrize("text", ["question", "a b -> c", "a: os.system -> b", "a -> b: __import__('os')", "a ->"])
def test_a_string_that_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(SignatureError):
        from_string(text)


@pytest.mark.parametrize(
    "name", ["fields", "instructions", "signature", "config", "lm", "demos", "copy", "schema", "self"]
)
def test_any_field_name_works(name: str) -> None:
    signature = from_string(f"{name} -> {name}, other")
    value = signature.value.annotation(**{name: "a", "other": "b"})
    assert getattr(value, name) == "a"
    assert signature.bind((), {name: "x"}) == {name: "x"}


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(SignatureError, match="two inputs named a"):
        from_string("a, a -> b")


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        (str, str, True),
        (int, float, True),
        (float, int, False),
        (Literal["a"], str, True),
        (Literal["a"], Literal["a", "b"], True),
        (Literal["c"], Literal["a", "b"], False),
        (str, Literal["a"], False),
        (list[int], list[float], True),
        (list[str], list[int], False),
        (str, str | None, True),
        (str | None, str, False),
        (Any, int, True),
        (Line, pydantic.BaseModel, True),
        (dict[str, int], dict[str, str], False),
        (Annotated[int, pydantic.Field(ge=1)], int, True),
        (None, int | None, True),
    ],
)
def test_assignable(source: Any, target: Any, fits: bool) -> None:
    assert assignable(source, target) is fits


def test_values_go_to_json_and_back() -> None:
    for annotation, value in (
        (Color, Color.RED),
        (Line, Line(price=1)),
        (Point, Point(3)),
        (list[Line], [Line(price=2)]),
    ):
        slot = Slot(name="x", annotation=annotation)
        assert slot.read(slot.dump(value)) == value
    assert dump({"a": (Color.BLUE, Line(price=1, name="x"))}) == {"a": ["blue", {"price": 1.0, "name": "x"}]}


def test_labels_of_finite_types() -> None:
    assert labels(Color) == ("red", "blue")
    assert labels(Literal[1, "a"]) == (1, "a")
    assert labels(bool) == (False, True)
    assert labels(str) is None


def test_the_interface_hash_does_not_know_the_instruction() -> None:
    signature = from_function(triage)
    assert signature.with_instruction("Other.").interface_hash == signature.interface_hash
    assert signature.with_inputs(Slot(name="more", annotation=str)).interface_hash != signature.interface_hash


def test_further_outputs_come_first() -> None:
    signature = from_function(triage).with_outputs(Slot(name="reasoning", annotation=str))
    assert [slot.name for slot in signature.outputs] == ["reasoning", "triage"]
    assert isinstance(signature, Signature)


@pytest.mark.parametrize("kind", [str, int, float, bool])
def test_the_schema_of_a_plain_type_is_the_one_pydantic_writes(kind: type) -> None:
    written = pydantic.TypeAdapter(kind).json_schema(schema_generator=SchemaWriter)
    assert Slot(name="field", annotation=kind).schema == written
