"""Types made again from what is written of them."""

import datetime
import decimal
import enum
import json
import pathlib
import types
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # noqa: UP035  pydantic reads no others before Python 3.12

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ArtifactError
from treadle.compiler.hints import from_function
from treadle.compiler.prompt.render import render
from treadle.compiler.reading import Reading
from treadle.compiler.schema import known_types, signature_of, slot_of, type_of
from treadle.compiler.signature import MISSING, Signature, Slot


class Colour(enum.Enum):
    """What it looks like."""

    RED = "red"
    TWO = 2
    NONE = None


class Word(str, enum.Enum):  # noqa: UP042  as people wrote it before StrEnum
    YES = "yes"


class Text(enum.StrEnum):
    YES = "yes"


class Size(enum.IntEnum):
    BIG = 3


class Money(pydantic.BaseModel):
    """An amount."""

    model_config = pydantic.ConfigDict(extra="forbid")

    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="ISO code", examples=["EUR"])
    amount: float = Field(ge=0)
    colour: Colour = Colour.RED


class Tree(pydantic.BaseModel):
    name: str
    worth: Money | None = None
    children: list["Tree"] = Field(default_factory=list)


class Hen(pydantic.BaseModel):
    egg: "Egg | None" = None


class Egg(pydantic.BaseModel):
    hen: Hen | None = None


Hen.model_rebuild()


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


@dataclass
class Point:
    y: int
    x: int = 0


class Options(TypedDict):
    fast: bool
    seed: NotRequired[int]


class Empty(pydantic.BaseModel):
    pass


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", title="An open one")

    a: Annotated[str, Field(title="Custom", max_length=5)]


TYPES: list[Any] = [
    *(str, int, float, bool, None, Any, object, list, dict, tuple, set),
    *(Colour, Word, Text, Size, Money, Tree, Hen, Egg, Point, Options, Empty, Open),
    *(
        list[Tree],
        dict[str, Money],
        dict[int, str],
        dict[Colour, int],
        dict[Literal["a"], int],
        set[int],
        frozenset[str],
    ),
    *(tuple[int, str], tuple[int, ...], tuple[()], Sequence[int], Mapping[str, list[Point]]),
    *(Literal["a"], Literal["b", 1, None, True], str | None, str | int, int | str, int | list[Colour]),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID, bytes),
    *(pathlib.Path, pydantic.AnyUrl),
    Annotated[int, Field(ge=0, lt=5, multiple_of=2)],
    Annotated[float, Field(gt=0.5, le=5)],
    Annotated[str, Field(min_length=1, max_length=9, pattern="a+", description="text", examples=["aa"])],
    Annotated[list[int], Field(min_length=1, max_length=3)],
    Annotated[dict[str, int], Field(max_length=3)],
    Annotated[Cat | Dog, Field(discriminator="kind")],
    list[Annotated[str, Field(description="one of them")]],
    Annotated[Money, Field(description="the price")],
    Annotated[str, Field(json_schema_extra={"x-mine": 1})],
    pydantic.SecretStr,
    pydantic.Json[int],
]


def schema_of(annotation: Any) -> JSON:
    return Slot(name="value", annotation=annotation).schema


def filed(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_a_type_made_again_has_the_same_schema(annotation: Any) -> None:
    schema = schema_of(annotation)
    assert schema_of(type_of(filed(schema))) == schema


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda kind: types.GenericAlias(list, (kind,))),
        inner.map(lambda kind: types.GenericAlias(dict, (str, kind))),
        inner.map(lambda kind: Union[kind, None]),  # noqa: UP007  made from values
        st.tuples(inner, inner).map(lambda kinds: types.GenericAlias(tuple, kinds)),
        st.dictionaries(st.sampled_from(["zeta", "alpha", "mid"]), inner, min_size=1).map(_model),
    )


def _model(fields: dict[str, Any]) -> Any:
    return pydantic.create_model("Record", **{name: (kind, ...) for name, kind in fields.items()})  # type: ignore[call-overload]


@given(st.recursive(st.sampled_from([kind for kind in TYPES if kind is not None]), _nested, max_leaves=6))
def test_nested_types_made_again_have_the_same_schema(annotation: Any) -> None:
    schema = schema_of(annotation)
    again = type_of(filed(schema))
    assert canonical(schema_of(again)) == canonical(schema)


def test_values_pass_between_types_made_apart() -> None:
    one, many = type_of(schema_of(Tree)), type_of(schema_of(list[Tree]))
    assert many.__args__[0] is one
    assert type_of(filed(schema_of(Tree))) is one
    value = Slot(name="x", annotation=one).read({"name": "oak", "children": [{"name": "acorn"}]})
    assert Slot(name="x", annotation=many).check([value]) == [value]
    assert type(value.children[0]) is one
    assert value.worth is None


def test_made_classes_behave_like_the_old_ones() -> None:
    money = Slot(name="x", annotation=type_of(schema_of(Money)))
    assert money.read({"amount": 2}).colour.name == "RED"
    assert money.dump(money.read({"amount": 2})) == {"currency": "EUR", "amount": 2.0, "colour": "red"}
    for bad in ({"amount": -1}, {"amount": 1, "currency": "eur"}, {"amount": 1, "other": 2}, {}):
        with pytest.raises(pydantic.ValidationError):
            money.read(bad)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        money.read({"amount": 2}).amount = 3
    assert f"{type_of(schema_of(Text)).YES} {type_of(schema_of(Word)).YES == 'yes'}" == "yes True"
    assert type_of(schema_of(Size)).BIG + 1 == 4
    assert type_of(schema_of(Tree))(name="x").children == []
    options = Slot(name="x", annotation=type_of(schema_of(Options)))
    assert options.read({"fast": True}) == {"fast": True}


