"""Making Python types from JSON Schemas that ``signature.py`` has written.

Only those are read; any other keyword is refused with its JSON path. Classes are made again as frozen pydantic models
and ``Enum`` classes, under their old names, with fields, constraints and defaults. Equal schemas give the same class,
wherever they stand, so that a value of one field fits another. Schemas may be hostile: nothing of them is evaluated or
imported, and size and depth have limits.
"""

from __future__ import annotations

import datetime
import decimal
import pathlib
import re
import types
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ForwardRef, Literal, NotRequired, Union

import pydantic
from pydantic import Field
from typing_extensions import TypedDict

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ArtifactError
from treadle.compiler.json_schema import LISTED_PARTS, NAMED_PARTS, SINGLE_PARTS
from treadle.compiler.reading import Reading
from treadle.compiler.schema_parts import (
    DICT,
    LIST,
    NUMBER,
    SAID,
    TEXT,
    Annotation,
    attribute_name,
    class_name,
    constraints_of,
    default_of,
    enum_class,
    literal_value,
    with_words,
    words_of,
)

Known = Mapping[str, Any]
"""Classes that stand for equal ones in a document, by ``class_key``."""

DEEPEST = 50
"""How deep schemas may nest."""

MOST_PARTS = 2_000
"""How many schemas one schema may hold."""

MOST_CLASSES = 4_096
"""How many classes are kept, so that the same schema gives the same class."""

_FORMATS: Mapping[str, Annotation] = {
    "date-time": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "duration": datetime.timedelta,
    "uuid": uuid.UUID,
    "binary": bytes,
    "path": pathlib.Path,
}


def _generic(origin: type, *parts: Annotation) -> Annotation:
    return types.GenericAlias(origin, parts)


_UNLIKE_LISTS: Mapping[str, Callable[[Annotation], Annotation]] = {
    "tuple": lambda item: _generic(tuple, item, ...),
    "frozenset": lambda item: _generic(frozenset, item),
}

_AS_KEY = re.compile(r"[^a-zA-Z0-9.\-_]")  # what pydantic replaces in a class's name to make a key of $defs
_REFERENCE = re.compile(r"#/\$defs/(.{1,300})")

_made: OrderedDict[str, Any] = OrderedDict()


def make_type(reading: Reading, known: Known) -> Annotation:
    """The type a schema describes.

    Raises:
        ArtifactError: The schema is not one that Treadle writes, or no type can be made of it.
    """
    reader = _Reader(reading, known)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a field may have the name of a BaseModel method
            made = reader.root()
            # finds what is wrong with patterns and the like now and not at first use
            complete = pydantic.TypeAdapter(made).pydantic_complete
    except ArtifactError:
        raise
    # pydantic, enum and typing refuse what they cannot make with exceptions of many classes
    except Exception as error:
        reading.refuse(f"no type can be made of this schema: {type(error).__name__}: {str(error)[:200]}")
    if not complete:
        reading.refuse("a definition refers to itself without being an object")
    reader.keep()
    return made


def class_key(schema: Mapping[str, JSON], definitions: Mapping[str, JSON]) -> str:
    """What a class's schema says, with all definitions it reaches: the same wherever the class stands."""
    top = {key: value for key, value in schema.items() if key != "$defs"}
    reached: dict[str, JSON] = {}
    queue: list[JSON] = [top]
    while queue:
        for name in _references(queue.pop()):
            if name not in reached and name in definitions:
                reached[name] = definitions[name]
                queue.append(definitions[name])
    return canonical([top, reached])


def _references(schema: JSON) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if isinstance(reference := schema.get("$ref"), str):
        yield reference.rpartition("/")[2]
    for key in (*NAMED_PARTS, *LISTED_PARTS, *SINGLE_PARTS):
        parts = schema.get(key)
        if key in NAMED_PARTS and isinstance(parts, Mapping):
            parts = list(parts.values())
        for part in parts if isinstance(parts, list | tuple) else [parts]:
            yield from _references(part)


