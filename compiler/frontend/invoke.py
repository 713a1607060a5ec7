"""Calls of steps, programs and plain functions: arguments lowered, the right kind of node written."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import labels
from treadle.compiler.frontend.apply import Arguments, call_op, call_program, call_step, choose
from treadle.compiler.frontend.callees import is_async
from treadle.compiler.frontend.code import POISON, Code, const
from treadle.compiler.frontend.op_function import OpFunction, name_of, op_of
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.frontend.resolve import NotStatic, static
from treadle.compiler.frontend.steps_inside import calls_steps
from treadle.compiler.graph import nodes
from treadle.compiler.graph.op import LIBRARY_PREFIX

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering

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


def apply(low: Lowering, tree: ast.Call, found: Any) -> Code:
    """A call of something that is fixed."""
    if isinstance(found, PredictorFunction):
        return step(low, tree, found, [])
    given = arguments(low, tree)
    return POISON if given is None else applied(low, tree, found, given)


def applied(low: Lowering, tree: ast.Call, found: Any, given: Arguments) -> Code:
    """A call with lowered arguments."""
    if isinstance(found, PredictorFunction):
        return call_step(low, found, given, [], tree)
    if isinstance(found, Program):
        return _program(low, tree, found, given)
    if isinstance(found, OpFunction):
        return call_op(low, found.op, given, tree, checked=True)
    return _plain(low, tree, found, given)


def step(low: Lowering, tree: ast.Call, predictor: PredictorFunction[..., Any], sources: Sequence[ast.keyword]) -> Code:
    """A step, and the context edges it reads: their values are evaluated before its inputs."""
    values = [low.pinned(code) for code in low.exprs([word.value for word in sources])]
    given = arguments(low, tree)
    if given is None:
        return POISON
    context = [(str(word.arg), code) for word, code in zip(sources, values, strict=True)]
    return call_step(low, predictor, given, context, tree)


def arguments(low: Lowering, tree: ast.Call) -> Arguments | None:
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
    module = (getattr(found, "__module__", None) or "").lstrip("_")  # `_heapq` is the C part of `heapq`
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
    from treadle.compiler.frontend.undecorated import program_of

    made = program_of(found)
    if isinstance(made, str):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}` calls steps and {made}; decorate it with @treadle.program")
    return _program(low, tree, made, given)


def dispatch(low: Lowering, tree: ast.Call, function: ast.Subscript, *, awaited: bool) -> Code:
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
    if any(is_async(case) != awaited for case in cases.values()):
        return low.refuse(tree, f"`{text}(…)`: some are async and not awaited, or awaited and not async")
    given = arguments(low, tree)
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
    return condition, lambda: applied(low, tree, case, given)


def lower_raise(low: Lowering, tree: ast.Raise) -> None:
    """``raise Error(…)``: an op that raises."""
    call = tree.exc
    function, args = (call.func, call) if isinstance(call, ast.Call) else (call, None)
    kind = _exception(low, function)
    if kind is None or tree.cause is not None:
        low.refuse(tree, "`raise` of anything but a new exception of a known class")
        return
    given = arguments(low, args) if args is not None else Arguments([], {})
    if given is None or given.poisoned:
        return
    if vars(builtins).get(kind.__name__) == kind and not given.keywords:
        refs = [("0", low.ref(const(kind.__name__), tree))]
        refs += [(str(index + 1), low.ref(code, tree)) for index, code in enumerate(given.positional)]
        low.add(nodes.Op, [type(None)], tree, op=f"{LIBRARY_PREFIX}raise", inputs=tuple(refs))
        return
    where = tree.exc if tree.exc is not None else ast.copy_location(ast.Constant(value=None), tree)
    call_op(low, op_of(_raiser(kind), name=f"raise {kind.__name__}"), given, where)


def _exception(low: Lowering, tree: ast.expr | None) -> type[Exception] | None:
    """The exception class an expression names."""
    try:
        found = None if tree is None else static(low, tree)
    except NotStatic:
        return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _raiser(kind: type[Exception]) -> Callable[..., None]:
    def raiser(*args: object, **kwargs: object) -> None:
        raise kind(*args, **kwargs)

    return raiser