def test_known_types_stand_in_for_equal_ones() -> None:
    known = known_types([list[Tree], dict[str, Colour]])
    assert type_of(filed(schema_of(Tree)), known=known) is Tree
    assert type_of(filed(schema_of(dict[str, list[Money]])), known=known) == dict[str, list[Money]]
    assert type_of(filed(schema_of(Colour)), known=known) is Colour
    assert type_of(filed(schema_of(Point)), known=known) is not Point


def invoice(text: str, limit: Annotated[int, Field(ge=0)] = 3, moods: Sequence[Colour] = (Colour.RED,)) -> Tree:
    """Read the invoice."""
    ...


def test_a_signature_made_again_renders_the_same_prompt() -> None:
    signature = from_function(invoice)
    again = signature_of(Reading(filed(signature.to_json())))
    assert again.to_json() == signature.to_json()
    assert again.interface_hash == signature.interface_hash
    values = {"text": "x", "limit": 1, "moods": [Colour.RED]}
    made = {**values, "moods": [again.inputs[2].read(["red"])[0]]}
    assert render(again, (), made) == render(signature, (), values)
    assert again.inputs[1].default == 3
    assert again.inputs[0].default is MISSING


def test_a_default_that_does_not_fit_is_refused() -> None:
    slot: JSON = {"name": "x", "schema": {"type": "integer"}, "default": "many"}
    with pytest.raises(ArtifactError, match=r"^\$\.default: does not fit"):
        slot_of(Reading(slot))


def test_an_impossible_signature_is_refused() -> None:
    empty = Signature(name="x", inputs=(), outputs=(Slot(name="y", annotation=str),)).to_json()
    twice: JSON = [slot for slot in filed(empty)["outputs"] for _ in range(2)]
    for spoiled in ({**empty, "outputs": []}, {**empty, "inputs": twice}):
        with pytest.raises(ArtifactError):
            signature_of(Reading(spoiled))


def deep(depth: int) -> JSON:
    schema: JSON = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def record(**fields: JSON) -> JSON:
    return {"type": "object", "title": "R", "properties": fields}


REFUSED: list[tuple[JSON, str]] = [
    (7, "$"),
    ({"type": "code"}, "$.type"),
    ({"type": "string", "x-run": "rm"}, "$.x-run"),
    ({"type": ["string", "null"]}, "$.type"),
    ({"type": "integer", "minimum": "0"}, "$.minimum"),
    ({"type": "integer", "multipleOf": 0}, "$.multipleOf"),
    ({"type": "integer", "pattern": "a"}, "$.pattern"),
    ({"type": "string", "pattern": "("}, "$"),
    ({"type": "string", "minLength": -1}, "$.minLength"),
    ({"$ref": "#/$defs/Nobody"}, "$.$ref"),
    ({"$ref": "http://example.org/schema", "$defs": {}}, "$.$ref"),
    ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "$"),
    ({"anyOf": []}, "$.anyOf"),
    ({"anyOf": {"type": "string"}}, "$.anyOf"),
    ({"enum": [[1]]}, "$.enum[0]"),
    ({"const": {"a": 1}}, "$.const"),
    ({"enum": ["a"], "x-enum-names": ["__class__"]}, "$.x-enum-names[0]"),
    ({"enum": ["a"], "x-enum-names": ["mro"]}, "$"),
    ({"enum": ["a"], "x-enum-names": ["A", "B"]}, "$.x-enum-names"),
    ({"enum": ["a", "a"], "x-enum-names": ["A", "B"]}, "$.enum"),
    ({"enum": [[1]], "x-enum-names": ["A"]}, "$.enum"),
    ({"enum": ["a"], "x-enum-names": ["A"], "x-enum-base": "os"}, "$.x-enum-base"),
    (record(__init__={"type": "string"}), "$.properties.__init__"),
    (record(model_config={"type": "string"}), "$.properties.model_config"),
    (record(**{"a b": {"type": "string"}}), "$.properties.a b"),
    (record(**{"__import__('os')": {"type": "string"}}), "$.properties.__import__('os')"),
    ({**record(a={"type": "string"}), "required": ["b"]}, "$.required"),  # type: ignore[dict-item]
    ({"type": "array", "items": {}, "x-python": "object"}, "$.x-python"),
    (deep(60), "$" + ".items" * 51),
    ({"anyOf": [{"type": "string"}] * 3000}, "$.anyOf[1999]"),
    ({"type": "number", "maximum": float("inf")}, "$"),
]


@pytest.mark.parametrize(("schema", "path"), REFUSED)
def test_what_treadle_does_not_write_is_refused_with_its_path(schema: JSON, path: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        type_of(schema)
    assert caught.value.path == path


def test_no_text_of_a_schema_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr("builtins.print", lambda *a: ran.append("ran"))
    name = "print('x')"
    schema: JSON = {
        "$defs": {name: {"type": "object", "title": name, "properties": {"me": {"$ref": f"#/$defs/{name}"}}}},
        "$ref": f"#/$defs/{name}",
    }
    type_of(schema)
    assert not ran
