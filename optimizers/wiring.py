"""Where a step stands in its program: where its inputs come from, and in words what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import pydantic

from treadle.compiler.annotations import Annotation, type_name
from treadle.compiler.canonical import JSON
from treadle.compiler.graph.nodes import Const, Expr, Graph, Input, Node, Op, Ref, Step
from treadle.compiler.runtime.expressions import compile_expression
from treadle.compiler.signature import Slot

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
    """A step's inputs where the example gives all of them; ``None`` otherwise.

    In a graph the inputs are followed back through pure expressions to program inputs, constants and labels of other
    steps; the predictor must have one step, outside any region. Functions are not called: what they give is stored with
    a run, and only there. In host mode a field called like a program input is taken to be that input.
    """
    signature = program.predictors[name].signature
    if program.graph is None:
        found = {slot.name: _given(example.inputs, slot.name) for slot in signature.inputs}
    else:
        known = _Known(program, program.graph, example)
        found = {field: known.value(ref) for field, ref in _inputs(program.graph, name).items()}
    values = {field: signature.input(field).dump(value[0]) for field, value in found.items() if value is not None}
    return values if values and len(values) == len(found) else None


def _inputs(graph: Graph, predictor: str) -> Mapping[str, Ref]:
    """What the predictor's only step reads; nothing where it has several, or stands in a region."""
    steps = [(around, node) for around, node in graph.walk() if isinstance(node, Step) and node.predictor == predictor]
    if len(steps) != 1 or steps[0][0]:
        return {}
    return dict(steps[0][1].inputs)


_Found: TypeAlias = tuple[Any] | None
"""A value in a tuple, because ``None`` is a value too."""


class _Known:
    """The values of a graph that an example gives without a run."""

    def __init__(self, program: Wired, graph: Graph, example: Example) -> None:
        self._predictors = program.predictors
        self._writers = _writers(graph)
        self._example = example

    def value(self, ref: Ref) -> _Found:
        """The value, if the example gives it."""
        match self._writers.get(ref):
            case Const(value=value, types=types):
                return _read(types[0], value)
            case Input(slot=slot):
                return _given(self._example.inputs, slot.name)
            case Step(predictor=name):
                label = _given(self._example.labels, name)
                return label and _read(self._predictors[name].signature.value.annotation, label[0])
            case Expr(expression=expression, inputs=refs):
                return self._computed(expression, [self.value(ref) for ref in refs])
        return None

    def _computed(self, expression: JSON, found: Sequence[_Found]) -> _Found:
        values = tuple(value[0] for value in found if value is not None)
        if len(values) < len(found):
            return None
        try:
            return (compile_expression(expression)(values),)
        except Exception:  # it would fail in a run, too: any exception a user's expression can raise
            return None


def _writers(graph: Graph) -> Mapping[Ref, Node]:
    """The node that writes each value, for nodes with one result."""
    return {node.results[0]: node for _, node in graph.walk() if len(node.results) == 1}


def _read(annotation: Annotation, value: object) -> _Found:
    if annotation is Any:
        return (value,)
    try:
        return (Slot(name="value", annotation=annotation).read(value),)
    except pydantic.ValidationError:
        return None


def _given(values: Mapping[str, object], name: str) -> _Found:
    return (values[name],) if name in values else None


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
    writers = _writers(graph)
    for step in graph.steps():
        if step.predictor == name:
            for field, ref in step.inputs:
                yield f"{field} comes from {_called(writers.get(ref))}"


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
