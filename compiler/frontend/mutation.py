"""Changes of a collection nobody else holds, as rebinding: the name stands for a changed copy from there on."""

from __future__ import annotations

import ast
import typing
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend.code import Code, names_of
from treadle.compiler.frontend.functions import function_code, is_function
from treadle.compiler.frontend.inference import DICT, binary, classes, element, is_immutable, item, union
from treadle.compiler.frontend.liveness import CHANGING
from treadle.compiler.frontend.operators import OPERATORS
from treadle.compiler.frontend.state import Binding
from treadle.compiler.runtime.allowed import CHANGES

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


def is_change(low: Lowering, tree: ast.expr) -> bool:
    """Whether an expression statement calls a method that changes its receiver."""
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Attribute) and tree.func.attr in CHANGING):
        return False
    receiver = tree.func.value
    if not isinstance(receiver, ast.Name) or not low.is_local(receiver.id):
        return not _is_static(low, receiver)
    return True


def _is_static(low: Lowering, receiver: ast.expr) -> bool:
    """Whether the receiver is an object outside the program that is no collection: its methods are ops."""
    from treadle.compiler.frontend.resolve import NotStatic, static

    try:
        found = static(low, receiver)
    except NotStatic:
        return False
    return not isinstance(found, list | dict | set)


def change(low: Lowering, tree: Any) -> None:
    """``xs.append(x)`` and its like, as a statement."""
    function: ast.Attribute = tree.func
    if any(isinstance(part, ast.Starred) for part in tree.args) or any(key.arg is None for key in tree.keywords):
        low.refuse(tree, "a starred argument")
        return
    owned = _owned(low, function.value, f"`{ast.unparse(function)}`")
    keys = [word for word in tree.keywords if is_function(low, word.value)]
    words = [word for word in tree.keywords if word not in keys]
    codes = low.exprs([*tree.args, *(word.value for word in words)])
    if owned is None:
        return
    name, binding = owned
    if not any(function.attr in CHANGES.get(kind, ()) for kind in classes(binding.code.type)):
        low.refuse(tree, f"`{ast.unparse(function)}` is not a method of {_type_words(binding.code.type)}")
        return
    positional, named = codes[: len(tree.args)], dict(zip([w.arg for w in words], codes[len(tree.args) :], strict=True))
    for word in keys:
        found = function_code(low, word.value, [element(binding.code.type)])
        named[word.arg] = found.code
    low.share(names_of(codes))
    receiver = low.env[name].code
    tree_made = ["changed", receiver.tree, function.attr, [code.tree for code in positional]]
    made = Code(
        tree=[*tree_made, {str(key): code.tree for key, code in named.items()}],
        type=_changed_type(receiver.type, function.attr, [code.type for code in positional]),
        fresh=True,
    )
    low.bind(name, made, tree)


def _owned(low: Lowering, receiver: ast.expr, what: str) -> tuple[str, Binding] | None:
    """The local the receiver is, if nobody else holds its collection; otherwise a reason is noted."""
    if not isinstance(receiver, ast.Name):
        low.refuse(receiver, f"{what} changes a part of a value; build the part anew and assign it")
        return None
    if not low.is_local(receiver.id):
        low.refuse(receiver, f"{what} changes {receiver.id!r}, which lives outside the program")
        return None
    if receiver.id in low.env and low.env[receiver.id].code.poisoned:
        return None
    code = low.expr(receiver)
    binding = low.env.get(receiver.id)
    if code.poisoned or binding is None:
        return None
    if not binding.owned:
        copied = f"{receiver.id} = {_copier(binding.code.type)}({receiver.id})"
        low.refuse(receiver, f"{what} changes a value that somebody else may hold; start from a copy: {copied}")
        return None
    return receiver.id, binding


def _copier(kind: Annotation) -> str:
    kinds = classes(kind)
    return kinds[0].__name__ if kinds and kinds[0] in (list, set) else "dict" if typing.is_typeddict(kind) else "list"


def set_item(low: Lowering, target: ast.Subscript, value: Code, where: ast.AST) -> None:
    """``d[k] = v``: the value is evaluated before the key."""
    what = f"`{ast.unparse(target)} = …`"
    owned = _owned(low, target.value, what)
    if isinstance(target.slice, ast.Slice):
        low.refuse(target, f"{what} assigns to a slice")
        return
    value, key = low.in_order([lambda: value, lambda: low.expr(target.slice)])
    if owned is not None:
        _store(low, owned[0], key, value, where)


