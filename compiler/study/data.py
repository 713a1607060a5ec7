"""Data: rows of examples from lists, files and tables, matched to a program's inputs.

An example is a row. Keys that name program inputs are inputs, the others are labels. A label named like a step, or
``step.field``, is that step's answer and makes labelled demos for it.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, cast

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import DataError, InputError
from treadle.compiler.signature import Slot, read
from treadle.compiler.values import dump, shown

Source: TypeAlias = "Data | str | Path | Iterable[Mapping[str, Any]] | Any"
"""What data may come from: rows, a ``.jsonl``, ``.json`` or ``.csv`` file, or a table with ``to_dicts()`` or
``to_dict("records")``."""

MAX_FILE_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """One row.

    Attributes:
        id: Hash of the row, with a number behind it where the same row occurs again.
        inputs: The program's inputs, read to their types.
        labels: The other keys, as they came.
        row: Where the row stood, from 1.
    """

    id: str
    inputs: Mapping[str, Any]
    labels: Mapping[str, Any]
    row: int

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """Inputs and labels together: what a metric gets."""
        return {**self.inputs, **self.labels}


@dataclasses.dataclass(frozen=True)
class Data:
    """Examples in a fixed order."""

    examples: tuple[Example, ...]

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids in order."""
        return tuple(example.id for example in self.examples)

    @cached_property
    def hash(self) -> str:
        """Hash of the rows in order."""
        return digest(list(self.ids))

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """Names of all labels, in the order they first occur."""
        return tuple(dict.fromkeys(name for example in self.examples for name in example.labels))

    def subset(self, ids: Iterable[str]) -> Data:
        """The examples with the given ids, in the given order."""
        by_id = {example.id: example for example in self.examples}
        return Data(tuple(by_id[example] for example in ids))


def load_data(source: Source, inputs: Sequence[Slot], *, fields: Mapping[str, str] | None = None) -> Data:
    """Examples from ``source``, their inputs read to the program's types.

    Args:
        source: Rows, a file or a table; see ``Source``.
        inputs: The program's input slots.
        fields: A field map: new name by the name in the source, such as ``{"text": "ticket"}``.

    Raises:
        DataError: No row, an unreadable file, a row that is no mapping, a missing or mistyped input; names row and
            field.

    >>> data = load_data([{"q": "2+2", "answer": 4}], [Slot(name="question", annotation=str)], fields={"q": "question"})
    >>> data.examples[0].labels
    {'answer': 4}
    """
    if isinstance(source, Data):
        return source
    seen: Counter[str] = Counter()
    examples = []
    for number, row in enumerate(_rows(source), start=1):
        examples.append(_example(number, _renamed(row, fields or {}, number), inputs, seen))
    if not examples:
        msg = "the data has no rows; give at least one example"
        raise DataError(msg)
    return Data(tuple(examples))


def _renamed(row: object, fields: Mapping[str, str], number: int) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        msg = f"row {number} is {shown(row)}; a row is a mapping from field name to value"
        raise DataError(msg)
    for name in fields:
        if name not in row:
            msg = f"row {number} has no field {name!r} to call {fields[name]!r}; it has {', '.join(map(str, row))}"
            raise DataError(msg)
    return {fields.get(str(key), str(key)): value for key, value in row.items()}


def _example(number: int, row: dict[str, Any], inputs: Sequence[Slot], seen: Counter[str]) -> Example:
    values: dict[str, Any] = {}
    for slot in inputs:
        if slot.name in row:
            try:
                values[slot.name] = read(f"row {number}", slot, row[slot.name])
            except InputError as error:
                raise DataError(str(error)) from None
        elif slot.required:
            msg = (
                f"row {number} has no {slot.name!r}, which the program needs; it has {', '.join(row) or 'nothing'}. "
                f"Rename a field with fields={{'its name': {slot.name!r}}}"
            )
            raise DataError(msg)
    labels = {key: value for key, value in row.items() if key not in values}
    identity = _row_hash(values, labels, number)
    seen[identity] += 1
    suffix = f"-{seen[identity]}" if seen[identity] > 1 else ""
    return Example(id=identity + suffix, inputs=values, labels=labels, row=number)


def _row_hash(inputs: Mapping[str, Any], labels: Mapping[str, Any], number: int) -> str:
    try:
        return digest(dump([dict(inputs), dict(labels)]), length=12)
    except (ValueError, TypeError) as error:  # pydantic's serialization error is a ValueError
        msg = f"row {number} holds a value JSON cannot: {error}"
        raise DataError(msg) from None


def _rows(source: Any) -> Iterable[Any]:
    if isinstance(source, str | Path):
        return _rows_of_file(Path(source))
    if hasattr(source, "to_dicts"):  # polars
        return cast(Iterable[Any], source.to_dicts())
    if hasattr(source, "to_dict") and not isinstance(source, Mapping):  # pandas
        return cast(Iterable[Any], source.to_dict("records"))
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        msg = f"data is {shown(source)}; give a list of dicts, a .jsonl, .json or .csv file, or a table"
        raise DataError(msg)
    return source


def _rows_of_file(path: Path) -> Iterable[Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            msg = f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB; split it"
            raise DataError(msg)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"cannot read the data file {path}: {error.strerror or error}"
        raise DataError(msg) from None
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise DataError(msg) from None
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines(path, text)
        case ".json":
            return _json_list(path, text)
        case ".csv" | ".tsv":
            return _table(path, text)
    msg = f"{path} ends in {path.suffix or 'nothing'}; data files end in .jsonl, .json, .csv or .tsv"
    raise DataError(msg)


def _json_lines(path: Path, text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                msg = f"{path}, line {number} is not JSON: {error}"
                raise DataError(msg) from None


def _json_list(path: Path, text: str) -> Iterable[Any]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}"
        raise DataError(msg) from None
    if not isinstance(rows, list):
        msg = f"{path} holds {type(rows).__name__}; a .json data file holds a list of objects"
        raise DataError(msg)
    return rows


def _table(path: Path, text: str) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    for row in reader:
        if None in row or None in row.values():
            msg = f"{path}, line {reader.line_num} has another number of columns than the header"
            raise DataError(msg)
        yield row


def step_labels(example: Example, predictor: str, outputs: Sequence[Slot]) -> dict[str, JSON] | None:
    """The outputs a labelled demo of ``predictor`` would have, or ``None`` where the row does not give its answer.

    A label named ``predictor`` is the whole answer; labels named ``predictor.field`` are its fields.
    """
    first = outputs[-1].name
    if predictor in example.labels:
        return {first: dump(example.labels[predictor])}
    given = {
        slot.name: dump(example.labels[f"{predictor}.{slot.name}"])
        for slot in outputs
        if f"{predictor}.{slot.name}" in example.labels
    }
    return given or None
