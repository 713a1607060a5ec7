"""Modules: how a step is answered. A module maps a signature to a graph with that signature.

A module is a frozen pydantic model whose fields are its knobs; ``build`` returns its graph. Module classes join the
registry when they are defined, so that a file can name them. ``Predict`` is the module of one bare LM call; a step
without a module means the same.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Union, cast, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DeclarationError
from treadle.compiler.graph.bind import bind, effective
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Parameter
from treadle.compiler.signature import Signature

_REGISTRY: dict[str, type[Module]] = {}

INNER = "inner"
"""Name of the field for the module another one wraps; a module in a field of any other name has that name as role."""


class Module(pydantic.BaseModel):
    """How a step is answered.

    A subclass declares its knobs as fields with ranges (``n: int = Field(5, ge=2, le=15)``; a text with a
    ``max_length`` is a knob, too), the modules it uses as fields of type ``AnyModule`` (``inner`` for the one it wraps;
    a field of another name is also the role given to ``g.module``), callables as fields of type ``AnyOp``, and builds
    its graph. A dict field holds modules and ops by name; the names are the roles, or, for a field that ``variants``
    lists, the variants given to ``g.module``. Its docstring states its LM calls as a formula.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    """Name in files and addresses: the class name in snake case."""

    variants: ClassVar[tuple[str, ...]] = ()
    """Dict fields whose modules answer the step itself: variants of its answer, not roles."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
        known = _REGISTRY.get(cls.name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            msg = f"two module classes are called {cls.name!r}: {known.__module__} and {cls.__module__}; rename one"
            raise DeclarationError(msg)
        _REGISTRY[cls.name] = cls

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:
        if inner is not None:
            if INNER not in type(self).model_fields:
                known = ", ".join(type(self).model_fields) or "none"
                msg = f"{type(self).__name__} wraps no module; its knobs are {known}"
                raise DeclarationError(msg)
            knobs[INNER] = inner
        try:
            super().__init__(**knobs)
        except pydantic.ValidationError as error:
            raise DeclarationError(_said(type(self), error)) from None

    def build(self, signature: Signature) -> Graph:
        """The graph that answers ``signature``: its inputs are the signature's, its output the signature's value.

        Raises:
            SignatureError: The module cannot serve the signature; says why and what to do.
        """
        raise TypeError(f"{type(self).__name__} does not define build(signature)")

    def lm_calls(self) -> int | None:
        """LM calls of one step at most, re-asks not counted; ``None`` where there is no bound."""
        raise TypeError(f"{type(self).__name__} does not define lm_calls()")

    def draw(self, signature: Signature) -> str:
        """The graph that answers ``signature``, as Mermaid text.

        Raises:
            SignatureError: The module cannot serve the signature.
        """
        from treadle.compiler.graph.mermaid import mermaid

        return mermaid(self.build(signature))

    def to_json(self) -> dict[str, JSON]:
        """The module as data: its name under ``module``, then the knobs that are not at their defaults.

        So a knob that a later version adds changes no file and no hash; in turn a default, once released, stays.
        """
        return {"module": self.name, **cast(dict[str, JSON], self.model_dump(mode="json", exclude_defaults=True))}

    def knobs(self, at: str) -> tuple[Parameter, ...]:
        """What search may change in this module and the modules inside it.

        Args:
            at: Address of what the module answers: a predictor's name.
        """
        return tuple(self._knobs(at))

    def _knobs(self, at: str) -> Iterator[Parameter]:
        for field, info in type(self).model_fields.items():
            value = getattr(self, field)
            if (knob := _knob(f"{at}/{self.name}.{field}", info, value)) is not None:
                yield knob
            for key, inner in _modules_in(value):
                yield from inner._knobs(self._inside(at, field, key))

    def tuned(self, at: str, values: Mapping[str, JSON]) -> Module:
        """The module with a candidate's values for its knobs and those of the modules inside it.

        Args:
            at: As for ``knobs``.
            values: A candidate's values by address; those of other modules are ignored.

        Raises:
            DeclarationError: A value is out of range.
        """
        changes: dict[str, Any] = {}
        for field in type(self).model_fields:
            value = getattr(self, field)
            if (address := f"{at}/{self.name}.{field}") in values:
                changes[field] = values[address]
            inner = {key: one.tuned(self._inside(at, field, key), values) for key, one in _modules_in(value)}
            if any(inner[key] is not one for key, one in _modules_in(value)):
                changes[field] = {**value, **inner} if isinstance(value, Mapping) else inner[""]
        if not changes:
            return self
        return _validated(type(self), {field: getattr(self, field) for field in type(self).model_fields} | changes)

    def ops(self) -> dict[str, Op]:
        """The ops this module and the modules inside it were given as objects, by name."""
        found: dict[str, Op] = {}
        for field in type(self).model_fields:
            value = getattr(self, field)
            for _, inner in _modules_in(value):
                found |= inner.ops()
            for part in value.values() if isinstance(value, Mapping) else [value]:
                if isinstance(part, NamedOp) and part.op is not None:
                    found[str(part)] = part.op
        return found

    def _inside(self, at: str, field: str, key: str) -> str:
        """Where the parameters of an inner module are: the address ``g.module`` gives its calls."""
        if field == INNER:
            return f"{at}/{self.name}"
        return f"{at}/{self.name}{':' if field in self.variants else '.'}{key or field}"


def _modules_in(value: Any) -> list[tuple[str, Module]]:
    """The modules a field holds, by key where it is a dict."""
    if isinstance(value, Module):
        return [("", value)]
    if isinstance(value, Mapping):
        return [(key, part) for key, part in value.items() if isinstance(part, Module)]
    return []


def _knob(address: str, info: FieldInfo, value: Any) -> Parameter | None:
    """The parameter of one field, or ``None`` where the field has no range to search in."""
    kind = _without_none(info.annotation)
    if get_origin(kind) is Literal:
        return Parameter(address=address, kind="choice", default=value, choices=get_args(kind))
    if kind is bool:
        return Parameter(address=address, kind="choice", default=value, choices=(False, True))
    longest = _limit(info, "max_length")
    if kind is str and longest is not None:
        return Parameter(address=address, kind="text", default=value, max_length=int(longest))
    low, high = _limit(info, "ge"), _limit(info, "le")
    if kind in (int, float) and low is not None and high is not None:
        return Parameter(address=address, kind="number", default=value, low=low, high=high, integer=kind is int)
    return None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        kept = [part for part in get_args(annotation) if part is not type(None)]
        return kept[0] if len(kept) == 1 else annotation
    return annotation


def _limit(info: FieldInfo, name: str) -> float | None:
    for constraint in info.metadata:
        if (limit := getattr(constraint, name, None)) is not None:
            return float(limit)
    return None


def module_from_json(data: Any) -> Module:
    """A module from data, by the registry; nothing is imported.

    Raises:
        DeclarationError: The name is unknown, a knob is unknown or out of range.
    """
    if isinstance(data, Module):
        return data
    if not isinstance(data, Mapping) or not isinstance(data.get("module"), str):
        msg = f"a module is written as {{'module': name, knobs…}}, not {str(data)[:80]!r}"
        raise DeclarationError(msg)
    found = _REGISTRY.get(data["module"])
    if found is None:
        msg = f"no module is called {data['module']!r}; known are {', '.join(sorted(_REGISTRY))}"
        raise DeclarationError(msg)
    return _validated(found, {key: value for key, value in data.items() if key != "module"})


def _validated(found: type[Module], fields: Mapping[str, Any]) -> Module:
    try:
        return found.model_validate(fields)
    except pydantic.ValidationError as error:
        raise DeclarationError(_said(found, error)) from None


def _said(found: type[Module], error: pydantic.ValidationError) -> str:
    """What is wrong with a module's knobs: the first of it."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"module {found.name!r}: {where}{': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"


