"""Expressions of random programs, as data: for each type the constructs and the templates of their source.

In a template ``<int>`` is any expression of that type, ``<name:str>`` a name of that type, ``<each:int>`` the inside of
a comprehension with such elements, ``<test>`` a test of the new name ``$a``, and ``<1-4>`` a number.
"""

from __future__ import annotations

from collections.abc import Mapping

Template = tuple[str, str]
"""The construct it counts as, empty for none, and its source."""

EXPRESSIONS: Mapping[str, tuple[Template, ...]] = {
    "int": (
        ("", "<0-9>"),
        ("", "len(<strs>)"),
        ("", "(<int> + <int>) % 97"),
        ("", "(<int> * <int> - <int>) % 97"),
        ("", "max(<int>, <int>)"),
        ("", "<str>.count(<str>)"),
        ("step", "score(<str>)"),
        ("step", "score(<str>)"),
        ("op", "fails(<int>)"),
        ("undecorated op", "helper(<int>)"),
        ("failing expression", "<int> // <int>"),
        ("failing expression", "int(<str>[1:])"),
        ("pydantic value", "<item>.size"),
        ("dataclass value", "<pair>.left"),
        ("captured constant", "LIMIT"),
        ("captured constant", "len(NAMES)"),
        ("sum of a generator", "sum(<each:int>)"),
        ("conditional expression", "(<int> if <bool> else <int>)"),
        ("effect in an expression", "note(<str>)"),
        ("effect in an expression", "<int> // <int> + note(<str>)"),
    ),
    "str": (
        ("", "'<0-9>z'"),
        ("", "(<str> + <str>)[:20]"),
        ("", "str(<pair>)"),
        ("step", "ask(<str>)"),
        ("step", "ask(<str>)"),
        ("step", "ask(<str>)"),
        ("literal step", "label(<str>)"),
        ("op", "glue(<str>, b=<str>)"),
        ("sub-program", "sub(<str>, <1-4>)"),
        ("dispatch", "HANDLERS[label(<str>)](<str>)"),
        ("f-string", 'f"{<name:int>} {<name:str>!r} {score(<name:str>)}"'),
        ("format spec", 'f"{<name:str>:><1-9>}|{<name:int>:03d}"'),
        ("template", "TEMPLATE.format(<int>, word=<str>)"),
        ("method", "<str>.upper()"),
        ("method", "<str>.replace('t', 'T')"),
        ("pydantic value", "<item>.name"),
        ("pydantic value", "<item>.loud()"),
        ("pydantic value", "<item>.label"),
        ("optional", "(<some> or <str>)"),
        ("and, or", "(<str> and <str>)"),
        ("and, or", "(<str> or <str>)"),
        ("failing expression", "<strs>[<0-2>]"),
        ("failing expression", "<strs>[-2]"),
        ("join of a generator", "','.join(<each:str>)[:40]"),
        ("next of a generator", "next(($a for $a in <strs> if <test>), 'end')"),
        ("key function", "max(<strs>, key=len, default='none')"),
        ("key function", "max(<strs>, key=lambda s: (len(s), s), default='none')"),
        ("key function", "min(<strs>, key=str.lower, default='none')"),
        ("conditional expression", "(<str> if <bool> else <str>)"),
    ),
    "bool": (
        ("", "<int> < <int>"),
        ("", "<int> != <int>"),
        ("", "<str> in <str>"),
        ("", "<str> == <str>"),
        ("", "bool(<strs>)"),
        ("", "(not <bool>)"),
        ("chained comparison", "0 <= <int> < <1-9>"),
        ("and, or", "(<bool> and <bool>)"),
        ("and, or", "(<bool> or <bool>)"),
        ("any, all", "any(<test> for $a in <strs>)"),
        ("any, all", "all(<test> for $a in <strs>)"),
        ("optional", "<some> is None"),
        ("optional", "<some> is not None"),
        ("literal step", "label(<str>) in ('a', 'b')"),
    ),
    "strs": (
        ("", "words"),
        ("", "<item>.tags"),
        ("", "sorted(<strs>, key=lambda s: s[-1:])"),
        ("step", "many(<str>)"),
        ("step", "many(<str>)"),
        ("list comprehension", "[<each:str>]"),
        ("list comprehension", "[<each:str>]"),
        ("set comprehension", "sorted({<each:str>})"),
        ("dict comprehension", "list({$a: score($a) for $a in <strs> if <test>})"),
        ("dict comprehension", "list({$a: <int> for $a in <strs>})"),
        ("display", "[<str>, *<strs>]"),
        ("slice", "<strs>[1:]"),
        ("slice", "<strs>[:2]"),
        ("slice", "<strs>[::-1]"),
        ("captured constant", "NAMES"),
        ("captured constant", "TABLE[label(<str>)]"),
    ),
    "ints": (("list comprehension", "[<each:int>]"),),
    "item": (
        ("pydantic value", "make(<str>)"),
        ("pydantic value", "make(<str>, size=<int>)"),
        ("constructor", "Item(name=<str>, size=<int>, tags=[])"),
    ),
    "pair": (("constructor", "Pair(<int>, <str>)"), ("undecorated op", "pair_of(<int>)")),
    "some": (("optional", "maybe(<str>)"),),
    "counts": (("display", "{<str>: <int>}"),),
}

ASYNC: Mapping[str, tuple[Template, ...]] = {
    "int": (("await", "(await ascore(<str>))"), ("async op", "(await later(<int>))")),
    "str": (("await", "(await aask(<str>))"), ("await", "(await ask.acall(<str>))"), ("await", "(await asub(<str>))")),
    "strs": (
        ("gather", "(await asyncio.gather(*[aask($a) for $a in <strs>]))"),
        ("gather", "list(await asyncio.gather(aask(<str>), asub(<str>)))"),
    ),
}
"""More of them for async functions."""

TESTS = ("len($a) > 2", "score($a) > 2", "$a < <str>")
"""Tests of a text."""

CONSTRUCTS = (
    "aliasing", "and, or", "any, all", "append", "append loop", "assert", "assignment", "async", "async op",
    "augmented assignment", "await", "batches", "branch", "break in a block", "captured constant", "chained assignment",
    "chained comparison", "conditional expression", "constructor", "continue in a block", "continue in an append loop",
    "dataclass value", "dict comprehension", "dict loop", "dispatch", "display", "early return", "effect",
    "effect in an expression", "enumerate", "f-string", "failing expression", "filter", "format spec", "gather",
    "item assignment", "join of a generator", "key function", "list comprehension", "literal step", "loop", "loop else",
    "match", "method", "named coroutines", "nested comprehension", "next of a generator", "op", "optional",
    "pydantic value", "raise", "rebinding", "return in a block", "return tuple", "set comprehension", "slice",
    "star unpacking", "step", "sub-program", "sum of a generator", "template", "undecorated op", "unpacking", "walrus",
    "zip",
)  # fmt: skip
"""All constructs a program may use."""
