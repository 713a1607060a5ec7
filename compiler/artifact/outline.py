"""The flow of a graph as lines of text, as a person would write it down.

Values are called after what makes them: inputs by their names, steps and ops by theirs. Node ids do not occur, so two
graphs that differ in one place differ in the lines of that place. Constants and expressions stand where they are used;
an expression that is long and used again has a line of its own. Every line is bounded, whatever the program holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.escape import line
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Inputs, Node, Ref, Region
from treadle.compiler.graph.op import LIBRARY_PREFIX
from treadle.compiler.graph.wording import NEGATED, Words, literal, worded

_INDENT = "  "
_LINE = 160  # characters of a line
_CONSTANT = 80  # characters of a constant
_REPEATED = 24  # characters of an expression that is written out at each use


def outline(graph: Graph) -> list[str]:
    """The lines, nested regions indented."""
    return list(_Outline(graph).lines())


class _Outline:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names: dict[Ref, Words] = {}
        self._taken: Counter[str] = Counter()
        self._uses = _uses(graph)

    def lines(self) -> Iterator[str]:
        for node in self._graph.inputs:
            self._names[Ref(node.id)] = self._fresh(node.slot.name)
        yield from self._lines(self._graph.nodes)

    def _lines(self, inside: Iterable[Node]) -> Iterator[str]:
        for node in inside:
            match node:
                case nodes.Input():
                    pass
                case nodes.Output():
                    yield _line(f"→ {self._listed([node.value])}")
                case nodes.Const():
                    self._names[Ref(node.id)] = Words(line(literal(node.value), _CONSTANT))
                case nodes.Expr():
                    yield from self._expression(node)
                case nodes.Step():
                    yield self._call(node, node.name, node.predictor, node.inputs, node.context)
                case nodes.Op():
                    name = node.op.removeprefix(LIBRARY_PREFIX)
                    yield self._call(node, name, name, node.inputs)
                case nodes.LM():
                    yield self._call(node, node.address, node.address, node.inputs)
                case _:
                    yield from self._region_node(node)

    def _expression(self, node: nodes.Expr) -> Iterator[str]:
        """Nothing where it stands inside of what uses it; else a line."""
        said = worded(node.expression, [self._words(ref) for ref in node.inputs])
        said = Words(line(said.text, _LINE), said.binding, said.inside)
        if len(said.text) > _REPEATED and self._uses[Ref(node.id)] > 1:
            yield _line(f"{self._assigned(node, 'value')}{said.text}")
        else:
            self._names[Ref(node.id)] = said

    def _call(self, node: Node, name: str, called: str, inputs: Inputs, context: Inputs = ()) -> str:
        given = [self._of(ref) if field.isdigit() else f"{field}={self._of(ref)}" for field, ref in inputs]
        given += [f"reading {source}" for source, _ in context]
        return _line(f"{self._assigned(node, name)}{called}({', '.join(given)})")

    def _region_node(self, node: Node) -> Iterator[str]:
        match node:
            case nodes.Map():
                self._arguments(node.body, "item")
                yield _line(f"{self._assigned(node, 'mapped')}for each item of {self._of(node.items)}:")
                yield from self._body(node.body)
            case nodes.Branch():
                yield from self._branch(node)
            case nodes.Replicate():
                yield _line(f"{self._assigned(node, 'samples')}{node.count} times:")
                yield from self._body(node.body)
            case nodes.Loop():
                yield from self._loop(node)

    def _branch(self, node: nodes.Branch) -> Iterator[str]:
        """An arm that does nothing and gives nothing is left out."""
        condition, then, otherwise = self._words(node.condition), node.then, node.otherwise
        if not (then.nodes or then.results):
            condition, then, otherwise = Words(f"not {condition.within(NEGATED)}"), otherwise, then
        yield _line(f"{self._assigned(node, 'chosen')}if {condition.text}:")
        yield from self._body(then)
        if otherwise.nodes or otherwise.results:
            yield "else:"
            yield from self._body(otherwise)

    def _loop(self, node: nodes.Loop) -> Iterator[str]:
        """What a loop carries has one name: before it, in its body, and after it."""
        over = f"each item of {self._of(node.items)}" if node.items is not None else f"{node.bound} turns"
        starts = [self._of(ref) for ref in node.carried]
        item, *carried = (argument.ref for argument in node.body.arguments)
        self._names[item] = self._fresh("item" if node.items is not None else "turn")
        kept = [self._fresh("kept") for _ in carried]
        self._names.update(zip(carried, kept, strict=True))
        pairs = [f"{name.text} = {start}" for name, start in zip(kept, starts, strict=True)]
        yield _line(f"for {over}, one after another{', with ' if pairs else ''}{', '.join(pairs)}:")
        yield from (_INDENT + row for row in self._lines(node.body.nodes))
        yield from (_INDENT + row for row in self._turn_ends(node, kept))
        self._names.update(zip(node.results, kept, strict=False))

    def _turn_ends(self, node: nodes.Loop, kept: Sequence[Words]) -> Iterator[str]:
        ends = node.body.results
        changed = [(name.text, end) for name, end in zip(kept, ends, strict=False) if name != self._words(end)]
        if changed:
            yield _line(f"{', '.join(name for name, _ in changed)} = {self._listed([end for _, end in changed])}")
        if node.stops:
            yield _line(f"stop if {self._of(ends[-1])}")

    def _body(self, region: Region) -> Iterator[str]:
        yield from (_INDENT + row for row in self._lines(region.nodes))
        if region.results:
            yield _line(f"{_INDENT}→ {self._listed(region.results)}")

    def _arguments(self, region: Region, name: str) -> None:
        for argument in region.arguments:
            self._names[argument.ref] = self._fresh(name)

    def _assigned(self, node: Node, name: str) -> str:
        """The names of a node's results, as the start of its line; nothing where no one uses them."""
        results: Sequence[Ref] = node.results
        if not any(self._uses[ref] for ref in results):
            return ""
        for ref in results:
            self._names[ref] = self._fresh(name)
        return f"{self._listed(results)} = "

    def _fresh(self, name: str) -> Words:
        self._taken[name] += 1
        return Words(name if self._taken[name] == 1 else f"{name}′{self._taken[name]}")

    def _words(self, ref: Ref) -> Words:
        return self._names.get(ref, Words(str(ref)))

    def _of(self, ref: Ref) -> str:
        return self._words(ref).within(1)

    def _listed(self, refs: Sequence[Ref]) -> str:
        return self._words(refs[0]).text if len(refs) == 1 else ", ".join(map(self._of, refs))


def _uses(graph: Graph) -> Counter[Ref]:
    """How often each value is mentioned."""
    found: Counter[Ref] = Counter()
    for _, node in graph.walk():
        if isinstance(node, nodes.Expr):
            found.update(node.inputs[index] for index in _arguments_in(node.expression) if index < len(node.inputs))
        else:
            found.update(node.reads)
        for region in node.regions:
            found.update(region.results)
    return found


def _arguments_in(expression: JSON) -> Iterator[int]:
    left = [expression]
    while left:
        match left.pop():
            case ["arg", int(index)]:
                yield index
            case list() | tuple() as parts:
                left.extend(parts)
            case Mapping() as named:
                left.extend(named.values())


def _line(text: str) -> str:
    return line(text, _LINE) if text.lstrip() == text else _INDENT + line(text, _LINE)
