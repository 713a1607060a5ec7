"""Reading a program file. A new program comes out, or an error that names the place, and nothing has changed.

A file is data. Loading it imports nothing, opens nothing but the file, and calls nothing of it; where a model is served
and with which key is the caller's to say; ops and host-mode functions are those the caller gives.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from treadle.compiler.artifact.codec import decode
from treadle.compiler.artifact.contents import Contents
from treadle.compiler.artifact.diff import compare, declared_change
from treadle.compiler.artifact.document import ModelDocument
from treadle.compiler.artifact.emit import contents_of
from treadle.compiler.artifact.rename import renamed
from treadle.compiler.artifact.strict import MAX_BYTES, read_strictly
from treadle.compiler.artifact.tunables import check_accepted, ops_from_file
from treadle.compiler.artifact.validity import check_contents, model_names, ops_used, owner_of
from treadle.compiler.errors import ArtifactError, ConfigurationError
from treadle.compiler.frontend.captured import Capture, Captured
from treadle.compiler.frontend.declaration import FromFile
from treadle.compiler.frontend.op_function import OpFunction, op_of
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph import nodes
from treadle.compiler.graph.identity import graph_hash, instruction_hash, signature_hash
from treadle.compiler.graph.op import LIBRARY_PREFIX, Op, library
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.module import module_from_json
from treadle.compiler.prompt.render import TEMPLATE_ID, template_hash
from treadle.compiler.schema import known_types

Path: TypeAlias = "str | os.PathLike[str]"
LMs: TypeAlias = "LM | str | Mapping[str, LM | str]"
Ops: TypeAlias = Iterable["OpFunction[..., Any] | Op | Callable[..., Any]"]


def load(
    path: Path,
    *,
    ops: Ops = (),
    lm: LMs | None = None,
    program: Program[..., Any] | None = None,
    rename: Mapping[str, str] | None = None,
    strict: bool = True,
    accept_code: Iterable[str] = (),
) -> Program[..., Any]:
    """The program in a file; see ``loads``.

    Raises:
        ArtifactError: The file cannot be read, or ``loads`` refuses it.
    """
    return loads(
        _bytes_of(path), ops=ops, lm=lm, program=program, rename=rename, strict=strict, accept_code=accept_code
    )


def _bytes_of(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"cannot read {os.fspath(path)}: {error.strerror or error}"
        raise ArtifactError(msg) from None


def loads(
    text: str | bytes,
    *,
    ops: Ops = (),
    lm: LMs | None = None,
    program: Program[..., Any] | None = None,
    rename: Mapping[str, str] | None = None,
    strict: bool = True,
    accept_code: Iterable[str] = (),
) -> Program[..., Any]:
    """The program in a document.

    A program of steps, expressions and library ops needs nothing but the document. Types come back as pydantic models,
    enums and plain types of the same names; where an op that is given takes or returns a class that means the same, it
    is that class.

    Args:
        text: The document.
        ops: Plain Python functions the program calls, matched by name.
        lm: One LM for all steps, or LMs by the names the document records; then all recorded names must be there.
        program: The program the document's parameters are for. Needed in host mode; otherwise its code, as it is now,
            takes the place of the graph in the document.
        rename: New names of predictors and ops by their names in the document.
        strict: Whether a ``program`` that is no longer the one the document was written for is an error. Otherwise
            what still fits is taken, with a warning for the rest.
        accept_code: Names of ops whose code in the document may run: in a process of its own, never in this one; see
            ``compiler/runtime/isolate.py``. Code that is not accepted by name is an error.

    Raises:
        ArtifactError: The document is corrupt, too large, from a later Treadle or for another program; names the JSON
            path. Or an op or an LM it needs is not given.
        ConfigurationError: ``lm`` is no LM.
    """
    given = _ops_by_name(ops)
    contents = decode(read_strictly(text), _known(given, program))
    check_contents(contents)
    _check_template(contents, strict=strict)
    if rename:
        contents = renamed(contents, rename)
    accepted = check_accepted(contents, accept_code)
    given = {**ops_from_file(contents, accepted), **given} if program is None else given
    made = _from_document(contents, given) if program is None else _onto(program, contents, given, strict=strict)
    return made if lm is None else _bound(made, contents, lm)


def contents_in(path: Path) -> Contents:
    """What a program file says, checked as ``load`` does, without making a program of it: needs no op and no LM.

    Raises:
        ArtifactError: The file cannot be read, or is not a program file.
    """
    contents = decode(read_strictly(_bytes_of(path)))
    check_contents(contents)
    return contents


def _known(ops: Mapping[str, Op], program: Program[..., Any] | None) -> Mapping[str, Any]:
    annotations = [kind for op in ops.values() for kind in (op.returns, *op.takes.values())]
    if program is not None:
        signatures = (program.signature, *(found.signature for found in program.predictors.values()))
        annotations += [slot.annotation for signature in signatures for slot in (*signature.inputs, *signature.outputs)]
    return known_types(annotations)


def _ops_by_name(ops: Ops) -> dict[str, Op]:
    found: dict[str, Op] = {}
    for given in ops:
        if not callable(given) and not isinstance(given, Op):
            msg = f"ops takes functions, not {given!r}"
            raise ConfigurationError(msg)
        op = given if isinstance(given, Op) else given.op if isinstance(given, OpFunction) else op_of(given)
        if op.name in found:
            msg = f"ops has two functions called {op.name!r}"
            raise ConfigurationError(msg)
        found[op.name] = op
    return found


def _check_template(contents: Contents, *, strict: bool) -> None:
    """Prompts come out as they were when the scores were measured, or the user says that they need not."""
    current = (TEMPLATE_ID, template_hash())
    if contents.template == current:
        return
    msg = f"was compiled for the chat template {contents.template[0]!r}, and this Treadle has {current[0]!r}"
    if contents.template[0] == TEMPLATE_ID:
        msg = f"was compiled for another text of the chat template {TEMPLATE_ID!r}"
    if strict:
        raise ArtifactError(
            f"{msg}: prompts would not be the same. Compile again, or load with strict=False", "$.template"
        )
    warnings.warn(f"{contents.name} {msg}: prompts are not the same", stacklevel=4)


# --- a program from the document alone -------------------------------------------------------------------------------


def _from_document(contents: Contents, ops: Mapping[str, Op]) -> Program[..., Any]:
    if contents.graph is None:
        msg = (
            f"{contents.name!r} runs as its Python function, which is not in the file: "
            f"load it with program={contents.name}"
        )
        raise ArtifactError(msg, "$.capture")
    found = _needed_ops(contents, ops)
    _check_effects(contents.graph, found)
    captured = Captured(
        capture=Capture(mode="graph", ops=tuple(sorted(found))),
        graph=contents.graph,
        ops=found,
        predictors={name: _predictor(predictor) for name, predictor in contents.predictors.items()},
    )
    program: Program[..., Any] = Program(FromFile(signature=contents.signature, captured=captured))
    return _with_values(program, contents, contents.candidate)


def _needed_ops(contents: Contents, ops: Mapping[str, Op]) -> dict[str, Op]:
    """The ops the program calls.

    Raises:
        ArtifactError: One is not given, or one is given that the program does not call; lists them.
    """
    unknown = [name for name in contents.ops if name.startswith(LIBRARY_PREFIX) and name not in library()]
    if unknown:
        msg = f"needs {', '.join(unknown)}, which this Treadle does not have: a later one wrote the file; upgrade"
        raise ArtifactError(msg, "$.ops")
    needed = [name for name in contents.ops if not name.startswith(LIBRARY_PREFIX)]
    missing = [name for name in needed if name not in ops]
    if missing:
        msg = (
            f"calls {', '.join(missing)}, which the file names and does not hold: load with ops=[{', '.join(missing)}]"
        )
        raise ArtifactError(msg, "$.ops")
    foreign = [name for name in ops if name not in needed]
    if foreign:
        msg = f"does not call {', '.join(foreign)}; it calls {', '.join(needed) or 'no ops of yours'}"
        raise ArtifactError(msg, "$.ops")
    return {name: ops[name] for name in needed}


def _check_effects(graph: nodes.Graph, ops: Mapping[str, Op]) -> None:
    for _, node in graph.walk():
        if isinstance(node, nodes.Op) and node.op in ops and ops[node.op].effects != node.effects:
            was = "had effects" if node.effects else "had no effects"
            msg = f"the op {node.op!r} {was} when the file was written, and this decides the order of calls"
            raise ArtifactError(msg, "$.graph")


def _predictor(declared: nodes.Predictor) -> PredictorFunction[..., Any]:
    module = None if declared.module is None else module_from_json(declared.module)
    made: PredictorFunction[..., Any] = PredictorFunction(declared.signature, module=module)
    made.declared = declared
    return made


def _with_values(program: Program[..., Any], contents: Contents, candidate: Candidate) -> Program[..., Any]:
    made = program.with_candidate(candidate)
    return made.with_provenance(contents.provenance.model_dump()) if contents.provenance.optimizer else made


# --- a program from code, with the document's values -----------------------------------------------------------------


def _onto(program: Program[..., Any], contents: Contents, ops: Mapping[str, Op], *, strict: bool) -> Program[..., Any]:
    if ops:
        msg = "program= brings its own ops; leave ops= out"
        raise ConfigurationError(msg)
    now = contents_of(program.with_candidate(Candidate()))
    changed = [name for name in contents.predictors if not _same_fields(name, contents, now)]
    _check_same_program(contents, now, changed, strict=strict)
    values = {address: v for address, v in contents.candidate.values.items() if owner_of(address) not in changed}
    for name in contents.predictors:
        if name not in changed:
            _warn_of_instruction(name, contents, now)
    made = dataclasses.replace(now, candidate=Candidate(values=values))
    made = dataclasses.replace(made, models=dict.fromkeys(sorted(model_names(made)), _NO_DECODING))
    check_contents(dataclasses.replace(made, ops=ops_used(made) if made.graph is not None else made.ops))
    return _with_values(program, contents, made.candidate)


_NO_DECODING = ModelDocument(temperature=None, max_tokens=None)


def _same_fields(name: str, contents: Contents, now: Contents) -> bool:
    there = now.predictors.get(name)
    return there is not None and signature_hash(there.signature) == signature_hash(contents.predictors[name].signature)


def _check_same_program(contents: Contents, now: Contents, changed: Sequence[str], *, strict: bool) -> None:
    """Refuse, or warn of, what the file was not written for.

    Raises:
        ArtifactError: The program has changed, and ``strict`` holds.
    """
    said = [_field_change(name, contents, now) for name in changed]
    if not changed and _structure(contents) != _structure(now):
        difference = compare(_declared(contents), _declared(now))
        said.append(f"the program has changed since the file was written:\n{difference}")
    if not said:
        return
    if strict:
        remedy = "Compile again; rename={old: new} after a renaming; strict=False takes what still fits"
        raise ArtifactError("\n".join([*said, remedy]))
    warnings.warn(f"{contents.name}: " + "\n".join(said), stacklevel=5)


def _field_change(name: str, contents: Contents, now: Contents) -> str:
    old, new = contents.predictors[name], now.predictors.get(name)
    if new is None:
        known = ", ".join(now.predictors) or "none"
        return f"the program has no predictor {name!r} any more (it has {known}): its parameters are left out"
    return f"the fields of {name!r} have changed: its parameters are left out\n{declared_change(name, old, new)}"


def _structure(contents: Contents) -> str:
    """Hash of all but the default instructions, which may be reworded while tuned ones still fit."""
    if contents.graph is None:
        return contents.program_hash
    return graph_hash(dataclasses.replace(contents.graph, predictors=_uninstructed(contents)))


def _uninstructed(contents: Contents) -> dict[str, nodes.Predictor]:
    return {
        name: dataclasses.replace(predictor, signature=predictor.signature.with_instruction(""))
        for name, predictor in contents.predictors.items()
    }


def _declared(contents: Contents) -> Contents:
    return dataclasses.replace(
        contents, candidate=Candidate(), predictors=_uninstructed(contents), model=None, template=("", "")
    )


def _warn_of_instruction(name: str, contents: Contents, now: Contents) -> None:
    old, new = contents.predictors[name].signature, now.predictors[name].signature
    tuned = f"{name}.instruction" in contents.candidate.values
    if instruction_hash(old) != instruction_hash(new):
        then = "the tuned one is used" if tuned else "demos and the rest were tuned for the old one"
        warnings.warn(f"the instruction of {name!r} has been reworded since the file was written; {then}", stacklevel=5)


# --- LMs -------------------------------------------------------------------------------------------------------------


def _bound(program: Program[..., Any], contents: Contents, lm: LMs) -> Program[..., Any]:
    """The program with the caller's LMs under the names the file records.

    Raises:
        ArtifactError: A recorded name is left without an LM.
        ConfigurationError: An LM is given under a name the file does not record.
    """
    names = tuple(contents.models)
    if not isinstance(lm, Mapping):
        one = LM(lm) if isinstance(lm, str) else lm
        _warn_of_decoding(contents, dict.fromkeys(names, one))
        return program.bind(lm=one).bind(lm=dict.fromkeys(names, one))
    missing = [name for name in names if name not in lm]
    if missing:
        msg = f"records the models {', '.join(names)}, and lm= has no LM for {', '.join(missing)}"
        raise ArtifactError(msg, "$.models")
    foreign = [name for name in lm if name not in names]
    if foreign:
        msg = f"lm= has an LM for {', '.join(foreign)}; the file records {', '.join(names) or 'no model'}"
        raise ConfigurationError(msg)
    given = {name: LM(found) if isinstance(found, str) else found for name, found in lm.items()}
    _warn_of_decoding(contents, given)
    made = program.bind(lm=given)
    return made if contents.model is None else made.bind(lm=given[contents.model])


def _warn_of_decoding(contents: Contents, given: Mapping[str, LM]) -> None:
    """Say where an LM would decode otherwise than when the program was measured. The caller's settings hold."""
    for name, lm in given.items():
        recorded = contents.models[name]
        for setting in ("temperature", "max_tokens"):
            was, now = getattr(recorded, setting), getattr(lm, setting)
            if was is not None and was != now and lm.model == name:
                msg = f"{contents.name} was compiled with {setting}={was} on {name}, and the LM given has {now}"
                warnings.warn(msg, stacklevel=4)
