"""Calls of pure functions and methods, as expressions."""

from __future__ import annotations

import ast
import dataclasses
import enum
import string
from typing import Any

import pydantic

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import pure
from treadle.compiler.frontend.code import POISON, Code, names_of
from treadle.compiler.frontend.functions import Function, function_code, is_function
from treadle.compiler.frontend.inference import classes, element, is_known, is_scalar, union
from treadle.compiler.frontend.lowering import Lowering
from treadle.compiler.frontend.resolve import NotStatic, static

_COLLECTIONS = (list, set, dict)


def call_pure(low: Lowering, tree: ast.Call, name: str, first: Code | None = None) -> Code:
    """A call of an allowed function.

    Args:
        low: The lowering.
        tree: The call.
        name: The function's name in the table.
        first: The first argument, where it is lowered already.
    """
    if name == "isinstance":
        return _instance_check(low, tree)
    if name == "next" and not (len(tree.args) == 2 and isinstance(tree.args[0], ast.GeneratorExp)):
        return low.refuse(tree, "`next` of anything but a generator with a default reads an iterator")
    words = [word for word in tree.keywords if word.arg is not None]
    if len(words) < len(tree.keywords):
        return low.refuse(tree, "a starred argument")
    functions = _functions(low, [*tree.args, *(word.value for word in words)])
    plain = [part for part in (*tree.args, *(word.value for word in words)) if part not in functions]
    codes = _codes(low, plain, first)
    types = [
        element(code.type) if isinstance(part, ast.Starred) else code.type
        for part, code in zip(plain, codes, strict=True)
    ]
    made = {part: function_code(low, part, _given(name, types)) for part in functions}
    by_tree = {**dict(zip(plain, codes, strict=True)), **{part: found.code for part, found in made.items()}}
    if any(code.poisoned for code in by_tree.values()):
        return POISON
    kind = _type(name, [kind for part, kind in zip(plain, types, strict=True) if part in tree.args], made)
    kind = union([kind, *(by_tree[word.value].type for word in words if word.arg == "default")])
    args = [["star", by_tree[part].tree] if isinstance(part, ast.Starred) else by_tree[part].tree for part in tree.args]
    named = {str(word.arg): by_tree[word.value].tree for word in words}
    return _described(name, Code(tree=["call", name, args, named], type=kind), codes)


def _functions(low: Lowering, parts: list[ast.expr]) -> list[ast.expr]:
    return [part for part in parts if not isinstance(part, ast.Starred) and is_function(low, part)]


def _codes(low: Lowering, plain: list[ast.expr], first: Code | None) -> list[Code]:
    trees = [part.value if isinstance(part, ast.Starred) else part for part in plain]
    if first is None:
        return low.exprs(trees)
    given = first
    return low.in_order([lambda: given, *((lambda tree=tree: low.expr(tree)) for tree in trees[1:])])


def _given(name: str, types: list[Annotation]) -> list[Annotation]:
    """Types of what a function argument is called with: elements of what is sorted, mapped or filtered."""
    if name == "map":
        return [element(kind) for kind in types]
    if name in ("max", "min") and len(types) > 1:
        return [types[0]]
    return [element(types[0])] if types else []


def _type(name: str, types: list[Annotation], functions: dict[ast.expr, Function]) -> Annotation:
    if name == "map":
        returned = [found.returns for found in functions.values()]
        return pure.result(name, returned)
    if name == "filter":
        return pure.result(name, [type(None), *types[-1:]])
    keyed = types[:1] if name in ("sorted",) else types
    return pure.result(name, keyed)


def _described(name: str, code: Code, codes: list[Code]) -> Code:
    """What is known of the result beside its type."""
    if name in pure.COPIES:
        names = names_of(codes, parts=True)
    else:
        names = frozenset() if is_scalar(code.type) and is_known(code.type) else names_of(codes)
    lazy = name in pure.LAZY
    late = name in pure.FAILS_LATE or (lazy and any(given.fails_late for given in codes))
    sizes = [given.most for given in codes]
    same = bool(codes) and name in ("enumerate", "list", "tuple", "sorted", "reversed")
    made = dataclasses.replace(
        code,
        names=names,
        lazy=lazy,
        fails_late=late,
        fresh=not lazy and classes(code.type)[:1] in [(kind,) for kind in _COLLECTIONS] and name in pure.COPIES,
        most=codes[0].most if same else None,
        least=codes[0].least if same else 0,
    )
    if name == "zip" and codes and None not in sizes:
        return dataclasses.replace(made, most=min(size for size in sizes if size is not None))
    if name == "range" and all(given.is_const and type(given.tree[1]) is int for given in codes) and codes:
        try:
            size = len(range(*(given.tree[1] for given in codes)))
        except (TypeError, ValueError):
            return made
        return dataclasses.replace(made, most=size, least=size)
    return made


