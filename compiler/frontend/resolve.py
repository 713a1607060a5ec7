"""What a name of the world outside is: functions, steps and modules by themselves, data as constants."""

from __future__ import annotations

import ast
import dataclasses
import enum
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pydantic

from treadle.compiler.frontend.code import Code, const, is_scalar
from treadle.compiler.frontend.inference import of_value
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Node
from treadle.compiler.signature import Slot
from treadle.compiler.values import dump

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


_DATA = (str, bytes, bool, int, float, list, dict, tuple, set, frozenset, enum.Enum, pydantic.BaseModel)


class NotStatic(Exception):
    """The expression is not fixed when the program is captured, or does not exist."""


def static(low: Lowering, tree: ast.expr) -> Any:
    """The object an expression of names and attributes outside the function stands for.

    Raises:
        NotStatic: It has a local in it, or there is no such name or attribute.
    """
    match tree:
        case ast.Name(id=name):
            return _outside(low, name)
        case ast.Attribute(value=inner, attr=attribute):
            return _attribute(low, static(low, inner), attribute)
        case ast.Call(func=ast.Attribute(value=inner, attr="copy"), args=[ast.Constant(value=str(name))], keywords=[]):
            found = static(low, inner)
            if isinstance(found, PredictorFunction):
                return found.copy(name)
    raise NotStatic


def _outside(low: Lowering, name: str) -> Any:
    if low.is_local(name):
        raise NotStatic
    if low.outside.instance is not None and name == low.self_name:
        return low.outside.instance
    try:
        return low.outside.find(name)
    except LookupError:
        raise NotStatic from None


def _attribute(low: Lowering, owner: Any, name: str) -> Any:
    try:
        found = getattr(owner, name)
    except Exception as error:  # a property of the user's may raise anything
        raise NotStatic from error
    if owner is low.outside.instance and name in getattr(owner, "__dict__", {}):
        low.report.attributes[name] = found
    return found


def is_data(value: object) -> bool:
    """Whether an object is data: its methods are its value's, where those of a client or a pattern are functions."""
    if value is None or isinstance(value, _DATA):
        return True
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def constant(low: Lowering, tree: ast.expr, value: object) -> Code:
    """A value from outside as a constant of the graph: captured by value, and recorded under the name it has there."""
    name = ast.unparse(tree)
    if is_scalar(value):
        low.report.constants[name] = value  # type: ignore[assignment]  # a scalar, by the line above
        return const(value)  # type: ignore[arg-type]
    if not is_data(value):
        return low.refuse(tree, _no_constant(name, value))
    known = low.constants.get(name)
    if known is None:
        kind = of_value(value)
        try:
            data = dump(value)
            read = Slot(name=name, annotation=kind).read(data)
        except Exception:  # whatever pydantic or a serialiser of the user's raises, there is no way through JSON
            return low.refuse(tree, _no_constant(name, value))
        if read != value or type(read) is not type(value):
            return low.refuse(tree, _no_constant(name, value))
        low.report.constants[name] = data
        node: Node = nodes.Const(id=low.new_id(), types=(kind,), value=data, line=getattr(tree, "lineno", None))
        known = low.constants[name] = (node, kind)
        low.types[node.results[0]] = kind
        low.written[node.results[0]] = node
    node, kind = known
    size = len(value) if isinstance(value, list | tuple | dict | set | frozenset) else None
    return Code(tree=["ref", node.results[0]], type=kind, most=size, least=size or 0)


def _no_constant(name: str, value: object) -> str:
    if isinstance(value, ModuleType | type) or callable(value):
        return f"{name!r} is used as a value; functions, classes and modules can only be called"
    return f"{name!r} is a {type(value).__name__} that JSON cannot hold, and would have to be captured by value"
