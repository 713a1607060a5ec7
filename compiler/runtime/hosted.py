"""Host mode: a program that runs as the Python function it is, its calls of steps, ops and programs intercepted.

A synchronous function needs a thread in which it may wait: the caller's own, or on an event loop one for each run. Its
steps run on an event loop, and ``background.wait`` brings their values back.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from treadle.compiler.graph.op import Op
from treadle.compiler.runtime.blame import blame
from treadle.compiler.runtime.pools import run_in_thread
from treadle.compiler.runtime.scope import Opened, Scope, current_scope, open_run
from treadle.compiler.runtime.session import Session
from treadle.compiler.runtime.tuned_op import addresses_of, tuned_op
from treadle.compiler.trace.tracer import Record


def call_function(program: str, function: Callable[..., Any], inputs: Mapping[str, Any], session: Session) -> Any:
    """Run a host-mode program in the calling thread: from a script, and from a program that runs in a thread already.

    Args:
        program: The program's name.
        function: What it is; not async.
        inputs: Its arguments by name, checked.
        session: Whose LMs answer.

    Raises:
        BaseException: What the function raised.
    """
    opened = open_run(program, dict(inputs), session)
    with _inside(opened):
        value = function(**inputs)
    opened.succeeded(value)
    return value


async def run_function(program: str, function: Callable[..., Any], inputs: Mapping[str, Any], session: Session) -> Any:
    """Run a host-mode program from an event loop: an async function here, any other in a thread of its own.

    However many runs wait, each has its thread. A cancelled run ends at the step it waits for.

    Args:
        program: The program's name.
        function: What it is.
        inputs: Its arguments by name, checked.
        session: Whose LMs answer.

    Raises:
        BaseException: What the function raised.
    """
    opened = open_run(program, dict(inputs), session)
    with _inside(opened):
        if inspect.iscoroutinefunction(function):
            value = await function(**inputs)
        else:
            value = await run_in_thread(lambda: function(**inputs))
    opened.succeeded(value)
    return value


@contextlib.contextmanager
def _inside(opened: Opened) -> Iterator[None]:
    token = current_scope.set(opened.scope)
    try:
        yield
    except BaseException as error:
        opened.failed(error)
        raise
    finally:
        current_scope.reset(token)


def call_op(op: Op, args: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """Call an op from a host-mode program, or outside any run, as the function it is; a run's trace shows it.

    An async op gives its awaitable; its record ends when that does. Where the run has a stub for it, that is called.
    """
    scope = current_scope.get()
    if scope is not None:
        session = scope.run.session
        op = tuned_op(session.stubs.get(op.name, op), session.candidate.values, session.executor)
    if scope is None or scope.record is None:
        return op.function(*args, **named)
    if op.is_async:
        return _await_op(op, args, named, scope)
    with _recorded(op, args, named, scope) as record:
        value = op.function(*args, **named)
        record.end(value)
    return value


async def _await_op(op: Op, args: tuple[Any, ...], named: Mapping[str, Any], scope: Scope) -> Any:
    with _recorded(op, args, named, scope) as record:
        value = await op.function(*args, **named)
        record.end(value)
    return value


@contextlib.contextmanager
def _recorded(op: Op, args: tuple[Any, ...], named: Mapping[str, Any], scope: Scope) -> Iterator[Record]:
    parent = scope.record
    assert parent is not None  # the callers looked
    record = Record(
        "op", op.name, order=parent.next_order(), inputs=_by_name(op, args, named), parameters=addresses_of(op)
    )
    parent.add(record)
    token = current_scope.set(Scope(scope.run, base=scope.base, record=record))
    try:
        yield record
    except BaseException as error:
        record.fail(error)
        record.where = blame(error, op.function)
        raise
    finally:
        current_scope.reset(token)


def _by_name(op: Op, args: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    names = op.argument_names(len(args))
    return {**dict(zip(names, args, strict=True)), **named}
