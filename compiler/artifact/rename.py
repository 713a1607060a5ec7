"""Contents under other names, for a file that is older than a refactoring.

Predictors and ops are interface: values in a file are keyed by their names. ``rename={"reply": "answer"}`` says what
became of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, cast

from treadle.compiler.artifact.contents import Contents
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ArtifactError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import Graph, Inputs, Node, Predictor
from treadle.compiler.graph.parameters import Candidate, Parameter
from treadle.compiler.graph.substitute import with_inner
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.signature import Signature

_ADDRESS = re.compile(r"(?P<predictor>[^./]*)(?P<rest>.*)", re.DOTALL)


def renamed(contents: Contents, names: Mapping[str, str]) -> Contents:
    """``contents`` with predictors and ops called by their new names.

    An output called after its predictor, as a function's is, is renamed with it, in demos too.

    Args:
        contents: As the file says.
        names: New name by old name, of predictors and ops.

    Raises:
        ArtifactError: An old name is not in the file, or a new one is taken.
    """
    _check(contents, names)
    predictors = {
        names.get(name, name): _predictor(predictor, name, names.get(name, name))
        for name, predictor in contents.predictors.items()
    }
    graph = None if contents.graph is None else _graph(contents.graph, predictors, names)
    return dataclasses.replace(
        contents,
        graph=graph,
        predictors=predictors,
        candidate=Candidate(values=dict(sorted(_value(*item, contents, names) for item in _items(contents)))),
        ops=tuple(sorted(names.get(op, op) for op in contents.ops)),
        tunable={names.get(name, name): _tunable(found, names) for name, found in contents.tunable.items()},
        program_hash=contents.program_hash if graph is None else graph_hash(graph),
    )


def _items(contents: Contents) -> tuple[tuple[str, JSON], ...]:
    return tuple(contents.candidate.values.items())


def _check(contents: Contents, names: Mapping[str, str]) -> None:
    known = [*contents.predictors, *contents.ops]
    for old, new in names.items():
        if old not in known:
            msg = f"rename: the file has no predictor or op {old!r}; it has {', '.join(known) or 'none'}"
            raise ArtifactError(msg)
        if old in contents.tunable and contents.tunable[old].kind == "code":
            msg = f"rename: the code of {old!r} in the file defines a function of that name; compile again"
            raise ArtifactError(msg)
        if not new.isidentifier() or (new in known and new not in names):
            msg = f"rename: {old!r} cannot be called {new!r}: " + ("that name is taken" if new in known else "no name")
            raise ArtifactError(msg)
    if len(set(names.values())) < len(names):
        msg = "rename: two names become one"
        raise ArtifactError(msg)


def _tunable(parameter: Parameter, names: Mapping[str, str]) -> Parameter:
    name = parameter.field
    return dataclasses.replace(parameter, address=f".{names.get(name, name)}")


def _predictor(predictor: Predictor, old: str, new: str) -> Predictor:
    if old == new:
        return predictor
    signature = predictor.signature
    outputs = tuple(dataclasses.replace(slot, name=new) if slot.name == old else slot for slot in signature.outputs)
    kept: Signature = dataclasses.replace(signature, name=new, outputs=outputs)
    return dataclasses.replace(
        predictor, signature=kept, demos=tuple(_demo(demo, old, new) for demo in predictor.demos)
    )


def _demo(demo: Demo, old: str, new: str) -> Demo:
    return dataclasses.replace(demo, outputs={new if name == old else name: v for name, v in demo.outputs.items()})


def _value(address: str, value: JSON, contents: Contents, names: Mapping[str, str]) -> tuple[str, JSON]:
    match = _ADDRESS.fullmatch(address)
    assert match is not None
    old, rest = match["predictor"], match["rest"]
    if not old and rest[1:] in contents.tunable:
        return f".{names.get(rest[1:], rest[1:])}", value
    new = names.get(old, old)
    prefix = f".{CONTEXT_PREFIX}"
    if rest.startswith(prefix):
        source = rest.removeprefix(prefix)
        return f"{new}{prefix}{names.get(source, source)}", value
    if rest.endswith(".demos") and new != old and old in contents.predictors and value is not None:
        demos = [Demo.from_json(cast(Mapping[str, JSON], demo)) for demo in cast(list[Any], value)]
        value = [_demo(demo, old, new).to_json() for demo in demos]
    return new + rest, value


def _graph(graph: Graph, predictors: Mapping[str, Predictor], names: Mapping[str, str]) -> Graph:
    return dataclasses.replace(graph, predictors=predictors, nodes=tuple(_node(node, names) for node in graph.nodes))


def _node(node: Node, names: Mapping[str, str]) -> Node:
    if isinstance(node, nodes.Step):
        predictor, site, number = node.predictor, *node.name.partition("#")[::2]
        step = f"{names.get(site, site)}#{number}" if number else names.get(site, site)
        context: Inputs = tuple((names.get(source, source), ref) for source, ref in node.context)
        return dataclasses.replace(node, predictor=names.get(predictor, predictor), name=step, context=context)
    if isinstance(node, nodes.Op):
        return dataclasses.replace(node, op=names.get(node.op, node.op))
    return with_inner(node, lambda inner: _node(inner, names)) if node.regions else node
