"""Contents to a document and back. What is read is written again to the same document, or it is refused.

That one rule leaves no room for a field that is read and ignored, a value that is corrected in silence, or a default
that fills a gap: the program that comes out is all that the file says, and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from treadle.compiler.artifact import edits, tunables
from treadle.compiler.artifact.contents import Contents
from treadle.compiler.artifact.document import FORMAT, VERSION, ProgramDocument, validated
from treadle.compiler.artifact.strict import json_path
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ArtifactError, TreadleError
from treadle.compiler.graph import serialize
from treadle.compiler.graph.identity import graph_hash, instruction_hash, signature_hash
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.made_types import Known
from treadle.compiler.reading import Reading
from treadle.compiler.schema import signature_of


def encode(contents: Contents) -> dict[str, Any]:
    """The document that says what ``contents`` does."""
    changes, parameters = edits.split(contents.candidate.values)
    tunable = {name: tunables.to_json(found) for name, found in sorted(contents.tunable.items())}
    return {
        **({"tunable": tunable} if tunable else {}),
        "format": FORMAT,
        "version": VERSION,
        "name": contents.name,
        "capture": contents.capture,
        "signature": contents.signature.to_json(),
        "graph": _graph(contents.graph),
        "predictors": {name: serialize.predictor_to_json(found) for name, found in contents.predictors.items()},
        "edits": changes,
        "parameters": parameters,
        "ops": list(contents.ops),
        "model": contents.model,
        "models": {name: model.model_dump() for name, model in contents.models.items()},
        "template": {"id": contents.template[0], "hash": contents.template[1]},
        "hashes": {
            "program": contents.program_hash,
            "predictors": {name: hashes(predictor) for name, predictor in contents.predictors.items()},
        },
        "provenance": contents.provenance.model_dump(),
    }


def _graph(graph: Graph | None) -> dict[str, JSON] | None:
    """The graph's data without its predictors, which stand in the document itself."""
    if graph is None:
        return None
    return {key: value for key, value in serialize.to_json(graph).items() if key != "predictors"}


def hashes(predictor: Predictor) -> dict[str, JSON]:
    """What tells later that the predictor has changed: its fields, its default instruction."""
    return {"signature": signature_hash(predictor.signature), "instruction": instruction_hash(predictor.signature)}


def decode(data: Any, known: Known | None = None) -> Contents:
    """What the document in ``data`` says, which ``read_strictly`` has read.

    Args:
        data: The document.
        known: Classes to use where the document means the same (``schema.known_types``).

    Raises:
        ArtifactError: It is not a program file, from a later Treadle, malformed, or not as its hashes say.
    """
    document = validated(data)
    try:
        contents = _contents(document, data, known)
        again = encode(contents)
    except ArtifactError:
        raise
    except TreadleError as error:
        raise ArtifactError(str(error), "$.graph") from None
    except RecursionError:
        msg = "the document nests too deep"
        raise ArtifactError(msg) from None
    _check_same(data, again)
    return contents


def _contents(document: ProgramDocument, data: Mapping[str, Any], known: Known | None) -> Contents:
    predictors = {
        name: serialize.predictor_from(Reading(found, json_path(("predictors", name))), known)
        for name, found in data["predictors"].items()
    }
    graph = _graph_of(data, predictors, known)
    if (graph is None) != (document.capture == "host"):
        msg = "a program that is a graph has one, and one in host mode has none"
        raise ArtifactError(msg, "$.graph")
    return Contents(
        name=document.name,
        capture=document.capture,
        signature=signature_of(Reading(data["signature"], "$.signature"), known),
        graph=graph,
        predictors=predictors,
        candidate=Candidate(values=edits.joined(data["edits"], data["parameters"])),
        ops=tuple(document.ops),
        program_hash=document.hashes.program if graph is None else graph_hash(graph),
        model=document.model,
        models=document.models,
        template=(document.template.id, document.template.hash),
        provenance=document.provenance,
        tunable={name: tunables.from_json(name, found) for name, found in data.get("tunable", {}).items()},
    )


def _graph_of(data: Mapping[str, Any], predictors: Mapping[str, Predictor], known: Known | None) -> Graph | None:
    if data["graph"] is None:
        return None
    graph = serialize.from_json({**data["graph"], "predictors": {}}, path="$.graph", known=known)
    return dataclasses.replace(graph, predictors=predictors)


def _check_same(read: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    if canonical(read) == canonical(again):
        return
    path, was, would = _difference((), read, again)
    msg = f"says {was}, where Treadle would write {would}: the file was changed since it was written"
    raise ArtifactError(msg, json_path(path))


def _difference(path: tuple[str | int, ...], a: Any, b: Any) -> tuple[tuple[str | int, ...], str, str]:
    """Where two documents differ first, and what stands there, shortened."""
    parts: list[tuple[str | int, Any, Any]] = []
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        parts = [(key, a.get(key, _NOTHING), b.get(key, _NOTHING)) for key in sorted({*a, *b})]
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        parts = [(index, *pair) for index, pair in enumerate(zip(a, b, strict=True))]
    for part, one, other in parts:
        if one is _NOTHING or other is _NOTHING or canonical(one) != canonical(other):
            return _difference((*path, part), one, other)
    return path, _shown(a), _shown(b)


class _Nothing:
    pass


_NOTHING = _Nothing()


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = canonical(cast(JSON, value))
    return text if len(text) <= 60 else text[:59] + "…"
