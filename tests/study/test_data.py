import json
from pathlib import Path
from typing import Any

import pytest

from treadle.compiler.errors import DataError
from treadle.compiler.signature import Slot
from treadle.compiler.study.data import load_data, step_labels

INPUTS = [Slot(name="question", annotation=str), Slot(name="tries", annotation=int, default=1)]


class Frame:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        return self.rows


class Table:
    def to_dicts(self) -> list[dict[str, Any]]:
        return [{"question": "a"}]


def test_keys_that_name_inputs_are_inputs_the_others_labels() -> None:
    [example] = load_data([{"question": "a", "answer": 1, "tries": "3"}], INPUTS)
    assert example.inputs == {"question": "a", "tries": 3}
    assert example.labels == {"answer": 1}
    assert example.fields == {"question": "a", "tries": 3, "answer": 1}


def test_tables_by_duck_typing() -> None:
    assert len(load_data(Table(), INPUTS)) == 1
    assert len(load_data(Frame([{"question": "a"}, {"question": "b"}]), INPUTS)) == 2


def test_files(tmp_path: Path) -> None:
    rows = [{"question": 'a "quoted", text', "answer": "1"}, {"question": "b\nc", "answer": "2"}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "a.csv").write_text('question,answer\n"a ""quoted"", text",1\n"b\nc",2\n')
    read = [load_data(tmp_path / f"a.{end}", INPUTS) for end in ("jsonl", "json", "csv")]
    assert read[0].ids == read[1].ids == read[2].ids


def test_a_field_map_renames() -> None:
    [example] = load_data([{"text": "a"}], INPUTS, fields={"text": "question"})
    assert example.inputs["question"] == "a"
    with pytest.raises(DataError, match="row 1 has no field 'words'"):
        load_data([{"text": "a"}], INPUTS, fields={"words": "question"})


def test_equal_rows_get_different_ids() -> None:
    data = load_data([{"question": "a"}, {"question": "a"}], INPUTS)
    assert len(set(data.ids)) == 2


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([], "no rows"),
        ([{"answer": 1}], "row 1 has no 'question'"),
        ([{"question": 3}], "row 1.*takes str"),
        (["text"], "row 1 is 'text'"),
        (3, "data is 3"),
        ({"question": "a"}, "give a list of dicts"),
        ([{"question": "a", "label": object()}], "row 1 holds a value JSON cannot"),
        ("missing.jsonl", "cannot read"),
    ],
)
def test_bad_data_says_row_and_field(source: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load_data(source, INPUTS)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"question": "a"}\n{', "line 2 is not JSON"),
        ("a.json", b"{}", "holds dict"),
        ("a.csv", b"question,b\n1\n", "another number of columns"),
        ("a.txt", b"x", "data files end in"),
        ("a.jsonl", b"\xff\xfe", "not UTF-8"),
        ("a.json", b"[" * 100_000, "not JSON"),
    ],
)
def test_bad_files_say_file_and_line(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        load_data(tmp_path / name, INPUTS)


def test_labels_named_like_a_step() -> None:
    outputs = (Slot(name="team", annotation=str),)
    [whole] = load_data([{"question": "a", "triage": "billing"}], INPUTS)
    [part] = load_data([{"question": "a", "triage.team": "billing"}], INPUTS)
    [none] = load_data([{"question": "a", "team": "billing"}], INPUTS)
    assert step_labels(whole, "triage", outputs) == step_labels(part, "triage", outputs) == {"team": "billing"}
    assert step_labels(none, "triage", outputs) is None
