"""Rules for expressions that are no calls: names, constants, collections, f-strings, access, operators."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never, get_args

from treadle.compiler.annotations import Annotation, type_name
from treadle.compiler.frontend.apply import Arguments, call_op
from treadle.compiler.frontend.branches import branch
from treadle.compiler.frontend.code import POISON, Code, const, is_scalar, names_of
from treadle.compiler.frontend.comprehensions import lower_comprehension, lower_generator
from treadle.compiler.frontend.inference import (
    DICT,
    NONE,
    TUPLE,
    bare,
    binary,
    classes,
    element,
    field,
    is_known,
    item,
    sliced,
    unary,
    union,
    widened,
)
from treadle.compiler.frontend.inference import (
    is_scalar as is_scalar_type,
)
from treadle.compiler.frontend.liveness import stored
from treadle.compiler.frontend.lower_calls import lower_await, lower_call
from treadle.compiler.frontend.lowering import Expression, Lowering
from treadle.compiler.frontend.narrowing import narrow
from treadle.compiler.frontend.op_function import op_of
from treadle.compiler.frontend.operators import COMPARE, OPERATORS, UNARY
from treadle.compiler.frontend.resolve import NotStatic, constant, static
from treadle.compiler.frontend.state import FALL

# --- names and constants ---------------------------------------------------------------------------------------------


def _name(low: Lowering, tree: ast.Name) -> Code:
    binding = low.env.get(tree.id)
    if binding is not None:
        if FALL in binding.missing:
            return low.refuse(tree, f"{tree.id!r} may have no value here; give it one before the branch or loop")
        held = frozenset({tree.id}) if binding.owned else frozenset()
        return dataclasses.replace(binding.code, names=held, direct=bool(held))
    if tree.id in low.order:
        return low.refuse(tree, f"{tree.id!r} may have no value here; give it one before the branch or loop")
    if tree.id == low.self_name and tree.id:
        return low.refuse(tree, f"{tree.id!r} is used as a value; only its attributes are captured")
    try:
        return constant(low, tree, static(low, tree))
    except NotStatic:
        return low.refuse(tree, f"{tree.id!r} is not defined where the program is captured")


def _constant(low: Lowering, tree: ast.Constant) -> Code:
    if is_scalar(tree.value):
        return const(tree.value)  # type: ignore[arg-type]  # a scalar, by the line above
    return low.refuse(tree, f"the constant {ast.unparse(tree)} is one JSON cannot hold")


# --- collections -----------------------------------------------------------------------------------------------------


def _parts(low: Lowering, elements: Sequence[ast.expr]) -> tuple[list[Any], list[Code], list[Annotation]]:
    """Trees, codes and element types of a display; a starred part spreads."""
    inner = [part.value if isinstance(part, ast.Starred) else part for part in elements]
    codes = low.exprs(inner)
    trees: list[Any] = []
    kinds: list[Annotation] = []
    for part, code in zip(elements, codes, strict=True):
        starred = isinstance(part, ast.Starred)
        trees.append(["star", code.tree] if starred else code.tree)
        kinds.append(element(code.type) if starred else code.type)
    return trees, codes, kinds


def _display(form: str, kind: Any) -> Expression:
    def rule(low: Lowering, tree: ast.List | ast.Set) -> Code:
        trees, codes, kinds = _parts(low, tree.elts)
        size = None if any(isinstance(part, ast.Starred) for part in tree.elts) else len(trees)
        return Code(
            tree=[form, *trees],
            type=kind[union(kinds) if kinds else Never],
            fresh=True,
            names=names_of(codes),
            most=size,
            least=(size or 0) if form == "list" else min(1, size or 0),
            poisoned=any(code.poisoned for code in codes),
        )

    return rule


def _tuple(low: Lowering, tree: ast.Tuple) -> Code:
    trees, codes, kinds = _parts(low, tree.elts)
    starred = any(isinstance(part, ast.Starred) for part in tree.elts)
    kind: Annotation = TUPLE[union(kinds), ...] if starred else (TUPLE[tuple(kinds)] if kinds else TUPLE[()])
    size = None if starred else len(trees)
    poisoned = any(code.poisoned for code in codes)
    return Code(tree=["tuple", *trees], type=kind, names=names_of(codes), most=size, least=size or 0, poisoned=poisoned)


def _dict(low: Lowering, tree: ast.Dict) -> Code:
    flat = [part for pair in zip(tree.keys, tree.values, strict=True) for part in pair if part is not None]
    codes = low.exprs(flat)
    left = iter(codes)
    trees: list[Any] = []
    keys: list[Annotation] = []
    values: list[Annotation] = []
    for key in tree.keys:
        first = next(left)
        if key is None:
            trees.append(["spread", first.tree])
            args = get_args(first.type)
            keys.append(args[0] if len(args) == 2 else Any)
            values.append(args[1] if len(args) == 2 else Any)
        else:
            second = next(left)
            trees.append([first.tree, second.tree])
            keys.append(widened(first.type))
            values.append(second.type)
    kind = DICT[union(keys), union(values)] if trees else DICT[Never, Never]
    poisoned = any(code.poisoned for code in codes)
    return Code(tree=["dict", *trees], type=kind, fresh=True, names=names_of(codes), poisoned=poisoned)


# --- f-strings -------------------------------------------------------------------------------------------------------


def _f_string(low: Lowering, tree: ast.JoinedStr) -> Code:
    codes = low.in_order([_formatter(low, part) for part in tree.values])
    pieces: list[Any] = []
    for code in codes:
        pieces.extend(code.tree[1:] if code.tree[0] == "text" else [["format", code.tree, "", None]])
    return Code(tree=["text", *pieces], type=str, poisoned=any(code.poisoned for code in codes))


def _formatter(low: Lowering, part: ast.expr) -> Callable[[], Code]:
    return lambda: _formatted(low, part)


def _formatted(low: Lowering, part: ast.expr) -> Code:
    """One part, already formatted: formatting may fail before the next part is evaluated."""
    if isinstance(part, ast.Constant):
        return Code(tree=["text", part.value], type=str)
    assert isinstance(part, ast.FormattedValue)
    trees = [part.value] if part.format_spec is None else [part.value, part.format_spec]
    value, *spec = low.exprs(trees)
    if value.lazy:
        return low.refuse(part, "an iterator in an f-string")
    conversion = "" if part.conversion < 0 else chr(part.conversion)
    tree = ["text", ["format", value.tree, conversion, spec[0].tree if spec else None]]
    return Code(tree=tree, type=str, poisoned=value.poisoned or any(code.poisoned for code in spec))


# --- access ----------------------------------------------------------------------------------------------------------


def _attribute(low: Lowering, tree: ast.Attribute) -> Code:
    try:
        return constant(low, tree, static(low, tree))
    except NotStatic:
        pass
    value = low.expr(tree.value)
    if value.poisoned:
        return POISON
    kinds = classes(value.type)
    types = [field(kind, tree.attr) for kind in kinds]
    if kinds and None not in types:
        return Code(tree=["attr", value.tree, tree.attr], type=union(types), names=value.inside)
    if len(kinds) == 1 and isinstance(getattr(kinds[0], tree.attr, None), property):
        return _property(low, tree, kinds[0], value)
    return low.refuse(tree, unknown(low, tree.value, value, f".{tree.attr}"))


def _property(low: Lowering, tree: ast.Attribute, kind: Any, value: Code) -> Code:
    """A property is a function of the user's: an op."""
    found = getattr(kind, tree.attr)
    return call_op(low, op_of(found.fget, name=f"{kind.__name__}.{tree.attr}"), Arguments([value], {}), tree)