class _Reader:
    """Reads one schema with its definitions."""

    def __init__(self, reading: Reading, known: Known) -> None:
        self.top = reading
        self.known = known
        self.parts = 0
        self.definitions: Mapping[str, JSON] = {}
        self.by_name: dict[str, Any] = {}
        self.open: dict[str, str] = {}  # definitions being read, and the alias a reference to one of them gets
        self.recursive: dict[str, Any] = {}
        self.new: dict[str, Any] = {}

    def root(self) -> Annotation:
        top = self.top.mapping()
        if "$defs" in top:
            self.definitions = self.top["$defs"].mapping()
        made = self.read(Reading({k: v for k, v in top.items() if k != "$defs"}, self.top.path), 0)
        for cls in self.new.values():
            if self.recursive and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel):
                cls.model_rebuild(_types_namespace=self.recursive)
        return made

    def keep(self) -> None:
        """Remember the classes that were made."""
        for key, cls in self.new.items():
            _made[key] = cls
            if len(_made) > MOST_CLASSES:
                _made.popitem(last=False)

    def read(self, at: Reading, depth: int) -> Annotation:
        """The type of one schema, with what is said of it and its constraints."""
        self.parts += 1
        if depth > DEEPEST or self.parts > MOST_PARTS:
            at.refuse(f"schemas nest deeper than {DEEPEST} or hold more than {MOST_PARTS} parts")
        schema = at.mapping()
        for keyword, form in _FORMS.items():
            if keyword in schema:
                return form(self, at, depth)
        if "type" not in schema:
            return with_words(at, Any, ())
        kind = at["type"].text(20)
        if kind not in _KINDS:
            at["type"].refuse(f"unknown type {kind!r}; known are {', '.join(_KINDS)}")
        return _KINDS[kind](self, at, depth)

    def reference(self, at: Reading, depth: int) -> Annotation:
        match = _REFERENCE.fullmatch(at["$ref"].text(400))
        if match is None or match[1] not in self.definitions:
            at["$ref"].refuse("does not name one of the schema's $defs")
        return with_words(at, self.named(match[1], depth), ("$ref",))

    def named(self, name: str, depth: int) -> Annotation:
        """The class of a definition; a forward reference while it is being made."""
        if name in self.open:
            # the alias is ours: text from the document never becomes a forward reference, which Python evaluates
            self.recursive.setdefault(self.open[name], None)
            return ForwardRef(self.open[name])
        if name not in self.by_name:
            alias = self.open[name] = f"_Recursive{len(self.open) + len(self.by_name)}"
            content = Reading(self.definitions[name], f"{self.top.path}.$defs.{name}")
            made = self.read_named(content, name, depth + 1)
            del self.open[name]
            self.by_name[name] = made
            if alias in self.recursive:
                self.recursive[alias] = made
        return self.by_name[name]

    def read_named(self, at: Reading, name: str, depth: int) -> Annotation:
        schema = at.mapping()
        if "properties" in schema and schema.get("x-python") != "typed_dict":
            said = class_name(at)
            return self.model(at, depth, said if _AS_KEY.sub("_", said) == name else name)
        return self.read(at, depth)

    # --- values ----------------------------------------------------------------------------------------------------

    def constant(self, at: Reading, _: int) -> Annotation:
        return with_words(at, Literal[literal_value(at["const"])], ("const", "type"))

    def enumeration(self, at: Reading, _: int) -> Annotation:
        values = [literal_value(value) if "x-enum-names" not in at else value.value for value in at["enum"].items()]
        if "x-enum-names" not in at:
            return with_words(at, Literal[tuple(values)], ("enum", "type"))
        at.fields((), ("enum", "type", "title", "description", "x-enum-names", "x-enum-base"))
        names = [attribute_name(name) for name in at["x-enum-names"].items()]
        if len(names) != len(values) or len(set(names)) != len(names):
            at["x-enum-names"].refuse(f"must name each of the {len(values)} values once")
        return self.once(at, lambda: enum_class(at, list(zip(names, values, strict=True))))

    def one_of(self, at: Reading, depth: int) -> Annotation:
        key = "anyOf" if "anyOf" in at else "oneOf"
        parts = [self.read(part, depth + 1) for part in at[key].items()]
        if not parts:
            at[key].refuse("names no type")
        if at.mapping().get("x-python") == "decimal":
            return with_words(at, decimal.Decimal, (key, "x-python"))
        options: dict[str, Any] = {}
        if "discriminator" in at:
            at["discriminator"].fields(("propertyName",), ("mapping",))
            options["discriminator"] = attribute_name(at["discriminator"]["propertyName"])
        return with_words(at, Union[tuple(parts)], (key, "discriminator"), options)  # noqa: UP007  made from values

    def text(self, at: Reading, _: int) -> Annotation:
        form = at["format"].text(100) if "format" in at else ""
        options = constraints_of(at, TEXT)
        if form and form not in _FORMATS:
            options["json_schema_extra"] = {"format": form}
        return with_words(at, _FORMATS.get(form, str), ("type", "format", *TEXT), options)

    def plain(self, at: Reading, _: int) -> Annotation:
        kind = {"integer": int, "number": float, "boolean": bool, "null": None}[at["type"].text()]
        numeric = kind in (int, float)
        options = constraints_of(at, NUMBER) if numeric else {}
        return with_words(at, kind, ("type", *(NUMBER if numeric else ())), options)

    def array(self, at: Reading, depth: int) -> Annotation:
        known = ("type", "items", "prefixItems", "uniqueItems", "x-python", *LIST)
        if "prefixItems" in at or ("items" not in at and at.mapping().get("maxItems") == 0):
            parts = [self.read(p, depth + 1) for p in at["prefixItems"].items()] if "prefixItems" in at else []
            return with_words(at, _generic(tuple, *parts), known)
        item = self.read(at["items"], depth + 1) if "items" in at else Any
        if "x-python" in at:
            if at["x-python"].text() not in _UNLIKE_LISTS:
                at["x-python"].refuse("names no kind of list")
            made = _UNLIKE_LISTS[at["x-python"].text()](item)
        else:
            made = _generic(set if "uniqueItems" in at and at["uniqueItems"].flag() else list, item)
        return with_words(at, made, known, constraints_of(at, LIST))

    # --- objects ---------------------------------------------------------------------------------------------------

    def mapping(self, at: Reading, depth: int) -> Annotation:
        if "properties" in at:
            if at.mapping().get("x-python") == "typed_dict":
                return self.typed_dict(at, depth)
            return self.model(at, depth, class_name(at))
        key: Any = str
        for said in ("x-keys", "propertyNames"):
            if said in at:
                key = self.read(at[said], depth + 1)
        value: Any = Any
        if "additionalProperties" in at and at["additionalProperties"].value is not True:
            value = self.read(at["additionalProperties"], depth + 1)
        known = ("type", "additionalProperties", "propertyNames", "x-keys", *DICT)
        return with_words(at, dict[key, value], known, constraints_of(at, DICT))

    def model(self, at: Reading, depth: int, name: str) -> Annotation:
        known = ("properties", "required", "title", "description", "additionalProperties", "x-order", "x-class")
        at.fields(("type", "properties"), known)
        return self.once(at, lambda: self.make_model(at, depth, name))

    def make_model(self, at: Reading, depth: int, name: str) -> type[pydantic.BaseModel]:
        required = self.required(at)
        fields: dict[str, Any] = {
            attribute_name(Reading(field, part.path)): self.field(part, depth + 1, field in required)
            for field, part in at["properties"].members()
        }
        title = at["title"].text(200) if "title" in at else name
        config = pydantic.ConfigDict(frozen=True, protected_namespaces=())
        if title != name:
            config["title"] = title
        if "additionalProperties" in at:
            config["extra"] = "allow" if at["additionalProperties"].flag() else "forbid"
        doc = at["description"].text() if "description" in at else None
        return pydantic.create_model(name, __config__=config, __doc__=doc, __module__=__name__, **fields)

    def field(self, at: Reading, depth: int, required: bool) -> tuple[Annotation, Any]:
        """A field of a model: what is said of it belongs to the field and not to its type."""
        inner = {key: value for key, value in at.mapping().items() if key not in ("default", *SAID)}
        annotation = self.read(Reading(inner, at.path), depth)
        options = words_of(at)
        if "default" in at:
            return annotation, Field(default=at["default"].plain(), validate_default=True, **options)
        if required:
            return annotation, Field(**options)
        return annotation, Field(default_factory=default_of(inner), **options)

    def typed_dict(self, at: Reading, depth: int) -> Annotation:
        at.fields(
            ("type", "properties", "title"), ("required", "description", "additionalProperties", "x-order", "x-python")
        )
        required = self.required(at)
        fields: dict[str, Any] = {}
        for field, part in at["properties"].members():
            kind = self.read(part, depth + 1)
            fields[attribute_name(Reading(field, part.path))] = kind if field in required else NotRequired[kind]
        return TypedDict(at["title"].text(200), fields)  # type: ignore[operator]  # made from values

    def required(self, at: Reading) -> frozenset[str]:
        names = [name.text() for name in at["required"].items()] if "required" in at else []
        unknown = sorted(set(names) - set(at["properties"].mapping()))
        if unknown:
            at["required"].refuse(f"names fields that are not there: {', '.join(unknown)[:200]}")
        return frozenset(names)

    def once(self, at: Reading, make: Callable[[], Any]) -> Any:
        """The class for a schema: one that is known, one made before, or a new one."""
        key = class_key(at.mapping(), self.definitions)
        if key not in self.known and key not in _made and key not in self.new:
            made = make()
            self.new[key] = made
        for classes in (self.known, self.new, _made):
            if key in classes:
                return classes[key]
        return made


_Form = Callable[[_Reader, Reading, int], Annotation]

_FORMS: Mapping[str, _Form] = {
    "$ref": _Reader.reference,
    "const": _Reader.constant,
    "enum": _Reader.enumeration,
    "anyOf": _Reader.one_of,
    "oneOf": _Reader.one_of,
}

_KINDS: Mapping[str, _Form] = {
    "string": _Reader.text,
    "integer": _Reader.plain,
    "number": _Reader.plain,
    "boolean": _Reader.plain,
    "null": _Reader.plain,
    "array": _Reader.array,
    "object": _Reader.mapping,
}
