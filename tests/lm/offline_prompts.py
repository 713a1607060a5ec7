"""Asking the offline model by way of prompts, as the rest of Treadle does."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from treadle.compiler.lm.offline import Offline
from treadle.compiler.lm.protocol import Completion, Message, Request
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.parse import parse
from treadle.compiler.prompt.render import render, response_schema
from treadle.compiler.signature import Signature


def request(signature: Signature, inputs: Mapping[str, object], demos: Sequence[Demo] = (), **more: Any) -> Request:
    messages = render(signature, demos, inputs)
    settings = {"model": "offline", "max_tokens": 4096, **more}
    return Request(messages=messages, schema=response_schema(signature), **settings)


def complete(asked: Request) -> Completion:
    return asyncio.run(Offline().complete(asked))


def answer(signature: Signature, inputs: Mapping[str, object], demos: Sequence[Demo] = (), **more: Any) -> Any:
    """The step's value."""
    return parse(signature, complete(request(signature, inputs, demos, **more)).text)


def chat(*messages: tuple[Any, str], schema: Mapping[str, Any] | None = None, **more: Any) -> str:
    """The reply to a chat that no template of ours wrote."""
    written = tuple(Message(role, text) for role, text in messages)
    return complete(Request(model="offline", max_tokens=4096, messages=written, schema=schema, **more)).text
