"""Signatures: what a predictor promises, as typed fields.

A ``Slot`` is one named, typed field. A ``Signature`` is the input slots, the output slots and the instruction. Both are
immutable; everything that changes one returns a new one. Values stay plain Python values: pydantic only checks them,
reads them from JSON and writes them to JSON.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
import warnings
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Union, cast, get_args

import pydantic
import typing_extensions

from treadle.compiler.annotations import Annotation, origin_of, type_name
from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import InputError, SignatureError
from treadle.compiler.json_schema import SchemaWriter
from treadle.compiler.values import dump, shown


class _Missing(enum.Enum):
    MISSING = "missing"


MISSING = _Missing.MISSING
"""Says that a slot has no default: the field is required."""

_PLAIN = (str, int, float, bool)
_PLAIN_SCHEMAS = ((str, "string"), (int, "integer"), (float, "number"), (bool, "boolean"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slot:
    """One named, typed field of a signature.

    Attributes:
        name: Any identifier.
        annotation: The Python type; ``Annotated[...]`` carries pydantic constraints, which are enforced.
        description: Shown to the model beside the field; empty where there is nothing to say.
        default: The value of an input that is left out; ``MISSING`` where it is required.
    """

    name: str
    annotation: Annotation
    description: str = ""
    default: Any = MISSING  # any value of the annotated type

    @cached_property
    def _adapter(self) -> pydantic.TypeAdapter[Any]:
        try:
            return pydantic.TypeAdapter(self.annotation)
        except pydantic.errors.PydanticUserError as error:
            if error.code == "typed-dict-version":
                return pydantic.TypeAdapter(_with_later_typed_dicts(self.annotation))
            msg = f"field {self.name!r}: {type_name(self.annotation)} is not a type values can be checked against"
            raise SignatureError(msg) from error

    @cached_property
    def schema(self) -> Mapping[str, JSON]:
        """JSON Schema of the field's values, with the keywords of ``json_schema.py``."""
        plain = next((name for kind, name in _PLAIN_SCHEMAS if self.annotation is kind), None)
        if plain is not None:  # most fields: pydantic's writer would cost more than the rest of a declaration
            return {"type": plain}
        try:
            return cast(Mapping[str, JSON], self._adapter.json_schema(schema_generator=SchemaWriter))
        except pydantic.errors.PydanticInvalidForJsonSchema as error:
            msg = (
                f"field {self.name!r}: {type_name(self.annotation)} has no JSON Schema; "
                "use str, int, float, bool, Literal, Enum, a pydantic model, a dataclass, list, dict or Optional"
            )
            raise SignatureError(msg) from error

    @property
    def required(self) -> bool:
        """Whether a call must give the field."""
        return self.default is MISSING

    def check(self, value: object) -> Any:
        """``value`` itself if it is of the slot's type; used for values that come from Python code.

        Raises:
            pydantic.ValidationError: The value is of another type or breaks a constraint.
        """
        if type(value) is self.annotation and self.annotation in _PLAIN:
            return value
        return self._adapter.validate_python(value, strict=True)

    def read(self, value: object) -> Any:
        """A value of the slot's type from data: a dataset row, a decoded JSON document.

        Raises:
            pydantic.ValidationError: The value does not fit.
        """
        if type(value) is self.annotation and self.annotation in _PLAIN:
            return value
        return self._adapter.validate_python(value)

    def read_json(self, text: str | bytes) -> Any:
        """A value of the slot's type from JSON text.

        Raises:
            pydantic.ValidationError: The text is not JSON or does not fit.
        """
        return self._adapter.validate_json(text)

    def dump(self, value: object) -> JSON:
        """``value`` as JSON can hold it. Never fails: what does not fit the type is dumped by what it is."""
        if type(value) in _PLAIN or value is None:
            return cast(JSON, value)
        return dump(value)

    def to_json(self) -> dict[str, JSON]:
        """The slot as data: name, schema, description, and the default where there is one."""
        data: dict[str, JSON] = {"name": self.name, "schema": self.schema}
        if self.description:
            data["description"] = self.description
        if self.default is not MISSING:
            data["default"] = self.dump(self.default)
        return data


def _with_later_typed_dicts(annotation: Annotation) -> Annotation:
    """The type with the standard library's ``TypedDict`` classes as those pydantic asks for before Python 3.12."""
    if typing.is_typeddict(annotation):
        return _later_typed_dict(annotation)
    arguments = get_args(annotation)
    if not arguments or origin_of(annotation) is Literal:
        return annotation
    made = tuple(_with_later_typed_dicts(part) for part in arguments)
    origin = origin_of(annotation)
    return Union[made] if origin in (Union, types.UnionType) else origin[made]  # noqa: UP007  parts are values


