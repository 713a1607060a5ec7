"""Modules: how a step is answered. A module maps a signature to a graph with that signature.

A module is a frozen pydantic model whose fields are its knobs; ``build`` returns its graph. Module classes join the
registry when they are defined, so that a file can name them. ``Predict`` is the module of one bare LM call; a step
without a module means the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import pydantic

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DeclarationError
from treadle.compiler.signature import Signature

if TYPE_CHECKING:
    from treadle.compiler.graph.nodes import Graph

_REGISTRY: dict[str, type[Module]] = {}


class Module(pydantic.BaseModel):
    """How a step is answered.

    A subclass declares its knobs as fields with ranges (``n: int = Field(5, ge=2, le=15)``), modules it wraps as fields
    of type ``AnyModule``, and builds its graph. Its docstring states its LM calls as a formula.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    """Name in files and addresses: the class name in snake case."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        known = _REGISTRY.get(cls.name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            msg = f"two module classes are called {cls.name!r}: {known.__module__} and {cls.__module__}; rename one"
            raise DeclarationError(msg)
        _REGISTRY[cls.name] = cls

    def build(self, signature: Signature) -> Graph:
        """The graph that answers ``signature``: its inputs are the signature's, its output the signature's value.

        Raises:
            SignatureError: The module cannot serve the signature; says why and what to do.
        """
        raise TypeError(f"{type(self).__name__} does not define build(signature)")

    def lm_calls(self) -> int | None:
        """LM calls of one step at most, re-asks not counted; ``None`` where there is no bound."""
        raise TypeError(f"{type(self).__name__} does not define lm_calls()")

    def to_json(self) -> dict[str, JSON]:
        """The module as data: its name under ``module``, then its knobs."""
        return {"module": self.name, **cast(dict[str, JSON], self.model_dump(mode="json"))}


def module_from_json(data: Any) -> Module:
    """A module from data, by the registry; nothing is imported.

    Raises:
        DeclarationError: The name is unknown, a knob is unknown or out of range.
    """
    if isinstance(data, Module):
        return data
    if not isinstance(data, dict) or not isinstance(data.get("module"), str):
        msg = f"a module is written as {{'module': name, knobs…}}, not {str(data)[:80]!r}"
        raise DeclarationError(msg)
    found = _REGISTRY.get(data["module"])
    if found is None:
        msg = f"no module is called {data['module']!r}; known are {', '.join(sorted(_REGISTRY))}"
        raise DeclarationError(msg)
    try:
        return found.model_validate({key: value for key, value in data.items() if key != "module"})
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"module {found.name!r}: {where}: {first['msg']}"
        raise DeclarationError(msg) from None


def _validate(value: Any) -> Module:
    if isinstance(value, Module):
        return value
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


def registered() -> dict[str, type[Module]]:
    """All module classes defined so far, by name."""
    return dict(_REGISTRY)


class Predict(Module):
    """One LM call. LM calls: 1."""

    def build(self, signature: Signature) -> Graph:
        """A graph of one LM node."""
        from treadle.compiler.graph.build import GraphBuilder

        g = GraphBuilder("predict", signature)
        return g.finish(g.lm(signature, **g.inputs))

    def lm_calls(self) -> int:
        """One."""
        return 1
