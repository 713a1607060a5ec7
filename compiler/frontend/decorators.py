"""The three declarations: ``@predict``, ``@op`` and ``@program``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from treadle.compiler.errors import DeclarationError
from treadle.compiler.frontend.op_function import OpFunction
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.hints import from_function, from_string
from treadle.compiler.lm.lm import LM
from treadle.compiler.module import Module
from treadle.compiler.prompt.demo import Demo

P = ParamSpec("P")
R = TypeVar("R")


class Predicts(Protocol):
    """What ``predict(ChainOfThought())`` gives: a decorator that keeps the function's types."""

    def __call__(self, function: Callable[P, R], /) -> PredictorFunction[P, R]:
        """The predictor ``function`` declares."""
        ...


@overload
def predict(function: Callable[P, R], /) -> PredictorFunction[P, R]: ...
@overload
def predict(
    module: Module | None = None,
    /,
    *,
    lm: LM | str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    demos: Sequence[Demo] = (),
    name: str | None = None,
) -> Predicts: ...
@overload
def predict(
    signature: str,
    /,
    module: Module | None = None,
    *,
    instruction: str = "",
    name: str = "predict",
    lm: LM | str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    demos: Sequence[Demo] = (),
) -> PredictorFunction[..., Any]: ...
def predict(
    what: Callable[..., Any] | Module | str | None = None,
    /,
    module: Module | None = None,
    *,
    instruction: str = "",
    name: str | None = None,
    lm: LM | str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    demos: Sequence[Demo] = (),
) -> Any:
    """Declare a predictor: a step a language model answers.

    On a function its name, type hints and docstring are the signature, and its body is ``...``. With a module,
    ``@predict(ChainOfThought())``, that module answers. With a string, ``predict("question -> answer: float")``, the
    string is the signature; several outputs come back as one frozen model.

    Args:
        what: The function, the module, or the signature as a string.
        module: How a predictor from a string is answered.
        instruction: What to do, for a predictor from a string; a function's docstring says it.
        name: Its name where it is not the function's.
        lm: The LM of this predictor, whatever the program is bound to.
        temperature: Decoding temperature, 0 or more; ``None`` for the LM's own.
        max_tokens: Upper bound on a reply's tokens; ``None`` for the LM's own.
        demos: Worked examples shown in the prompt.

    Raises:
        SignatureError: A field has no type, a type cannot be written as JSON Schema, or there is no output.
        DeclarationError: The function has a body, or what is given is none of the above.

    >>> @predict
    ... def summary(text: str) -> str:
    ...     '''Summarise the text in one sentence.'''
    ...     ...
    >>> summary.signature.instruction
    'Summarise the text in one sentence.'
    """
    settings: dict[str, Any] = {
        "lm": LM(lm) if isinstance(lm, str) else lm,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "demos": tuple(demos),
    }
    if isinstance(what, str):
        signature = from_string(what, name=name or "predict", instruction=instruction)
        return PredictorFunction(signature, module=module, **settings)
    if what is None or isinstance(what, Module):
        return lambda function: _declared(function, name, what, settings)
    if inspect.isfunction(what):
        return _declared(what, name, None, settings)
    msg = f"predict takes a function, a module or a signature such as 'question -> answer', not {what!r}"
    raise DeclarationError(msg)


def _declared(
    function: Callable[..., Any], name: str | None, module: Module | None, settings: dict[str, Any]
) -> PredictorFunction[..., Any]:
    if not inspect.isfunction(function):
        msg = f"@predict goes on a function with type hints, not on {function!r}"
        raise DeclarationError(msg)
    signature = from_function(function, name=name)
    if not _is_empty(function):
        msg = (
            f"predictor {signature.name!r} has a body, which would never run: leave a docstring and '...'; "
            "plain Python goes into an @op or the @program"
        )
        raise DeclarationError(msg)
    return PredictorFunction(signature, function=function, module=module, **settings)


