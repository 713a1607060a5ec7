"""Corrupt, hostile and future documents are refused with their JSON path; nothing is run, imported or opened."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.artifact.programs import graph, program_of, scripted, tuned
from treadle.compiler.artifact.emit import contents_of, dumps
from treadle.compiler.artifact.load import loads
from treadle.compiler.artifact.strict import walk
from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ArtifactError, GraphError
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.graph.serialize import from_json, predictor_from
from treadle.compiler.reading import Reading
from treadle.modules import ChainOfThought, Vote

ROOT = Path(__file__).resolve().parents[2]
TEXT = dumps(tuned())
DOCUMENT = json.loads(TEXT)
PATHS = [path for path, _ in walk(DOCUMENT) if path]


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return json.dumps(document)


def forged(change: Callable[[dict[str, Any]], object]) -> str:
    """The document changed, with the hash the changed graph has."""
    document = json.loads(changed(change))
    predictors = {name: predictor_from(Reading(found)) for name, found in document["predictors"].items()}
    graph = dataclasses.replace(from_json({**document["graph"], "predictors": {}}), predictors=predictors)
    document["hashes"]["program"] = graph_hash(graph)
    return json.dumps(document)


def refused(text: str | bytes, **how: Any) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        loads(text, **how)
    return caught.value


# --- mutations -------------------------------------------------------------------------------------------------------

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["n1", "n99", "reply", "triage", "__class__", "treadle:majority", "str", "../x", "{{ x }}"]),
    st.just([]),
    st.just({}),
    st.sampled_from([value for _, value in walk(DOCUMENT)]),
)


def holder(document: Any, path: tuple[str | int, ...]) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PATHS), st.sampled_from(["delete", "replace", "insert"]), values, st.text(max_size=8))
def test_any_mutation_is_refused_or_is_all_that_the_program_says(
    path: tuple[str | int, ...], how: str, value: Any, key: str
) -> None:
    document = copy.deepcopy(DOCUMENT)
    place = holder(document, path)
    if how == "delete":
        del place[path[-1]]
    elif how == "replace":
        place[path[-1]] = copy.deepcopy(value)
    elif isinstance(place, list):
        place.insert(int(path[-1]), copy.deepcopy(value))
    else:
        place[key] = copy.deepcopy(value)
    before = contents_of(tuned())
    try:
        program = loads(json.dumps(document))
    except ArtifactError:
        assert contents_of(tuned()) == before
        return
    written = json.loads(dumps(program))
    for part in ("model", "models"):  # what the caller binds
        written[part] = document[part]
    assert canonical(written) == canonical(document)


@settings(max_examples=150)
@given(st.integers(0, len(TEXT)), st.integers(0, 40), st.binary(max_size=6))
def test_any_damage_to_the_bytes_is_refused_or_harmless(start: int, length: int, inserted: bytes) -> None:
    data = TEXT.encode()
    damaged = data[:start] + inserted + data[start + length :]
    try:
        program = loads(damaged)
    except ArtifactError:
        return
    assert {**json.loads(dumps(program)), "model": None, "models": {}} == {
        **json.loads(damaged),
        "model": None,
        "models": {},
    }


# --- one by one ------------------------------------------------------------------------------------------------------


def set_at(*path: str | int) -> Callable[[Any], Callable[[dict[str, Any]], None]]:
    def to(value: Any) -> Callable[[dict[str, Any]], None]:
        def change(document: dict[str, Any]) -> None:
            holder(document, path)[path[-1]] = value

        return change

    return to


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (set_at("version")(2), "$.version", "later Treadle; this one reads up to 1: upgrade"),
        (set_at("version")(0), "$.version", "no version"),
        (set_at("version")(True), "$.version", "no version"),
        (set_at("format")("dspy"), "$.format", "no program file"),
        (set_at("endpoint")("http://evil.example/v1"), "$.endpoint", "unknown field"),
        (set_at("models", "offline", "endpoint")("http://evil.example"), "$.models.offline.endpoint", "unknown field"),
        (set_at("models", "gpt-4")({"temperature": None, "max_tokens": 1}), "$.models", "the program uses offline"),
        (set_at("parameters", "reply.lm")("x"), '$.parameters["reply.lm"]', "no such parameter"),
        (set_at("parameters", "answer.demos")([]), '$.parameters["answer.demos"]', "no predictor 'answer'"),
        (set_at("parameters", "triage.module")({}), "$.parameters", "stands under edits"),
        (set_at("parameters", "triage.demos", 0, "inputs")(3), '$.parameters["triage.demos"][0]', "object"),
        (set_at("parameters", "triage/vote.n")(10**9), '$.parameters["triage/vote.n"]', "2"),
        (set_at("parameters", "triage.instruction")("x" * 20_001), '$.parameters["triage.instruction"]', "20000"),
        (set_at("edits", 1, "args", "module", "module")("os.system"), "$.edits[1]", "no module is called"),
        (set_at("edits", 1, "args", "module", "n")(10**6), "$.edits[1]", "n"),
        (set_at("edits", 1, "args")({"module": {}, "x": 1}), "$.edits[1].args", "takes module"),
        (set_at("edits", 0, "args", "source")("a b"), "$.edits[0].args.source", "no predictor"),
        (set_at("hashes", "program")("0" * 16), "$.hashes.program", "changed since it was written"),
        (set_at("hashes", "predictors", "reply", "instruction")("0" * 16), "$.hashes", "changed since"),
        (set_at("predictors", "reply", "signature", "instruction")("Be rude."), "$.hashes", "changed since"),
        (set_at("graph", "predictors")({}), "$.graph.predictors", "unknown field"),
        (set_at("graph", "nodes", 1, "kind")("python"), "$.graph.nodes[1].kind", "unknown kind"),
        (set_at("graph")(None), "$.graph", "is a graph has one"),
        (set_at("capture")("host"), "$.graph", "host mode has none"),
        (set_at("ops")(["os.system"]), "$.ops", "the program uses"),
        (set_at("template", "id")("chat/99"), "$.template", "prompts would not be the same"),
        (set_at("signature", "inputs", 0, "name")("body"), "$.signature.inputs", "not the inputs of the graph"),
        (set_at("name")(""), "$.name", ""),
        (set_at("name")("other"), "$.graph.name", "is called"),
        (set_at("provenance", "host")("laptop"), "$.provenance.host", "unknown field"),
        (set_at("provenance", "scores", "verdict")("best"), "$.provenance.scores.verdict", ""),
        (lambda document: document.pop("ops"), "$.ops", "missing"),
    ],
)
def test_refused_with_the_path(change: Callable[[dict[str, Any]], None], path: str, says: str) -> None:
    error = refused(changed(change))
    assert error.path.startswith(path), error
    assert says in str(error)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_at("graph", "nodes", 3, "expression")(["import", "os"]), "unknown form"),
        (set_at("graph", "nodes", 3, "expression")(["call", "eval", [["const", "1"]], {}]), "eval"),
        (set_at("graph", "nodes", 3, "expression")("__import__('os')"), "list that starts with its form"),
        (set_at("graph", "nodes", 3, "inputs")(["n3", "n99"]), "n99"),
        (set_at("graph", "nodes", 4, "predictor")("answer"), "answer"),
    ],
)
def test_a_graph_that_is_not_legal_is_refused_whoever_computed_its_hash(
    change: Callable[[dict[str, Any]], None], says: str
) -> None:
    error = refused(forged(change))
    assert error.path.startswith("$.graph"), error
    assert says in str(error)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '"x"', '{"format": "treadle/program"}', b"\x80\x04K\x01.", "[" * 9999]
)
def test_what_is_no_program_file_is_refused(text: str | bytes) -> None:
    refused(text)


def test_an_expression_that_would_fill_memory_or_stack_is_refused() -> None:
    deep: Any = ["arg", 0]
    for _ in range(200):
        deep = ["unary", "-", deep]
    assert "deeper" in str(refused(changed(set_at("graph", "nodes", 3, "expression")(deep))))
    for attribute in ("__class__", "__globals__", "format"):
        program = loads(
            forged(set_at("graph", "nodes", 3, "expression")(["attr", ["arg", 0], attribute])), lm=scripted()
        )
        with pytest.raises((AttributeError, GraphError), match=attribute):
            program(ticket="x")
    bomb = ["list", ["binary", "*", ["const", "a"], ["const", 10**9]]]
    program = loads(forged(set_at("graph", "nodes", 3, "expression")(bomb)), lm=scripted())
    with pytest.raises(GraphError, match="an expression would make a value of size"):
        program(ticket="x")


def test_modules_nested_out_of_measure_are_refused() -> None:
    module: Any = ChainOfThought()
    for _ in range(6):
        module = Vote(module)
    made = program_of(graph()).with_candidate(Candidate(values={"triage.module": module.to_json()}))
    assert dumps(loads(dumps(made))) == dumps(made)
    nested: Any = {"module": "predict"}
    for _ in range(300):
        nested = {"module": "vote", "inner": nested, "n": 15, "key": "treadle:value", "temperature": None}
    refused(changed(set_at("edits", 1, "args", "module")(nested)))


AUDIT = """
import sys
import treadle.modules
from treadle.compiler.artifact.load import loads
from treadle.compiler.lm.lm import LM
from treadle.compiler.errors import ArtifactError, GraphError

