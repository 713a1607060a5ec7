"""What all rewrites share: their form as data, and how they find, change and refuse."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.graph.bounds import Expand, lm_calls
from treadle.compiler.graph.nodes import Graph, Node, NodeId, Predictor, Ref, Region, Step
from treadle.compiler.graph.substitute import with_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rewrite:
    """One edit of a graph.

    Attributes:
        op: What is done: a key of ``rewrite.OPS``.
        target: The predictor it is done to; for an edit of data edges the step, which for a predictor's first step is
            the same; empty for one of the whole graph.
        args: By name, as JSON.
    """

    op: str
    target: str
    args: Mapping[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """The rewrite as data."""
        return {"op": self.op, "target": self.target, "args": self.args}

    @classmethod
    def from_json(cls, data: JSON, path: str = "$") -> Rewrite:
        """A rewrite from data.

        Raises:
            ArtifactError: It is malformed, its op is unknown or not to be stored; names the JSON path.
        """
        from treadle.compiler.graph.rewrite import read_rewrite

        return read_rewrite(data, path)


class RewriteOp(abc.ABC):
    """One kind of rewrite. A subclass says what it takes, does, undoes and means.

    Attributes:
        required: Names of arguments it must have.
        optional: Names of further arguments.
        stored: Whether a file may hold it.
        restores: Whether it only brings back what was there: then the rules of rewrites do not apply.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    stored: bool = True
    restores: bool = False

    @abc.abstractmethod
    def apply(self, graph: Graph, rewrite: Rewrite, expand: Expand | None) -> Graph:
        """The graph after it, before any rule is checked.

        Raises:
            GraphError: It is not legal here.
        """
        ...

    @abc.abstractmethod
    def inverse(self, graph: Graph, rewrite: Rewrite) -> Rewrite:
        """What undoes it."""
        ...

    @abc.abstractmethod
    def describe(self, rewrite: Rewrite) -> str:
        """What it does, as a person says it."""
        ...

    def touched(self, graph: Graph, rewrite: Rewrite) -> frozenset[str]:
        """Predictors whose parameters it may change."""
        return frozenset({rewrite.target})

    def dropped(self, graph: Graph, rewrite: Rewrite) -> frozenset[NodeId]:
        """Nodes it names to be taken out."""
        return frozenset()


# --- finding ---------------------------------------------------------------------------------------------------------


def steps_of(graph: Graph, predictor: str) -> list[Step]:
    """All steps of a predictor.

    Raises:
        GraphError: It has none.
    """
    found = [step for step in graph.steps() if step.predictor == predictor]
    if predictor not in graph.predictors or not found:
        known = ", ".join(sorted(graph.predictors)) or "none"
        raise GraphError(f"the program has no step of {predictor!r}; its predictors are {known}")
    return found


def step_named(graph: Graph, name: str) -> Step:
    """The step of this name.

    Raises:
        GraphError: There is none.
    """
    for step in graph.steps():
        if step.name == name:
            return step
    known = ", ".join(step.name for step in graph.steps()) or "none"
    raise GraphError(f"the program has no step {name!r}; its steps are {known}")


def later_than(graph: Graph, step: Step) -> frozenset[NodeId]:
    """The nodes that could read what a step says: those after it in its region, at any depth."""
    return frozenset(_later(graph.nodes, step))


def _later(inside: Sequence[Node], step: Step) -> Iterator[NodeId]:
    for place, node in enumerate(inside):
        if node.id == step.id:
            yield from _ids(inside[place + 1 :])
            return
        for region in node.regions:
            yield from _later(region.nodes, step)


def _ids(inside: Sequence[Node]) -> Iterator[NodeId]:
    for node in inside:
        yield node.id
        for region in node.regions:
            yield from _ids(region.nodes)


def types_of(graph: Graph) -> dict[Ref, Annotation]:
    """The type of every value."""
    found: dict[Ref, Annotation] = {}
    for _, node in graph.walk():
        found.update(zip(node.results, node.types, strict=True))
        for region in node.regions:
            found.update((argument.ref, argument.annotation) for argument in region.arguments)
    return found


