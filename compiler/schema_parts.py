"""The parts of a JSON Schema that are no types: what is said of a type, its constraints, names, members of enums."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

from pydantic import Field

from treadle.compiler.canonical import JSON
from treadle.compiler.reading import Reading

# A Python annotation: a class, a generic alias, a Literal, a union. The type system has no name for it.
Annotation = Any

SAID = ("title", "description", "examples")
NUMBER = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
TEXT = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
LIST = {"minItems": "min_length", "maxItems": "max_length"}
DICT = {"minProperties": "min_length", "maxProperties": "max_length"}

_NAME = re.compile(r"(?!model_)[^\W\d_]\w{0,199}")


def with_words(
    at: Reading, made: Annotation, known: tuple[str, ...], options: Mapping[str, Any] | None = None
) -> Annotation:
    """The type with what is said of it in ``Annotated``, if anything is."""
    at.fields((), (*known, *SAID))
    options = {**words_of(at), **(options or {})}
    return Annotated[made, Field(**options)] if options else made


def words_of(at: Reading) -> dict[str, Any]:
    """Title, description and examples, as arguments of pydantic's ``Field``."""
    words: dict[str, Any] = {key: at[key].text() for key in ("title", "description") if key in at}
    if "examples" in at:
        words["examples"] = [example.plain() for example in at["examples"].items()]
    return words


def constraints_of(at: Reading, table: Mapping[str, str]) -> dict[str, Any]:
    """The constraints of a table that a schema states, as arguments of pydantic's ``Field``."""
    found: dict[str, Any] = {}
    for keyword, option in table.items():
        if keyword in at:
            if keyword == "pattern":
                found[option] = at[keyword].text(2_000)
            elif table is NUMBER:
                low = 1e-300 if keyword == "multipleOf" else -float("inf")
                found[option] = at[keyword].number(low)
            else:
                found[option] = at[keyword].whole()
    return found


def literal_value(at: Reading) -> Any:
    """A value a ``Literal`` may have."""
    if at.value is not None and not isinstance(at.value, str | bool | int):
        at.refuse("is no value a Literal can have")
    return at.value


def attribute_name(at: Reading) -> str:
    """A name that may become a Python attribute."""
    name = at.text()
    if not _NAME.fullmatch(name):
        at.refuse(f"the name {name[:60]!r} is not one a field or member can have")
    return name


def class_name(at: Reading) -> str:
    """The name of the class a schema describes."""
    for keyword in ("x-class", "title"):
        if keyword in at:
            return at[keyword].text(200)
    return "Record"


def enum_class(at: Reading, members: list[tuple[str, Any]]) -> type[enum.Enum]:
    """The enum class a schema describes, given the names and values of its members."""
    title = at["title"].text(200) if "title" in at else "Choice"
    base = at["x-enum-base"].text(20) if "x-enum-base" in at else ""
    mixins: Mapping[str, Any] = {"str": str, "int": int}
    bases: Mapping[str, Any] = {"StrEnum": enum.StrEnum, "IntEnum": enum.IntEnum}
    if base and base not in mixins and base not in bases:
        at["x-enum-base"].refuse(f"must be one of {', '.join((*mixins, *bases))}")
    for _, value in members:
        if value is not None and not isinstance(value, str | bool | int | float):
            at["enum"].refuse(f"holds {json.dumps(value)[:60]}, which is no member's value")
    made = cast(type[enum.Enum], bases.get(base, enum.Enum)(title, members, module=__name__, type=mixins.get(base)))
    if len(made) != len(members):
        at["enum"].refuse("holds a value twice")
    made.__doc__ = at["description"].text() if "description" in at else None
    return made


def default_of(schema: Mapping[str, JSON]) -> Callable[[], Any]:
    """What a field that may be left out, and says no default, holds then."""
    return {"array": list, "object": dict}.get(str(schema.get("type")), lambda: None)
