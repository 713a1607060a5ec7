"""A program as text a person reads: its flow, how each step is answered, what it is told and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from treadle.compiler.artifact import edits
from treadle.compiler.artifact.contents import Contents
from treadle.compiler.artifact.diff import (
    demo_in_words,
    in_words,
    inputs_in_words,
    outputs_in_words,
    tunable_kind,
    tunable_rows,
    wrapped,
)
from treadle.compiler.artifact.outline import outline
from treadle.compiler.escape import plain
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bind import bind
from treadle.compiler.lm.protocol import Message
from treadle.compiler.module import module_of
from treadle.compiler.prompt.render import render
from treadle.compiler.signature import Signature


def described(contents: Contents) -> str:
    """The text of ``treadle show``."""
    return plain("\n".join(_rows(contents)))


def _rows(contents: Contents) -> Iterator[str]:
    yield _signature(contents.name, contents.signature)
    if contents.graph is None:
        yield "runs as its Python function (host mode)"
        yield from (f"  {reason}" for reason in contents.reasons)
    else:
        yield ""
        yield from (f"  {row}" for row in outline(contents.edited_graph()))
        made = edits.in_words(contents.candidate.values)
        yield from ["", *(f"  edited: {row}" for row in made)] if made else []
    for name in contents.all_predictors:
        yield ""
        yield from _predictor(name, contents)
    for name in contents.tunable:
        yield ""
        what = "the code of " if tunable_kind(name, contents) == "code" else ""
        searched = f".{name}" in contents.candidate.values
        yield f"{what}{name}{', as search has set it' if searched else ''}"
        yield from (f"    | {row}" for row in tunable_rows(name, contents))
    yield from _provenance(contents)


def _signature(name: str, signature: Signature) -> str:
    inputs, output = inputs_in_words(signature), outputs_in_words(signature)
    return f"{name}({', '.join(inputs)}) → {', '.join(output)}"


def _predictor(name: str, contents: Contents) -> Iterator[str]:
    predictor = contents.in_force(name)
    yield _signature(name, predictor.signature)
    yield f"  answered by {in_words(module_of(name, predictor, contents.candidate.values))}"
    edges = sorted(edge for edge in contents.candidate.values if edge.startswith(f"{name}.from_"))
    for address in edges:
        word = "also reads" if contents.candidate.values[address] else "no longer reads"
        yield f"  {word} {address.rpartition('.from_')[2]}"
    for setting, value in (("model", predictor.model), ("temperature", predictor.temperature)):
        if value is not None:
            yield f"  {setting} {value}"
    for row in wrapped(predictor.signature.instruction):
        yield f"    | {row}"
    for demo in predictor.demos:
        yield f"    e.g. {demo_in_words(demo)}"
    for address in sorted(contents.candidate.values):
        if address.startswith(f"{name}/"):
            yield f"  {address.removeprefix(name + '/')} is set"


def _provenance(contents: Contents) -> Iterator[str]:
    made = contents.provenance
    if not made.optimizer:
        return
    yield ""
    yield f"compiled by {made.optimizer}, seed {made.seed}, with {', '.join(sorted(set(made.models.values())))}"
    scores = made.scores
    if scores is not None:
        yield (
            f"{made.metric}: {scores.start:.3f} before, {scores.winner:.3f} after; difference {scores.difference:+.3f} "
            f"({scores.low:+.3f} to {scores.high:+.3f}) on {scores.n} examples: {scores.verdict}"
        )


def prompts(contents: Contents, predictor: str, inputs: Mapping[str, object]) -> list[tuple[str, tuple[Message, ...]]]:
    """The exact messages of a predictor's calls that read the step's own inputs, by address.

    Calls inside a module that read what earlier calls said, such as a critic's, cannot be known before a run: a trace
    has them.

    Args:
        contents: The program.
        predictor: The predictor's name.
        inputs: Values of its inputs.
    """
    values = contents.candidate.values
    own = contents.in_force(predictor)
    graph = bind(module_of(predictor, own, values).build(own.signature), predictor, own, values)
    given = {node.results[0]: node.slot.name for node in graph.inputs}
    found: dict[str, tuple[Message, ...]] = {}
    for _, node in graph.walk():
        if isinstance(node, nodes.LM) and all(ref in given for _, ref in node.inputs):
            sent = {field: inputs[given[ref]] for field, ref in node.inputs if given[ref] in inputs}
            found.setdefault(node.address, render(node.signature, node.demos, sent))
    return list(found.items())