@functools.lru_cache(maxsize=1024)
def _later_typed_dict(kind: Annotation) -> Annotation:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {
        name: typing_extensions.NotRequired[_with_later_typed_dicts(hint)]
        if name in kind.__optional_keys__
        else _with_later_typed_dicts(hint)
        for name, hint in hints.items()
    }
    return typing_extensions.TypedDict(kind.__name__, fields)  # type: ignore[operator]  # made at run time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """Typed inputs, typed outputs and an instruction.

    With one output the value of a step is that output's value; with several it is a frozen pydantic model whose fields
    are the outputs.

    Attributes:
        name: The predictor's name; also the name of the output slot when a function declares the signature.
        inputs: Input slots in declared order.
        outputs: Output slots in the order the model fills them; at least one.
        instruction: What to do, in words; may be empty.
    """

    name: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    instruction: str = ""

    def __post_init__(self) -> None:
        if not self.outputs:
            msg = f"signature {self.name!r} has no output; give the function a return type"
            raise SignatureError(msg)
        for side, slots in (("input", self.inputs), ("output", self.outputs)):
            names = [slot.name for slot in slots]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                msg = f"signature {self.name!r} has two {side}s named {', '.join(twice)}; give each its own name"
                raise SignatureError(msg)

    @cached_property
    def value(self) -> Slot:
        """The value a step with this signature has: the one output, or a model of all of them."""
        if len(self.outputs) == 1:
            return self.outputs[0]
        return Slot(name=self.name, annotation=_outputs_model(self.name, self.outputs))

    def input(self, name: str) -> Slot:
        """The input slot called ``name``.

        Raises:
            SignatureError: There is none.
        """
        return _slot_named(self, "input", self.inputs, name)

    def output(self, name: str) -> Slot:
        """The output slot called ``name``.

        Raises:
            SignatureError: There is none.
        """
        return _slot_named(self, "output", self.outputs, name)

    def with_instruction(self, instruction: str) -> Signature:
        """The same fields under another instruction."""
        return dataclasses.replace(self, instruction=instruction)

    def with_name(self, name: str) -> Signature:
        """The same fields and instruction under another name."""
        return dataclasses.replace(self, name=name)

    def with_inputs(self, *slots: Slot) -> Signature:
        """The signature with further inputs after its own."""
        return dataclasses.replace(self, inputs=(*self.inputs, *slots))

    def with_outputs(self, *slots: Slot) -> Signature:
        """The signature with further outputs before its own, such as reasoning that leads to the answer."""
        return dataclasses.replace(self, outputs=(*slots, *self.outputs))

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Any]:
        """The inputs of a call by name, checked, defaults filled in.

        Raises:
            InputError: An input is missing, unknown, given twice or of the wrong type.
        """
        named = self._named(args, kwargs)
        bound: dict[str, Any] = {}
        for slot in self.inputs:
            if slot.name in named:
                bound[slot.name] = checked(f"{self.name}()", slot, named[slot.name])
            elif slot.required:
                msg = f"{self.name}() needs the input {slot.name!r}; it takes {self.takes()}"
                raise InputError(msg)
            else:
                bound[slot.name] = slot.default
        return bound

    def _named(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        if len(args) > len(self.inputs):
            msg = (
                f"{self.name}() takes {_counted(len(self.inputs), 'input')} ({self.takes()}) but {len(args)} were given"
            )
            raise InputError(msg)
        named = {slot.name: value for slot, value in zip(self.inputs, args, strict=False)}
        for name, value in kwargs.items():
            if name not in self._input_names:
                msg = f"{self.name}() has no input {name!r}; it takes {self.takes()}"
                raise InputError(msg)
            if name in named:
                msg = f"{self.name}() got the input {name!r} twice"
                raise InputError(msg)
            named[name] = value
        return named

    @cached_property
    def _input_names(self) -> frozenset[str]:
        return frozenset(slot.name for slot in self.inputs)

    def takes(self) -> str:
        """The inputs as a person would list them: ``ticket: str, policies: list[str]``."""
        return ", ".join(f"{slot.name}: {type_name(slot.annotation)}" for slot in self.inputs) or "no inputs"

    def to_json(self) -> dict[str, JSON]:
        """The signature as data."""
        return {
            "name": self.name,
            "inputs": [slot.to_json() for slot in self.inputs],
            "outputs": [slot.to_json() for slot in self.outputs],
            "instruction": self.instruction,
        }

    @cached_property
    def interface_hash(self) -> str:
        """Hash of the fields and their types, not of the instruction or the descriptions' order of writing."""
        return digest([[slot.to_json() for slot in self.inputs], [slot.to_json() for slot in self.outputs]])


