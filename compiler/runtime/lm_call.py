"""One LM call of a graph: render, ask, read the reply, and ask once more where it cannot be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Mapping
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ReplyError
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Message
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.nearest import nearest
from treadle.compiler.prompt.parse import parse, reask
from treadle.compiler.prompt.render import render
from treadle.compiler.runtime.scope import Scope
from treadle.compiler.signature import Signature
from treadle.compiler.trace.tracer import Order, Origin, Record

REASK = "/reask"
"""What the sample index of a re-ask ends with."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """What is the same each time an LM node runs.

    Attributes:
        predictor: The predictor it answers for; empty in a graph without steps.
        node: Id of the LM node.
        address: Where its parameters are.
        purpose: End of its sample index; empty where the place says enough.
        signature: With the effective instruction, without context edges.
        schema: JSON Schema of the reply; ``None`` for plain text.
        demos: Worked examples.
        context: Source and input field of each context edge.
        model: Name of the model it must run on, or ``None``.
        temperature: Decoding temperature, or ``None`` for the LM's.
        max_tokens: Bound on the reply, or ``None`` for the LM's.
        parameters: Addresses of the parameters that made it.
        nearest: Of the demos only so many are shown, those most like the inputs; ``None`` shows all.
    """

    predictor: str
    node: str
    address: str
    purpose: str
    signature: Signature
    schema: Mapping[str, JSON] | None
    demos: tuple[Demo, ...]
    context: tuple[tuple[str, str], ...]
    model: str | None
    temperature: float | None
    max_tokens: int | None
    parameters: tuple[str, ...]
    nearest: int | None = None


async def ask(
    call: Call, inputs: Mapping[str, Any], sample: str, scope: Scope, *, order: Order = (0, 0), origin: Origin = None
) -> tuple[Any, Record | None]:
    """The value of one LM call, and its record. A reply that does not fit is quoted back once, in a second call.

    Args:
        call: What to ask.
        inputs: Values by field; those of context edges among them, ``None`` where there is nothing to show.
        sample: Sample index of the place, without the purpose.
        scope: Where the run stands.
        order: Place of the call's record.
        origin: What the inputs were made from.

    Raises:
        ReplyError: The second reply does not fit either.
        LMError: The call failed.
        ConfigurationError: No LM is bound.
    """
    shown = _shown(call.context, inputs)
    demos = call.demos if call.nearest is None else nearest(call.signature, call.demos, inputs, call.nearest)
    messages = render(call.signature, demos, inputs, context=shown)
    lm = scope.run.session.lm_for(call.predictor, call.model)
    place = f"{sample}/{call.purpose}" if call.purpose else sample
    attempt = _Attempt(call, lm, inputs, scope, order, origin)
    try:
        value = await attempt.make(messages, place)
    except ReplyError as error:
        again = reask(messages, attempt.text, error)
    else:
        return value, attempt.record
    return await attempt.make(again, place + REASK), attempt.record


def _shown(context: tuple[tuple[str, str], ...], inputs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What context edges have to show, by source."""
    return [(source, inputs[field]) for source, field in context if inputs.get(field) is not None]


class _Attempt:
    """The first call or the re-ask."""

    __slots__ = ("call", "inputs", "lm", "order", "origin", "record", "scope", "text")

    def __init__(
        self, call: Call, lm: LM, inputs: Mapping[str, Any], scope: Scope, order: Order, origin: Origin
    ) -> None:
        self.call = call
        self.lm = lm
        self.inputs = inputs
        self.scope = scope
        self.order = order
        self.origin = origin
        self.text = ""
        self.record: Record | None = None

    async def make(self, messages: tuple[Message, ...], sample: str) -> Any:
        """Ask, and read the reply.

        Raises:
            ReplyError: The reply does not fit.
        """
        record = self.record = None if self.scope.record is None else self._open(self.scope.record, messages, sample)
        try:
            completion = await self._complete(messages, sample)
            self.text = completion.text
            if record is not None:
                record.answered(completion)
            value = parse(self.call.signature, completion.text)
        except BaseException as error:
            if record is not None:
                record.fail(error)
            raise
        if record is not None:
            record.end(value)
        return value

    def _complete(self, messages: tuple[Message, ...], sample: str) -> Awaitable[Completion]:
        call = self.call
        request = self.lm.request(
            messages, schema=call.schema, sample=sample, temperature=call.temperature, max_tokens=call.max_tokens
        )
        return self.scope.run.session.caller(self.lm, request)

    def _open(self, parent: Record, messages: tuple[Message, ...], sample: str) -> Record:
        call = self.call
        again = sample.endswith(REASK)
        record = Record(
            "lm",
            call.purpose + REASK if again else call.purpose,
            order=self.order,
            predictor=call.predictor,
            node=call.node,
            indices=self.scope.indices,
            inputs={slot.name: self.inputs[slot.name] for slot in call.signature.inputs if slot.name in self.inputs},
            origin=self.origin,
            controls=self.scope.controls,
            parameters=call.parameters,
            messages=messages,
            model=self.lm.model,
        )
        if again:
            record.repairs = ("reask",)
        return parent.add(record)
