"""Rules for repetition: ``for`` and comprehensions, as a Map where turns are independent, else as a Loop."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.branches import NOWHERE, branch
from treadle.compiler.frontend.code import POISON, Code, const, names_of, of_ref
from treadle.compiler.frontend.collecting import Collector, collectors
from treadle.compiler.frontend.inference import Never, element, is_hashable, members, union, widened
from treadle.compiler.frontend.liveness import Loops
from treadle.compiler.frontend.lowering import Lowering
from treadle.compiler.frontend.state import FALL, RETURNED, Binding
from treadle.compiler.frontend.targets import assign, pattern
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Argument, NodeId, Ref, Region
from treadle.compiler.graph.substitute import arguments_of, results_of

Names = frozenset[str]


def lower_for(low: Lowering, tree: ast.For, live: Names) -> None:
    """``for``: a Map if its turns only collect, else a Loop."""
    items = iterable(low, tree.iter)
    changed = items.names & liveness.mutated(tree.body)
    if changed:
        low.refuse(tree, f"the loop changes {', '.join(sorted(changed))}, which it runs over")
    source = low.ref(items, tree)
    found = collectors(low, tree, live)
    if found is not None:
        _map(low, tree, items, source, found)
    else:
        _Loop(low, tree, items, source, live).lower()


def iterable(low: Lowering, tree: ast.expr) -> Code:
    """What a loop runs over; iterators are read at once, which no one can tell if their elements cannot fail."""
    code = low.expr(tree)
    if code.fails_late:
        low.refuse(tree, "a generator, map or filter that a loop reads step by step: wrap it in list(…)")
    if any("Iterator" in str(member) or "Generator" in str(member) for member in members(code.type)):
        low.refuse(tree, "an iterator, which can be read only once: return a list instead")
    if not code.lazy:
        return code
    return dataclasses.replace(code, tree=["call", "list", [code.tree], {}], lazy=False)


# --- maps ------------------------------------------------------------------------------------------------------------


def _map(low: Lowering, tree: ast.For, items: Code, source: Ref, found: Sequence[Collector]) -> None:
    """A Map: each turn collects for itself, and the parts are put together behind it."""
    id, names = low.new_id(), frozenset(collector.result for collector in found)
    kept = dict(low.env)
    (argument,) = arguments_of(id, 0, 1)
    low.types[argument] = element(items.type)
    low.needs_place()
    with low.inside() as block:
        for collector in found:
            low.env[collector.name] = collector.empty()
        assign(low, tree.target, of_ref(argument, element(items.type)), tree)
        low.loops.append(Loops(after=names, head=names))
        low.statements(_body(tree, found), names)
        low.loops.pop()
        low.exits, low.done = frozenset({FALL}), const("")
        codes = [low.env.get(collector.result, NOWHERE).code for collector in found]
        region = Region(
            arguments=(Argument(ref=argument, annotation=element(items.type)),),
            results=tuple(low.ref(code, tree) for code in codes),
            nodes=tuple(block),
        )
    low.env = kept
    types = [list[code.type] for code in codes]
    results = _named(low, id, nodes.Map, types, tree, items=source, body=region, bound=items.most)
    for collector, code, result in zip(found, codes, results, strict=True):
        collector.collect(low, result, code.type, tree)


def _body(tree: ast.For, found: Sequence[Collector]) -> list[ast.stmt]:
    body = tree.body
    for collector in found:
        body = collector.rewritten(body)
    return body


def _named(
    low: Lowering,
    id: NodeId,
    kind: Callable[..., nodes.Node],
    types: Sequence[Annotation],
    where: ast.AST,
    **fields: Any,
) -> tuple[Ref, ...]:
    """Write a node whose id was given out before its body was lowered."""
    low.add(lambda **given: kind(**{**given, "id": id}), types, where, **fields)
    results = results_of(id, len(types))
    low.types.update(zip(results, types, strict=True))
    return results


# --- loops -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Turn:
    """One try at the body: the values it starts with, and what it gives."""

    start: dict[str, Binding]
    end: dict[str, Binding]
    exits: frozenset[str]
    id: NodeId
    region: Region


_MOST_TRIES = 4


class _Loop:
    """A loop with carried values. The body is lowered until the types at its start hold what its end gives."""

    def __init__(self, low: Lowering, tree: ast.For, items: Code, source: Ref, live: Names) -> None:
        self.low = low
        self.tree = tree
        self.items = items
        self.source = source
        self.live = live
        head = liveness.head(tree, live, low.around)
        bound = liveness.assigned(tree.body) | liveness.stored(tree.target)
        read = head | live
        self.carried = sorted(bound & read & low.order.keys(), key=low.order.__getitem__)
        self.head = head | frozenset(self.carried)
        self.after = live | frozenset(self.carried)

    def lower(self) -> None:
        """Write the loop, then its ``else``."""
        low = self.low
        low.needs_place()
        start = {name: low.env.get(name, NOWHERE) for name in self.carried}
        for name, binding in start.items():
            if binding.later is not None:
                low.refuse(self.tree, f"{name!r} is a coroutine that is not awaited before the loop")
        self.start = dict(start)
        self.tries = 0
        turn = low.again(self._turn, self._settled)
        self._write(turn, start)

    def _settled(self, turn: _Turn) -> bool:
        """Whether the body may start with what it gives; otherwise what it starts with becomes wider."""
        wider = {
            name: self._joined(binding, turn.end.get(name, NOWHERE), turn.exits) for name, binding in turn.start.items()
        }
        same = all(_alike(wider[name], binding) for name, binding in turn.start.items())
        self.tries += 1
        if self.tries > _MOST_TRIES:  # a type that grows with every turn
            wider = {name: self._unknown(binding, turn.start[name]) for name, binding in wider.items()}
        self.start = wider
        return same

    def _unknown(self, binding: Binding, before: Binding) -> Binding:
        same = _alike(binding, before)
        return binding if same else dataclasses.replace(binding, code=dataclasses.replace(binding.code, type=Any))

    def _joined(self, first: Binding, last: Binding, exits: frozenset[str]) -> Binding:
        again = exits & {FALL, "continue"}
        if not again:
            return first
        missing = first.missing & {FALL} | ({FALL} if again & last.missing else set())
        types = [b.code.type for b in (first, last) if not b.missing >= {FALL, "continue", "break", "return"}]
        kind = union(types) if types else type(None)
        return Binding(
            code=Code(tree=first.code.tree, type=kind, poisoned=first.code.poisoned or last.code.poisoned),
            missing=frozenset(missing),
            owned=first.owned and last.owned,
        )

    def _turn(self) -> _Turn:
        low, id = self.low, self.low.new_id()
        refs = arguments_of(id, 0, 1 + len(self.carried) + 2)
        env, exits, done = dict(low.env), low.exits, low.done
        arguments = [Argument(ref=refs[0], annotation=element(self.items.type))]
        try:
            with low.inside() as block:
                for name, ref in zip(self.carried, refs[1:], strict=False):
                    first = self.start[name]
                    low.types[ref] = first.code.type
                    arguments.append(Argument(ref=ref, annotation=first.code.type))
                    code = POISON if first.code.poisoned else of_ref(ref, first.code.type)
                    low.env[name] = dataclasses.replace(first, code=code)
                low.types[refs[0]] = element(self.items.type)
                assign(low, self.tree.target, of_ref(refs[0], element(self.items.type)), self.tree)
                low.loops.append(Loops(after=self.after, head=self.head))
                low.statements(self.tree.body, self.head | self.after)
                low.loops.pop()
                region = self._region(refs, arguments, block)
                return _Turn(start=dict(self.start), end=dict(low.env), exits=low.exits, id=id, region=region)
        finally:
            low.env, low.exits, low.done = env, exits, done

    def _region(self, refs: Sequence[Ref], arguments: list[Argument], block: list[nodes.Node]) -> Region:
        low, exits = self.low, self.low.exits
        results = [low.ref(low.env.get(name, NOWHERE).code, self.tree) for name in self.carried]
        place = 1 + len(self.carried)
        if "return" in exits:
            arguments.append(Argument(ref=refs[place]))
            results.append(low.ref(low.env[RETURNED].code, self.tree))
            place += 1
        way = _way(low)
        if self._needs_way(exits):
            arguments.append(Argument(ref=refs[place], annotation=str))
            results.append(low.ref(way, self.tree))
        if exits & {"break", "return"}:
            results.append(low.ref(_stops(way, exits), self.tree))
        return Region(arguments=tuple(arguments), results=tuple(results), nodes=tuple(block))

    def _needs_way(self, exits: frozenset[str]) -> bool:
        return "return" in exits or (bool(self.tree.orelse) and "break" in exits)

    def _write(self, turn: _Turn, start: dict[str, Binding]) -> None:
        low, exits = self.low, turn.exits
        first = [low.ref(start[name].code, self.tree) for name in self.carried]
        types = [self._type(name, turn, start) for name in self.carried]
        if "return" in exits:
            first.append(low.ref(const(None), self.tree))
            types.append(union([turn.end[RETURNED].code.type]))
        if self._needs_way(exits):
            first.append(low.ref(const(""), self.tree))
            types.append(str)
        results = _named(
            low,
            turn.id,
            nodes.Loop,
            types,
            self.tree,
            items=self.source,
            carried=tuple(first),
            body=turn.region,
            stops=bool(exits & {"break", "return"}),
            bound=self.items.most,
        )
        for name, result, kind in zip(self.carried, results, types, strict=False):
            low.env[name] = self._bound(name, turn, start, of_ref(result, kind))
        if "return" in exits:
            returned = results[len(self.carried)]
            low.env[RETURNED] = Binding(code=of_ref(returned, types[len(self.carried)]), missing=frozenset({FALL}))
        self._leave(exits, of_ref(results[-1], str) if self._needs_way(exits) else const(""))

    def _type(self, name: str, turn: _Turn, start: dict[str, Binding]) -> Annotation:
        given = [start[name], turn.end.get(name, NOWHERE)]
        return union(binding.code.type for binding in given if not binding.missing >= NOWHERE.missing) if given else Any

    def _bound(self, name: str, turn: _Turn, start: dict[str, Binding], code: Code) -> Binding:
        """What a carried name is behind the loop."""
        last = turn.end.get(name, NOWHERE)
        skipped = self.items.least == 0 and FALL in start[name].missing
        lost = bool(turn.exits & last.missing & {FALL, "continue", "break"})
        poisoned = start[name].code.poisoned or last.code.poisoned
        return Binding(
            code=POISON if poisoned else code,
            missing=frozenset({FALL}) if skipped or lost else frozenset(),
            owned=(start[name].owned or FALL in start[name].missing)
            and last.owned
            and name not in liveness.stored(self.tree.target),
        )

    def _leave(self, exits: frozenset[str], way: Code) -> None:
        """How control goes on behind the loop: into its ``else``, on, or out."""
        low, tree = self.low, self.tree
        left = frozenset({FALL, "return"}) if "return" in exits else frozenset({FALL})

        def go_on() -> None:
            low.exits = left
            if "return" in exits:
                returned = ["compare", way.tree, "==", ["const", "return"]]
                choice = ["if", returned, ["const", "return"], ["const", ""]]
                low.done = low.kept(Code(tree=choice, type=str), tree)

        if tree.orelse and exits & {"break", "return"}:
            stopped = exits & {"break", "return"}
            condition = low.ref(Code(tree=["unary", "not", _compared(way, stopped).tree], type=bool), tree)

            def otherwise() -> None:
                if exits & {"break", "return"} == {"return"}:
                    low.exits = frozenset({"return"})
                else:
                    go_on()

            def orelse() -> None:
                low.statements(tree.orelse, self.live)

            branch(low, condition, orelse, otherwise, self.live, tree)
        elif tree.orelse:
            low.statements(tree.orelse, self.live)
        else:
            go_on()


def _way(low: Lowering) -> Code:
    """Which way control left the body."""
    if len(low.exits) == 1:
        (way,) = low.exits
        return const("" if way == FALL else way)
    return low.done if low.exits else const("")


def _stops(way: Code, exits: frozenset[str]) -> Code:
    """Whether the turn ends the loop."""
    ways = exits & {"break", "return"}
    if exits <= ways:
        return const(value=True)
    return const(value=way.tree[1] in ways) if way.is_const else _compared(way, ways)


def _compared(way: Code, ways: frozenset[str]) -> Code:
    tests: list[Any] = [["compare", way.tree, "==", ["const", name]] for name in sorted(ways)]
    return Code(tree=tests[0] if len(tests) == 1 else ["or", *tests], type=bool)


def _alike(one: Binding, other: Binding) -> bool:
    same_type = repr(one.code.type) == repr(other.code.type)
    return same_type and (one.missing, one.owned, one.code.poisoned) == (
        other.missing,
        other.owned,
        other.code.poisoned,
    )


# --- comprehensions --------------------------------------------------------------------------------------------------

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def lower_comprehension(low: Lowering, tree: Comprehension) -> Code:
    """A comprehension: one expression if it is pure, else the loop it is short for."""
    if any(generator.is_async for generator in tree.generators):
        return low.refuse(tree, "`async for`")
    pure = low.purely(lambda: _pure(low, tree))
    if pure is not None:
        return pure
    low.needs_place()
    return _as_loop(low, tree)


def lower_generator(low: Lowering, tree: ast.GeneratorExp) -> Code:
    """A generator that nobody reads at once."""
    if _awaits(tree):
        return low.refuse(tree, "a generator with `await` in it is an async one, which only `async for` can read")
    code = low.purely(lambda: _pure(low, tree))
    if code is not None:
        return code
    low.needs_place()
    return low.refuse(tree, "a generator whose elements call steps or ops, read later: write a list")


def _awaits(tree: ast.GeneratorExp) -> bool:
    """Whether the generator waits when it is read; its first iterable is evaluated when it is made."""
    first, *others = tree.generators
    later = [tree.elt, *first.ifs, *others]
    return any(isinstance(node, ast.Await) for part in later for node in ast.walk(part))


_KINDS: dict[type[ast.AST], tuple[str, Any]] = {
    ast.ListComp: ("list", list),
    ast.SetComp: ("set", set),
    ast.DictComp: ("dict", dict),
    ast.GeneratorExp: ("generator", list),
}


def _pure(low: Lowering, tree: Comprehension) -> Code:
    kept = dict(low.env)
    try:
        return _pure_each(low, tree)
    finally:
        low.env = kept


def _pure_each(low: Lowering, tree: Comprehension) -> Code:
    form, kind = _KINDS[type(tree)]
    clauses: list[Any] = []
    sources: list[Code] = []
    for generator in tree.generators:
        items = low.expr(generator.iter)
        sources.append(items)
        found = pattern(low, generator.target, element(items.type))
        if found is None or items.poisoned:
            return POISON
        targets, codes = found
        low.env.update({name: Binding(code=code) for name, code in codes.items()})
        clauses.append([targets, items.tree, [low.expr(test).tree for test in generator.ifs]])
    parts = low.exprs([tree.key, tree.value] if isinstance(tree, ast.DictComp) else [tree.elt])
    if any(part.lazy for part in parts):
        return low.refuse(tree, "an iterator inside a comprehension, which can be read only once")
    lazy = form == "generator"
    every = form == "list" and len(clauses) == 1 and not tree.generators[0].ifs
    return Code(
        tree=["each", form, [part.tree for part in parts] if form == "dict" else parts[0].tree, *clauses],
        type=kind[tuple(part.type for part in parts)] if form == "dict" else kind[parts[0].type],
        fresh=not lazy,
        names=names_of(parts) | (names_of(sources) if lazy else frozenset()),
        lazy=lazy,
        fails_late=lazy,
        most=sources[0].most if len(clauses) == 1 else None,
        least=sources[0].least if every else 0,
        poisoned=any(part.poisoned for part in parts),
    )


_COLLECT = {ast.ListComp: "append", ast.GeneratorExp: "append", ast.SetComp: "add", ast.DictComp: "update"}


def _as_loop(low: Lowering, tree: Comprehension) -> Code:
    """``[f(x) for x in xs if c]`` as the loop that appends; its targets are names of its own."""
    name = low.temporary("made")
    form, kind = _KINDS[type(tree)]
    empty = ["list"] if form == "generator" else [form]
    low.env[name] = Binding(code=Code(tree=empty, type=_never(kind)), owned=True)
    inner: ast.expr = ast.Dict(keys=[tree.key], values=[tree.value]) if isinstance(tree, ast.DictComp) else tree.elt
    call = ast.Call(
        func=ast.Attribute(value=ast.Name(id=name, ctx=ast.Load()), attr=_COLLECT[type(tree)], ctx=ast.Load()),
        args=[inner],
        keywords=[],
    )
    body: list[ast.stmt] = [ast.Expr(value=call)]
    for generator in reversed(tree.generators):
        for test in reversed(generator.ifs):
            body = [ast.If(test=test, body=body, orelse=[])]
        body = [ast.For(target=generator.target, iter=generator.iter, body=body, orelse=[])]
    for statement in body:
        _place(statement, tree)
    kept = dict(low.env)
    for generator in tree.generators:
        for node in ast.walk(generator.target):
            if isinstance(node, ast.Name):
                low.order.setdefault(node.id, len(low.order))
    walrus = liveness.stored(tree)
    low.statements(body, frozenset({name}) | walrus)
    made = low.env[name]
    low.env = {**kept, **{bound: low.env[bound] for bound in walrus if bound in low.env}}
    low.env.pop(name, None)
    return dataclasses.replace(made.code, fresh=True)


def _never(kind: Any) -> Annotation:
    return dict[Never, Never] if kind is dict else kind[Never]


def _place(made: ast.AST, at: ast.AST) -> None:
    """Give new syntax the place of what it was made from."""
    for node in ast.walk(made):
        if isinstance(node, ast.expr | ast.stmt) and not hasattr(node, "lineno"):
            ast.copy_location(node, at)


def read_all(low: Lowering, tree: ast.GeneratorExp, *, simple: bool, hashed: bool) -> Code:
    """A generator that is read to its end at once: if it is not pure, a list.

    Args:
        low: The lowering.
        tree: The generator.
        simple: The reader looks at each element before it asks for the next: it must not be able to fail.
        hashed: It hashes each element.
    """
    if _awaits(tree):
        return lower_generator(low, tree)
    pure = low.purely(lambda: _pure(low, tree))
    if pure is not None:
        return pure
    low.needs_place()
    made = _as_loop(low, tree)
    kind = element(made.type)
    if (simple and not _is_simple(kind)) or (hashed and not is_hashable(kind)):
        low.refuse(tree, "a generator that calls steps or ops, and whose reader may fail between them: write a list")
    return made


def _is_simple(kind: Annotation) -> bool:
    kinds = members(widened(kind))
    return all(part in (int, float, bool) for part in kinds) or kinds == (str,)


def search(low: Lowering, tree: ast.GeneratorExp, what: str, default: Code) -> Code:
    """``any``, ``all`` and ``next`` of a generator that is not pure: the loop that stops at the first that decides.

    Args:
        low: The lowering.
        tree: The generator.
        what: ``"any"``, ``"all"`` or ``"next"``.
        default: What it gives where none decides.
    """
    if _awaits(tree):
        return lower_generator(low, tree)
    if len(tree.generators) > 1:
        return low.refuse(tree, f"{what}(…) of a generator with several loops that calls steps or ops")
    (generator,) = tree.generators
    name = low.temporary(what)
    low.bind(name, default, tree)
    test = ast.UnaryOp(op=ast.Not(), operand=tree.elt) if what == "all" else tree.elt
    found = tree.elt if what == "next" else ast.Constant(value=what == "any")
    stop: list[ast.stmt] = [ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=found), ast.Break()]
    if what != "next":
        stop = [ast.If(test=test, body=stop, orelse=[])]
    for condition in reversed(generator.ifs):
        stop = [ast.If(test=condition, body=stop, orelse=[])]
    loop = ast.For(target=generator.target, iter=generator.iter, body=stop, orelse=[])
    _place(loop, tree)
    ast.copy_location(loop, tree)
    for node in ast.walk(generator.target):
        if isinstance(node, ast.Name):
            low.order.setdefault(node.id, len(low.order))
    kept = dict(low.env)
    low.statements([loop], frozenset({name}))
    made = low.env[name]
    low.env = {bound: binding for bound, binding in kept.items() if bound != name}
    return made.code
