"""What generated programs call: predictors, ops, models, a sub-program; and an LM that answers out of order."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import random
from typing import Any, Literal

import pydantic

from treadle.compiler.errors import RequestRefused
from treadle.compiler.frontend.decorators import op, predict, program
from treadle.compiler.lm.protocol import Request

EFFECTS: list[str] = []
"""What effect ops of the running program have done."""

LIMIT = 3
NAMES = ["ann", "bob", "cy"]
TABLE = {"a": ["x"], "b": ["y", "z"], "c": []}
TEMPLATE = "{0}/{word:>4}"


class Item(pydantic.BaseModel):
    name: str
    size: int
    tags: list[str]

    @property
    def label(self) -> str:
        return f"{self.name}:{self.size}"

    def loud(self, mark: str = "!") -> str:
        return self.name.upper() + mark


@dataclasses.dataclass(frozen=True)
class Pair:
    left: int
    right: str


@predict
def ask(text: str) -> str:
    """Say something about the text."""
    ...


@predict
def score(text: str) -> int:
    """Score the text."""
    ...


@predict
def label(text: str) -> Literal["a", "b", "c"]:
    """Label the text."""
    ...


@predict
def many(text: str) -> list[str]:
    """List words of the text."""
    ...


@predict
def make(text: str, size: int = 2) -> Item:
    """Make an item of the text."""
    ...


@predict
def maybe(text: str) -> str | None:
    """Say something, or nothing."""
    ...


@predict
async def aask(text: str) -> str:
    """Say something about the text, later."""
    ...


@predict
async def ascore(text: str) -> int:
    """Score the text, later."""
    ...


@op
def glue(a: str, b: str) -> str:
    return f"{a}-{b}"[:24]


@op
def fails(n: int) -> int:
    if n % 3 == 0:
        raise ValueError(f"{n} is refused")
    return n


@op(effects=True)
def note(text: str) -> int:
    EFFECTS.append(text)
    if len(text) % 11 == 0:
        raise RuntimeError(f"cannot note {text}")
    return len(text)


@op
async def later(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1


def helper(n: int) -> int:
    return n * 2 + 1


def pair_of(n: int) -> Pair:
    return Pair(n, str(n))


@program
def sub(text: str, n: int = 2) -> str:
    if n > LIMIT:
        return ask(text)
    parts = [glue(part, ask(part)) for part in many(text)]
    return ",".join(parts[:n])


@program
async def asub(text: str) -> str:
    first = await aask(text)
    if len(first) > 5:
        return first
    return f"{first}{await ascore(text)}"


HANDLERS = {"a": ask, "b": sub, "c": ask}


def number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def reply(request: Request) -> Any:
    """The reply, by the text of the request alone."""
    text = request.messages[-1].content
    seed = number(request.messages[0].content + text)
    if seed % 23 == 0:
        raise RequestRefused(f"refused {seed % 1000}")
    schema = json.dumps(request.schema)
    if request.schema is None:
        return f"t{seed % 97}"
    if "tags" in schema:
        return {"name": f"n{seed % 89}", "size": seed % 5, "tags": [f"g{seed % 7}"] * (seed % 3)}
    if "enum" in schema:
        return {"label": "abc"[seed % 3]}
    if "null" in schema:
        return {"maybe": None if seed % 2 else f"m{seed % 31}"}
    if "array" in schema:
        return {"many": [f"w{seed % 13}{i}" for i in range(seed % 4)]}
    return {("ascore" if "ascore" in schema else "score"): seed % 6}


class Scrambled:
    """Answers as ``reply`` does, but lets waiting requests go in an order of its own."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._waiting: list[asyncio.Future[None]] = []
        self._pump: asyncio.Task[None] | None = None
        self.prompts: list[str] = []

    async def __call__(self, request: Request) -> Any:
        self.prompts.append(json.dumps([[message.role, message.content] for message in request.messages]))
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(future)
        if self._pump is None or self._pump.done() or self._pump.get_loop() is not loop:
            self._pump = loop.create_task(self._let_go())
        await future
        return reply(request)

    async def _let_go(self) -> None:
        while self._waiting:
            for _ in range(self._rng.randrange(4)):
                await asyncio.sleep(0)
            future = self._waiting.pop(self._rng.randrange(len(self._waiting)))
            if not future.done():
                future.set_result(None)
