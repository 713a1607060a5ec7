"""Writing a program as one JSON document: sorted, indented, ASCII, the same bytes for the same program."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.compiler.artifact.codec import decode, encode
from treadle.compiler.artifact.contents import Contents
from treadle.compiler.artifact.document import ModelDocument, Provenance
from treadle.compiler.artifact.strict import read_strictly
from treadle.compiler.artifact.validity import check_contents, model_names, ops_used
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ArtifactError, ConfigurationError
from treadle.compiler.frontend.source import NoSource, source_hash
from treadle.compiler.frontend.trainable import parameters_in
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.rewrite import changed_edges
from treadle.compiler.lm.text import sendable
from treadle.compiler.prompt.render import TEMPLATE_ID, template_hash
from treadle.compiler.redact import redact

if TYPE_CHECKING:
    from treadle.compiler.frontend.program import Program
    from treadle.compiler.lm.lm import LM

MODE = 0o644


def dumps(program: Program[..., Any]) -> str:
    """The program as text: what ``save`` writes.

    In what data and models said, a key is cut out and a lone surrogate, which cannot be sent either, is replaced.

    Raises:
        ArtifactError: The program cannot be written: a type in it has no JSON Schema that can be read again, it is too
            large, or a key stands in its code.
    """
    try:
        document = _sorted(_clean(encode(contents_of(program))))
        text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    except ValueError as error:
        if isinstance(error, ArtifactError):
            raise
        msg = f"program {program.name!r} holds a value JSON cannot: {error}"
        raise ArtifactError(msg) from None
    check_contents(decode(read_strictly(text)))  # what cannot be read again is refused now, not when it is needed
    return text


def save(program: Program[..., Any], path: str | os.PathLike[str], *, mode: int = MODE) -> None:
    """Write the program to a file, which is replaced as a whole or left as it was.

    Args:
        program: What to write.
        path: The file.
        mode: Its permissions.

    Raises:
        ArtifactError: The program cannot be written; see ``dumps``.
        ConfigurationError: The file cannot be written.
    """
    text = dumps(program)
    target = Path(path)
    if target.exists() and not target.is_file():
        msg = f"cannot write {target}: it is there and is no file"
        raise ConfigurationError(msg)
    try:
        _replace(target, text, mode)
    except OSError as error:
        msg = f"cannot write {os.fspath(path)}: {error.strerror or error}"
        raise ConfigurationError(msg) from None


def _replace(path: Path, text: str, mode: int) -> None:
    """All of ``text`` in ``path``, on the disk, or the old file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with open(handle, "w", encoding="ascii", newline="\n") as out:
            out.write(text)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def contents_of(program: Program[..., Any]) -> Contents:
    """What a file would say of ``program``.

    Raises:
        ArtifactError: It runs in host mode and its source cannot be found.
    """
    graph = program.graph
    contents = Contents(
        name=program.name,
        capture="host" if graph is None else "graph",
        signature=program.signature,
        graph=graph,
        predictors=dict(sorted(program.predictors.items())),
        candidate=dataclasses.replace(program.candidate, values=changed_edges(graph, program.candidate.values)),
        ops=(),
        program_hash=_program_hash(program),
        model=None if program.binding.lm is None else program.binding.lm.model,
        models={},
        template=(TEMPLATE_ID, template_hash()),
        provenance=_provenance(program),
        tunable={found.address[1:]: found for found in parameters_in(list(program.ops.values()))},
        reasons=tuple(map(str, program.capture.reasons)),
    )
    lms = _lms(program)
    models = {name: _decoding(lms.get(name)) for name in sorted(model_names(contents))}
    ops = ops_used(contents) if graph is not None else tuple(sorted(program.ops))
    return dataclasses.replace(contents, ops=ops, models=models)


def _program_hash(program: Program[..., Any]) -> str:
    if program.graph is not None:
        return graph_hash(program.graph)
    try:
        return source_hash(program.__wrapped__)
    except NoSource as error:
        msg = f"program {program.name!r} runs as its Python function, and {error}"
        raise ArtifactError(msg) from None


def _lms(program: Program[..., Any]) -> dict[str, LM]:
    """Every LM the program knows, by name."""
    bound = [found.lm for found in program.declaration.captured.predictors.values() if found.lm is not None]
    own = [] if program.binding.lm is None else [program.binding.lm]
    return {**{lm.model: lm for lm in (*bound, *own)}, **program.binding.lms}


def _decoding(lm: LM | None) -> ModelDocument:
    if lm is None:
        return ModelDocument(temperature=None, max_tokens=None)
    return ModelDocument(temperature=lm.temperature, max_tokens=lm.max_tokens)


def _provenance(program: Program[..., Any]) -> Provenance:
    if program.provenance:
        return Provenance.model_validate_json(canonical(program.provenance))
    return Provenance(
        optimizer="",
        settings={},
        seed=None,
        models={},
        data={},
        metric="",
        gate="",
        scores=None,
        calls=None,
        versions={},
    )


_SEARCHED = ("edits", "parameters", "provenance")
"""Parts of a document that hold what data and models said."""


def _clean(document: dict[str, Any]) -> dict[str, Any]:
    kept = {name: _cleaned(part) if name in _SEARCHED else part for name, part in document.items()}
    for name, part in kept.items():
        text = canonical(part)
        if redact(text) != text:
            msg = (
                f"a key stands in the program's {name}, as a constant, a default or an instruction, and would be "
                "written to the file; read it from the environment inside an op"
            )
            raise ArtifactError(msg)
    return kept


_VALUES = ("inputs", "outputs", "value", "default")
"""Fields that hold values of the user's program: demos, constants, defaults."""


def _sorted(part: Any) -> Any:
    """The document with sorted keys, but in values: the order of a dict's keys shows in prompts."""
    if isinstance(part, Mapping):
        return {key: part[key] if key in _VALUES else _sorted(part[key]) for key in sorted(part)}
    return [_sorted(inner) for inner in part] if isinstance(part, list | tuple) else part


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return redact(sendable(value))
    if isinstance(value, Mapping):
        return {_cleaned(name): _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list | tuple) else value