def _slot_named(signature: Signature, side: str, slots: tuple[Slot, ...], name: str) -> Slot:
    for slot in slots:
        if slot.name == name:
            return slot
    msg = f"{signature.name!r} has no {side} {name!r}; it has {', '.join(slot.name for slot in slots) or 'none'}"
    raise SignatureError(msg)


def checked(owner: str, slot: Slot, value: object) -> Any:
    """``value`` if it fits ``slot``.

    Raises:
        InputError: Says which input of ``owner`` got what, and what it takes.
    """
    try:
        return slot.check(value)
    except pydantic.ValidationError as error:
        raise InputError(_mismatch(owner, slot, value, error)) from None


def read(owner: str, slot: Slot, value: object) -> Any:
    """A value for ``slot`` from data.

    Raises:
        InputError: Says which field of ``owner`` got what, and what it takes.
    """
    try:
        return slot.read(value)
    except pydantic.ValidationError as error:
        raise InputError(_mismatch(owner, slot, value, error)) from None


def _mismatch(owner: str, slot: Slot, value: object, error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = "".join(f"[{part!r}]" for part in first["loc"])
    told = f"{owner}: input {slot.name!r}{where} takes {type_name(slot.annotation)}, "
    if isinstance(value, types.CoroutineType):
        name = value.__qualname__
        value.close()  # it will never be awaited, which is said here and need not be warned of again
        return f"{told}got a coroutine: write await before the call of {name!r}, in an async def"
    return f"{told}got {shown(value)} of type {type(value).__name__}: {first['msg']}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _outputs_model(name: str, outputs: tuple[Slot, ...]) -> type[pydantic.BaseModel]:
    """The model of several outputs: the same class for the same name and fields, so that equal values are equal."""
    try:
        return _kept_model(name, outputs, tuple(repr(slot.annotation) for slot in outputs))
    except TypeError:  # a constraint that cannot be hashed
        return _new_model(name, outputs)


@functools.lru_cache(maxsize=1024)
def _kept_model(name: str, outputs: tuple[Slot, ...], types: tuple[str, ...]) -> type[pydantic.BaseModel]:
    # the types as text, too: unions of another order are equal and have another schema
    return _new_model(name, outputs)


def _new_model(name: str, outputs: tuple[Slot, ...]) -> type[pydantic.BaseModel]:
    """A frozen model with one field per output. Field names that BaseModel also uses are allowed: theirs win."""
    reserved = [slot.name for slot in outputs if slot.name.startswith(("model_", "_"))]
    if reserved:
        msg = f"signature {name!r}: outputs may not be named {', '.join(reserved)}: pydantic keeps such names"
        raise SignatureError(msg)
    fields: dict[str, Any] = {
        slot.name: (slot.annotation, pydantic.Field(description=slot.description or None)) for slot in outputs
    }
    title = "".join(part.capitalize() for part in name.split("_")) or "Outputs"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # shadowing a BaseModel method is what the user asked for
        model = pydantic.create_model(title, __config__=pydantic.ConfigDict(frozen=True), **fields)
    _SIGNATURE_OF[model] = Signature(name=name, inputs=(), outputs=outputs)
    return model


_SIGNATURE_OF: weakref.WeakKeyDictionary[type[pydantic.BaseModel], Signature] = weakref.WeakKeyDictionary()


def narrowed(value: pydantic.BaseModel, names: Sequence[str]) -> Any:
    """The value of a step that has only the outputs ``names`` of the step whose value is ``value``.

    For modules that ask for more outputs than the step has: the rest of the record is left behind.

    Args:
        value: The value of a signature with several outputs.
        names: At least one of its outputs, in the order they stand in it.

    Raises:
        SignatureError: ``value`` is not such a value, or has no such output.
    """
    signature = _SIGNATURE_OF.get(type(value))
    if signature is None:
        msg = f"{type(value).__name__} is not the value of a step with several outputs"
        raise SignatureError(msg)
    fields = {name: getattr(value, signature.output(name).name) for name in names}
    if len(fields) == 1:
        return fields[names[0]]
    kept = dataclasses.replace(signature, outputs=tuple(signature.output(name) for name in names))
    return kept.value.annotation.model_construct(**fields)