def fresh_id(graph: Graph) -> NodeId:
    """An id no node has."""
    taken = {node.id for _, node in graph.walk()}
    number = len(taken) + 1
    while f"n{number}" in taken:
        number += 1
    return NodeId(f"n{number}")


def text(rewrite: Rewrite, name: str) -> str:
    """An argument that is a text.

    Raises:
        GraphError: It is not, or is missing.
    """
    value = rewrite.args.get(name)
    if not isinstance(value, str):
        what = "the name of a source" if name == "source" else f"{name!r} as a text"
        raise GraphError(f"{rewrite.op} of {rewrite.target!r} needs {what}, not {str(value)[:80]!r}")
    return value


def texts(rewrite: Rewrite, name: str) -> tuple[str, ...]:
    """An argument that is a list of texts; empty where it is left out.

    Raises:
        GraphError: It is something else.
    """
    value = rewrite.args.get(name, [])
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise GraphError(f"{rewrite.op} of {rewrite.target!r}: {name!r} is a list of names, not {str(value)[:80]!r}")
    return tuple(cast("Sequence[str]", value))


# --- changing --------------------------------------------------------------------------------------------------------


def with_steps(graph: Graph, change: Callable[[Step], Step]) -> Graph:
    """The graph with every step passed through ``change``."""

    def one(node: Node) -> tuple[Node, ...]:
        return (change(node),) if isinstance(node, Step) else (node,)

    return spliced(graph, one)


def spliced(
    graph: Graph, change: Callable[[Node], Sequence[Node]], ref: Callable[[Ref], Ref] = lambda value: value
) -> Graph:
    """The graph with every node replaced by none, one or several, and every reference passed through ``ref``.

    Args:
        graph: Any graph.
        change: Given each node, its references and regions changed already.
        ref: Gives the new reference of a value.
    """

    def region(inner: Region) -> Region:
        results = tuple(ref(value) for value in inner.results)
        return dataclasses.replace(inner, nodes=several(inner.nodes), results=results)

    def several(inside: Sequence[Node]) -> tuple[Node, ...]:
        return tuple(new for node in inside for new in change(with_parts(node, ref=ref, region=region)))

    return dataclasses.replace(graph, nodes=several(graph.nodes))


def with_predictor(graph: Graph, name: str, predictor: Predictor) -> Graph:
    """The graph with another predictor of that name."""
    return dataclasses.replace(graph, predictors={**graph.predictors, name: predictor})


def refuse_context(graph: Graph, predictor: str, step: Step) -> None:
    """Refuse what would leave context edges without the step they come from.

    Raises:
        GraphError: Some step reads as context what the step said.
    """
    for reader in graph.steps():
        if any(ref in step.results for _, ref in reader.context):
            edge = f"{reader.name!r} reads what {predictor!r} said"
            raise GraphError(f"{edge}: prune that edge first, or the step would read something else under its name")


def check_module(graph: Graph, name: str, predictor: Predictor, expand: Expand | None) -> None:
    """Refuse a predictor whose module cannot serve it or has no bound, where modules are known.

    Raises:
        GraphError: Its graph breaks a rule or has no bound on its LM calls.
        SignatureError: The module cannot serve the signature.
    """
    from treadle.compiler.graph.check import check

    if expand is None:
        return
    expanded = expand(name, predictor)
    check(expanded)
    if lm_calls(expanded) is None:
        msg = f"{name!r}: {expanded.name!r} has no bound on its LM calls, and what a rewrite adds is bounded"
        raise GraphError(msg, rule=16)


def module_data(rewrite: Rewrite, value: JSON) -> Mapping[str, JSON] | None:
    """A module as a rewrite's argument.

    Raises:
        GraphError: It is not written as one.
    """
    if value is not None and not (isinstance(value, Mapping) and isinstance(value.get("module"), str)):
        raise GraphError(f"{rewrite.target!r}: a module is written as {{'module': name, knobs…}} or null")
    return value
