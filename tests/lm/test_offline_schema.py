import datetime as dt
import ipaddress
import uuid
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tests.lm.offline_prompts import answer, complete, request
from tests.prompt.cases import CASES, Address, case
from treadle.compiler.hints import from_string
from treadle.compiler.lm.offline_plainest import plainest
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.parse import parse
from treadle.compiler.signature import Signature, Slot


@pytest.mark.parametrize("name", CASES)
@given(text=st.text(max_size=60))
def test_every_kind_of_output_gets_a_valid_answer(name: str, text: str) -> None:
    one = CASES[name]
    asked = request(one.signature, {**one.inputs, "ticket": text} if one.inputs else {}, one.demos)
    completion = complete(asked)
    if name != "str_constrained":  # a text answer's schema is not in the request
        parse(one.signature, completion.text)
    if name not in ("dict", "list_of_models"):
        assert completion.finish_reason == "stop" or not text.strip() or name in ("int", "float", "optional")


class Form(BaseModel):
    count: Annotated[int, Field(ge=3, multiple_of=1)]
    ratio: Annotated[float, Field(gt=0, lt=1)]
    name: Annotated[str, Field(min_length=4, max_length=9)]
    rows: Annotated[list[Address], Field(min_length=2)]
    extra: dict[str, int] | None


def test_what_has_no_method_is_valid_and_said_to_be_unsupported() -> None:
    signature = case(Form).signature
    completion = complete(request(signature, {"ticket": ""}))
    assert parse(signature, completion.text).count == 3
    assert completion.finish_reason == "unsupported"


def test_members_are_answered_in_their_order_and_each_by_its_own_demos() -> None:
    signature = from_string("text -> reasoning, team: Literal['A', 'B'], level: Literal['high', 'low']")
    demos = [
        Demo(inputs={"text": "red parcel"}, outputs={"team": "A", "level": "high"}),
        Demo(inputs={"text": "blue refund"}, outputs={"team": "B", "level": "high"}),
        Demo(inputs={"text": "blue parcel"}, outputs={"reasoning": "It is calm.", "team": "A", "level": "low"}),
    ]
    reply = complete(request(signature, {"text": "my parcel, a blue one"}, demos)).text
    assert reply == '{"reasoning": "It mentions parcel, blue.", "team": "A", "level": "low"}'


NUMBER = from_string("text -> price: int")


def test_a_number_is_read_near_the_words_of_its_name() -> None:
    assert answer(NUMBER, {"text": "3 bikes, the price is 250 euros, 2 wheels"}) == 250
    assert answer(from_string("text -> wheels: int"), {"text": "3 bikes, the price is 250 euros, 2 wheels"}) == 2


def test_demos_say_which_number_is_meant() -> None:
    demos = [Demo(inputs={"text": f"{n} pears and {n + 3} plums"}, outputs={"total": n + 3}) for n in (2, 9)]
    assert answer(from_string("text -> total: int"), {"text": "12 pears and 17 plums"}, demos) == 17


def test_a_number_that_is_not_in_the_inputs_comes_from_the_most_similar_demo() -> None:
    demos = [Demo(inputs={"text": t}, outputs={"stars": n}) for t, n in (("awful food", 1), ("lovely food", 5))]
    assert answer(from_string("text -> stars: int"), {"text": "a lovely place, 2 visits"}, demos) == 5


def test_large_and_odd_numbers_do_no_harm() -> None:
    assert answer(NUMBER, {"text": f"{'9' * 400} or 1,250 or 7"}) in (1250, 7)
    assert answer(from_string("text -> price: float"), {"text": "it costs 1,234.5 in all"}) == 1234.5


def test_lists_are_spans_numbers_or_labels() -> None:
    assert answer(from_string("text -> prices: list[int]"), {"text": "1 and 2.5 and 30"}) == [1, 30]
    labels = from_string("text -> tags: list[Literal['red', 'blue', 'green']]")
    assert sorted(answer(labels, {"text": "red and blue"})) == ["blue", "red"]
    spans = answer(from_string("text -> points: list[str]"), {"text": "One is good. Two is fine. Three is bad. Four."})
    assert len(spans) == 3
    demos = [Demo(inputs={"text": "A x. B y."}, outputs={"points": ["A x.", "B y."]})]
    assert len(answer(from_string("text -> points: list[str]"), {"text": "One a. Two b. Three c."}, demos)) == 2


def giving(kind: Any) -> Signature:
    """Finds a value of the type in a text."""
    return Signature(
        name="find", inputs=(Slot(name="text", annotation=str),), outputs=(Slot(name="found", annotation=kind),)
    )


def test_each_place_of_a_tuple_is_answered() -> None:
    number, text = answer(giving(tuple[int, str]), {"text": "7 parcels were sent. They were late."})
    assert (number, type(text)) == (7, str)


@pytest.mark.parametrize("kind", [dt.date, dt.datetime, dt.time, dt.timedelta, uuid.UUID, ipaddress.IPv4Address])
def test_a_text_of_a_format_is_one(kind: type) -> None:
    assert isinstance(answer(giving(kind), {"text": "Some time, somewhere."}), kind)


def test_null_is_given_only_where_nothing_else_is() -> None:
    assert answer(CASES["optional_str"].signature, {"ticket": "It is late."}) == "It is late."
    assert answer(from_string("a -> b: None"), {"a": "x"}) is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "minLength": 2}, "--"),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "boolean"}, False),
        ({"const": "x"}, "x"),
        ({"default": 7, "type": "integer"}, 7),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2}, [0, ""]),
        ({"type": "string", "format": "date"}, "1970-01-01"),
        ({"type": "string", "format": "nobody-knows"}, ""),
        ({"$ref": "#/$defs/A"}, {"b": 0}),
        ({"type": "object"}, {}),
        ({}, None),
    ],
)
def test_the_plainest_value_keeps_types_and_bounds(schema: dict[str, Any], value: object) -> None:
    shared: dict[str, Any] = {"A": {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}}
    assert plainest(schema, shared) == value
