"""Lowering: the state of turning one function's source into a graph, and what all its rules share.

The rules themselves stand in the ``lower_*`` files, one function for each kind of syntax, in tables by the syntax
tree's class. A rule reads and changes the state: the names in force, the nodes written so far, and the ways control may
leave the block at hand.

Values are SSA: a local is a ``Binding`` of its name to an expression, and assigning binds it anew. Control that leaves
a block (``return``, ``break``, ``continue``) is data: ``exits`` says which ways there are, and where there are several
``done`` is a text that says which was taken, empty for none.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.branches import branch
from treadle.compiler.frontend.captured import Reason
from treadle.compiler.frontend.code import POISON, Code, const, finished
from treadle.compiler.frontend.coroutines import awaited_in_place
from treadle.compiler.frontend.inference import classes, settled, without_none
from treadle.compiler.frontend.liveness import Loops
from treadle.compiler.frontend.matching import as_branches
from treadle.compiler.frontend.report import Report
from treadle.compiler.frontend.source import Outside
from treadle.compiler.frontend.state import FALL, Arm, Binding, NotPure
from treadle.compiler.frontend.unsupported import unsupported, word
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Node, NodeId, Ref

_COLLECTIONS = ((list,), (set,), (dict,))

MOST_NESTED = 100
"""How deep blocks may nest: a chain of early returns is one block deeper each time."""

_Built = TypeVar("_Built")


Expression = Callable[["Lowering", Any], Code]
"""A rule for one kind of expression."""

Statement = Callable[["Lowering", Any, frozenset[str]], None]
"""A rule for one kind of statement, given the names that are read after it."""


class Lowering:
    """The state of lowering one function.

    Args:
        report: Where what is found goes.
        outside: The world around the function.
        order: Every local's place in the order in which the source first binds it.
        expressions: Rules by class of expression.
        statements: Rules by class of statement.
        is_async: Whether the function is async.
    """

    def __init__(
        self,
        report: Report,
        outside: Outside,
        order: Mapping[str, int],
        expressions: Mapping[type[ast.expr], Expression],
        statements: Mapping[type[ast.stmt], Statement],
        *,
        is_async: bool,
    ) -> None:
        self.report = report
        self.outside = outside
        self.order = dict(order)
        self.is_async = is_async
        self.self_name = ""
        self.env: dict[str, Binding] = {}
        self.block: list[Node] = []
        self.exits: frozenset[str] = frozenset({FALL})
        self.done = const("")
        self.types: dict[Ref, Annotation] = {}
        self.written: dict[Ref, Node] = {}
        self.origins: dict[Ref, str] = {}
        self.sites: dict[str, tuple[tuple[int, ...], str]] = {}
        self.constants: dict[str, tuple[Node, Annotation]] = {}
        self.loops: list[Loops] = []
        self._expressions = expressions
        self._statements = statements
        self._count = 0
        self._depth = 0
        self._pure = False

    # --- rules ---------------------------------------------------------------------------------------------------

    def expr(self, tree: ast.expr) -> Code:
        """Lower an expression."""
        rule = self._expressions.get(type(tree))
        if rule is None:
            return self.refuse(tree, f"{word(tree)} is not in the captured part of Python")
        return rule(self, tree)

    def exprs(self, trees: Sequence[ast.expr]) -> list[Code]:
        """Lower expressions that are evaluated from left to right."""
        return self.in_order([(lambda tree=tree: self.expr(tree)) for tree in trees])  # type: ignore[misc]

    def in_order(self, parts: Sequence[Callable[[], Code]]) -> list[Code]:
        """Lower parts that are evaluated one after another: what stands left of a call is evaluated before it."""
        codes: list[Code] = []
        for part in parts:
            before = len(self.block)
            code = part()
            if any(not isinstance(node, nodes.Const) for node in self.block[before:]):
                codes = self._pinned(codes, before)
            codes.append(code)
        return codes

    def _pinned(self, codes: Sequence[Code], at: int) -> list[Code]:
        """The expressions as nodes that stand at a place in the block."""
        behind, self.block[at:] = self.block[at:], []
        pinned = [self.pinned(code) for code in codes]
        self.block.extend(behind)
        return pinned

    def pinned(self, code: Code) -> Code:
        """The expression, evaluated here: as a value of the graph, or the constant or function it is."""
        if code.poisoned or code.tree[0] in ("ref", "const", "name", "lambda", "function", "unbound", "bound"):
            return code
        return dataclasses.replace(code, tree=["ref", self.ref(code)])

    def statements(self, body: Sequence[ast.stmt], live: frozenset[str]) -> None:
        """Lower a block.

        Args:
            body: Its statements.
            live: The names that are read after it.
        """
        self._depth += 1
        try:
            if self._depth > MOST_NESTED:
                where = body[0] if body else ast.Pass(lineno=0)
                self.refuse(where, f"blocks nest more than {MOST_NESTED} deep (each early return is one deeper)")
                return
            self._statements_from(body, live)
        finally:
            self._depth -= 1

    def _statements_from(self, body: Sequence[ast.stmt], live: frozenset[str]) -> None:
        body = awaited_in_place(self, body)
        for index, statement in enumerate(body):
            rest = body[index + 1 :]
            if FALL not in self.exits:
                return  # never reached
            if self.exits != {FALL}:
                self._guarded(body[index:], live)
                return
            if isinstance(statement, ast.Match):
                self._statements_from([*as_branches(self, statement), *rest], live)
                return
            rule = self._statements.get(type(statement))
            if rule is None:
                unsupported(self, statement)
            elif isinstance(statement, ast.If) and liveness.may_leave([statement]):
                self._leaving(statement, rest, live, rule)
                return
            else:
                rule(self, statement, liveness.before(rest, live, self.around))

    def _leaving(self, statement: ast.If, rest: Sequence[ast.stmt], live: frozenset[str], rule: Statement) -> None:
        """A branch that may leave the block: what follows moves into the arm that goes on, if it is one alone."""
        moved = liveness.with_rest(statement, rest)
        if moved is not None:
            rule(self, moved, live)
        else:
            rule(self, statement, liveness.before(rest, live, self.around))
            self._statements_from(rest, live)

    def _guarded(self, rest: Sequence[ast.stmt], live: frozenset[str]) -> None:
        """What follows a statement that may have left: it runs if it has not."""
        done, left = self.done, self.exits - {FALL}

        def go_on() -> None:
            self.exits, self.done = frozenset({FALL}), const("")
            self.statements(rest, live)

        def stay() -> None:
            self.exits, self.done = left, done

        went_on = Code(tree=["compare", done.tree, "==", ["const", ""]], type=bool)
        branch(self, self.ref(went_on), go_on, stay, live, rest[0])

    # --- nodes ---------------------------------------------------------------------------------------------------

    def add(
        self, kind: Callable[..., Node], types: Sequence[Annotation], where: ast.AST | None, **fields: Any
    ) -> tuple[Ref, ...]:
        """Write a node; its results."""
        if self._pure and kind is not nodes.Const:
            raise NotPure
        node = kind(id=self.new_id(), types=tuple(map(settled, types)), line=getattr(where, "lineno", None), **fields)
        self.block.append(node)
        self.types.update(zip(node.results, node.types, strict=True))
        self.written.update(dict.fromkeys(node.results, node))
        return node.results

    def add_as(
        self, id: NodeId, kind: Callable[..., Node], types: Sequence[Annotation], where: ast.AST, **fields: Any
    ) -> tuple[Ref, ...]:
        """Write a node whose id was given out before its body was lowered."""
        return self.add(lambda **given: kind(**{**given, "id": id}), types, where, **fields)

    def new_id(self) -> NodeId:
        """An id for a node; the graph numbers its nodes anew at the end."""
        self._count += 1
        return NodeId(f"t{self._count}")

    def numbers(self, after: int = 0) -> int:
        """The next free number; ``after`` says that those before it are taken."""
        self._count = max(self._count + 1, after)
        return self._count

    def token(self) -> int:
        """A variable of a lambda or comprehension."""
        self._count += 1
        return self._count

    def ref(self, code: Code, where: ast.AST | None = None) -> Ref:
        """The expression as a value of the graph, evaluated here."""
        if code.is_ref:
            return Ref(code.tree[1])
        if code.is_const:
            value = code.tree[1]
            plain = type(None) if value is None else type(value)
            return self.add(nodes.Const, [plain], where, value=value)[0]
        self.needs_place()
        expression, inputs = finished(code.tree)
        return self.add(nodes.Expr, [code.type], where, expression=expression, inputs=inputs)[0]

    def kept(self, code: Code, where: ast.AST | None = None) -> Code:
        """The expression evaluated here, to be read any number of times: a value of the graph or a constant."""
        if code.is_const or code.is_ref or code.poisoned:
            return code
        return dataclasses.replace(code, tree=["ref", self.ref(code, where)])

    # --- names ---------------------------------------------------------------------------------------------------

    def bind(self, name: str, code: Code, where: ast.AST) -> None:
        """Bind a local."""
        if code.lazy:
            code = self.refuse(where, f"{name!r} would be an iterator, which can be read only once: wrap it in list(…)")
        self.share(code.names)
        kept = self.kept(code, where)
        value = dataclasses.replace(kept, names=frozenset(), direct=False, fresh=False)
        self.env[name] = Binding(code=value, owned=code.fresh and classes(code.type) in _COLLECTIONS)

    def forget(self, names: frozenset[str]) -> None:
        """The values of these locals are not known from here on; a reason has been noted."""
        self.env.update(dict.fromkeys(names, Binding(code=POISON)))

    def temporary(self, what: str) -> str:
        """A name no user can write, for a value lowering needs itself."""
        self._count += 1
        name = f"${what}{self._count}"
        self.order[name] = len(self.order)
        return name

    def taken(self, name: str) -> Code:
        """The value of a temporary name, which is forgotten."""
        binding = self.env.pop(name)
        return dataclasses.replace(binding.code, fresh=binding.owned)

    def needs_place(self) -> None:
        """Say that what comes is not a pure expression.

        Raises:
            NotPure: A pure expression is being tried.
        """
        if self._pure:
            raise NotPure

    def share(self, names: frozenset[str]) -> None:
        """The objects of these locals are held by somebody else from now on."""
        for name in names:
            if name in self.env:
                self.env[name] = dataclasses.replace(self.env[name], owned=False)

    def is_local(self, name: str) -> bool:
        """Whether the function itself binds the name."""
        return name in self.env or name in self.order

    # --- reasons -------------------------------------------------------------------------------------------------

    def refuse(self, where: ast.AST, text: str) -> Code:
        """Note a reason for host mode; stands in for the value."""
        reason = Reason(getattr(where, "lineno", 0), text)
        if reason not in self.report.reasons:
            self.report.reasons.append(reason)
        return POISON

    # --- parts that are tried ------------------------------------------------------------------------------------

    def purely(self, build: Callable[[], _Built]) -> _Built | None:
        """What ``build`` makes, if it writes no node but constants; otherwise ``None``, and nothing has happened."""
        before, kept = self._pure, self._saved()
        self._pure = True
        try:
            return build()
        except NotPure:
            self._restore(kept)
            return None
        finally:
            self._pure = before

    def again(self, build: Callable[[], _Built], settled: Callable[[_Built], bool]) -> _Built:
        """``build`` again and again until its result is settled; only the last one counts."""
        while True:
            kept = self._saved()
            built = build()
            if settled(built):
                return built
            self._restore(kept)

    def _saved(self) -> tuple[Any, ...]:
        return list(self.block), dict(self.env), self.exits, self.done, len(self.report.reasons), self._depth

    def _restore(self, kept: tuple[Any, ...]) -> None:
        block, self.env, self.exits, self.done, reasons, self._depth = kept
        self.block[:] = block
        del self.report.reasons[reasons:]

    @contextlib.contextmanager
    def inside(self) -> Iterator[list[Node]]:
        """A block of its own: gives the list its nodes go to."""
        outer, self.block = self.block, []
        try:
            yield self.block
        finally:
            self.block = outer

    def arm(self, build: Callable[[], None]) -> Arm:
        """Lower a block apart; the state is afterwards what it was before."""
        env, exits, done = dict(self.env), self.exits, self.done
        try:
            with self.inside() as block:
                build()
                return Arm(block=block, env=self.env, exits=self.exits, done=self.done)
        finally:
            self.env, self.exits, self.done = env, exits, done

    @property
    def around(self) -> tuple[Loops, ...]:
        """The loops around, outermost first."""
        return tuple(self.loops)


def narrowed(binding: Binding) -> Binding:
    """The binding where its value is known not to be None."""
    code = dataclasses.replace(binding.code, type=without_none(binding.code.type))
    return dataclasses.replace(binding, code=code)
