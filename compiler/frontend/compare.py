"""``treadle.check``: run a program as its graph and as its function, and compare."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DataError
from treadle.compiler.frontend.op_function import OpFunction
from treadle.compiler.frontend.program import Program, Row
from treadle.compiler.graph.op import Op
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Request
from treadle.compiler.lm.retry import direct
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.session import Session
from treadle.compiler.trace.snapshot import snapshot
from treadle.compiler.values import shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """Where the graph and the function part.

    Attributes:
        example: Number of the example, from 0.
        what: ``"result"``, ``"effects"``, ``"LM calls"``, or ``"op"`` for one that changed its arguments.
        graph: What the graph did.
        function: What the function did.
    """

    example: int
    what: str
    graph: str
    function: str

    def __str__(self) -> str:
        return f"example {self.example}: {self.what}: the graph gives {self.graph}, the function gives {self.function}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checked:
    """What ``check`` found; true where the graph does what the function does.

    Attributes:
        program: The program's name.
        runs: Examples that were run.
        difference: The first difference, or ``None``.
    """

    program: str
    runs: int
    difference: Difference | None

    def __bool__(self) -> bool:
        return self.difference is None

    def __str__(self) -> str:
        found = "no difference" if self.difference is None else str(self.difference)
        return f"{self.program}: {self.runs} examples run both ways, {found}"


def check(
    program: Program[..., Any],
    examples: Iterable[Row],
    *,
    lm: LM | str | None = None,
    stubs: Mapping[Any, Callable[..., Any]] | None = None,
) -> Checked:
    """Run a program as its graph and as the function it is, and report the first difference.

    Both ways give the value, or the exception, of the function in program order, the same effects in the same order,
    and the same LM calls. Equal requests are sent once and answered alike both ways. A program in host mode has nothing
    to compare.

    Args:
        program: The program, from a function.
        examples: Rows whose keys name the inputs.
        lm: The LM of every step that has none of its own; ``None`` for the one in force.
        stubs: Functions that stand in for ops with effects, by op or its name.

    Raises:
        DataError: The program has effects and no stub for them, or no function.
        InputError: A row does not fit the inputs.
    """
    function = program.declaration.function
    if function is None:
        msg = f"program {program.name!r} comes from a file: there is no function to compare it with"
        raise DataError(msg)
    given = {op.op.name if isinstance(op, OpFunction) else str(op): fake for op, fake in (stubs or {}).items()}
    risky = [op.name for op in program.ops.values() if op.effects and not op.idempotent and op.name not in given]
    if risky:
        msg = f"program {program.name!r} calls {', '.join(risky)}, which has effects and would run twice: give stubs="
        raise DataError(msg)
    chosen = LM(lm) if isinstance(lm, str) else lm
    runs = 0
    for number, row in enumerate(examples):
        runs += 1
        found = _compare(program, number, program.inputs_of(number, row), chosen, given)
        if found is not None:
            return Checked(program=program.name, runs=runs, difference=found)
    return Checked(program=program.name, runs=runs, difference=None)


class _Memory:
    """Makes LM calls, each distinct one once, and remembers what was asked."""

    def __init__(self, replies: dict[str, Completion]) -> None:
        self._replies = replies
        self.asked: list[str] = []

    async def __call__(self, lm: LM, request: Request) -> Completion:
        plain = dataclasses.replace(request, sample="")
        self.asked.append(plain.key)
        if plain.key not in self._replies:
            self._replies[plain.key] = await direct(lm, plain)
        return self._replies[plain.key]


class _Watch:
    """Stands in for the ops of a run: records effects, and notices arguments that change."""

    def __init__(self, program: Program[..., Any], stubs: Mapping[str, Callable[..., Any]]) -> None:
        self.effects: list[tuple[str, JSON]] = []
        self.changed: str = ""
        self.ops = {op.name: self._watched(op, stubs.get(op.name, op.function)) for op in program.ops.values()}

    def _watched(self, op: Op, function: Callable[..., Any]) -> Op:
        watched = op.effects and op.function not in (print, input)  # undecorated: the function calls them unseen

        def call(*args: Any, **kwargs: Any) -> Any:
            before = _arguments(op, args, kwargs)
            if watched:
                self.effects.append((op.name, before))
            try:
                return function(*args, **kwargs)
            finally:
                if _arguments(op, args, kwargs) != before:
                    self.changed = self.changed or op.name

        async def acall(*args: Any, **kwargs: Any) -> Any:
            before = _arguments(op, args, kwargs)
            if watched:
                self.effects.append((op.name, before))
            return await function(*args, **kwargs)

        return dataclasses.replace(op, function=acall if op.is_async else call)


def _arguments(op: Op, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JSON:
    """The arguments of a call by name: a graph gives them by name, a function as it likes."""
    try:
        bound = inspect.signature(op.function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return snapshot([args, dict(kwargs)])
    bound.apply_defaults()
    return snapshot(dict(bound.arguments))


def _compare(
    program: Program[..., Any],
    number: int,
    inputs: Mapping[str, Any],
    lm: LM | None,
    stubs: Mapping[str, Callable[..., Any]],
) -> Difference | None:
    replies: dict[str, Completion] = {}
    results, watches, memories = [], [], []
    for run in (program.arun, program.run_function):
        memory, watch = _Memory(replies), _Watch(program, stubs)
        session = Session(lm=lm, caller=memory, stubs=watch.ops)
        results.append(_outcome(run, inputs, session))
        watches.append(watch)
        memories.append(sorted(memory.asked))
    if results[0] != results[1]:
        return _difference(number, "result", *results)
    if watches[0].effects != watches[1].effects:
        return _difference(number, "effects", *(watch.effects for watch in watches))
    if watches[0].changed:
        kept = "keeps its arguments as they are"
        return Difference(
            example=number, what="op", graph=f"an op {watches[0].changed!r} that changed one", function=kept
        )
    if results[0][0] == "value" and memories[0] != memories[1]:
        return _difference(number, "LM calls", *(len(memory) for memory in memories))
    return None


def _outcome(run: Any, inputs: Mapping[str, Any], session: Session) -> tuple[str, JSON]:
    try:
        return "value", snapshot(wait(run(dict(inputs), session)))
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"


def _difference(number: int, what: str, graph: object, function: object) -> Difference:
    return Difference(example=number, what=what, graph=shown(graph, 400), function=shown(function, 400))
