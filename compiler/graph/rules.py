"""Where a graph breaks the rules of graphs: one function a rule, which says every place. ``check.py`` numbers them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property

from treadle.compiler.annotations import Annotation, assignable, type_name
from treadle.compiler.canonical import canonical, digest
from treadle.compiler.errors import ArtifactError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.identity import graph_hash, identity
from treadle.compiler.graph.nodes import Graph, Inputs, Node, Ref, Region
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.graph.substitute import Renumbering
from treadle.compiler.signature import Signature


@dataclasses.dataclass(frozen=True)
class Facts:
    """A graph and what several rules ask about it, found in one walk."""

    graph: Graph

    @cached_property
    def walked(self) -> tuple[tuple[tuple[nodes.NodeId, ...], Node], ...]:
        """Every node with the ids of the nodes around it."""
        return tuple(self.graph.walk())

    @cached_property
    def steps(self) -> tuple[nodes.Step, ...]:
        """All steps, in program order."""
        return tuple(node for _, node in self.walked if isinstance(node, nodes.Step))

    @cached_property
    def dangling(self) -> tuple[tuple[Node | None, Ref, bool], ...]:
        """Every read that finds nothing: the node (``None`` for a region's result), the value, if it comes later."""
        return tuple(_dangling(self.graph))

    @cached_property
    def written(self) -> dict[Ref, tuple[Node, Annotation]]:
        """What writes a value, and its type; an argument is written by the node of its region."""
        found: dict[Ref, tuple[Node, Annotation]] = {}
        for _, node in self.walked:
            found.update((ref, (node, kind)) for ref, kind in zip(node.results, node.types, strict=True))
            for region in node.regions:
                found.update((argument.ref, (node, argument.annotation)) for argument in region.arguments)
        return found


def called(node: Node) -> str:
    """A node as an error message names it, with the user's line where it is known."""
    match node:
        case nodes.Step():
            name = f"the step {node.name!r}"
        case nodes.Op():
            name = f"the op {node.op!r}"
        case nodes.LM():
            name = f"the call {node.address!r}"
        case nodes.Input():
            name = f"the input {node.slot.name!r}"
        case _:
            name = f"the {node.kind} {node.id}"
    return name if node.line is None else f"{name} (line {node.line})"


def shape(facts: Facts) -> Iterator[str]:
    """Inputs stand first, one output stands last, both only at the top."""
    top = facts.graph.nodes
    if not top or not isinstance(top[-1], nodes.Output):
        yield "the last node is not an output"
    others = False
    for around, node in facts.walked:
        others = others or not isinstance(node, nodes.Input)
        if isinstance(node, nodes.Input) and (around or others):
            yield f"the input {node.slot.name!r} stands after other nodes or inside a region"
        if isinstance(node, nodes.Output) and (around or node is not top[-1]):
            yield f"the output {node.id} does not stand last"
    twice = _twice(node.slot.name for node in facts.graph.inputs)
    if twice:
        yield f"two inputs are called {twice[0]!r}"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def single(facts: Facts) -> Iterator[str]:
    """Every node has its own id, and every value is written once."""
    for id in _twice(node.id for _, node in facts.walked):
        yield f"two nodes have the id {id}"
    refs = [ref for _, node in facts.walked for ref in node.results]
    refs += [argument.ref for _, node in facts.walked for region in node.regions for argument in region.arguments]
    for ref in _twice(refs):
        yield f"the value {ref} is written twice"


def _dangling(graph: Graph) -> Iterator[tuple[Node | None, Ref, bool]]:
    visible: set[Ref] = set()
    levels: list[set[Ref]] = []  # what each region around writes, sooner or later

    def enter(region: Region) -> Iterator[tuple[Node | None, Ref, bool]]:
        arguments = [argument.ref for argument in region.arguments]
        levels.append({*arguments, *(ref for node in region.nodes for ref in node.results)})
        visible.update(arguments)
        for node in region.nodes:
            yield from ((node, ref, any(ref in level for level in levels)) for ref in node.reads if ref not in visible)
            for inner in node.regions:
                yield from enter(inner)
            visible.update(node.results)
        yield from ((None, ref, False) for ref in region.results if ref not in visible)
        visible.difference_update(levels.pop())

    yield from enter(Region(nodes=graph.nodes, results=()))


def scoped(facts: Facts) -> Iterator[str]:
    """A node reads values of its own region and of those around it."""
    for node, ref, comes_later in facts.dangling:
        if comes_later:
            continue
        writer = facts.written.get(ref)
        why = "nothing writes it" if writer is None else f"{called(writer[0])} writes it inside a region it is not in"
        yield f"{called(node) if node else 'a region'} reads {ref}, but {why}"


def acyclic(facts: Facts) -> Iterator[str]:
    """A region is acyclic: what a node reads stands before it."""
    for node, ref, comes_later in facts.dangling:
        if comes_later and node is not None:
            yield f"{called(node)} reads {ref}, which {called(facts.written[ref][0])} writes only afterwards"


def typed(facts: Facts) -> Iterator[str]:
    """Every input is given once, by a value whose type may stand there."""
    for _, node in facts.walked:
        if isinstance(node, nodes.LM):
            yield from _fits(facts, node, node.signature, node.inputs)
        elif isinstance(node, nodes.Step) and node.predictor in facts.graph.predictors:
            yield from _fits(facts, node, facts.graph.predictors[node.predictor].signature, node.inputs)


def _fits(facts: Facts, node: Node, signature: Signature, inputs: Inputs) -> Iterator[str]:
    given = dict(inputs)
    slots = {slot.name: slot for slot in signature.inputs}
    for name in _twice(name for name, _ in inputs):
        yield f"{called(node)} is given {name!r} twice"
    for name in given:
        if name not in slots:
            yield f"{called(node)} has no input {name!r}; it takes {signature.takes()}"
    for name, slot in slots.items():
        if name not in given:
            if slot.required:
                yield f"{called(node)} needs the input {name!r}: {type_name(slot.annotation)}"
            continue
        source, kind = facts.written.get(given[name], (None, slot.annotation))
        if source is not None and not assignable(kind, slot.annotation):
            takes = f"{called(node)} takes {name}: {type_name(slot.annotation)}"
            yield f"{takes}, but {called(source)} gives {type_name(kind)}"
    if not assignable(signature.value.annotation, node.types[0]):
        promised = type_name(signature.value.annotation)
        yield f"{called(node)} is said to give {type_name(node.types[0])}, but its signature gives {promised}"


def named(facts: Facts) -> Iterator[str]:
    """A step names a predictor of the graph and is named after it."""
    for step in facts.steps:
        if step.predictor not in facts.graph.predictors:
            yield f"the step {step.name!r} calls the predictor {step.predictor!r}, which the graph does not hold"
        base, number, count = step.name.partition("#")
        if base != step.predictor or (number and not count.isdecimal()):
            good = f"{step.predictor!r}, the second {step.predictor + '#2'!r}"
            yield f"a step of {step.predictor!r} is called {step.name!r}; steps are named {good}"
    for name in _twice(step.name for step in facts.steps):
        yield f"two steps are called {name!r}"
    for name, predictor in facts.graph.predictors.items():
        if predictor.signature.name != name:
            yield f"the predictor {name!r} has a signature called {predictor.signature.name!r}"


def arities(facts: Facts) -> Iterator[str]:
    """A region has the arguments and results its node's kind says."""
    for _, node in facts.walked:
        for region, (arguments, results) in zip(node.regions, _expected(node), strict=True):
            if len(region.arguments) != arguments or len(region.results) != results:
                has = f"{len(region.arguments)} arguments and {len(region.results)} results"
                yield f"a region of {called(node)} has {has} instead of {arguments} and {results}"


def _expected(node: Node) -> list[tuple[int, int]]:
    """Arguments and results of each region of a node."""
    match node:
        case nodes.Map():
            return [(1, len(node.types))]
        case nodes.Branch():
            return [(0, len(node.types))] * 2
        case nodes.Loop():
            carried = len(node.carried)
            return [(1 + carried, len(node.types) + node.stops if carried == len(node.types) else -1)]
        case nodes.Replicate():
            return [(0, len(node.types))]
        case _:
            return []


def context(facts: Facts) -> Iterator[str]:
    """A step's context edges name each source once, in canonical order."""
    for step in facts.steps:
        sources = [source for source, _ in step.context]
        if sources != sorted(set(sources)):
            yield f"the context edges of {step.name!r} are not named once each and in order: {', '.join(sources)}"


def bounded(facts: Facts) -> Iterator[str]:
    """A map or loop states its bound, or is unbounded by its items."""
    for _, node in facts.walked:
        if isinstance(node, nodes.Loop) and node.items is None and node.bound is None:
            yield f"{called(node)} has neither items nor a bound"
        if isinstance(node, nodes.Map | nodes.Loop) and node.bound is not None and node.bound < 0:
            yield f"{called(node)} has the bound {node.bound}"
        if isinstance(node, nodes.Replicate) and node.count < 1:
            yield f"{called(node)} has {node.count} replicas; one is the least"


def data(facts: Facts) -> Iterator[str]:
    """A graph is data: reading its JSON gives the same graph."""
    try:
        data = to_json(facts.graph)
        again = to_json(from_json(data))
    except ArtifactError as error:
        yield f"its JSON cannot be read: {error}"
    except (TypeError, ValueError) as error:
        yield f"it holds something JSON cannot: {error}"
    else:
        if canonical(again) != canonical(data):
            yield "its JSON, read and written again, is another"


def hashed(facts: Facts) -> Iterator[str]:
    """The hash does not depend on ids of nodes or names of locals."""
    renumbered = dataclasses.replace(facts.graph, nodes=Renumbering(first=1_000_001).nodes(facts.graph.nodes))
    if digest(identity(renumbered)) != graph_hash(facts.graph):
        yield "the hash changes with the ids of nodes"