def unknown(low: Lowering, tree: ast.expr, value: Code, what: str) -> str:
    """Why an attribute or method is not captured: the type is unknown, or has no such field or pure method."""
    text = ast.unparse(tree)
    if is_known(value.type):
        return f"`{text}{what}` is not a declared field or pure method of {type_name(value.type)}"
    return (
        f"`{text}{what}`: the type of `{text}` is not known; add a type hint where it comes from{_origin(low, value)}"
    )


def _origin(low: Lowering, value: Code) -> str:
    described = low.origins.get(value.tree[1]) if value.is_ref else None
    return f" ({described})" if described else ""


def _subscript(low: Lowering, tree: ast.Subscript) -> Code:
    if isinstance(tree.slice, ast.Slice):
        return _slice(low, tree, tree.slice)
    value, index = low.exprs([tree.value, tree.slice])
    if value.poisoned or index.poisoned:
        return POISON
    known = index.tree[1] if index.is_const else None
    return Code(tree=["item", value.tree, index.tree], type=item(value.type, known), names=value.inside)


def _slice(low: Lowering, tree: ast.Subscript, part: ast.Slice) -> Code:
    bounds = [bound for bound in (part.lower, part.upper, part.step) if bound is not None]
    value, *codes = low.exprs([tree.value, *bounds])
    left = iter(codes)
    trees = [None if bound is None else next(left).tree for bound in (part.lower, part.upper, part.step)]
    most = None
    if part.lower is None and part.step is None and trees[1] is not None and trees[1][0] == "const":
        most = trees[1][1] if type(trees[1][1]) is int and trees[1][1] >= 0 else None
    kind = sliced(value.type)
    fresh = classes(kind) == (list,)
    made = ["item", value.tree, ["slice", *trees]]
    return Code(tree=made, type=kind, names=value.inside, fresh=fresh, most=most, poisoned=value.poisoned)


