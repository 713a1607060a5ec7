"""Numbers, choices, texts and code of a program, as a file holds them: data, which nobody runs on reading it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from treadle.compiler.artifact.strict import json_path
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ArtifactError, ConfigurationError, InputError, TreadleError
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Parameter
from treadle.compiler.runtime.code_check import check_code

if TYPE_CHECKING:
    from treadle.compiler.artifact.contents import Contents

_FIELDS = ("kind", "default", "choices", "low", "high", "integer", "max_length", "description")


def to_json(parameter: Parameter) -> dict[str, JSON]:
    """The declaration as data; what stands at its default is left out."""
    blank = Parameter(address="", kind=parameter.kind, default=None)
    found: dict[str, JSON] = {"kind": parameter.kind, "default": parameter.default}
    for name in _FIELDS[2:]:
        value = getattr(parameter, name)
        if value != getattr(blank, name):
            found[name] = list(value) if name == "choices" else value
    return found


def from_json(name: str, data: Mapping[str, Any]) -> Parameter:
    """The declaration in data that has been validated."""
    fields = {**data, "choices": tuple(data.get("choices", ()))}
    return Parameter(address=f".{name}", **fields)


def check_tunables(contents: Contents) -> None:
    """Refuse declarations and values that no program could have.

    Raises:
        ArtifactError: With the JSON path.
    """
    for name, parameter in contents.tunable.items():
        if name not in contents.ops:
            raise ArtifactError(f"the program does not use {name!r}", json_path(("tunable", name)))
        _check(name, parameter, parameter.default, ("tunable", name, "default"))
        if parameter.address in contents.candidate.values:
            value = contents.candidate.values[parameter.address]
            _check(name, parameter, value, ("parameters", parameter.address))


def _check(name: str, parameter: Parameter, value: JSON, path: tuple[str, ...]) -> None:
    try:
        parameter.check(value)
        if parameter.kind == "code":
            check_code(str(value), str(parameter.default), name)
    except TreadleError as error:
        raise ArtifactError(str(error), json_path(path)) from None


def searched_code(contents: Contents) -> tuple[str, ...]:
    """Names of ops whose code a search wrote."""
    values = contents.candidate.values
    return tuple(n for n, parameter in contents.tunable.items() if parameter.kind == "code" and f".{n}" in values)


def check_accepted(contents: Contents, accepted: Iterable[str]) -> tuple[str, ...]:
    """The names of the code that the caller lets run.

    Raises:
        ArtifactError: The file carries code that the caller has not accepted.
        ConfigurationError: A name is accepted that the file has no code for.
    """
    if isinstance(accepted, str):
        accepted = (accepted,)
    carried, given = searched_code(contents), tuple(accepted)
    unknown = [name for name in given if name not in carried]
    if unknown:
        msg = f"accept_code names {', '.join(unknown)}; the file carries code for {', '.join(carried) or 'nothing'}"
        raise ConfigurationError(msg)
    refused = [name for name in carried if name not in given]
    if refused:
        msg = (
            f"carries code for {', '.join(refused)} that a search wrote; read it (treadle show), and let it run in a "
            f"process of its own with accept_code={refused!r}"
        )
        raise ArtifactError(msg, json_path(("parameters", f".{refused[0]}")))
    return given


def ops_from_file(contents: Contents, accepted: Iterable[str]) -> dict[str, Op]:
    """Ops that the file alone is enough for: numbers, choices and texts, and code that was accepted."""
    code = set(accepted)
    return {
        name: _code_op(name) if parameter.kind == "code" else _value_op(name, parameter)
        for name, parameter in contents.tunable.items()
        if parameter.kind != "code" or name in code
    }


def _value_op(name: str, parameter: Parameter) -> Op:
    return Op(name=name, function=lambda: parameter.default, parameter=parameter)


def _code_op(name: str) -> Op:
    def function(*args: Any, **named: Any) -> Any:
        msg = f"the op {name!r} itself is not in the file, only code for it: load with ops=[{name}] to run without"
        raise InputError(msg)

    return Op(name=name, function=function, trainable=True)
