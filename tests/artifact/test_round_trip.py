"""A program that is written and read is the same program."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.artifact.programs import TUNED, answer, graph, predictors, program_of, provenance, tuned
from treadle.compiler.artifact.codec import decode, encode
from treadle.compiler.artifact.emit import contents_of, dumps, save
from treadle.compiler.artifact.load import contents_in, load, loads
from treadle.compiler.artifact.show import prompts
from treadle.compiler.artifact.strict import walk
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ArtifactError, ConfigurationError
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.bind import demos_of
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Message, Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.redact import REDACTED, register

ROOT = Path(__file__).resolve().parents[2]


def test_writing_what_was_read_gives_the_same_bytes() -> None:
    text = dumps(tuned())
    again = loads(text, lm=LM("offline", temperature=0.2))
    assert dumps(again) == text
    assert dict(again.candidate.values) == dict(TUNED)
    assert again.provenance["optimizer"] == "mipro"


def test_the_same_program_is_the_same_text_in_every_process() -> None:
    code = "from tests.artifact.test_round_trip import dumps, tuned; print(dumps(tuned()))"
    texts = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        texts.add(run.stdout)
    assert texts == {dumps(tuned()) + "\n"}


def test_the_text_is_sorted_indented_ascii() -> None:
    text = dumps(tuned())
    assert text.isascii()
    document = json.loads(text)
    assert text == json.dumps(document, indent=2) + "\n"
    for path, value in walk(document):
        if isinstance(value, dict) and not {"inputs", "outputs", "value", "default"} & set(path):
            assert list(value) == sorted(value), path


def test_the_order_of_keys_in_values_is_the_programs() -> None:
    demo: dict[str, JSON] = {
        "inputs": {"ticket": "late", "policies": ["one"]},
        "outputs": {"reply": {"urgent": True, "text": "yes"}, "reasoning": "why"},
        "origin": "labelled",
    }
    made = program_of(graph()).with_candidate(Candidate(values={"reply.demos": [demo]}))
    loaded = loads(dumps(made))
    (read,) = demos_of(loaded.candidate.values["reply.demos"])
    assert json.dumps([read.inputs, read.outputs]) == json.dumps([demo["inputs"], demo["outputs"]])
    assert sent(loaded) == sent(made)


def test_a_program_that_was_not_compiled_is_written_too() -> None:
    text = dumps(program_of(graph()))
    document = json.loads(text)
    assert (document["parameters"], document["edits"], document["provenance"]["optimizer"]) == ({}, [], "")
    assert dumps(loads(text)) == text


def test_structure_stands_under_edits_and_the_rest_under_parameters() -> None:
    document = json.loads(dumps(tuned()))
    assert [(edit["op"], edit["target"]) for edit in document["edits"]] == [
        ("add_context_edge", "reply"),
        ("swap_module", "triage"),
    ]
    assert sorted(document["parameters"]) == sorted(set(TUNED) - {"triage.module", "reply.from_triage"})


def test_the_file_says_how_models_were_called_and_not_where() -> None:
    lm = LM("http://localhost:1/v1", model="qwen", temperature=0.0, max_tokens=99, key="sk-0123456789abcdef")
    text = dumps(program_of(graph()).bind(lm=lm))
    document = json.loads(text)
    assert document["model"] == "qwen"
    assert document["models"] == {"qwen": {"temperature": 0.0, "max_tokens": 99}}
    assert "localhost" not in text
    assert "0123456789abcdef" not in text


def sent(program: Program[..., object]) -> list[tuple[tuple[Message, ...], float | None]]:
    """Every request of one run."""
    seen: list[tuple[tuple[Message, ...], float | None]] = []

    def keep(request: Request) -> JSON:
        seen.append((request.messages, request.temperature))
        return answer(request)

    program.bind(lm=Scripted(keep))(ticket="Where is it? {{ x }} {% y %} \u202e")
    return sorted(seen, key=repr)


@pytest.mark.parametrize("made", [program_of(graph()), tuned()], ids=["as declared", "tuned"])
def test_prompts_after_loading_are_the_same_byte_for_byte(made: Program[..., object]) -> None:
    loaded = loads(dumps(made))
    assert sent(loaded) == sent(made)


def test_the_prompts_a_file_shows_are_those_that_are_sent() -> None:
    made = program_of(graph()).with_candidate(Candidate(values={"triage.instruction": "Say the team."}))
    contents = decode(json.loads(dumps(made)))
    ticket = "Where is it? {{ x }} {% y %} \u202e"
    shown = [messages for _, messages in prompts(contents, "triage", {"ticket": ticket})]
    policies = {"ticket": ticket, "policies": ["We trace parcels."]}
    shown += [messages for _, messages in prompts(contents, "reply", policies)]
    assert sorted(shown, key=repr) == sorted((messages for messages, _ in sent(made)), key=repr)


def test_a_program_runs_from_the_file_alone_in_an_empty_directory(tmp_path: Path) -> None:
    made = program_of(graph()).with_candidate(Candidate(values={k: v for k, v in TUNED.items() if "from_" not in k}))
    save(made, tmp_path / "support.json")
    code = (
        "import treadle.modules\n"
        "from treadle.compiler.artifact.load import load\n"
        "from treadle.compiler.lm.lm import LM\n"
        "reply = load('support.json', lm=LM('offline'))(ticket='My parcel is late, where is it?')\n"
        "print(type(reply).__name__, type(reply.text).__name__, reply.urgent in (True, False))"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("Reply str True\n", "")
    assert os.listdir(tmp_path) == ["support.json"]


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_and_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "support.json"
    path.write_text("the old one")
    save(tuned(), path)
    assert path.read_text() == dumps(tuned())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["support.json"]
    assert dumps(load(path, lm=LM("offline", temperature=0.2))) == dumps(tuned())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "support.json"
    path.write_text("the old one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match=r"cannot write .*support\.json: No space left on device"):
        save(tuned(), path)
    assert path.read_text() == "the old one"
    assert os.listdir(tmp_path) == ["support.json"]


def test_a_path_that_cannot_be_written_or_read_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"):
        save(tuned(), tmp_path / "missing" / "support.json")
    with pytest.raises(ConfigurationError, match="is no file"):
        save(tuned(), tmp_path)
    with pytest.raises(ArtifactError, match="cannot read"):
        load(tmp_path / "missing.json")
    with pytest.raises(ArtifactError, match="cannot read"):
        load(tmp_path)


def test_a_file_is_looked_at_without_ops_or_lms(tmp_path: Path) -> None:
    save(tuned(), tmp_path / "support.json")
    contents = contents_in(tmp_path / "support.json")
    assert encode(contents) == json.loads(dumps(tuned()))
    assert contents.candidate == tuned().candidate


# --- keys ------------------------------------------------------------------------------------------------------------

KEY = "canary-4f9d1c7e2b"


def test_a_key_in_what_models_and_data_said_is_cut_out() -> None:
    register(KEY)
    values = {"triage.instruction": f"Say the team. {KEY}"}
    origin = {**provenance(), "settings": {"note": KEY}}
    text = dumps(program_of(graph()).with_candidate(Candidate(values=values)).with_provenance(origin))
    assert KEY not in text
    assert REDACTED in text


def test_a_lone_surrogate_in_a_demo_is_replaced_as_it_is_when_it_is_sent() -> None:
    demo: JSON = {"inputs": {"ticket": "a\ud800b"}, "outputs": {"triage": "billing"}, "origin": "labelled"}
    text = dumps(program_of(graph()).with_candidate(Candidate(values={"triage.demos": [demo]})))
    assert json.loads(text)["parameters"]["triage.demos"][0]["inputs"] == {"ticket": "a\ufffdb"}


def test_a_key_in_the_code_is_an_error() -> None:
    register(KEY)
    found = predictors()
    found["triage"] = type(found["triage"])(signature=found["triage"].signature.with_instruction(f"Use {KEY}."))
    with pytest.raises(ArtifactError, match="a key stands in the program's predictors"):
        dumps(program_of(graph(found)))


def test_contents_of_a_program_are_what_its_file_says() -> None:
    assert encode(contents_of(tuned())) == json.loads(dumps(tuned()))


# --- versions --------------------------------------------------------------------------------------------------------

FILES = sorted((Path(__file__).parent / "files").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_files_of_every_version_load(path: Path) -> None:
    """Each is ``dumps(tuned())`` of its version; a change of the format adds a file and leaves the old ones."""
    loaded = load(path, lm=LM("offline", temperature=0.2))
    assert dict(loaded.candidate.values) == dict(TUNED)
    assert json.loads(dumps(loaded)) == json.loads(dumps(tuned()))


def test_the_newest_file_is_what_is_written_now() -> None:
    assert FILES[-1].read_text() == dumps(tuned())
