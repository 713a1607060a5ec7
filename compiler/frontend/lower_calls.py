"""Rules for calls: of steps, ops, programs, pure functions and methods, and ``await``."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
from collections.abc import Callable, Sequence
from types import MethodType, ModuleType
from typing import Any

import pydantic

from treadle.compiler.annotations import labels
from treadle.compiler.frontend import pure
from treadle.compiler.frontend.apply import Arguments, call_op, call_program, call_step, choose
from treadle.compiler.frontend.code import POISON, Code, const
from treadle.compiler.frontend.inference import classes
from treadle.compiler.frontend.lower_loops import read_all, search
from treadle.compiler.frontend.lower_pure import call_method, call_pure, format_constant
from treadle.compiler.frontend.lowering import Lowering
from treadle.compiler.frontend.op_function import OpFunction, name_of, op_of
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.frontend.resolve import NotStatic, is_data, static
from treadle.compiler.frontend.steps_inside import calls_steps
from treadle.compiler.graph import nodes
from treadle.compiler.graph.op import LIBRARY_PREFIX

_SHARING = frozenset(
    {
        "__import__",
        "aiter",
        "anext",
        "breakpoint",
        "compile",
        "delattr",
        "eval",
        "exec",
        "globals",
        "iter",
        "locals",
        "next",
        "setattr",
        "super",
        "vars",
    }
)
"""Builtins that show or change what the program shares with the world around it."""

_CHANGING_MODULES = frozenset({"bisect", "heapq"})
"""Modules whose functions change their arguments; and ``random.shuffle``."""


def lower_call(low: Lowering, tree: ast.Call) -> Code:
    """A call."""
    return _call(low, tree, awaited=False)


def lower_await(low: Lowering, tree: ast.Await) -> Code:
    """``await``: of a call, of ``asyncio.gather``, or of a coroutine that has a name."""
    match tree.value:
        case ast.Call() as call:
            return _call(low, call, awaited=True)
        case ast.Name(id=name) if name in low.env and (later := low.env[name].later) is not None:
            low.needs_place()
            low.env[name] = dataclasses.replace(low.env[name], later=None, missing=frozenset({"fall"}))
            return later()
    return low.refuse(tree, f"`await {ast.unparse(tree.value)}`: only calls can be awaited")


def _call(low: Lowering, tree: ast.Call, *, awaited: bool) -> Code:
    reading = _reading(low, tree.func)
    if reading is not None:
        predictor, sources = reading
        return _awaiting(
            low, tree, predictor.is_async or _is_acall(tree.func), awaited, lambda: _step(low, tree, predictor, sources)
        )
    if isinstance(tree.func, ast.Subscript):
        return _dispatch(low, tree, tree.func, awaited=awaited)
    try:
        found = _callee(low, tree.func)
    except NotStatic:
        return _method(low, tree, awaited=awaited)
    return _known(low, tree, found, awaited=awaited)


def _is_acall(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Attribute) and tree.attr == "acall"


def _callee(low: Lowering, tree: ast.expr) -> Any:
    """What is called, if it is fixed; the method of a piece of data is not: it is a method of a value."""
    if isinstance(tree, ast.Attribute):
        owner = static(low, tree.value)
        if tree.attr == "acall" and isinstance(owner, PredictorFunction | Program):
            return _Awaitable(owner)
        if is_data(owner) and not isinstance(owner, type) and owner is not low.outside.instance:
            found = getattr(owner, tree.attr, None)
            if not (isinstance(found, PredictorFunction | Program) or _is_users_method(found)):
                raise NotStatic
    return static(low, tree)


@dataclasses.dataclass(frozen=True)
class _Awaitable:
    """``predictor.acall``: called, it has to be awaited."""

    target: Any


def _is_users_method(found: object) -> bool:
    """Whether a method of a constant was written by the user, not by Python or pydantic."""
    if not isinstance(found, MethodType):
        return False
    return (found.__func__.__module__ or "").partition(".")[0] != "pydantic"


def _known(low: Lowering, tree: ast.Call, found: Any, *, awaited: bool) -> Code:
    """A call of something that is fixed."""
    if isinstance(found, _Awaitable):
        return _awaiting(low, tree, True, awaited, lambda: _apply(low, tree, found.target))
    if _is_gather(found):
        return _gather(low, tree, awaited=awaited)
    name = pure.function_name(found)
    if name is not None or found is isinstance:
        return _pure_call(low, tree, name or "isinstance")
    if isinstance(found, type(None)) or not callable(found):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}` is not a function")
    return _awaiting(low, tree, _is_async(found), awaited, lambda: _apply(low, tree, found))


def _is_async(found: Any) -> bool:
    if isinstance(found, PredictorFunction):
        return found.is_async
    if isinstance(found, Program):
        return found.declaration.is_async
    return inspect.iscoroutinefunction(found.op.function if isinstance(found, OpFunction) else found)


def _awaiting(low: Lowering, tree: ast.Call, is_async: bool, awaited: bool, call: Callable[[], Code]) -> Code:
    """The call, if it is awaited when and only when it has to be."""
    if is_async and not awaited:
        return low.refuse(tree, f"`{ast.unparse(tree.func)}(…)` is not awaited where it stands")
    if awaited and not is_async:
        return low.refuse(tree, f"`await {ast.unparse(tree.func)}(…)`: it is not async")
    return call()


# --- steps, programs, ops --------------------------------------------------------------------------------------------


def _apply(low: Lowering, tree: ast.Call, found: Any) -> Code:
    if isinstance(found, PredictorFunction):
        return _step(low, tree, found, [])
    given = _arguments(low, tree)
    return POISON if given is None else _applied(low, tree, found, given)


def _applied(low: Lowering, tree: ast.Call, found: Any, given: Arguments) -> Code:
    """A call with lowered arguments."""
    if isinstance(found, PredictorFunction):
        return call_step(low, found, given, [], tree)
    if isinstance(found, Program):
        return _program(low, tree, found, given)
    if isinstance(found, OpFunction):
        return call_op(low, found.op, given, tree, checked=True)
    return _plain(low, tree, found, given)


def _step(
    low: Lowering, tree: ast.Call, predictor: PredictorFunction[..., Any], sources: Sequence[ast.keyword]
) -> Code:
    values = low.exprs([word.value for word in sources])
    before = len(low.block)
    given = _arguments(low, tree)
    del before
    if given is None:
        return POISON
    context = [(str(word.arg), code) for word, code in zip(sources, map(low.pinned, values), strict=True)]
    return call_step(low, predictor, given, context, tree)


def _reading(low: Lowering, tree: ast.expr) -> tuple[PredictorFunction[..., Any], list[ast.keyword]] | None:
    """``predictor.reading(source=value)``, as what is called."""
    if _is_acall(tree):
        assert isinstance(tree, ast.Attribute)
        tree = tree.value
    match tree:
        case ast.Call(func=ast.Attribute(value=inner, attr="reading"), args=[], keywords=words):
            try:
                found = static(low, inner)
            except NotStatic:
                return None
            if isinstance(found, PredictorFunction) and all(word.arg is not None for word in words):
                return found, words
    return None


def _arguments(low: Lowering, tree: ast.Call) -> Arguments | None:
    """The arguments, evaluated in order; ``None`` and a reason where one is starred or a function."""
    words = [word for word in tree.keywords if word.arg is not None]
    if len(words) < len(tree.keywords) or any(isinstance(part, ast.Starred) for part in tree.args):
        low.refuse(tree, f"a starred argument of `{ast.unparse(tree.func)}`")
        return None
    codes = low.exprs([*tree.args, *(word.value for word in words)])
    for part, code in zip([*tree.args, *(word.value for word in words)], codes, strict=True):
        if code.lazy:
            low.refuse(part, "an iterator as an argument, which can be read only once: wrap it in list(…)")
            return None
    names = [str(word.arg) for word in words]
    return Arguments(codes[: len(tree.args)], dict(zip(names, codes[len(tree.args) :], strict=True)))


def _program(low: Lowering, tree: ast.Call, found: Program[..., Any], given: Arguments) -> Code:
    declaration = found.declaration
    if getattr(declaration, "is_being_captured", False):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}` calls itself: recursion hides control")
    captured = declaration.captured
    for predictor in captured.predictors.values():
        low.report.predictor(predictor)
    if captured.graph is None:
        first = captured.capture.reasons[0]
        return low.refuse(tree, f"program {found.name!r} runs in host mode ({first})")
    if found.binding.lm is not None or found.binding.lms or found.candidate.values:
        return low.refuse(tree, f"program {found.name!r} is bound to an LM or to found parameters of its own")
    return call_program(low, found.name, found.signature, captured.graph, given, tree, captured.ops)


def _plain(low: Lowering, tree: ast.Call, found: Any, given: Arguments) -> Code:
    """An undecorated function, class or method: an op."""
    name = name_of(found)
    if getattr(builtins, name, None) is found and name in _SHARING:
        return low.refuse(tree, f"`{name}` reaches what the program shares with the world around it")
    module = getattr(found, "__module__", None) or ""
    if module in _CHANGING_MODULES or (module == "random" and name == "shuffle") or _is_shuffle(found):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}` changes its argument")
    if inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
        return low.refuse(tree, f"`{name}` yields; return a list instead")
    if calls_steps(found):
        return _helper(low, tree, found, given)
    effects = found is print or found is input
    shown = _op_name(low, tree.func, found, name)
    return call_op(low, op_of(found, name=shown, effects=effects, idempotent=effects), given, tree)


def _is_shuffle(found: Any) -> bool:
    return getattr(found, "__name__", "") == "shuffle" and type(getattr(found, "__self__", None)).__name__ == "Random"


def _op_name(low: Lowering, tree: ast.expr, found: Any, name: str) -> str:
    """A function has its name; a method of an object outside has the object's, too."""
    owner = getattr(found, "__self__", None)
    if owner is None or isinstance(owner, ModuleType | type) or owner is low.outside.instance:
        return name
    return ast.unparse(tree)