warm, *documents = (open(name, "rb").read() for name in sys.argv[1:])
lm = LM("offline", temperature=0.2)
loads(warm)
forbidden = ("import", "socket.", "open", "os.", "subprocess.", "exec", "compile", "ctypes.", "urllib.")
seen = []

def hook(event, arguments):
    if event.startswith(forbidden) and event not in ("os.listxattr",):
        seen.append((event, repr(arguments)[:200]))

sys.addaudithook(hook)
for document in documents:
    try:
        loads(document, lm=lm)
        result = "loaded"
    except ArtifactError:
        result = "refused"
    print(result, seen)
    seen.clear()
"""


def test_loading_imports_opens_and_connects_to_nothing(tmp_path: Path) -> None:
    documents = {
        "warm.json": dumps(program_of(graph())),
        "valid.json": TEXT,
        "endpoint.json": changed(set_at("models", "offline", "endpoint")("http://127.0.0.1:9/v1")),
        "module.json": changed(set_at("edits", 1, "args", "module", "module")("os.system")),
        "expression.json": changed(set_at("graph", "nodes", 3, "expression")(["call", "open", [], {}])),
        "type.json": changed(set_at("graph", "types", "list[str]")({"type": "array", "items": {"$ref": "file:///x"}})),
        "garbage.json": "{",
    }
    for name, text in documents.items():
        (tmp_path / name).write_text(text)
    run = subprocess.run(
        [sys.executable, "-c", AUDIT, *documents],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.splitlines() == ["loaded []", *["refused []"] * 5]