# --- operators -------------------------------------------------------------------------------------------------------


def _binary(low: Lowering, tree: ast.BinOp) -> Code:
    op = OPERATORS.get(type(tree.op))
    if op is None:
        return low.refuse(tree, "the operator `@`")
    left, right = low.exprs([tree.left, tree.right])
    if left.poisoned or right.poisoned:
        return POISON
    kind = binary(op, left.type, right.type)
    names = frozenset() if is_scalar_type(kind) else names_of([left, right], parts=True)
    fresh = classes(kind) in ((list,), (set,), (dict,))
    return Code(tree=["binary", op, left.tree, right.tree], type=kind, names=names, fresh=fresh)


def _unary(low: Lowering, tree: ast.UnaryOp) -> Code:
    op, value = UNARY[type(tree.op)], low.expr(tree.operand)
    if op == "-" and value.is_const and type(value.tree[1]) in (int, float):
        return const(-value.tree[1])
    return Code(tree=["unary", op, value.tree], type=unary(op, value.type), poisoned=value.poisoned)


def _compare(low: Lowering, tree: ast.Compare) -> Code:
    trees = [tree.left, *tree.comparators]
    codes = low.purely(lambda: low.exprs(trees))
    if codes is None:
        first = low.exprs(trees[:2])
        rest = low.purely(lambda: low.exprs(trees[2:]))  # they are evaluated only if the first comparison is true
        if rest is None:
            return low.refuse(tree, "a chain of comparisons that calls a step or an op late in it; write it with `and`")
        codes = [*first, *rest]
    if any(isinstance(op, ast.Is | ast.IsNot) for op in tree.ops) and not any(map(_is_singleton, codes)):
        return low.refuse(tree, "`is` on values that are no constants; compare them with ==")
    made: list[Any] = ["compare", codes[0].tree]
    for op, code in zip(tree.ops, codes[1:], strict=True):
        made += [COMPARE[type(op)], code.tree]
    return Code(tree=made, type=bool, poisoned=any(code.poisoned for code in codes))


def _is_singleton(code: Code) -> bool:
    import enum

    kinds = classes(code.type)
    enums = bool(kinds) and all(isinstance(kind, type) and issubclass(kind, enum.Enum) for kind in kinds)
    return (code.is_const and (code.tree[1] is None or isinstance(code.tree[1], bool))) or enums or code.poisoned


