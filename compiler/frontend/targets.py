"""Assignment targets: names, unpacking, and items of a collection the function owns."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.code import Code, pattern_of
from treadle.compiler.frontend.inference import LIST, TUPLE, element, item
from treadle.compiler.frontend.mutation import set_item

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


def assign(low: Lowering, target: ast.expr, code: Code, where: ast.AST) -> None:
    """Bind a target to a value."""
    match target:
        case ast.Name(id=name):
            low.bind(name, code, where)
        case ast.Tuple() | ast.List():
            _unpack(low, target, code, where)
        case ast.Subscript():
            set_item(low, target, code, where)
        case ast.Attribute():
            low.refuse(target, f"`{ast.unparse(target)} = …` changes an object others may hold")
        case _:
            low.refuse(target, f"`{ast.unparse(target)}` cannot be assigned in the captured part of Python")


def assign_in_parts(low: Lowering, target: ast.expr, value: ast.expr) -> bool:
    """``a, b = x, y``: bind each name to its own value, without a tuple; false where it is not of that form."""
    if not (isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List)):
        return False
    starred = any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
    if starred or len(target.elts) != len(value.elts) or not all(isinstance(part, ast.Name) for part in target.elts):
        return False
    codes = [low.kept(code, value) for code in low.exprs(value.elts)]
    if _refused_twice(low, target, [part.id for part in target.elts if isinstance(part, ast.Name)]):
        low.forget(liveness.stored(target))
        return True
    for part, code in zip(target.elts, codes, strict=True):
        assign(low, part, code, target)
    return True


def _unpack(low: Lowering, target: ast.Tuple | ast.List, code: Code, where: ast.AST) -> None:
    names: list[str] = []
    kinds: list[Annotation] = []
    pattern = _pattern(low, target, code.type, names, kinds)
    if pattern is None or _refused_twice(low, target, names):
        low.forget(liveness.stored(target))
        return
    low.share(code.names)
    whole = low.kept(Code(tree=["unpack", pattern_of(pattern), code.tree], type=TUPLE[tuple(kinds)]), where)
    for index, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        fresh = getattr(kind, "__origin__", None) is list and _is_star(target, name)
        low.bind(name, Code(tree=["item", whole.tree, ["const", index]], type=kind, fresh=fresh), where)


def _is_star(target: ast.Tuple | ast.List, name: str) -> bool:
    stars = [node for node in ast.walk(target) if isinstance(node, ast.Starred)]
    return any(isinstance(star.value, ast.Name) and star.value.id == name for star in stars)


def _refused_twice(low: Lowering, target: ast.AST, names: list[str]) -> bool:
    if len(set(names)) == len(names):
        return False
    low.refuse(target, "a name stands twice among the targets")
    return True


def _pattern(low: Lowering, target: ast.expr, kind: Annotation, names: list[str], kinds: list[Annotation]) -> Any:
    """The pattern of a target, its names and their types in order; ``None`` where a part of it is not a name."""
    match target:
        case ast.Name(id=name):
            names.append(name)
            kinds.append(kind)
            return len(names)
        case ast.Starred(value=ast.Name(id=name)):
            names.append(name)
            kinds.append(LIST[element(kind)])
            return ("*", len(names))
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            made = [_pattern(low, part, _part_type(kind, parts, i), names, kinds) for i, part in enumerate(parts)]
            return None if any(part is None for part in made) else made
    low.refuse(target, f"`{ast.unparse(target)}` cannot be a part of an unpacking in the captured part of Python")
    return None


def _part_type(kind: Annotation, parts: list[ast.expr], index: int) -> Annotation:
    """The type of one part: by position before a star, from the end behind it; a star gets the whole type."""
    stars = [place for place, part in enumerate(parts) if isinstance(part, ast.Starred)]
    if index in stars:
        return kind
    if stars and index > stars[0]:
        index -= len(parts)
    found = item(kind, index)
    return element(kind) if found is Any else found


def pattern(low: Lowering, target: ast.expr, kind: Annotation) -> tuple[Any, dict[str, Code]] | None:
    """The pattern a comprehension's target binds, with fresh variables, and what its names stand for."""
    names: list[str] = []
    kinds: list[Annotation] = []
    made = _pattern(low, target, kind, names, kinds)
    if made is None or _refused_twice(low, target, names):
        return None
    tokens = [low.token() for _ in names]
    codes = {
        name: Code(tree=["name", token], type=kind) for name, token, kind in zip(names, tokens, kinds, strict=True)
    }
    return _with_tokens(made, tokens), codes


def _with_tokens(made: Any, tokens: list[int]) -> Any:
    if isinstance(made, int):
        return tokens[made - 1]
    if isinstance(made, tuple):
        return ("*", tokens[made[1] - 1])
    return [_with_tokens(part, tokens) for part in made]
