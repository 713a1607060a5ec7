"""Random programs in the captured part of Python, as source text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeVar

from tests.differential.grammar import ASYNC, EXPRESSIONS, TESTS

T = TypeVar("T")

Scope = dict[str, list[str]]
"""Names by type."""

_HOLE = re.compile(r"<(\w+)(?::(\w+)|-(\d))?>")


def inner(scope: Scope) -> Scope:
    """The names inside a block."""
    return {kind: list(names) for kind, names in scope.items()}


class Expressions:
    """Writes expressions.

    Args:
        rng: Where choices come from.
        is_async: Whether they stand in an async function.
    """

    def __init__(self, rng: Random, *, is_async: bool) -> None:
        self.rng = rng
        self.is_async = is_async
        self.used: Counter[str] = Counter()
        self.count = 0

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, *choices: T) -> T:
        return choices[self.rng.randrange(len(choices))]

    def use(self, construct: str) -> None:
        if construct:
            self.used[construct] += 1

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def known(self, scope: Scope, kind: str) -> str | None:
        names = scope.get(kind)
        return self.pick(*names) if names else None

    def expression(self, scope: Scope, kind: str, depth: int = 0) -> str:
        """An expression of a type; the deeper, the plainer."""
        found = self.known(scope, kind)
        if found is not None and (depth > 2 or (depth > 0 and self.chance(0.5))):
            return found
        choices = EXPRESSIONS[kind] if depth < 4 else EXPRESSIONS[kind][:1]
        if self.is_async and depth < 4 and self.chance(0.3):
            choices = ASYNC.get(kind, choices)
        construct, template = self.pick(*choices)
        self.use(construct)
        return self.filled(template, scope, depth + 1)

    def filled(self, template: str, scope: Scope, depth: int) -> str:
        """A template with its holes filled."""
        if "$a" in template:
            name = self.name()
            template = template.replace("<test>", self.pick(*TESTS)).replace("$a", name)

        def fill(hole: re.Match[str]) -> str:
            kind, part, high = hole.groups()
            if high is not None:
                return str(self.rng.randint(int(kind), int(high)))
            if kind == "name":
                return self.known(scope, part) or {"str": "text", "int": "n"}[part]
            return self.each(scope, part, depth) if kind == "each" else self.expression(scope, kind, depth)

        return _HOLE.sub(fill, template)

    def each(self, scope: Scope, kind: str, depth: int) -> str:
        """The inside of a comprehension."""
        name, items, inside = self.name(), self.expression(scope, "strs", depth), inner(scope)
        inside["str"].append(name)
        clauses = f"for {name} in {items}"
        if self.chance(0.3):
            self.use("filter")
            clauses += f" if {self.expression(inside, 'bool', depth)}"
        if self.chance(0.1):
            self.use("nested comprehension")
            other = self.name()
            inside["str"].append(other)
            clauses += f" for {other} in [{name}, {name}]"
        return f"{self.expression(inside, kind, depth)} {clauses}"


class Writer(Expressions):
    """Writes one function."""

    def __init__(self, rng: Random, *, is_async: bool) -> None:
        super().__init__(rng, is_async=is_async)
        self.lines: list[str] = []
        self.budget = rng.randint(3, 11)
        self.loops = 0

    def function(self) -> str:
        scope: Scope = {kind: [] for kind in EXPRESSIONS} | {"str": ["text"], "int": ["n"], "strs": ["words"]}
        self.block(scope, 1)
        if self.chance(0.9):
            self.line(1, f"return {self.result(scope)}")
        start = "async def" if self.is_async else "def"
        return "\n".join([f"{start} main(text: str, n: int, words: list[str]):", *self.lines, ""])

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def write(self, depth: int, template: str, scope: Scope, **names: str) -> None:
        """A line from a template; ``names`` fill its ``{name}`` fields once its holes are filled."""
        text = self.filled(template, scope, 1)
        for name, value in names.items():
            text = text.replace(f"@{name}", value)
        self.line(depth, text)

    def bind(self, scope: Scope, kind: str, name: str | None = None) -> str:
        """A new name, or a known one with another type."""
        made = name or self.name()
        for names in scope.values():
            if made in names:
                names.remove(made)
        scope[kind].append(made)
        return made

    def result(self, scope: Scope) -> str:
        parts = [self.known(scope, kind) for kind in EXPRESSIONS]
        some = [part for part in parts if part is not None and self.chance(0.7)]
        self.use("return tuple")
        return f"({', '.join(some)},)" if some else "None"

    # --- statements ----------------------------------------------------------------------------------------------

    def block(self, scope: Scope, depth: int, *, least: int = 1) -> None:
        for number in range(self.rng.randint(least, 4 if depth == 1 else 3)):
            if self.budget <= 0 and number >= least:
                return
            self.budget -= 1
            self.statement(scope, depth)

    def statement(self, scope: Scope, depth: int) -> None:
        simple: list[Callable[[Scope, int], None]] = [
            self.assign, self.assign, self.assign, self.augmented, self.unpack, self.append, self.item_assign,
            self.asserted, self.effect, self.again, self.walrus, self.starred, self.raised, self.aliased, self.batched,
            self.chained,
        ]  # fmt: skip
        deep: list[Callable[[Scope, int], None]] = [
            self.branch, self.branch, self.early, self.mapped, self.looped, self.looped, self.looped, self.matched,
            self.collect_dict,
        ]  # fmt: skip
        if self.is_async:
            simple += [self.coroutines, self.coroutines]
        self.pick(*(simple if depth > 3 or self.budget <= 0 else [*simple, *deep, *deep]))(scope, depth)

    def assign(self, scope: Scope, depth: int) -> None:
        kind = self.pick("int", "str", "str", "bool", "strs", "ints", "item", "pair", "some")
        self.use("assignment")
        value = self.expression(scope, kind)
        self.line(depth, f"{self.bind(scope, kind)} = {value}")

    def again(self, scope: Scope, depth: int) -> None:
        kind = self.pick("int", "str", "strs")
        name = self.known(scope, kind) or "text"
        self.use("rebinding")
        self.line(depth, f"{name} = {self.expression(scope, 'str' if name == 'text' else kind)}")

    def walrus(self, scope: Scope, depth: int) -> None:
        self.use("walrus")
        value = self.expression(scope, "int")
        name = self.bind(scope, "int")
        self.line(depth, f"{self.bind(scope, 'bool')} = ({name} := {value}) > {self.rng.randint(0, 5)}")

    def chained(self, scope: Scope, depth: int) -> None:
        self.use("chained assignment")
        value = self.expression(scope, "int")
        self.line(depth, f"{self.bind(scope, 'int')} = {self.bind(scope, 'int')} = {value}")

    def augmented(self, scope: Scope, depth: int) -> None:
        self.use("augmented assignment")
        kind = self.pick("int", "str")
        name = self.known(scope, kind)
        if name is None or name in ("text", "n"):
            first = self.expression(scope, kind)
            name = self.bind(scope, kind)
            self.line(depth, f"{name} = {first}")
        if kind == "str":
            self.write(depth, "@name += <str>", scope, name=name)
            self.line(depth, f"{name} = {name}[:40]")
            return
        self.write(depth, f"@name {self.pick('+=', '-=', '*=', '//=')} <int>", scope, name=name)
        self.line(depth, f"{name} %= 1000")

    def unpack(self, scope: Scope, depth: int) -> None:
        self.use("unpacking")
        targets, template = self.pick(
            (("int", "str"), "<int>, <str>"),
            (("str", "str"), "<strs>"),
            (("int", "int"), "divmod(<int>, <int>)"),
            (("int", "str"), "(<int>, <str>) if <bool> else (0, <str>)"),
        )
        value = self.filled(template, scope, 1)
        self.line(depth, f"{', '.join(self.bind(scope, kind) for kind in targets)} = {value}")
        if self.chance(0.3):
            value = self.filled("[<int>, (<str>, <str>)]", scope, 1)
            names = [self.bind(scope, kind) for kind in ("int", "str", "str")]
            whole = self.name()
            self.line(depth, f"{whole} = {value}")
            self.line(depth, f"{names[0]}, ({names[1]}, {names[2]}) = {whole}")

    def starred(self, scope: Scope, depth: int) -> None:
        self.use("star unpacking")
        value = self.expression(scope, "strs")
        first, rest = self.bind(scope, "str"), self.bind(scope, "strs")
        self.line(depth, self.pick(f"{first}, *{rest} = {value}", f"*{rest}, {first} = {value}"))

    def fresh(self, scope: Scope, depth: int) -> str:
        """A list the function owns."""
        value = self.filled(self.pick("[]", "[]", "[<str>]", "list(<strs>)"), scope, 1)
        name = self.bind(scope, "strs")
        self.line(depth, f"{name} = {value}")
        return name

    def append(self, scope: Scope, depth: int) -> None:
        self.use("append")
        name = self.fresh(scope, depth)
        for _ in range(self.rng.randint(1, 2)):
            how = self.pick(
                "append(<str>)",
                "extend(<strs>)",
                "insert(0, <str>)",
                "sort()",
                "sort(key=len, reverse=True)",
                "reverse()",
            )
            how = self.pick(f"@name.{how}", f"@name.{how}", "@name += <strs>", "@name[0] = <str>")
            self.write(depth, how, scope, name=name)

    def item_assign(self, scope: Scope, depth: int) -> None:
        self.use("item assignment")
        name = self.bind(scope, "counts")
        self.line(depth, f"{name} = {{}}")
        key = self.pick("'a'", "text", self.known(scope, "str") or "'b'")
        for _ in range(self.rng.randint(1, 3)):
            how = self.pick(
                "@name[@key] = <int>", "@name[@key] = @name.get(@key, 0) + <int>", "@name[@key] += <int>",
                "@name.update({@key: <int>})", "@name.setdefault(@key, <int>)",
            )  # fmt: skip
            self.write(depth, how, scope, name=name, key=key)

    def aliased(self, scope: Scope, depth: int) -> None:
        """Two names for one list, one of them bound anew before it is changed."""
        self.use("aliasing")
        name = self.fresh(scope, depth)
        self.line(depth, f"{self.bind(scope, 'strs')} = {name}")
        if self.chance(0.8):
            self.line(depth, f"{name} = [*{name}]")
        self.write(depth, "@name.append(<str>)", scope, name=name)

    def batched(self, scope: Scope, depth: int) -> None:
        """Lists in a list: one is filled, handed over, and begun anew."""
        self.use("batches")
        items, inside = self.expression(scope, "strs", 1), inner(scope)
        current, done, item = self.name(), self.name(), self.bind(inside, "str")
        self.line(depth, f"{current}, {done} = [], []")
        self.line(depth, f"for {item} in {items}:")
        self.write(depth + 1, "@name.append(<str>)", inside, name=current)
        self.line(depth + 1, f"if len({current}) >= {self.rng.randint(1, 2)}:")
        self.line(depth + 2, f"{done}.append({current})")
        if self.chance(0.9):
            self.line(depth + 2, f"{current} = []")
        self.line(depth, f"{self.bind(scope, 'strs')} = [w for part in {done} for w in part] + {current}")

    def asserted(self, scope: Scope, depth: int) -> None:
        self.use("assert")
        self.write(depth, self.pick("assert <bool>", "assert <bool>, <str>", "assert <bool>, 'not so'"), scope)

    def raised(self, scope: Scope, depth: int) -> None:
        self.use("raise")
        self.write(depth, "if <int> == <0-9>:", scope)
        self.write(depth + 1, f"raise {self.pick('ValueError', 'KeyError', 'RuntimeError')}(<str>)", scope)

    def effect(self, scope: Scope, depth: int) -> None:
        self.use("effect")
        self.write(depth, "note(<str>)", scope)

    def coroutines(self, scope: Scope, depth: int) -> None:
        self.use("named coroutines")
        pending, items = self.name(), self.expression(scope, "strs", 1)
        if self.chance(0.5):
            self.line(depth, f"{pending} = [aask({pending}x) for {pending}x in {items}]")
            self.line(depth, f"{self.bind(scope, 'strs')} = await asyncio.gather(*{pending})")
            return
        self.write(
            depth, f"@name = {self.pick('aask(<str>)', 'asyncio.create_task(asub(<str>))')}", scope, name=pending
        )
        self.line(depth, f"{self.bind(scope, 'str')} = await {pending}")

    # --- blocks --------------------------------------------------------------------------------------------------

    def branch(self, scope: Scope, depth: int) -> None:
        self.use("branch")
        kind = self.pick("int", "str")
        name, default, arms = self.name(), self.expression(scope, kind), self.rng.randint(1, 3)
        before = self.chance(0.5) or arms == 1
        if before:
            self.line(depth, f"{name} = {default}")
        for index in range(arms):
            self.write(depth, f"{'if' if index == 0 else 'elif'} <bool>:", scope)
            self.arm(scope, depth, name, kind)
        if not before or self.chance(0.5):
            self.line(depth, "else:")
            self.arm(scope, depth, name, kind)
        self.bind(scope, kind, name)

    def arm(self, scope: Scope, depth: int, name: str, kind: str) -> None:
        inside = inner(scope)
        if self.chance(0.5):
            self.block(inside, depth + 1, least=0)
        self.line(depth + 1, f"{name} = {self.expression(inside, kind)}")
        if self.chance(0.15):
            self.leave(inside, depth + 1)

    def leave(self, scope: Scope, depth: int) -> None:
        way = self.pick("return", *(["break", "break", "continue"] if self.loops else []))
        self.use(f"{way} in a block")
        self.line(depth, way if way != "return" else f"return {self.result(scope)}")

    def early(self, scope: Scope, depth: int) -> None:
        self.use("early return")
        self.write(depth, "if <bool>:", scope)
        inside = inner(scope)
        if self.chance(0.3):
            self.block(inside, depth + 1, least=0)
        self.leave(inside, depth + 1)

    def matched(self, scope: Scope, depth: int) -> None:
        self.use("match")
        name = self.name()
        self.write(depth, f"match {self.pick('label(<str>)', '<int>')}:", scope)
        for case in self.pick(('"a"', '"b" | "c"', "_"), ("0", "1 | 2 | 3", "_"), ('"a"', "None", "_")):
            self.line(depth + 1, f"case {case}:")
            inside = inner(scope)
            if self.chance(0.3):
                self.block(inside, depth + 2, least=0)
            self.line(depth + 2, f"{name} = {self.expression(inside, 'str')}")
        self.bind(scope, "str", name)

    def turns(self, scope: Scope, depth: int) -> Scope:
        """The head of a loop; the names inside."""
        name, other, inside = self.name(), self.name(), inner(scope)
        construct, head, kind = self.pick(
            ("", f"{name} in range(<0-4>)", "int"),
            ("", f"{name} in <strs>", "str"),
            ("", f"{name} in <strs>", "str"),
            ("enumerate", f"{other}, {name} in enumerate(<strs>)", "str"),
            ("zip", f"{name}, {other} in zip(<strs>, <ints>)", "str"),
        )
        self.use(construct)
        self.write(depth, f"for {head}:", scope)
        inside[kind].append(name)
        return inside

    def mapped(self, scope: Scope, depth: int) -> None:
        """A loop that only appends."""
        self.use("append loop")
        around = inner(scope)
        made = [self.fresh(scope, depth) for _ in range(self.pick(1, 1, 2))]
        inside = self.turns(around, depth)
        if self.chance(0.4):
            self.use("continue in an append loop")
            self.write(depth + 1, "if <bool>:", inside)
            self.line(depth + 2, "continue")
        if self.chance(0.5):
            self.assign(inside, depth + 1)
        for name in made:
            conditioned = self.chance(0.3)
            if conditioned:
                self.write(depth + 1, "if <bool>:", inside)
            self.write(depth + 1 + conditioned, "@name.append(<str>)", inside, name=name)

    def looped(self, scope: Scope, depth: int) -> None:
        """A loop that carries values."""
        self.use("loop")
        first, second = self.expression(scope, "int", 1), self.expression(scope, "str", 1)
        number, text = self.bind(scope, "int"), self.bind(scope, "str")
        self.line(depth, f"{number} = {first}")
        self.line(depth, f"{text} = {second}")
        inside = self.turns(scope, depth)
        self.loops += 1
        self.write(depth + 1, "@name = (@name + <int>) % 50", inside, name=number)
        if self.chance(0.6):
            self.write(depth + 1, "@name = (@name + <str>)[:30]", inside, name=text)
        if self.chance(0.7):
            self.write(depth + 1, "if <bool>:", inside)
            if self.chance(0.3):
                self.block(inner(inside), depth + 2, least=0)
            self.leave(inside, depth + 2)
        if self.chance(0.5):
            self.block(inside, depth + 1, least=0)
        self.loops -= 1
        if self.chance(0.3):
            self.use("loop else")
            self.line(depth, "else:")
            self.write(depth + 1, "@name = <str>", scope, name=text)

    def collect_dict(self, scope: Scope, depth: int) -> None:
        self.use("dict loop")
        name, item, inside = self.name(), self.name(), inner(scope)
        self.line(depth, f"{name} = {{}}")
        self.write(depth, f"for {item} in <strs>:", scope)
        inside["str"].append(item)
        if self.chance(0.3):
            inside["counts"].append(name)
        self.write(depth + 1, "@name[<str>] = <int>", inside, name=name)
        self.bind(scope, "counts", name)


def generated(rng: Random) -> tuple[str, Counter[str]]:
    """The source of a function, and the constructs in it."""
    writer = Writer(rng, is_async=rng.random() < 0.25)
    if writer.is_async:
        writer.use("async")
    return writer.function(), writer.used


def renamed(source: str) -> str:
    """The same function with other names for its locals, in another alphabetical order."""
    return re.sub(r"\bv(\d+)(x?)\b", lambda found: f"w{int(found[1]) * 7919 % 101}_{found[1]}{found[2]}", source)
