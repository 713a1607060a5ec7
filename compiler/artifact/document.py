"""The document: every field of a program file, as closed pydantic models. ``docs/artifact-format.md`` explains them.

The reader and the writer validate against them, and ``treadle schema`` prints their JSON Schema. They say which fields
there are; what a type, a graph or a module may be is for the readers of those (``compiler/schema.py``,
``graph/serialize.py``, ``module.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pydantic
from pydantic import StringConstraints

from treadle.compiler.artifact.strict import json_path
from treadle.compiler.errors import ArtifactError

FORMAT = "treadle/program"
VERSION = 1

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
Verdict = Literal["better", "probably better", "no worse, cheaper", "not shown", "too few examples"]


AnyJson = Annotated[Any, pydantic.Field(description="any JSON value")]
"""What ``read_strictly`` has read and a later stage looks at; pydantic would go into it again, and not as deep."""


class Closed(pydantic.BaseModel):
    """A part of the document: no other fields, no conversion between types."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class SlotDocument(Closed):
    """A typed field."""

    name: Name
    schema_: dict[str, AnyJson] = pydantic.Field(alias="schema", description="JSON Schema of the values")
    description: str = ""
    default: AnyJson = pydantic.Field(None, description="value of an input that is left out; absent where required")


class SignatureDocument(Closed):
    """What a predictor promises."""

    name: Name
    inputs: list[SlotDocument]
    outputs: list[SlotDocument] = pydantic.Field(min_length=1)
    instruction: str


class DemoDocument(Closed):
    """A worked example shown in a prompt."""

    inputs: dict[str, AnyJson]
    outputs: dict[str, AnyJson] = pydantic.Field(min_length=1)
    origin: Name = "user"


class PredictorDocument(Closed):
    """A predictor as declared: its parameters' default values. What is left out is not set."""

    signature: SignatureDocument
    module: dict[str, AnyJson] | None = pydantic.Field(None, description="module expression; without it one LM call")
    demos: list[DemoDocument] = []
    model: Name | None = pydantic.Field(None, description="name of the LM its declaration binds")
    temperature: float | None = None
    max_tokens: int | None = None


class GraphDocument(Closed):
    """The base graph as the compiler writes it. Its hash stands under ``hashes``, so it cannot be edited by hand."""

    name: Name
    types: dict[str, AnyJson] = pydantic.Field(description="JSON Schemas by the names nodes use for them")
    nodes: list[dict[str, AnyJson]] = pydantic.Field(description="in program order; kinds and fields: graph/nodes.py")


class TunableDocument(Closed):
    """A number, choice or text that search may change, or an op whose code it may."""

    kind: Literal["number", "choice", "text", "code"]
    default: AnyJson
    choices: list[AnyJson] = []
    low: float | None = None
    high: float | None = None
    integer: bool = False
    max_length: int = pydantic.Field(20_000, ge=1)
    description: str = ""


class RewriteDocument(Closed):
    """One accepted change of the base graph."""

    op: Name
    target: Annotated[str, StringConstraints(max_length=200)] = pydantic.Field(description="empty for the whole graph")
    args: dict[str, AnyJson]


class ModelDocument(Closed):
    """How an LM was called. Where it is served and with which key is never in a file."""

    temperature: float | None
    max_tokens: int | None


class TemplateDocument(Closed):
    """The chat template that makes prompts of signatures, demos and inputs."""

    id: Name
    hash: Hash


class PredictorHashes(Closed):
    """What tells that a predictor has changed since the file was written."""

    signature: Hash = pydantic.Field(description="of fields and types")
    instruction: Hash = pydantic.Field(description="of the default instruction")


class Hashes(Closed):
    """What tells that the program has changed since the file was written."""

    program: Hash = pydantic.Field(description="of the base graph; in host mode of the function's source")
    predictors: dict[Name, PredictorHashes]


