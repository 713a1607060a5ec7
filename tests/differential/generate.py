"""Random programs in the captured part of Python, as source text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeVar

T = TypeVar("T")

Scope = dict[str, list[str]]
"""Names by type."""

CONSTRUCTS = (
    "aliasing", "and, or", "any, all", "append", "append loop", "assert", "assignment", "async", "async op",
    "augmented assignment", "await", "batches", "branch", "break in a block", "captured constant", "chained assignment",
    "chained comparison", "conditional expression", "constructor", "continue in a block", "continue in an append loop",
    "dataclass value", "dict comprehension", "dict loop", "dispatch", "display", "early return", "effect",
    "effect in an expression", "enumerate", "f-string", "failing expression", "filter", "format spec", "gather",
    "item assignment", "join of a generator", "key function", "list comprehension", "literal step", "loop", "loop else",
    "match", "method", "nested comprehension", "next of a generator", "op", "optional", "pydantic value", "raise",
    "rebinding", "return in a block", "return tuple", "set comprehension", "slice", "star unpacking", "step",
    "sub-program", "sum of a generator", "template", "undecorated op", "unpacking", "walrus", "zip",
)  # fmt: skip
"""All constructs a program may use."""

TYPES = ("int", "str", "bool", "strs", "ints", "item", "pair", "some", "counts")


class Writer:
    """Writes one function.

    Args:
        rng: Where choices come from.
        is_async: Whether it is ``async def``.
    """

    def __init__(self, rng: Random, *, is_async: bool) -> None:
        self.rng = rng
        self.is_async = is_async
        self.lines: list[str] = []
        self.used: Counter[str] = Counter()
        self.count = 0
        self.budget = rng.randint(3, 11)
        self.loops = 0

    # --- text ----------------------------------------------------------------------------------------------------

    def function(self) -> str:
        scope: Scope = {"str": ["text"], "int": ["n"], "strs": ["words"]}
        self.block(scope, 1)
        if self.rng.random() < 0.9:
            self.line(1, f"return {self.result(scope)}")
        start = "async def" if self.is_async else "def"
        head = f"{start} main(text: str, n: int, words: list[str]):"
        return "\n".join([head, *self.lines, ""])

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def use(self, construct: str) -> None:
        self.used[construct] += 1

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def pick(self, *choices: T) -> T:
        return choices[self.rng.randrange(len(choices))]

    def known(self, scope: Scope, kind: str) -> str | None:
        names = scope.get(kind)
        return self.pick(*names) if names else None

    def bind(self, scope: Scope, kind: str, name: str | None = None) -> str:
        made = name or self.name()
        for names in scope.values():
            if made in names:
                names.remove(made)
        scope.setdefault(kind, []).append(made)
        return made

    @staticmethod
    def inner(scope: Scope) -> Scope:
        return {kind: list(names) for kind, names in scope.items()}

    def result(self, scope: Scope) -> str:
        parts = [self.known(scope, kind) for kind in TYPES]
        some = [part for part in parts if part is not None and self.rng.random() < 0.7]
        self.use("return tuple")
        return f"({', '.join(some)},)" if some else "None"

    # --- statements ----------------------------------------------------------------------------------------------

    def block(self, scope: Scope, depth: int, *, least: int = 1) -> None:
        wanted = self.rng.randint(least, 4 if depth == 1 else 3)
        for _ in range(wanted):
            if self.budget <= 0 and least <= 0:
                return
            self.budget -= 1
            self.statement(scope, depth)
            least -= 1

    def statement(self, scope: Scope, depth: int) -> None:
        simple: list[Callable[[Scope, int], None]] = [
            self.assign, self.assign, self.assign, self.augmented, self.unpack, self.append, self.item_assign, self.asserted,
            self.effect, self.again, self.walrus, self.starred, self.raised, self.aliased, self.batched,
        ]  # fmt: skip
        deep: list[Callable[[Scope, int], None]] = [
            self.branch, self.branch, self.early, self.mapped, self.looped, self.looped, self.looped, self.matched, self.collect_dict, self.chained,
        ]  # fmt: skip
        choices = simple if depth > 3 or self.budget <= 0 else [*simple, *deep, *deep]
        self.pick(*choices)(scope, depth)

    def assign(self, scope: Scope, depth: int) -> None:
        kind = self.pick("int", "str", "str", "bool", "strs", "ints", "item", "pair", "some")
        value = self.expression(scope, kind)
        self.use("assignment")
        self.line(depth, f"{self.bind(scope, kind)} = {value}")

    def again(self, scope: Scope, depth: int) -> None:
        """Bind a known name anew."""
        kind = self.pick("int", "str", "strs")
        name = self.known(scope, kind) or "text"
        self.use("rebinding")
        kind = "str" if name == "text" else kind
        self.line(depth, f"{name} = {self.expression(scope, kind)}")

    def walrus(self, scope: Scope, depth: int) -> None:
        inner = self.expression(scope, "int")
        name = self.bind(scope, "int")
        self.use("walrus")
        self.line(depth, f"{self.bind(scope, 'bool')} = ({name} := {inner}) > {self.rng.randint(0, 5)}")

    def chained(self, scope: Scope, depth: int) -> None:
        value = self.expression(scope, "int")
        self.use("chained assignment")
        self.line(depth, f"{self.bind(scope, 'int')} = {self.bind(scope, 'int')} = {value}")

    def augmented(self, scope: Scope, depth: int) -> None:
        kind = self.pick("int", "str")
        name = self.known(scope, kind)
        if name is None or name in ("text", "n"):
            first = self.expression(scope, kind)
            name = self.bind(scope, kind)
            self.line(depth, f"{name} = {first}")
        self.use("augmented assignment")
        op = self.pick("+=", "-=", "*=", "//=") if kind == "int" else "+="
        self.line(depth, f"{name} {op} {self.expression(scope, kind)}")
        if kind == "int" and op == "*=":
            self.line(depth, f"{name} %= 1000")
        if kind == "str":
            self.line(depth, f"{name} = {name}[:40]")

    def unpack(self, scope: Scope, depth: int) -> None:
        self.use("unpacking")
        how = self.rng.randrange(4)
        if how == 0:
            values = f"{self.expression(scope, 'int')}, {self.expression(scope, 'str')}"
            self.line(depth, f"{self.bind(scope, 'int')}, {self.bind(scope, 'str')} = {values}")
        elif how == 1:
            value = self.expression(scope, "strs")
            self.line(depth, f"{self.bind(scope, 'str')}, {self.bind(scope, 'str')} = {value}")
        elif how == 2:
            value = (
                f"({self.expression(scope, 'int')}, ({self.expression(scope, 'str')}, {self.expression(scope, 'str')}))"
            )
            target = f"{self.bind(scope, 'int')}, ({self.bind(scope, 'str')}, {self.bind(scope, 'str')})"
            whole = self.name()
            self.line(depth, f"{whole} = {value}")
            self.line(depth, f"{target} = {whole}")
        else:
            value = f"divmod({self.expression(scope, 'int')}, {self.expression(scope, 'int')})"
            self.line(depth, f"{self.bind(scope, 'int')}, {self.bind(scope, 'int')} = {value}")

    def starred(self, scope: Scope, depth: int) -> None:
        self.use("star unpacking")
        value = self.expression(scope, "strs")
        first, rest = self.bind(scope, "str"), self.bind(scope, "strs")
        self.line(depth, f"{first}, *{rest} = {value}" if self.rng.random() < 0.5 else f"*{rest}, {first} = {value}")

    def fresh(self, scope: Scope, depth: int) -> str:
        """A list the function owns."""
        value = self.pick(
            "[]", "[]", f"[{self.expression(scope, 'str', 1)}]", f"list({self.expression(scope, 'strs', 1)})"
        )
        name = self.bind(scope, "strs")
        self.line(depth, f"{name} = {value}")
        return name

    def append(self, scope: Scope, depth: int) -> None:
        name = self.fresh(scope, depth)
        self.use("append")
        for _ in range(self.rng.randint(1, 2)):
            text = self.expression(scope, "str")
            texts = self.expression(scope, "strs", 1)
            how = self.pick(
                f"{name}.append({text})", f"{name}.extend({texts})", f"{name} += {texts}", f"{name}.insert(0, {text})",
                f"{name}.sort()", f"{name}[0] = {text}", f"{name}.sort(key=len, reverse=True)",
            )  # fmt: skip
            self.line(depth, how)

    def aliased(self, scope: Scope, depth: int) -> None:
        """Two names for one list, one of them bound anew before it is changed."""
        self.use("aliasing")
        name = self.fresh(scope, depth)
        other = self.bind(scope, "strs")
        self.line(depth, f"{other} = {name}")
        if self.rng.random() < 0.8:
            self.line(depth, f"{name} = [*{name}]")
        self.line(depth, f"{name}.append({self.expression(scope, 'str', 1)})")

    def batched(self, scope: Scope, depth: int) -> None:
        """Lists in a list: one is filled, handed over, and begun anew."""
        self.use("batches")
        current, done, item = self.name(), self.name(), self.name()
        items = self.expression(scope, "strs", 1)
        self.line(depth, f"{current}, {done} = [], []")
        self.line(depth, f"for {item} in {items}:")
        inner = self.inner(scope)
        self.bind(inner, "str", item)
        self.line(depth + 1, f"{current}.append({self.expression(inner, 'str', 1)})")
        self.line(depth + 1, f"if len({current}) >= {self.rng.randint(1, 2)}:")
        self.line(depth + 2, f"{done}.append({current})")
        if self.rng.random() < 0.9:
            self.line(depth + 2, f"{current} = []")
        made = self.bind(scope, "strs")
        self.line(depth, f"{made} = [w for part in {done} for w in part] + {current}")

    def item_assign(self, scope: Scope, depth: int) -> None:
        name = self.bind(scope, "counts")
        self.line(depth, f"{name} = {{}}")
        self.use("item assignment")
        for _ in range(self.rng.randint(1, 3)):
            key = self.pick(repr(self.pick("a", "b")), self.expression(scope, "str", 1))
            value = self.expression(scope, "int")
            how = self.pick(
                f"{name}[{key}] = {value}", f"{name}[{key}] = {name}.get({key}, 0) + {value}", f"{name}[{key}] += {value}",
                f"{name}.update({{{key}: {value}}})",
            )  # fmt: skip
            self.line(depth, how)

    def asserted(self, scope: Scope, depth: int) -> None:
        self.use("assert")
        test = self.expression(scope, "bool")
        message = self.pick("", f", {self.expression(scope, 'str')}", ", 'not so'")
        self.line(depth, f"assert {test}{message}")

    def raised(self, scope: Scope, depth: int) -> None:
        self.use("raise")
        self.line(depth, f"if {self.expression(scope, 'int')} == {self.rng.randint(0, 9)}:")
        error = self.pick("ValueError", "KeyError", "RuntimeError")
        self.line(depth + 1, f"raise {error}({self.expression(scope, 'str', 1)})")

    def effect(self, scope: Scope, depth: int) -> None:
        self.use("effect")
        text = self.expression(scope, "str")
        how = self.rng.randrange(3)
        if how == 0:
            self.line(depth, f"note({text})")
        elif how == 1:
            left = self.expression(scope, "int", 1)
            self.line(depth, f"{self.bind(scope, 'int')} = {left} + note({text})")
        else:
            left = f"{self.expression(scope, 'int', 1)} // {self.expression(scope, 'int', 1)}"
            self.line(depth, f"{self.bind(scope, 'int')} = {left} + note({text})")

    def branch(self, scope: Scope, depth: int) -> None:
        self.use("branch")
        kind = self.pick("int", "str")
        name = self.bind(self.inner(scope), kind)
        default = self.expression(scope, kind)
        arms = self.rng.randint(1, 3)
        before = self.rng.random() < 0.5 or arms == 1
        if before:
            self.line(depth, f"{name} = {default}")
        for index in range(arms):
            self.line(depth, f"{'if' if index == 0 else 'elif'} {self.condition(scope)}:")
            self.arm(scope, depth, name, kind)
        if not before or self.rng.random() < 0.5:
            self.line(depth, "else:")
            self.arm(scope, depth, name, kind)
        self.bind(scope, kind, name)

    def arm(self, scope: Scope, depth: int, name: str, kind: str) -> None:
        inner = self.inner(scope)
        if self.rng.random() < 0.5:
            self.block(inner, depth + 1, least=0)
        self.line(depth + 1, f"{name} = {self.expression(inner, kind)}")
        if self.rng.random() < 0.15:
            self.leave(inner, depth + 1)

    def leave(self, scope: Scope, depth: int) -> None:
        ways = ["return"] + (["break", "break", "continue"] if self.loops else ["return"])
        way = self.pick(*ways)
        self.use(f"{way} in a block")
        self.line(depth, way if way != "return" else f"return {self.result(scope)}")

    def early(self, scope: Scope, depth: int) -> None:
        self.use("early return")
        self.line(depth, f"if {self.condition(scope)}:")
        inner = self.inner(scope)
        if self.rng.random() < 0.3:
            self.block(inner, depth + 1, least=0)
        self.leave(inner, depth + 1)

    def matched(self, scope: Scope, depth: int) -> None:
        self.use("match")
        name = self.bind(self.inner(scope), "str")
        text = self.expression(scope, "str", 1)
        self.line(depth, f"match {self.pick(f'label({text})', self.expression(scope, 'int', 1))}:")
        cases = self.pick(('"a"', '"b" | "c"', "_"), ("0", "1 | 2 | 3", "_"), ('"a"', "None", "_"))
        for case in cases:
            self.line(depth + 1, f"case {case}:")
            inner = self.inner(scope)
            if self.rng.random() < 0.3:
                self.block(inner, depth + 2, least=0)
            self.line(depth + 2, f"{name} = {self.expression(inner, 'str')}")
        self.bind(scope, "str", name)

    # --- loops ---------------------------------------------------------------------------------------------------

    def items(self, scope: Scope) -> tuple[str, str, str]:
        """Something to run over: the target, the iterable, the type of what is bound."""
        name = self.name()
        how = self.rng.randrange(5)
        if how == 0:
            return name, f"range({self.rng.randint(0, 4)})", "int"
        if how == 1:
            self.use("enumerate")
            return f"{self.name()}, {name}", f"enumerate({self.expression(scope, 'strs', 1)})", "str"
        if how == 2:
            self.use("zip")
            pair = f"zip({self.expression(scope, 'strs', 1)}, {self.expression(scope, 'ints', 1)})"
            return f"{name}, {self.name()}", pair, "str"
        return name, self.expression(scope, "strs", 1), "str"

    def mapped(self, scope: Scope, depth: int) -> None:
        """A loop that only appends."""
        self.use("append loop")
        target, items, kind = self.items(scope)
        made = [self.fresh(scope, depth) for _ in range(self.pick(1, 1, 2))]
        self.line(depth, f"for {target} in {items}:")
        inner = self.inner(scope)
        for name in made:
            inner["strs"].remove(name)
        self.bind(
            inner,
            kind,
            target.rpartition(" ")[2] if kind == "str" and "enumerate" in items else target.partition(",")[0],
        )
        if self.rng.random() < 0.4:
            self.line(depth + 1, f"if {self.condition(inner)}:")
            self.line(depth + 2, "continue")
            self.use("continue in an append loop")
        if self.rng.random() < 0.5:
            self.assign(inner, depth + 1)
        for name in made:
            if self.rng.random() < 0.3:
                self.line(depth + 1, f"if {self.condition(inner)}:")
                self.line(depth + 2, f"{name}.append({self.expression(inner, 'str')})")
            else:
                self.line(depth + 1, f"{name}.append({self.expression(inner, 'str')})")

    def looped(self, scope: Scope, depth: int) -> None:
        """A loop that carries values."""
        self.use("loop")
        first, second = self.expression(scope, "int", 1), self.expression(scope, "str", 1)
        carried, text = self.bind(scope, "int"), self.bind(scope, "str")
        self.line(depth, f"{carried} = {first}")
        self.line(depth, f"{text} = {second}")
        target, items, kind = self.items(scope)
        self.line(depth, f"for {target} in {items}:")
        inner = self.inner(scope)
        self.bind(
            inner,
            kind,
            target.rpartition(" ")[2] if kind == "str" and "enumerate" in items else target.partition(",")[0],
        )
        self.loops += 1
        self.line(depth + 1, f"{carried} = ({carried} + {self.expression(inner, 'int')}) % 50")
        if self.rng.random() < 0.6:
            self.line(depth + 1, f"{text} = ({text} + {self.expression(inner, 'str')})[:30]")
        left = self.rng.random()
        if left < 0.7:
            self.line(depth + 1, f"if {self.condition(inner)}:")
            if self.rng.random() < 0.3:
                self.block(inner, depth + 2, least=0)
            self.leave(inner, depth + 2)
        if self.rng.random() < 0.5:
            self.block(inner, depth + 1, least=0)
        self.loops -= 1
        if self.rng.random() < 0.3:
            self.use("loop else")
            self.line(depth, "else:")
            self.line(depth + 1, f"{text} = {self.expression(scope, 'str')}")

    def collect_dict(self, scope: Scope, depth: int) -> None:
        self.use("dict loop")
        name = self.bind(scope, "counts")
        self.line(depth, f"{name} = {{}}")
        item = self.name()
        self.line(depth, f"for {item} in {self.expression(scope, 'strs', 1)}:")
        inner = self.inner(scope)
        if self.rng.random() < 0.7:
            inner["counts"].remove(name)
        self.bind(inner, "str", item)
        self.line(depth + 1, f"{name}[{self.expression(inner, 'str', 1)}] = {self.expression(inner, 'int')}")

    # --- expressions ---------------------------------------------------------------------------------------------

    def condition(self, scope: Scope) -> str:
        return self.expression(scope, "bool")

    def expression(self, scope: Scope, kind: str, depth: int = 0) -> str:
        if depth > 2 or (depth > 0 and self.rng.random() < 0.5):
            found = self.known(scope, kind)
            if found is not None:
                return found
        made: str = getattr(self, f"{kind}_expression")(scope, depth + 1)
        return made

    def int_expression(self, scope: Scope, depth: int) -> str:
        e = self.expression
        if depth > 3:
            return str(self.rng.randint(0, 9))
        match self.rng.randrange(19):
            case 0 | 1:
                self.use("step")
                return self.call(f"score({e(scope, 'str', depth)})", f"ascore({e(scope, 'str', depth)})")
            case 2:
                return f"len({e(scope, 'strs', depth)})"
            case 3:
                return f"({e(scope, 'int', depth)} {self.pick('+', '-', '*')} {e(scope, 'int', depth)}) % 97"
            case 4:
                self.use("failing expression")
                return f"{e(scope, 'int', depth)} // {e(scope, 'int', depth)}"
            case 5:
                self.use("op")
                return f"fails({e(scope, 'int', depth)})"
            case 6:
                self.use("undecorated op")
                return f"helper({e(scope, 'int', depth)})"
            case 7:
                self.use("pydantic value")
                return f"{e(scope, 'item', depth)}.size"
            case 8:
                return self.ternary(scope, "int", depth)
            case 9:
                self.use("sum of a generator")
                return f"sum({self.comprehension(scope, 'int', depth)})"
            case 10:
                self.use("failing expression")
                return f"int({e(scope, 'str', depth)}[1:])"
            case 11:
                return f"max({e(scope, 'int', depth)}, {e(scope, 'int', depth)})"
            case 12:
                self.use("dataclass value")
                return f"{e(scope, 'pair', depth)}.left"
            case 13:
                self.use("captured constant")
                return self.pick("LIMIT", "len(NAMES)", "len(TABLE)")
            case 14:
                return f"{e(scope, 'str', depth)}.count({e(scope, 'str', depth)})"
            case 16 | 17:
                self.use("effect in an expression")
                return f"note({e(scope, 'str', depth)})"
            case 15 if self.is_async:
                self.use("async op")
                return f"(await later({e(scope, 'int', depth)}))"
        return str(self.rng.randint(0, 9))

    def call(self, plain: str, later: str) -> str:
        if self.is_async and self.rng.random() < 0.7:
            self.use("await")
            return f"(await {later})"
        return plain

    def str_expression(self, scope: Scope, depth: int) -> str:
        e = self.expression
        if depth > 3:
            return repr(self.pick("p", "q", "rs"))
        match self.rng.randrange(22):
            case 0 | 1 | 2:
                self.use("step")
                return self.call(f"ask({e(scope, 'str', depth)})", f"aask({e(scope, 'str', depth)})")
            case 3:
                self.use("f-string")
                return f'f"{{{self.simple(scope, "int")}}} {{{self.simple(scope, "str")}!r}} {{score({self.simple(scope, "str")})}}"'
            case 4:
                self.use("format spec")
                return (
                    f'f"{{{self.simple(scope, "str")}:>{self.rng.randint(1, 9)}}}|{{{self.simple(scope, "int")}:03d}}"'
                )
            case 5:
                self.use("op")
                return f"glue({e(scope, 'str', depth)}, b={e(scope, 'str', depth)})"
            case 6:
                self.use("sub-program")
                return self.call(
                    f"sub({e(scope, 'str', depth)}, {self.rng.randint(1, 4)})", f"asub({e(scope, 'str', depth)})"
                )
            case 7:
                self.use("pydantic value")
                return self.pick(
                    f"{e(scope, 'item', depth)}.name",
                    f"{e(scope, 'item', depth)}.loud()",
                    f"{e(scope, 'item', depth)}.label",
                )
            case 8:
                self.use("method")
                return f"{e(scope, 'str', depth)}.{self.pick('upper()', 'strip()', 'title()', 'replace(chr(116), chr(84))')}"
            case 9:
                self.use("failing expression")
                return f"{e(scope, 'strs', depth)}[{self.rng.randint(-2, 1)}]"
            case 10:
                return self.ternary(scope, "str", depth)
            case 11:
                self.use("join of a generator")
                return f'",".join({self.comprehension(scope, "str", depth)})[:40]'
            case 12:
                self.use("and, or")
                return f"({e(scope, 'str', depth)} {self.pick('and', 'or')} {e(scope, 'str', depth)})"
            case 13:
                self.use("literal step")
                return f"label({e(scope, 'str', depth)})"
            case 14:
                self.use("dispatch")
                return f"HANDLERS[label({e(scope, 'str', depth)})]({e(scope, 'str', depth)})"
            case 15:
                self.use("key function")
                return f"max({e(scope, 'strs', depth)}, key={self.pick('len', 'lambda s: (len(s), s)', 'str.lower')}, default='none')"
            case 16:
                self.use("optional")
                return f"({e(scope, 'some', depth)} or {e(scope, 'str', depth)})"
            case 17:
                return f"({e(scope, 'str', depth)} + {e(scope, 'str', depth)})[:20]"
            case 18:
                self.use("template")
                return f"TEMPLATE.format({e(scope, 'int', depth)}, word={e(scope, 'str', depth)})"
            case 19:
                self.use("next of a generator")
                found = self.name()
                return f"next(({found} for {found} in {e(scope, 'strs', depth)} if {self.test(scope, found, depth)}), 'end')"
            case 20:
                return f"str({e(scope, 'pair', depth)})"
        return self.known(scope, "str") or "'z'"

    def simple(self, scope: Scope, kind: str) -> str:
        """An expression without quotes, for inside an f-string."""
        return self.known(scope, kind) or ("text" if kind == "str" else "n")

    def test(self, scope: Scope, name: str, depth: int) -> str:
        """A test of a text, with a step in it now and then."""
        return self.pick(f"len({name}) > 2", f"score({name}) > 2", f"{name} < {self.expression(scope, 'str', depth)}")

    def bool_expression(self, scope: Scope, depth: int) -> str:
        e = self.expression
        if depth > 3:
            return self.pick("True", "n > 2")
        match self.rng.randrange(10):
            case 0 | 1:
                return f"{e(scope, 'int', depth)} {self.pick('<', '>', '==', '!=', '<=')} {e(scope, 'int', depth)}"
            case 2:
                return f"{e(scope, 'str', depth)} {self.pick('==', 'in', 'not in', '<')} {e(scope, 'str', depth)}"
            case 3:
                self.use("chained comparison")
                return f"0 <= {e(scope, 'int', depth)} < {self.rng.randint(1, 9)}"
            case 4:
                self.use("and, or")
                return f"({e(scope, 'bool', depth)} {self.pick('and', 'or')} {e(scope, 'bool', depth)})"
            case 5:
                return f"(not {e(scope, 'bool', depth)})"
            case 6:
                self.use("any, all")
                name = self.name()
                return f"{self.pick('any', 'all')}({self.test(scope, name, depth)} for {name} in {e(scope, 'strs', depth)})"
            case 7:
                self.use("optional")
                return f"{e(scope, 'some', depth)} is {self.pick('None', 'not None')}"
            case 8:
                self.use("literal step")
                return f'label({e(scope, "str", depth)}) in ("a", "b")'
        return f"bool({e(scope, 'strs', depth)})"

    def strs_expression(self, scope: Scope, depth: int) -> str:
        e = self.expression
        if depth > 3:
            return "words"
        match self.rng.randrange(11):
            case 6 | 7:
                self.use("step")
                return f"many({e(scope, 'str', depth)})"
            case 1 | 2:
                self.use("list comprehension")
                return f"[{self.comprehension(scope, 'str', depth)}]"
            case 3:
                self.use("slice")
                return f"{e(scope, 'strs', depth)}[{self.pick('1:', ':2', '::-1')}]"
            case 4:
                self.use("display")
                return f"[{e(scope, 'str', depth)}, *{e(scope, 'strs', depth)}]"
            case 5:
                return f"sorted({e(scope, 'strs', depth)}, key={self.pick('len', 'lambda s: s[-1:]')})"
            case 0:
                self.use("set comprehension")
                return f"sorted({{{self.comprehension(scope, 'str', depth)}}})"
            case 10:
                self.use("captured constant")
                return self.pick("NAMES", f"TABLE[label({e(scope, 'str', depth)})]", "TABLE['b']")
            case 8:
                self.use("dict comprehension")
                name = self.name()
                inner = self.inner(scope)
                self.bind(inner, "str", name)
                return f"list({{{name}: {e(inner, 'int', depth)} for {name} in {e(scope, 'strs', depth)}}})"
            case 9 | 0 if self.is_async:
                self.use("gather")
                name = self.name()
                if self.rng.random() < 0.5:
                    return f"(await asyncio.gather(*[aask({name}) for {name} in {e(scope, 'strs', depth)}]))"
                return f"list(await asyncio.gather(aask({e(scope, 'str', depth)}), aask({e(scope, 'str', depth)})))"
        return f"{e(scope, 'item', depth)}.tags"

    def ints_expression(self, scope: Scope, depth: int) -> str:
        self.use("list comprehension")
        return f"[{self.comprehension(scope, 'int', depth)}]"

    def comprehension(self, scope: Scope, kind: str, depth: int) -> str:
        name = self.name()
        inner = self.inner(scope)
        self.bind(inner, "str", name)
        items = self.expression(scope, "strs", depth)
        condition = ""
        if self.rng.random() < 0.3:
            self.use("filter")
            condition = f" if {self.expression(inner, 'bool', depth)}"
        if self.rng.random() < 0.1:
            self.use("nested comprehension")
            other = self.name()
            self.bind(inner, "str", other)
            return f"{self.expression(inner, kind, depth)} for {name} in {items}{condition} for {other} in [{name}, {name}]"
        return f"{self.expression(inner, kind, depth)} for {name} in {items}{condition}"

    def item_expression(self, scope: Scope, depth: int) -> str:
        self.use("pydantic value")
        if self.rng.random() < 0.3:
            self.use("constructor")
            return f"Item(name={self.expression(scope, 'str', depth)}, size={self.expression(scope, 'int', depth)}, tags=[])"
        extra = f", size={self.expression(scope, 'int', depth)}" if self.rng.random() < 0.4 else ""
        return f"make({self.expression(scope, 'str', depth)}{extra})"

    def pair_expression(self, scope: Scope, depth: int) -> str:
        self.use("constructor")
        if self.rng.random() < 0.5:
            return f"pair_of({self.expression(scope, 'int', depth)})"
        return f"Pair({self.expression(scope, 'int', depth)}, {self.expression(scope, 'str', depth)})"

    def some_expression(self, scope: Scope, depth: int) -> str:
        self.use("optional")
        return f"maybe({self.expression(scope, 'str', depth)})"

    def counts_expression(self, scope: Scope, depth: int) -> str:
        return "{}"

    def ternary(self, scope: Scope, kind: str, depth: int) -> str:
        self.use("conditional expression")
        e = self.expression
        return f"({e(scope, kind, depth)} if {e(scope, 'bool', depth)} else {e(scope, kind, depth)})"


def generated(rng: Random) -> tuple[str, Counter[str]]:
    """The source of a function, and the constructs in it."""
    writer = Writer(rng, is_async=rng.random() < 0.2)
    if writer.is_async:
        writer.use("async")
    return writer.function(), writer.used


def renamed(source: str) -> str:
    """The same function with other names for its locals, in another alphabetical order."""
    return re.sub(r"\bv(\d+)\b", lambda found: f"w{hash_of(found[1])}_{found[1]}", source)


def hash_of(digits: str) -> int:
    return int(digits) * 7919 % 101
