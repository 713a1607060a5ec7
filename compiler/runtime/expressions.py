"""Pure expressions of a graph: nested JSON, turned into closures once, evaluated many times. Never source text.

Every form is a list whose first element names it:

=====================================  ================================================================================
``["arg", i]``                         the i-th input of the node
``["var", k]``                         the k-th innermost variable of a lambda or comprehension, 0 the innermost
``["const", scalar]``                  None, a bool, a number or a text
``["list", e…]`` ``tuple`` ``set``     a fresh collection; ``["star", e]`` among the elements spreads a value
``["dict", [k, v]…]``                  a fresh dict; ``["spread", e]`` among the pairs merges a mapping
``["text", part…]``                    an f-string: texts and ``["format", e, "" | "r" | "s" | "a", spec | null]``
``["attr", e, name]``                  a declared field of a model, dataclass, enum or named tuple
``["item", e, index]``                 indexing; the index may be ``["slice", low, high, step]`` (null where left out)
``["unary", op, e]``                   ``not``, ``-``, ``+``, ``~``
``["binary", op, a, b]``               arithmetic and its like: ``+ - * / // % ** << >> & | ^``
``["inplace", op, a, b]``              the value of ``a`` after ``a op= b``, on a copy of a collection
``["compare", a, op, b, op, c…]``      a chain of comparisons
``["and", e…]`` ``["or", e…]``         as Python evaluates them
``["if", test, then, otherwise]``      a conditional expression
``["call", name, [e…], {name: e}]``    a function of the allow-list; ``["star", e]`` among the arguments spreads
``["method", e, name, [e…], {…}]``     a pure method by the receiver's type at run time
``["changed", e, name, [e…], {…}]``    a copy of a collection after the method has changed it
``["is", e, [class name…]]``           an instance check by class names
``["lambda", arity, body]``            a function, as an argument of an allowed one
``["function", name]``                 an allowed function as a value
``["bound", e, name]``                 a pure method of a value, as a value
``["unbound", type, name]``            a pure method of ``str``, ``list``, … as a function
``["each", kind, element, clause…]``   a comprehension: kind ``list``, ``set``, ``dict`` (element a pair) or
                                       ``generator``; a clause is ``[pattern, iterable, [condition…]]``
``["unpack", pattern, e]``             the values a target list takes from ``e``, flat, as a tuple
=====================================  ================================================================================

A pattern is ``"_"`` (one variable), ``"*"`` (the rest, as a list) or a list of patterns. Variables are bound from
left to right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.runtime import expression_calls, expression_loops, expression_operators, expression_values
from treadle.compiler.runtime.expression_form import DEEPEST, Code, Form

_FORMS: Mapping[str, Form] = {
    **expression_values.FORMS,
    **expression_operators.FORMS,
    **expression_calls.FORMS,
    **expression_loops.FORMS,
}


def compile_expression(expression: JSON) -> Code:
    """The expression as a function from the tuple of the node's inputs to its value.

    Raises:
        GraphError: The expression has an unknown form, a name that is not allowed, or nests too deep.

    >>> compile_expression(["binary", "+", ["arg", 0], ["const", 1]])((41,))
    42
    """
    return _compile(expression, 0)


def _compile(tree: Any, depth: int) -> Code:
    if depth > DEEPEST:
        msg = f"an expression nests more than {DEEPEST} deep: compute part of it in an op"
        raise GraphError(msg)
    if not isinstance(tree, list | tuple) or not tree or not isinstance(tree[0], str):
        msg = f"an expression is a list that starts with its form, not {str(tree)[:80]!r}"
        raise GraphError(msg)
    form = _FORMS.get(tree[0])
    if form is None:
        msg = f"an expression has the unknown form {tree[0][:80]!r}"
        raise GraphError(msg)
    try:
        return form(tree[1:], lambda inner: _compile(inner, depth + 1))
    except GraphError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, StopIteration) as error:
        msg = f"the form {tree[0]!r} of an expression is written wrongly: {str(tree)[:80]}"
        raise GraphError(msg) from error