class SavingsDocument(Closed):
    """What the winner saves, where the search aimed at tokens."""

    loss: float = pydantic.Field(description="score that may be lost")
    probability: float = pydantic.Field(ge=0, le=1, description="that no more is lost")
    before: float = pydantic.Field(description="tokens of a run of the input program")
    after: float = pydantic.Field(description="tokens of a run of the winner")


class ScoresDocument(Closed):
    """The winner against the input program, paired, on examples neither was chosen by."""

    verdict: Verdict
    probability: float = pydantic.Field(ge=0, le=1, description="that the winner is better")
    start: float
    winner: float
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    n: int
    cross_fitted: bool
    failures: list[int]
    savings: SavingsDocument | None = pydantic.Field(None, description="absent where the search aimed at score alone")


class Provenance(Closed):
    """Where the program comes from. Holds no times, hosts or money."""

    optimizer: str = pydantic.Field(description="empty for a program that was not compiled")
    settings: dict[str, AnyJson] = pydantic.Field(description="the optimizer's")
    seed: int | None
    models: dict[str, str] = pydantic.Field(description="model name by role: program, proposer, …")
    data: dict[str, str] = pydantic.Field(description="hash by data set: all, feedback, select, confirm")
    metric: str
    gate: str
    scores: ScoresDocument | None
    calls: int | None = pydantic.Field(description="LM calls of the search, by the logical ledger")
    versions: dict[str, str] = pydantic.Field(description="of Treadle and what results depend on")


class ProgramDocument(Closed):
    """A program file."""

    format: Literal["treadle/program"]
    version: Literal[1]
    name: Name
    capture: Literal["graph", "host"]
    signature: SignatureDocument
    graph: GraphDocument | None = pydantic.Field(description="null in host mode")
    predictors: dict[Name, PredictorDocument]
    edits: list[RewriteDocument] = pydantic.Field(description="accepted changes of the graph, in order")
    parameters: dict[Name, AnyJson] = pydantic.Field(description="values search has chosen, by address")
    ops: list[Name] = pydantic.Field(description="plain Python functions the program calls")
    tunable: dict[Name, TunableDocument] = pydantic.Field(
        {}, description="numbers, choices and texts search may change, and ops whose code it may; by name"
    )
    model: Name | None = pydantic.Field(description="the LM that answers where a predictor names none")
    models: dict[Name, ModelDocument]
    template: TemplateDocument
    hashes: Hashes
    provenance: Provenance


def validated(data: Any) -> ProgramDocument:
    """The document in ``data``, which has been read strictly.

    Only the envelope is converted; read the parts from ``data`` itself.

    Raises:
        ArtifactError: It is not a program file, comes from a later Treadle, or a field is unknown, missing or wrong;
            names the JSON path.
    """
    _check_kind(data)
    try:
        return ProgramDocument.model_validate(data)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ArtifactError(_words(first["type"], first["msg"]), json_path(_real(data, first["loc"]))) from None


def _check_kind(data: Any) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        msg = f'this is no program file: "format" is not "{FORMAT}"'
        raise ArtifactError(msg, "$.format" if isinstance(data, dict) else "$")
    version = data.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        msg = f"{json.dumps(version)[:40]} is no version; this Treadle writes {VERSION}"
        raise ArtifactError(msg, "$.version")
    if version > VERSION:
        msg = f"version {version} was written by a later Treadle; this one reads up to {VERSION}: upgrade it"
        raise ArtifactError(msg, "$.version")


def _words(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown field: a later Treadle wrote it, or the file was changed"
    return "the field is missing" if kind == "missing" else message


def _real(data: Any, location: Sequence[str | int]) -> tuple[str | int, ...]:
    """The part of pydantic's location that exists in ``data``, and the last name where it is missing."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        inside = (isinstance(data, Mapping) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if inside:
            data = data[part]
            path.append(part)
        elif index == len(location) - 1 and isinstance(data, Mapping) and part != "[key]":
            path.append(part)
    return tuple(path)
