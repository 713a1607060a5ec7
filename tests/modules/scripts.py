"""Scripted LMs for tests of running modules: they answer by what a call is for, and note what they were asked."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.module import Module
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.runtime.interpreter import run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Signature

_TAGGED = re.compile(r"<(\w+)>\n(.*?)\n</\1>", re.DOTALL)


class Script:
    """An LM that answers by the outputs it is asked for.

    Args:
        replies: A reply by the names of the outputs asked for, joined by a comma; ``""`` for plain text. A list gives
            one reply after another and then the last again; a function is given the inputs of the prompt.
        temperature: Of the LM.
    """

    def __init__(self, replies: Mapping[str, Any], temperature: float | None = None) -> None:
        self.replies = {names: list(said) if isinstance(said, list) else said for names, said in replies.items()}
        self.requests: list[Request] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.lm = Scripted(self._answer, temperature=temperature)

    def _answer(self, request: Request) -> JSON:
        names = ",".join(_outputs(request))
        inputs = dict(_TAGGED.findall(request.messages[-1].content))
        self.requests.append(request)
        self.asked.append((names, inputs))
        said = self.replies[names]
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        elif callable(said):
            said = said(inputs)
        return said if not names or "," in names else {names: said}

    def inputs(self, names: str) -> list[dict[str, str]]:
        """Inputs of the calls that were asked for these outputs."""
        return [inputs for asked, inputs in self.asked if asked == names]


def _outputs(request: Request) -> tuple[str, ...]:
    fields: Any = request.schema["properties"] if request.schema else ()
    return tuple(fields)


def run(
    module: Module,
    script: Script,
    signature: Signature,
    *,
    ops: Mapping[str, Op] | None = None,
    demos: tuple[Demo, ...] = (),
    values: Mapping[str, JSON] | None = None,
    **inputs: Any,
) -> Any:
    """The value of one step answered by the module."""
    predictor = Predictor(signature=signature, module=module.to_json(), demos=demos)
    session = Session(lm=script.lm, candidate=Candidate(values=values or {}))
    return asyncio.run(run_step(signature.name, predictor, inputs, session, ops=module.ops() if ops is None else ops))
