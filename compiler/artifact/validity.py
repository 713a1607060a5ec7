"""Whether contents make a program.

The graph is legal, expressions keep to the allow-list, modules can serve their signatures, parameters exist.
Nothing of a file is run for this: graphs are walked, expressions compiled to closures that are not called, modules
built.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from treadle.compiler.artifact.contents import Contents
from treadle.compiler.artifact.edits import SWAP
from treadle.compiler.artifact.strict import json_path
from treadle.compiler.artifact.tunables import check_tunables
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ArtifactError, TreadleError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.check import check
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.parameters import ParameterSpace
from treadle.compiler.graph.rewrite import EDITS, apply, in_order, rewrites_of
from treadle.compiler.graph.serialize import demo_from
from treadle.compiler.module import expand_step, module_from_json, module_of
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.reading import Reading
from treadle.compiler.runtime.expressions import compile_expression
from treadle.compiler.space import parameters_of

_TEMPERATURES = (0.0, 100.0)


def check_contents(contents: Contents) -> None:
    """Refuse contents that no program could have.

    Raises:
        ArtifactError: With the JSON path, as far as one value is to blame.
    """
    if contents.graph is not None:
        _check_graph(contents.graph, contents)
    _check_edits(contents)
    _check_owners(contents)
    check_tunables(contents)
    for name, predictor in {**contents.predictors, **contents.after_edits}.items():
        _check_predictor(name, predictor, contents)
    if contents.graph is not None:
        _same("ops", contents.ops, ops_used(contents))
    _same("models", tuple(contents.models), tuple(sorted(model_names(contents))))


def _check_owners(contents: Contents) -> None:
    """Every value belongs to a predictor, or is one of the program's own."""
    known = contents.after_edits
    for address in contents.candidate.values:
        owner = owner_of(address)
        if address.startswith(".") and address != EDITS and address[1:] not in contents.tunable:
            msg = f"there is no parameter {address[1:]!r}; the program has {', '.join(contents.tunable) or 'none'}"
            raise ArtifactError(msg, json_path(("parameters", address)))
        if not address.startswith(".") and owner not in known:
            msg = f"there is no predictor {owner!r}; the program has {', '.join(known) or 'none'}"
            raise ArtifactError(msg, json_path(("parameters", address)))


def owner_of(address: str) -> str:
    """The predictor a parameter belongs to; empty for one of the whole program."""
    inner = address.partition("/")
    return inner[0] if inner[1] else address.rpartition(".")[0]


@contextlib.contextmanager
def _at(*path: str | int) -> Iterator[None]:
    """Errors of the compiler inside the block as errors of the document at ``path``."""
    try:
        yield
    except ArtifactError:
        raise
    except TreadleError as error:
        raise ArtifactError(str(error), json_path(path)) from None
    except RecursionError:
        msg = "nests too deep"
        raise ArtifactError(msg, json_path(path)) from None


def _same(field: str, written: Sequence[str], found: Sequence[str]) -> None:
    if tuple(written) != tuple(found):
        msg = f"lists {', '.join(written) or 'nothing'}, where the program uses {', '.join(found) or 'nothing'}"
        raise ArtifactError(msg, f"$.{field}")


def _check_graph(graph: Graph, contents: Contents) -> None:
    with _at("graph"):
        check(graph)
        for _, node in graph.walk():
            if isinstance(node, nodes.Expr):
                compile_expression(node.expression)
        if graph.name != contents.name:
            msg = f"is called {graph.name!r} and the program {contents.name!r}"
            raise ArtifactError(msg, "$.graph.name")
    if contents.signature.name != contents.name:
        msg = f"is called {contents.signature.name!r} and the program {contents.name!r}"
        raise ArtifactError(msg, "$.signature.name")
    slots = [node.slot.to_json() for node in graph.inputs]
    if slots != [slot.to_json() for slot in contents.signature.inputs]:
        msg = "are not the inputs of the graph"
        raise ArtifactError(msg, "$.signature.inputs")


def _check_predictor(name: str, predictor: Predictor, contents: Contents) -> None:
    values = contents.candidate.values
    with _at("predictors", name):
        if predictor.module is not None:
            module_from_json(predictor.module).build(predictor.signature)
        space = _space(name, predictor, contents)
    for address, value in values.items():
        if owner_of(address) == name:
            with _at("parameters", address):
                _check_value(address, value, space)
    with _at("predictors", name):
        module_of(name, predictor, values).build(predictor.signature)


def _space(name: str, predictor: Predictor, contents: Contents) -> ParameterSpace:
    """Every parameter a file may set: those of the module in force, any model, any temperature."""
    values = contents.candidate.values
    model, module = values.get(f"{name}.model"), values.get(f"{name}.module")
    found = parameters_of(
        name,
        predictor,
        modules=() if module is None else (module_from_json(module),),
        models=(model,) if isinstance(model, str) else (),
        temperature=_TEMPERATURES,
    )
    return ParameterSpace(found)


def _check_value(address: str, value: JSON, space: ParameterSpace) -> None:
    field = address.rpartition(".")[2]
    if field.startswith(CONTEXT_PREFIX) and "/" not in address:
        return  # applied to the graph below
    if address not in space:
        msg = f"no such parameter; the predictor has {', '.join(space)}"
        raise ArtifactError(msg, json_path(("parameters", address)))
    if value is None:
        return
    # a file may write a knob at its default
    space[address].check(module_from_json(value).to_json() if space[address].kind == "module" else value)
    if field == "demos":
        for demo in Reading(value, json_path(("parameters", address))).items():
            demo_from(demo)


def _check_edits(contents: Contents) -> None:
    graph, values = contents.graph, contents.candidate.values
    written = list(enumerate(rewrites_of(values)))
    for rewrite in [made for _, made in written] if graph is None else in_order(graph, values):
        place = next(place for place, (_, made) in enumerate(written) if made == rewrite)
        index, _ = written.pop(place)
        with _at("edits", index):
            if graph is not None:
                graph = apply(graph, rewrite, expand=_expanded)
            elif rewrite.op != SWAP:
                msg = "changes a graph, and a program in host mode has none"
                raise ArtifactError(msg, json_path(("edits", index)))
            elif rewrite.target not in contents.predictors:
                msg = f"there is no predictor {rewrite.target!r}"
                raise ArtifactError(msg, json_path(("edits", index, "target")))
            elif rewrite.args["module"] is not None:
                module_from_json(rewrite.args["module"]).build(contents.predictors[rewrite.target].signature)


def _expanded(name: str, predictor: Predictor) -> Graph:
    return expand_step(name, predictor, {})


def _ops_of(graph: Graph) -> set[str]:
    return {node.op for _, node in graph.walk() if isinstance(node, nodes.Op)}


def ops_used(contents: Contents) -> tuple[str, ...]:
    """Names of the ops that the graph and the modules in force call, sorted.

    Raises:
        TreadleError: A module is unknown or cannot serve its predictor.
    """
    found = set() if contents.graph is None else _ops_of(contents.graph)
    for name, predictor in {**contents.predictors, **contents.after_edits}.items():
        module = module_of(name, predictor, contents.candidate.values)
        found |= _ops_of(module.build(predictor.signature))
    return tuple(sorted(found))


def model_names(contents: Contents) -> set[str]:
    """Recorded names of all LMs the program asks for."""
    chosen = (
        v for address, v in contents.candidate.values.items() if address.endswith(".model") and "/" not in address
    )
    found = (*contents.predictors.values(), *contents.after_edits.values())
    declared = (predictor.model for predictor in found)
    return {str(name) for name in (contents.model, *declared, *chosen) if name is not None}