def _store(low: Lowering, name: str, key: Code, value: Code, where: ast.AST) -> None:
    low.share(names_of([key, value]))
    receiver = low.env[name].code
    kind = _changed_type(receiver.type, "__setitem__", [key.type, value.type])
    tree = ["changed", receiver.tree, "__setitem__", [key.tree, value.tree], {}]
    low.bind(name, Code(tree=tree, type=kind, fresh=True), where)


def augment(low: Lowering, tree: ast.AugAssign) -> None:
    """``x += y``, ``d[k] += y``."""
    op = OPERATORS.get(type(tree.op))
    if op is None:
        low.refuse(tree, f"`{ast.unparse(tree)}`: this operator is not in the captured part of Python")
    elif isinstance(tree.target, ast.Name):
        _augment_name(low, tree, tree.target, op)
    elif isinstance(tree.target, ast.Subscript):
        _augment_item(low, tree, tree.target, op)
    else:
        low.refuse(tree, f"`{ast.unparse(tree.target)} {op}= …` changes an object others may hold")


def _augment_name(low: Lowering, tree: ast.AugAssign, target: ast.Name, op: str) -> None:
    if not low.is_local(target.id):
        low.refuse(tree, f"`{target.id} {op}= …` changes a name outside the program")
        return
    load = ast.copy_location(ast.Name(id=target.id, ctx=ast.Load()), target)
    old, value = low.in_order([lambda: low.expr(load), lambda: low.expr(tree.value)])
    if old.poisoned:
        return
    owned = low.env[target.id].owned
    if not owned and not is_immutable(old.type):
        known = _type_words(old.type)
        low.refuse(
            tree,
            f"`{target.id} {op}= …` may change an object others hold ({target.id} is {known}); "
            f"write {target.id} = {target.id} {op} …",
        )
        return
    low.share(value.inside)
    kind = old.type if owned and op != "+" else binary(op, old.type, value.type)
    if owned:
        kind = _changed_type(old.type, "extend" if op == "+" else "update", [value.type])
    made = Code(tree=["inplace", op, old.tree, value.tree], type=kind, fresh=owned)
    low.bind(target.id, made, tree)


def _augment_item(low: Lowering, tree: ast.AugAssign, target: ast.Subscript, op: str) -> None:
    owned = _owned(low, target.value, f"`{ast.unparse(target)} {op}= …`")
    key = low.kept(low.expr(target.slice), tree) if not isinstance(target.slice, ast.Slice) else None
    if owned is None or key is None:
        low.expr(tree.value)
        if key is None:
            low.refuse(tree, "assigns to a slice")
        return
    name, binding = owned
    kind = item(binding.code.type, key.tree[1] if key.is_const else None)
    if not is_immutable(kind):
        low.refuse(tree, f"`{ast.unparse(target)} {op}= …` may change an object others hold")
        return
    old = Code(tree=["item", binding.code.tree, key.tree], type=kind)
    before, value = low.in_order([lambda: old, lambda: low.expr(tree.value)])
    made = Code(tree=["inplace", op, before.tree, value.tree], type=binary(op, kind, value.type))
    _store(low, name, key, made, tree)


def _changed_type(kind: Annotation, method: str, given: list[Annotation]) -> Annotation:
    """The type of the collection after the change."""
    base: Any = classes(kind)[0] if classes(kind) else Any
    if base is dict:
        return _changed_dict(kind, method, given)
    added = {"append": 0, "add": 0, "insert": 1, "__setitem__": 1}.get(method)
    if added is not None and len(given) > added:
        return base[union([element(kind), given[added]])]
    if method in ("extend", "update") and given:
        return base[union([element(kind), *map(element, given)])]
    return kind


def _changed_dict(kind: Annotation, method: str, given: list[Annotation]) -> Annotation:
    keys, values = element(kind), item(kind)
    if method in ("__setitem__", "setdefault") and len(given) == 2:
        return DICT[union([keys, given[0]]), union([values, given[1]])]
    if method == "update" and given:
        return DICT[union([keys, element(given[0])]), union([values, item(given[0])])]
    return kind if method in ("clear", "discard") else dict


def _type_words(kind: Annotation) -> str:
    from treadle.compiler.annotations import type_name

    return "of an unknown type" if kind is Any else type_name(kind)
