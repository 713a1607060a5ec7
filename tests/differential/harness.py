"""Making programs of generated source, and running them both ways."""

from __future__ import annotations

import asyncio
import dataclasses
import linecache
from typing import Any

from tests.differential import world
from treadle.compiler.frontend.program import Program
from treadle.compiler.lm.retry import direct
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.session import Session
from treadle.compiler.trace.snapshot import snapshot
from treadle.compiler.values import shown

INPUTS = {"text": "hello", "n": 4, "words": ["one", "two", "three"]}


def made(source: str, name: str) -> Program[..., Any]:
    """The program of a source text; ``linecache`` holds it, so that it can be read back."""
    file = f"<generated {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = {**vars(world), "asyncio": asyncio, "__name__": "tests.differential.generated"}
    exec(compile(source, file, "exec"), names)
    return Program.of_function(names["main"])


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run did."""

    value: Any
    error: str
    effects: tuple[str, ...]
    prompts: tuple[str, ...] = dataclasses.field(compare=False)

    def __str__(self) -> str:
        return shown((self.error or self.value, self.effects), 2000)


def outcome(run: Any, seed: int) -> Outcome:
    """The value or exception of a run, the effects in their order, and the prompts, sorted."""
    world.EFFECTS.clear()
    answer = world.Scrambled(seed)
    session = Session(lm=Scripted(answer), caller=direct)
    value, error = None, ""
    try:
        result = wait(run({**INPUTS, "words": list(INPUTS["words"])}, session))  # type: ignore[call-overload]
        value = (type(result).__name__, snapshot(result), shown(result, 2000))
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    return Outcome(value, error, tuple(world.EFFECTS), tuple(sorted(answer.prompts)))