def _validate(value: Any) -> Module:
    try:
        return module_from_json(value)
    except DeclarationError as error:
        raise ValueError(str(error)) from None


AnyModule = Annotated[
    Module,
    pydantic.PlainValidator(_validate),
    pydantic.PlainSerializer(lambda module: module.to_json(), return_type=dict),
]
"""Type of a field that holds a module: keeps the subclass and its knobs in JSON."""


class NamedOp(str):
    """An op's name that still knows the op, where the module was given one. Equal to the name alone."""

    __slots__ = ("op",)
    op: Op | None


def _validate_op(value: Any) -> NamedOp:
    op = getattr(value, "op", value)  # a decorated function holds its op as `.op`
    if isinstance(getattr(value, "declared", None), Predictor):
        msg = (
            f"{value} is a predictor, and an op or a module belongs here: give a module, such as Predict(); its "
            "instruction is a parameter of its own"
        )
        raise ValueError(msg)
    if not isinstance(op, Op | str) and op is not None:
        msg = f"an op or the name of one belongs here, not {str(value)[:80]!r}; decorate the function with @op"
        raise ValueError(msg)
    named = NamedOp(op.name if isinstance(op, Op) else str(value))
    named.op = op if isinstance(op, Op) else None
    return named


AnyOp = Annotated[
    str | Op | Callable[..., Any],
    pydantic.PlainValidator(_validate_op),
    pydantic.PlainSerializer(str, return_type=str),
]
"""Type of a field that holds an op: given as an op or by name, stored by name."""


def registered() -> dict[str, type[Module]]:
    """All module classes defined so far, by name."""
    return dict(_REGISTRY)


class Predict(Module):
    """One LM call. LM calls: 1."""

    def build(self, signature: Signature) -> Graph:
        """A graph of one LM node."""
        g = GraphBuilder(self.name, signature)
        return g.finish(g.lm(signature, g.inputs))

    def lm_calls(self) -> int:
        """One."""
        return 1


def module_of(name: str, predictor: Predictor, values: Mapping[str, JSON]) -> Module:
    """The module that answers a predictor's steps under a candidate's values, its knobs set.

    Args:
        name: The predictor's name, under which its parameters are addressed.
        predictor: Its defaults.
        values: A candidate's values by address.

    Raises:
        DeclarationError: The module is unknown or a knob is out of range.
    """
    own = effective(name, predictor, values)
    module = Predict() if own.module is None else module_from_json(own.module)
    return module.tuned(name, values)


def expand_step(
    name: str, predictor: Predictor, values: Mapping[str, JSON], *, lm_temperature: float | None = None
) -> Graph:
    """The calls one step makes: its module's graph with the effective instruction, demos, model and decoding.

    Args:
        name: The predictor's name.
        predictor: Its defaults.
        values: A candidate's values by address.
        lm_temperature: The temperature of the LM in force, where it states one.

    Raises:
        DeclarationError: The module is unknown, out of range, or cannot serve the signature.
        ConfigurationError: The module samples and the temperature is 0.
    """
    own = effective(name, predictor, values)
    graph = module_of(name, predictor, values).build(own.signature)
    return bind(graph, name, own, values, lm_temperature=lm_temperature)