def _helper(low: Lowering, tree: ast.Call, found: Any, given: Arguments) -> Code:
    """An undecorated function that calls steps: lowered as if it were a program."""
    from treadle.compiler.frontend.helpers import helper_program

    made = helper_program(found)
    if isinstance(made, str):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}` calls steps and {made}; decorate it with @treadle.program")
    return _program(low, tree, made, given)


def _dispatch(low: Lowering, tree: ast.Call, function: ast.Subscript, *, awaited: bool) -> Code:
    """``HANDLERS[label](x)``: a constant dict of callables, indexed by one of few labels."""
    text = ast.unparse(function)
    try:
        table = static(low, function.value)
    except NotStatic:
        table = None
    if not isinstance(table, dict) or not all(map(callable, table.values())):
        return low.refuse(
            tree, f"`{text}(…)` calls a value; only a constant dict of functions can be indexed and called"
        )
    (key,) = [low.kept(code, tree) for code in low.exprs([function.slice])]
    known = labels(key.type)
    if known is None or key.poisoned:
        return low.refuse(tree, f"`{text}(…)`: the key has to be a Literal or an Enum, so that the cases are known")
    cases = {label: table[label] for label in known if label in table}
    if len(cases) < len(known):
        return low.refuse(tree, f"`{text}(…)`: not every label is a key of the dict")
    if any(_is_async(case) != awaited for case in cases.values()):
        return low.refuse(tree, f"`{text}(…)`: some are async and not awaited, or awaited and not async")
    given = _arguments(low, tree)
    if given is None:
        return POISON
    kept = Arguments([low.kept(code) for code in given.positional], {n: low.kept(c) for n, c in given.keywords.items()})
    grouped: dict[int, tuple[Any, list[Any]]] = {}
    for label, case in cases.items():
        grouped.setdefault(id(case), (case, []))[1].append(label)
    return choose(low, [_case(low, tree, key, case, those, kept) for case, those in grouped.values()], tree)


def _case(
    low: Lowering, tree: ast.Call, key: Code, case: Any, those: list[Any], given: Arguments
) -> tuple[Code, Callable[[], Code]]:
    tests = [["compare", key.tree, "==", ["const", label]] for label in those]
    condition = Code(tree=tests[0] if len(tests) == 1 else ["or", *tests], type=bool)
    return condition, lambda: _applied(low, tree, case, given)


# --- pure functions and methods --------------------------------------------------------------------------------------


def _pure_call(low: Lowering, tree: ast.Call, name: str) -> Code:
    if name in ("map", "filter") and len(tree.args) == 2 and not tree.keywords and _is_step(low, tree.args[0]):
        return low.expr(_as_generator(tree, name))
    if tree.args and isinstance(tree.args[0], ast.GeneratorExp):
        made = _of_generator(low, tree, name, tree.args[0])
        if made is not None:
            return made
    return call_pure(low, tree, name)


def _is_step(low: Lowering, tree: ast.expr) -> bool:
    try:
        found = static(low, tree)
    except NotStatic:
        return False
    return callable(found) and pure.function_name(found) is None and not is_function_of_text(found)


def is_function_of_text(found: Any) -> bool:
    """Whether it is a method of ``str`` and its like, taken from the class."""
    return type(found).__name__ == "method_descriptor"


def _as_generator(tree: ast.Call, name: str) -> ast.GeneratorExp:
    """``map(f, xs)`` as ``(f(x) for x in xs)``."""
    variable = ast.Name(id="$x", ctx=ast.Load())
    call = ast.Call(func=tree.args[0], args=[variable], keywords=[])
    target = ast.Name(id="$x", ctx=ast.Store())
    mapped = name == "map"
    clause = ast.comprehension(target=target, iter=tree.args[1], ifs=[] if mapped else [call], is_async=0)
    made = ast.GeneratorExp(elt=call if mapped else variable, generators=[clause])
    for node in ast.walk(made):
        if isinstance(node, ast.expr) and not hasattr(node, "lineno"):
            ast.copy_location(node, tree)
    return made


def _of_generator(low: Lowering, tree: ast.Call, name: str, generator: ast.GeneratorExp) -> Code | None:
    """A pure function of a generator that calls steps or ops; ``None`` where it is pure after all."""
    if low.purely(lambda: low.expr(generator)) is not None:
        return None
    low.needs_place()
    if name in ("any", "all") and len(tree.args) == 1:
        return search(low, generator, name, const(value=name == "all"))
    if name == "next" and len(tree.args) == 2:
        return search(low, generator, name, low.expr(tree.args[1]))
    if name not in pure.READS_ALL:
        return low.refuse(tree, f"{name}(…) of a generator that calls steps or ops: write a list")
    simple = name in ("sum", "max", "min")
    hashed = name in ("set", "frozenset", "dict", "collections.Counter")
    made = read_all(low, generator, simple=simple, hashed=hashed)
    return call_pure(low, tree, name, first=made)


def _method(low: Lowering, tree: ast.Call, *, awaited: bool) -> Code:
    """A method of a value."""
    if not isinstance(tree.func, ast.Attribute):
        return low.refuse(
            tree, f"`{ast.unparse(tree.func)}(…)` calls a value; call a step, an op or a function by name"
        )
    if awaited:
        return low.refuse(tree, f"`await {ast.unparse(tree.func)}(…)`: a method of a value")
    if tree.func.attr == "format":
        made = format_constant(low, tree)
        if made is not None:
            return made
    generator = tree.args[0] if len(tree.args) == 1 and isinstance(tree.args[0], ast.GeneratorExp) else None
    if tree.func.attr == "join" and generator is not None:
        separator, parts = low.in_order(
            [lambda: low.expr(tree.func.value), lambda: read_all(low, generator, simple=False, hashed=False)]
        )  # type: ignore[attr-defined]
        return call_method(low, tree, separator, [parts])
    receiver = low.expr(tree.func.value)
    if receiver.poisoned:
        for part in tree.args:
            low.expr(part.value if isinstance(part, ast.Starred) else part)
        return POISON
    kinds = classes(receiver.type)
    if kinds and all(pure.has_method(kind, tree.func.attr) for kind in kinds):
        return call_method(low, tree, receiver, None)
    if len(kinds) == 1 and inspect.isfunction(found := getattr(kinds[0], tree.func.attr, None)):
        return _users_method(low, tree, receiver, kinds[0], found)
    from treadle.compiler.frontend.lower_values import unknown

    return low.refuse(tree, unknown(low, tree.func.value, receiver, f".{tree.func.attr}()"))


def _users_method(low: Lowering, tree: ast.Call, receiver: Code, kind: Any, found: Any) -> Code:
    """A method the user wrote on a model or dataclass: an op of its object."""
    if not (issubclass(kind, pydantic.BaseModel) or dataclasses.is_dataclass(kind)):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}()` is a method of {kind.__name__}, which may keep state")
    if calls_steps(found):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}()` calls steps inside a method of a value")
    pinned = low.pinned(receiver)
    given = _arguments(low, tree)
    if given is None:
        return POISON
    whole = Arguments([pinned, *given.positional], given.keywords)
    return call_op(low, op_of(found, name=f"{kind.__name__}.{found.__name__}"), whole, tree)


# --- asyncio.gather, raise -------------------------------------------------------------------------------------------


def _is_gather(found: Any) -> bool:
    return getattr(found, "__name__", "") == "gather" and getattr(found, "__module__", "").startswith("asyncio")


def _gather(low: Lowering, tree: ast.Call, *, awaited: bool) -> Code:
    """``await asyncio.gather(…)``: the calls, one after another in the program's order; they overlap by themselves."""
    if not awaited:
        return low.refuse(tree, "`asyncio.gather(…)` that is not awaited where it stands")
    if tree.keywords:
        return low.refuse(tree, "`asyncio.gather` with options")
    awaits = [_awaited_part(part) for part in tree.args]
    made: ast.expr = ast.copy_location(ast.List(elts=awaits, ctx=ast.Load()), tree)
    if len(awaits) == 1 and isinstance(awaits[0], ast.Starred):
        made = awaits[0].value
    return low.expr(made)


def _awaited_part(part: ast.expr) -> ast.expr:
    """An argument of ``gather`` as what awaiting it gives."""
    if isinstance(part, ast.Starred):
        return ast.copy_location(ast.Starred(value=_awaited_all(part.value), ctx=ast.Load()), part)
    return ast.copy_location(ast.Await(value=part), part)


def _awaited_all(part: ast.expr) -> ast.expr:
    match part:
        case ast.ListComp(elt=elt, generators=generators) | ast.GeneratorExp(elt=elt, generators=generators):
            inner = ast.copy_location(ast.Await(value=elt), elt)
            return ast.copy_location(ast.ListComp(elt=inner, generators=generators), part)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return ast.copy_location(ast.List(elts=[_awaited_part(inner) for inner in parts], ctx=ast.Load()), part)
    return ast.copy_location(ast.Await(value=part), part)


def lower_raise(low: Lowering, tree: ast.Raise) -> None:
    """``raise Error(…)``: an op that raises."""
    call = tree.exc
    function, args = (call.func, call) if isinstance(call, ast.Call) else (call, None)
    try:
        kind = static(low, function) if function is not None else None
    except NotStatic:
        kind = None
    if tree.cause is not None or not (isinstance(kind, type) and issubclass(kind, Exception)):
        low.refuse(tree, "`raise` of anything but a new exception of a known class")
        return
    given = _arguments(low, args) if args is not None else Arguments([], {})
    if given is None or given.poisoned:
        return
    if getattr(builtins, kind.__name__, None) is kind and not given.keywords:
        refs = [("0", low.ref(const(kind.__name__), tree))]
        refs += [(str(index + 1), low.ref(code, tree)) for index, code in enumerate(given.positional)]
        low.add(nodes.Op, [type(None)], tree, op=f"{LIBRARY_PREFIX}raise", inputs=tuple(refs))
        return
    where = tree.exc if tree.exc is not None else ast.copy_location(ast.Constant(value=None), tree)
    call_op(low, op_of(_raiser(kind), name=f"raise {kind.__name__}"), given, where)


def _raiser(kind: type[Exception]) -> Callable[..., None]:
    def raiser(*args: object, **kwargs: object) -> None:
        raise kind(*args, **kwargs)

    return raiser
