"""Loops that carry values from turn to turn."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.branches import NOWHERE, branch
from treadle.compiler.frontend.code import POISON, Code, const, of_ref
from treadle.compiler.frontend.inference import element, union
from treadle.compiler.frontend.liveness import Loops
from treadle.compiler.frontend.state import FALL, RETURNED, Binding
from treadle.compiler.frontend.targets import assign
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Argument, NodeId, Ref, Region
from treadle.compiler.graph.substitute import arguments_of

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering

Names = frozenset[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Turn:
    """One try at the body: the values it starts with, and what it gives."""

    start: dict[str, Binding]
    end: dict[str, Binding]
    exits: frozenset[str]
    id: NodeId
    region: Region


_MOST_TRIES = 4


class CarriedLoop:
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
        ends = [first] if last.code.poisoned else [first, last]  # its reason was noted in this turn and goes with it
        types = [b.code.type for b in ends if not b.missing >= {FALL, "continue", "break", "return"}]
        kind = union(types) if types else type(None)
        return Binding(
            code=Code(tree=first.code.tree, type=kind, poisoned=first.code.poisoned),
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
        results = low.add_as(
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
    return same_type and (one.missing, one.owned) == (other.missing, other.owned)