def _either(low: Lowering, tree: ast.BoolOp) -> Code:
    form = "and" if isinstance(tree.op, ast.And) else "or"
    codes = low.purely(lambda: _operands(low, tree.values, form))
    if codes is not None:
        return Code(
            tree=[form, *(code.tree for code in codes)],
            type=_truth_type([code.type for code in codes], form),
            names=names_of(codes),
            poisoned=any(code.poisoned for code in codes),
        )
    first = tree.values[0]
    rest = tree.values[1] if len(tree.values) == 2 else ast.copy_location(ast.BoolOp(tree.op, tree.values[1:]), tree)
    value = low.kept(low.expr(first), tree)
    when_true, when_false = narrow(low, first)

    def go_on() -> None:
        low.env.update(when_true if form == "and" else when_false)
        low.bind(name, low.expr(rest), tree)

    def stay() -> None:
        if form == "or":
            low.bind(name, dataclasses.replace(value, type=union(_truthy(value.type))), tree)

    name = low.temporary("value")
    low.bind(name, value, tree)
    arms = (go_on, stay) if form == "and" else (stay, go_on)
    branch(low, low.ref(value), *arms, frozenset({name}) | stored(rest), tree)
    return low.taken(name)


def _operands(low: Lowering, trees: Sequence[ast.expr], form: str) -> list[Code]:
    """The operands, each where those before it were true, or false."""
    kept, codes = dict(low.env), []
    for tree in trees:
        codes.append(low.expr(tree))
        low.env.update(narrow(low, tree)[0 if form == "and" else 1])
    low.env = {name: kept.get(name, binding) for name, binding in low.env.items()}
    return codes


def _truth_type(types: Sequence[Annotation], form: str) -> Annotation:
    """``a or b`` is never None but by its last operand."""
    if form == "or":
        return union([*(union(_truthy(kind)) for kind in types[:-1]), types[-1]])
    return union(types)


def _truthy(kind: Annotation) -> list[Annotation]:
    from treadle.compiler.frontend.inference import members

    return [part for part in members(bare(kind)) if part is not NONE] or [Never]


def _conditional(low: Lowering, tree: ast.IfExp) -> Code:
    test = low.expr(tree.test)
    when_true, when_false = narrow(low, tree.test)

    def arm(known: Mapping[str, Any], part: ast.expr) -> Code:
        low.env.update(known)
        return low.expr(part)

    def apart(known: Mapping[str, Any], part: ast.expr) -> Code:
        kept = dict(low.env)
        try:
            return arm(known, part)
        finally:
            low.env = kept

    pure = low.purely(lambda: (apart(when_true, tree.body), apart(when_false, tree.orelse)))
    if pure is not None:
        return Code(
            tree=["if", test.tree, pure[0].tree, pure[1].tree],
            type=union(code.type for code in pure),
            names=names_of(pure),
            fresh=all(code.fresh for code in pure),
            lazy=any(code.lazy for code in pure),
            poisoned=test.poisoned or any(code.poisoned for code in pure),
        )
    name = low.temporary("value")
    condition = low.ref(test, tree)
    branch(
        low,
        condition,
        lambda: low.bind(name, arm(when_true, tree.body), tree),
        lambda: low.bind(name, arm(when_false, tree.orelse), tree),
        frozenset({name}) | stored(tree.body) | stored(tree.orelse),
        tree,
    )
    return low.taken(name)


def _walrus(low: Lowering, tree: ast.NamedExpr) -> Code:
    low.needs_place()
    low.bind(tree.target.id, low.expr(tree.value), tree)
    return _name(low, ast.copy_location(ast.Name(id=tree.target.id, ctx=ast.Load()), tree))


EXPRESSIONS: Mapping[type[ast.expr], Expression] = {
    ast.Attribute: _attribute,
    ast.Await: lower_await,
    ast.BinOp: _binary,
    ast.BoolOp: _either,
    ast.Call: lower_call,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Dict: _dict,
    ast.DictComp: lower_comprehension,
    ast.GeneratorExp: lower_generator,
    ast.IfExp: _conditional,
    ast.JoinedStr: _f_string,
    ast.List: _display("list", list),
    ast.ListComp: lower_comprehension,
    ast.Name: _name,
    ast.NamedExpr: _walrus,
    ast.Set: _display("set", set),
    ast.SetComp: lower_comprehension,
    ast.Subscript: _subscript,
    ast.Tuple: _tuple,
    ast.UnaryOp: _unary,
}
"""Rules by class of expression."""
