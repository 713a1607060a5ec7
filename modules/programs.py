"""Running code a model wrote: always in the process of ``compiler/runtime/isolate.py``, never in this one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import CodeError, CodeRefused
from treadle.compiler.graph.op import library_op
from treadle.compiler.runtime.code_check import check_code
from treadle.compiler.runtime.isolate import DEFAULT, Executor, call_code
from treadle.compiler.runtime.scope import current_scope
from treadle.compiler.schema import type_of
from treadle.compiler.signature import Slot
from treadle.compiler.values import dump, shown

_FENCED = re.compile(r"```[\w+-]*\n(.*?)```", re.DOTALL)
_TOLD = 3  # failing cases a report names


def plain_code(reply: str) -> str:
    r"""The code in a reply: the longest fenced block, or all of it.

    >>> plain_code("Here it is:\n```python\nx = 1\n```")
    'x = 1\n'
    """
    return max(_FENCED.findall(reply), key=len, default=reply)


@library_op("computed", blocking=True)
def computed(code: str, function: str, inputs: Mapping[str, Any], schema: Mapping[str, JSON]) -> dict[str, Any]:
    """What a function of ``code`` returns for the inputs, as ``value``; or what went wrong, as ``error``.

    Args:
        code: What a model wrote.
        function: The function to call, with the inputs as arguments by name.
        inputs: Values that JSON can hold.
        schema: What the value must be.
    """
    text = plain_code(code)
    try:
        check_code(text, f"def {function}({', '.join(inputs)}): ...", function)
        value = call_code(text, function, (), {name: dump(given) for name, given in inputs.items()}, _executor())
        return {"value": Slot(name="value", annotation=type_of(schema)).read(value), "error": ""}
    except (CodeError, CodeRefused) as error:
        return {"value": None, "error": _told(error)}
    except pydantic.ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        return {"value": None, "error": f"{function}() returned {shown(value, 200)}, which is no answer: {reason}"}


@library_op("tested", blocking=True)
def tested(code: str, function: str, tests: Sequence[Any]) -> str:
    """What is wrong with code, by its tests: empty where every case gives what it should.

    Args:
        code: What a model wrote.
        function: The function that is tested.
        tests: Cases: ``{"args": […], "returns": …}``.
    """
    text = plain_code(code)
    try:
        check_code(text, "", function)
    except CodeRefused as error:
        return str(error)
    failures = [failure for case in tests if (failure := _failure(text, function, case))]
    if not failures:
        return ""
    more = [f"and {len(failures) - _TOLD} more"] if len(failures) > _TOLD else []
    return f"{len(failures)} of {len(tests)} tests fail:\n" + "\n".join([*failures[:_TOLD], *more])


def _failure(code: str, function: str, case: Any) -> str:
    data = dump(case)
    if not isinstance(data, Mapping) or not {"args", "returns"} <= data.keys() or not isinstance(data["args"], list):
        msg = f'a test is {{"args": […], "returns": …}}, not {shown(case)}'
        raise ValueError(msg)
    called = f"{function}({', '.join(canonical(argument) for argument in data['args'])})"
    try:
        value = call_code(code, function, data["args"], {}, _executor())
    except CodeError as error:
        return f"{called}: {_told(error)}"
    return "" if value == data["returns"] else f"{called} returned {shown(value)}, not {shown(data['returns'])}"


def _executor() -> Executor:
    """What runs code in the run this is part of."""
    scope = current_scope.get()
    return DEFAULT if scope is None else scope.run.session.executor


def _told(error: CodeError | CodeRefused) -> str:
    where = getattr(error, "where", "")
    return f"{error}\n{where}" if where else str(error)
