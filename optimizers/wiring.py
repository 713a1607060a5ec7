"""Where a step stands in its program: where its inputs come from, and in words what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.nodes import Const, Graph, Input, Node, Op, Ref, Step
from treadle.compiler.signature import dump, type_name

if TYPE_CHECKING:
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.signature import Signature
    from treadle.compiler.study.data import Example


class Wired(Protocol):
    """What is read of a program."""

    @property
    def signature(self) -> Signature:
        """Its inputs, its output and its docstring."""
        ...

    @property
    def graph(self) -> Graph | None:
        """Its graph; ``None`` in host mode."""
        ...

    @property
    def predictors(self) -> Mapping[str, Predictor]:
        """The predictors it calls, by name."""
        ...


def inputs_from_labels(program: Wired, name: str, example: Example) -> dict[str, JSON] | None:
    """A step's inputs where the example gives all of them: program inputs, constants, and labels of other steps.

    In a graph this follows the edges of the predictor's step, if it has one step and that stands in no region. In host
    mode it goes by names: a field called like a program input is taken to be that input.
    """
    found: dict[str, JSON] = {}
    for field, source in _sources(program, name).items():
        value = _value(source, example)
        if value is None:
            return None
        found[field] = value[0]
    return found or None


def _sources(program: Wired, name: str) -> Mapping[str, Node | str | None]:
    signature = program.predictors[name].signature
    if program.graph is None:
        return {slot.name: slot.name for slot in signature.inputs}
    steps = [(around, node) for around, node in program.graph.walk() if _is_step_of(node, name)]
    if len(steps) != 1 or steps[0][0]:
        return {}
    (step,) = (node for node in program.graph.nodes if _is_step_of(node, name))
    return {field: _writer(program.graph, ref) for field, ref in _inputs(step)}


def _is_step_of(node: Node, name: str) -> bool:
    return isinstance(node, Step) and node.predictor == name


def _inputs(node: Node) -> tuple[tuple[str, Ref], ...]:
    return node.inputs if isinstance(node, Step | Op) else ()


def _writer(graph: Graph, ref: Ref) -> Node | None:
    """The node whose only result ``ref`` is."""
    return next((node for _, node in graph.walk() if node.results == (ref,)), None)


def _value(source: Node | str | None, example: Example) -> tuple[JSON] | None:
    """The value in a tuple, because ``None`` is a value too."""
    match source:
        case Const(value=value):
            return (value,)
        case Input(slot=slot):
            return _given(example.inputs, slot.name)
        case Step(predictor=predictor):
            return _given(example.labels, predictor)
        case str():
            return _given(example.inputs, source)
    return None


def _given(values: Mapping[str, object], name: str) -> tuple[JSON] | None:
    return (dump(values[name]),) if name in values else None


# --- in words --------------------------------------------------------------------------------------------------------


def program_in_words(program: Wired) -> str:
    """The program for a reader who writes instructions: what it is for, and its steps with what they read.

    It is told from the graph, not from the source, so it does not change when a local is renamed or a comment added.
    """
    signature = program.signature
    head = [f"{signature.name}({signature.takes()}) -> {_returned(signature)}", signature.instruction]
    steps = [f"Step {role_in_words(program, name)}" for name in _in_order(program)]
    return "\n\n".join(part for part in (*head, *steps) if part)


def _in_order(program: Wired) -> list[str]:
    """Predictors in the order of their first steps; by name in host mode."""
    if program.graph is None:
        return sorted(program.predictors)
    return list(dict.fromkeys(step.predictor for step in program.graph.steps()))


def role_in_words(program: Wired, name: str) -> str:
    """What a predictor's step reads and who reads its answer, from the graph; only what it promises in host mode."""
    promise = _promise(name, program.predictors[name])
    if program.graph is None:
        return promise
    lines = [promise, *_reads(program.graph, name), *_read_by(program.graph, name)]
    return "\n".join(dict.fromkeys(lines))


def _promise(name: str, predictor: Predictor) -> str:
    return f"{name}({predictor.signature.takes()}) -> {_returned(predictor.signature)}"


def _returned(signature: Signature) -> str:
    return ", ".join(type_name(slot.annotation) for slot in signature.outputs)


def _reads(graph: Graph, name: str) -> Iterator[str]:
    for step in graph.steps():
        if step.predictor == name:
            for field, ref in step.inputs:
                yield f"{field} comes from {_called(_writer(graph, ref))}"


def _read_by(graph: Graph, name: str) -> Iterator[str]:
    answers = {ref for step in graph.steps() if step.predictor == name for ref in step.results}
    if graph.output.value in answers:
        yield "its answer is the program's result"
    for _, node in graph.walk():
        if isinstance(node, Step | Op):
            for field, ref in node.inputs:
                if ref in answers:
                    yield f"its answer is read by {_called(node)} as {field}"


def _called(node: Node | None) -> str:
    match node:
        case Input(slot=slot):
            return f"the program's input {slot.name}"
        case Step(name=name):
            return f"step {name}"
        case Op(op=op):
            return f"function {op}"
        case Const():
            return "a constant"
    return "a computed value"
