"""An LM that answers by predictor and inputs, read off the prompt as a provider gets it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.values import dump

Answer = Callable[[str, dict[str, Any]], object]

_FIELD = re.compile(r"^<(\w+)>\n(.*?)\n?</\1>$", re.DOTALL | re.MULTILINE)


class ByStep(Scripted):
    """Answers a program's steps with ``answer(predictor, inputs)``."""

    def __init__(self, program: Program[..., Any], answer: Answer) -> None:
        predictors = program.predictors

        def reply(request: Request) -> Any:
            name, inputs = which_step(predictors, request)
            return reply_of(predictors[name], dump(answer(name, inputs)), request)

        super().__init__(reply)


def which_step(predictors: Mapping[str, Predictor], request: Request) -> tuple[str, dict[str, Any]]:
    """The predictor a request is for, and its inputs."""
    system, user = request.messages[0].content, request.messages[-1].content
    fields = dict(_FIELD.findall(user))
    fitting = [
        name
        for name, found in predictors.items()
        if {slot.name for slot in found.signature.inputs} <= fields.keys() and found.signature.instruction in system
    ]
    name = max(fitting, key=lambda name: (len(predictors[name].signature.inputs), name))
    signature = predictors[name].signature
    return name, {slot.name: _value(slot.schema, fields[slot.name]) for slot in signature.inputs}


def _value(schema: Mapping[str, Any], text: str) -> Any:
    if schema.get("type") == "string":
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def reply_of(predictor: Predictor, value: Any, request: Request) -> Any:
    """The reply in the shape the request asks for; fields a module adds are filled with a word."""
    if request.schema is None:
        return value
    properties = request.schema.get("properties")
    own = [slot.name for slot in predictor.signature.outputs]
    if not isinstance(properties, Mapping) or not {*own} <= properties.keys():
        return value
    values = value if len(own) > 1 and isinstance(value, dict) else {own[0]: value}
    return {name: values.get(name, "thought") for name in properties}
