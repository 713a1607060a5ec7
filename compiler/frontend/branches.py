"""Branches: two blocks lowered apart, and what is carried out of them."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend.code import Code, const, of_ref
from treadle.compiler.frontend.inference import union
from treadle.compiler.frontend.state import FALL, RETURNED, Arm, Binding
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Ref, Region

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering

NOWHERE = Binding(code=const(None), missing=frozenset({FALL, "return", "break", "continue"}))
"""A name without a value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Carried:
    """A value both arms give: its expression in each, its type, and the binding it becomes."""

    name: str
    then: Code
    otherwise: Code
    type: Annotation
    missing: frozenset[str]
    owned: bool


def branch(
    low: Lowering,
    condition: Ref,
    then: Callable[[], None],
    otherwise: Callable[[], None],
    live: frozenset[str],
    where: ast.AST,
) -> None:
    """Lower one of two blocks by the truth of a condition.

    Args:
        low: The lowering.
        condition: The condition.
        then: Lowers the first block.
        otherwise: Lowers the second block.
        live: The names that are read behind the branch.
        where: The branch in the source.
    """
    first, second = low.arm(then), low.arm(otherwise)
    exits = first.exits | second.exits
    carried = _done(first, second) if len(exits) > 1 else []
    carried += [found for name in _names(low, first, second, live, exits) if (found := _carried(name, first, second))]
    given = [item for item in carried if item.then.tree != item.otherwise.tree]
    results = _write(low, condition, first, second, given, where)
    codes = {item.name: of_ref(ref, item.type) for item, ref in zip(given, results, strict=True)}
    low.exits, low.done = exits, const("")
    for item in carried:
        code = codes.get(item.name) or dataclasses.replace(item.then, type=item.type)
        if item.name == _DONE:
            low.done = code
        else:
            low.env[item.name] = Binding(code=code, missing=item.missing, owned=item.owned)
    if not codes and len(exits) == 1:
        low.done = const("")


_DONE = "$done"


def _write(
    low: Lowering, condition: Ref, first: Arm, second: Arm, given: list[_Carried], where: ast.AST
) -> tuple[Ref, ...]:
    """Write the branch, or where both arms are empty the choice between two values; its results."""
    types = [item.type for item in given]
    if not first.block and not second.block:
        trees = [["if", ["ref", condition], item.then.tree, item.otherwise.tree] for item in given]
        return tuple(low.ref(Code(tree=tree, type=kind), where) for tree, kind in zip(trees, types, strict=True))
    regions = []
    for arm, codes in ((first, [item.then for item in given]), (second, [item.otherwise for item in given])):
        with low.inside() as block:
            block.extend(arm.block)
            results = tuple(low.ref(code, where) for code in codes)
            regions.append(Region(nodes=tuple(block), results=results))
    return low.add(nodes.Branch, types, where, condition=condition, then=regions[0], otherwise=regions[1])


def _done(first: Arm, second: Arm) -> list[_Carried]:
    """Which way out was taken."""
    then, otherwise = _way(first), _way(second)
    return [_Carried(name=_DONE, then=then, otherwise=otherwise, type=str, missing=frozenset(), owned=False)]


def _way(arm: Arm) -> Code:
    if len(arm.exits) == 1:
        (way,) = arm.exits
        return const("" if way == FALL else way)
    return arm.done if arm.exits else const("")


def _names(low: Lowering, first: Arm, second: Arm, live: frozenset[str], exits: frozenset[str]) -> list[str]:
    """Names that one of the arms bound and that are read later, in the order in which the source first binds them."""
    read = live | ({RETURNED} if "return" in exits else set())
    bound = {
        name
        for arm in (first, second)
        for name, binding in arm.env.items()
        if name in read and binding is not low.env.get(name)
    }
    return sorted(bound, key=lambda name: low.order.get(name, -1))


def _carried(name: str, first: Arm, second: Arm) -> _Carried | None:
    """What becomes of a name; ``None`` where no way out needs it."""
    arms = [(arm, arm.env.get(name, NOWHERE)) for arm in (first, second)]
    needed = [(arm, binding) for arm, binding in arms if _needs(name, arm)]
    if not needed:
        return None
    missing = frozenset(way for arm, binding in needed for way in arm.exits & binding.missing)
    valued = [binding for arm, binding in needed if not arm.exits <= binding.missing]
    if not valued:
        return _Carried(
            name=name, then=const(None), otherwise=const(None), type=type(None), missing=missing, owned=False
        )
    then, otherwise = (_value(name, arm, binding) for arm, binding in arms)
    return _Carried(
        name=name,
        then=then,
        otherwise=otherwise,
        type=union(binding.code.type for binding in valued if not binding.code.poisoned),
        missing=missing,
        owned=all(binding.owned for binding in valued),
    )


def _needs(name: str, arm: Arm) -> bool:
    """Whether the arm's value of the name is read behind it: the returned value by a return alone, others by others."""
    ways = arm.exits & {"return"} if name == RETURNED else arm.exits - {"return"}
    return bool(ways)


def _value(name: str, arm: Arm, binding: Binding) -> Code:
    """The arm's value of the name, or None where it is never read."""
    if not _needs(name, arm) or arm.exits <= binding.missing:
        return const(None)
    return binding.code