def _is_empty(function: Callable[..., Any]) -> bool:
    """Whether the body is nothing but a docstring, ``...`` or ``pass``: then all it does is return ``None``."""
    import dis

    steps = [(step.opname, step.argval) for step in dis.get_instructions(function) if step.opname not in _NO_WORK]
    return steps in ([("LOAD_CONST", None), ("RETURN_VALUE", None)], [("RETURN_CONST", None)])


_NO_WORK = ("RESUME", "NOP", "RETURN_GENERATOR", "POP_TOP", "COPY_FREE_VARS")
"""Instructions that every function has, or that do nothing."""


@overload
def op(function: Callable[P, R], /) -> OpFunction[P, R]: ...
@overload
def op(
    *,
    effects: bool = False,
    blocking: bool = False,
    idempotent: bool = False,
    trainable: bool = False,
    name: str | None = None,
) -> Callable[[Callable[P, R]], OpFunction[P, R]]: ...
def op(
    function: Callable[..., Any] | None = None,
    /,
    *,
    effects: bool = False,
    blocking: bool = False,
    idempotent: bool = False,
    trainable: bool = False,
    name: str | None = None,
) -> Any:
    """Declare an op: a plain Python function in a program, sync or async.

    It neither changes nor keeps its arguments, and may be repeated and overlapped. Undecorated functions are ops too;
    the decorator is for saying more.

    Args:
        function: The function.
        effects: It changes the world: it waits for all that comes before it in program order, and searches refuse the
            program unless it is stubbed or ``idempotent``.
        blocking: It waits for something outside Python: it gets a thread.
        idempotent: Repeating it does no harm.
        trainable: Its body is a parameter of the search. It takes and gives JSON; code a search writes for it runs in
            a process of its own, never in this one.
        name: Its name where it is not the function's; unique in a program.

    Raises:
        DeclarationError: What is decorated is not a function, or is a generator.
    """
    if function is None:
        return lambda given: _op(given, effects, blocking, idempotent, trainable, name)
    return _op(function, effects, blocking, idempotent, trainable, name)


def _op(
    function: Callable[..., Any], effects: bool, blocking: bool, idempotent: bool, trainable: bool, name: str | None
) -> OpFunction[..., Any]:
    if not callable(function) or inspect.isclass(function) or isinstance(function, PredictorFunction | Program):
        msg = f"@op goes on a plain function, not on {function!r}"
        raise DeclarationError(msg)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        msg = f"op {function.__name__!r} yields: return a list instead, an op's result may be read more than once"
        raise DeclarationError(msg)
    if trainable:
        from treadle.compiler.frontend.trainable import check_trainable

        check_trainable(function, name or function.__name__, effects=effects)
    return OpFunction(
        function, effects=effects, blocking=blocking, idempotent=idempotent, trainable=trainable, name=name
    )


class Programs(Protocol):
    """What ``program(require="graph")`` gives: a decorator that keeps the function's types."""

    def __call__(self, function: Callable[P, R], /) -> Program[P, R]:
        """The program ``function`` declares."""
        ...


@overload
def program(function: Callable[P, R], /) -> Program[P, R]: ...
@overload
def program(*, require: Literal["graph"] | None = None, name: str | None = None) -> Programs: ...
def program(
    function: Callable[..., Any] | None = None,
    /,
    *,
    require: Literal["graph"] | None = None,
    name: str | None = None,
) -> Any:
    """Declare a program: an ordinary typed function that calls steps, ops and other programs.

    Its source is captured as a graph on first use. Where it cannot be, it runs in host mode: the function runs as
    Python and its calls are intercepted. ``program.capture`` says which, and why.

    Args:
        function: The function, sync or async. Every argument has a type hint.
        require: ``"graph"`` makes host mode an error.
        name: Its name where it is not the function's.

    Raises:
        SignatureError: An argument has no type hint, or one that values cannot be checked against.
        DeclarationError: What is decorated is not a function, or is a generator, or ``require`` is something else.
    """
    if require not in (None, "graph"):
        msg = f"program(require={require!r}): the only value is 'graph'"
        raise DeclarationError(msg)
    if function is None:
        return lambda given: Program.of_function(given, require=require, name=name)
    return cast(Any, Program.of_function(function, require=require, name=name))