# --- methods ---------------------------------------------------------------------------------------------------------


def call_method(low: Lowering, tree: ast.Call, receiver: Code, given: list[Code] | None) -> Code:
    """A call of a pure method of a value.

    Args:
        low: The lowering.
        tree: The call.
        receiver: The value.
        given: The arguments, where they are lowered already.
    """
    assert isinstance(tree.func, ast.Attribute)
    name = tree.func.attr
    words = [word for word in tree.keywords if word.arg is not None]
    if len(words) < len(tree.keywords):
        return low.refuse(tree, "a starred argument")
    if given is None:
        trees = [part.value if isinstance(part, ast.Starred) else part for part in tree.args]
        parts = [(lambda part=part: low.expr(part)) for part in (*trees, *(word.value for word in words))]
        receiver, *codes = low.in_order([lambda: receiver, *parts])
    else:
        codes = given
    if receiver.poisoned or any(code.poisoned for code in codes):
        return POISON
    args = [
        ["star", code.tree] if isinstance(part, ast.Starred) else code.tree
        for part, code in zip(tree.args, codes, strict=False)
    ]
    named = {str(word.arg): code.tree for word, code in zip(words, codes[len(tree.args) :], strict=True)}
    kind = pure.method_result(receiver.type, name, [code.type for code in codes])
    held = receiver.names if name in pure.VIEWS else receiver.inside
    scalar = is_scalar(kind) and is_known(kind)
    return Code(
        tree=["method", receiver.tree, name, args, named],
        type=kind,
        names=frozenset() if scalar else held | names_of(codes),
        fresh=name
        in (
            "split",
            "rsplit",
            "splitlines",
            "copy",
            "model_dump",
            "most_common",
            "union",
            "intersection",
            "difference",
        ),
    )


def format_constant(low: Lowering, tree: ast.Call) -> Code | None:
    """``"…{name}…".format(name=x)`` with a constant template, as an f-string; ``None`` where it is not one."""
    assert isinstance(tree.func, ast.Attribute)
    template = _template(low, tree.func.value)
    if (
        template is None
        or any(isinstance(part, ast.Starred) for part in tree.args)
        or any(w.arg is None for w in tree.keywords)
    ):
        return None
    codes = low.exprs([*tree.args, *(word.value for word in tree.keywords)])
    if any(code.poisoned for code in codes):
        return POISON
    named = {str(index): code for index, code in enumerate(codes[: len(tree.args)])}
    named |= {str(w.arg): code for w, code in zip(tree.keywords, codes[len(tree.args) :], strict=True)}
    pieces = _pieces(template, {name: low.kept(code, tree) for name, code in named.items()})
    if pieces is None:
        return low.refuse(tree, "a template with fields that `format` would look into or fail on")
    return Code(tree=["text", *pieces], type=str)


def _template(low: Lowering, tree: ast.expr) -> str | None:
    if isinstance(tree, ast.Constant):
        return tree.value if isinstance(tree.value, str) else None
    try:
        found = static(low, tree)
    except NotStatic:
        return None
    if isinstance(found, str) and not isinstance(found, enum.Enum):
        low.report.constants[ast.unparse(tree)] = found
        return found
    return None


def _pieces(template: str, named: dict[str, Code]) -> list[Any] | None:
    pieces: list[Any] = []
    count = 0
    try:
        for text, field, spec, conversion in string.Formatter().parse(template):
            if text:
                pieces.append(text)
            if field is None:
                continue
            name = field or str(count)
            count += not field
            if name not in named or "{" in (spec or ""):
                return None
            pieces.append(["format", named[name].tree, conversion or "", ["text", spec] if spec else None])
    except ValueError:
        return None
    return pieces


# --- isinstance ------------------------------------------------------------------------------------------------------


def _instance_check(low: Lowering, tree: ast.Call) -> Code:
    if len(tree.args) != 2 or tree.keywords:
        return low.refuse(tree, "`isinstance` with other arguments than a value and a class")
    value = low.expr(tree.args[0])
    parts = tree.args[1].elts if isinstance(tree.args[1], ast.Tuple) else [tree.args[1]]
    try:
        kinds = [static(low, part) for part in parts]
    except NotStatic:
        kinds = [None]
    if value.poisoned:
        return POISON
    if not all(_can_be_told(kind) for kind in kinds) or not (is_known(value.type) or all(map(_is_builtin, kinds))):
        return low.refuse(tree, f"`{ast.unparse(tree)}`: only for known types, and classes that a name tells apart")
    return Code(tree=["is", value.tree, [kind.__name__ for kind in kinds]], type=bool)


def _is_builtin(kind: Any) -> bool:
    return isinstance(kind, type) and kind.__module__ == "builtins"


def _can_be_told(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    return _is_builtin(kind) or issubclass(kind, pydantic.BaseModel | enum.Enum) or dataclasses.is_dataclass(kind)
