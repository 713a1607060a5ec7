"""Finding labelled examples in a prompt, whoever wrote it and however they stand there.

JSON lists and JSON lines of objects, ``key: value`` blocks, fields between tags, and ``text -> label`` lines are read.
Which field is the answer is told by its name, or by its values: short, and the same for several examples.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from treadle.compiler.canonical import JSON

Record = Mapping[str, str]

_PAIR = re.compile(r"^[\s\-*•\d.)]*[\"'`]?([^\W\d][\w ]{0,30}?)[\"'`]?\s*[:=]\s+(.+?),?\s*$")
_ARROW = re.compile(r"^[\s\-*•\d.)]*(.{3,}?)\s*(?:->|=>|→|\t|\|)\s*([^\n]{1,200}?)\s*$")
_ANSWER_NAMES = """
    output outputs label labels answer answers expected target gold correct category class truth intent solution
    """
_INPUT_NAMES = "input inputs example question text message query"
_WANTED = frozenset(_ANSWER_NAMES.split())
_GIVEN = frozenset(_INPUT_NAMES.split())
_LABEL_WORDS = 4
_FEWEST = 2
_JSON_STARTS = 20  # brackets at which a list is looked for


@dataclasses.dataclass(frozen=True)
class Examples:
    """Worked examples found in a prompt.

    Attributes:
        rows: (Inputs by field, answer), in order.
        answer: The answer's field.
        labels: Whether the answers are labels: short, with repeats.
        named: Whether the answer's field is called an answer.
    """

    rows: Sequence[tuple[Record, str]]
    answer: str
    labels: bool
    named: bool = False


def find_examples(texts: Iterable[str]) -> Examples | None:
    """The largest set of worked examples in the texts, one whose answers are called so before any other."""
    found = [examples for text in texts if (examples := _examples(records(text)))]
    return max(found, key=lambda examples: (examples.named, len(examples.rows)), default=None)


# --- records ---------------------------------------------------------------------------------------------------------


def records(text: str) -> list[Record]:
    """Fields and values of the things a text lists, in the first form that fits."""
    for read in (_from_json, _from_json_lines, _from_tags, _from_pairs, _from_arrows):
        found = read(text)
        if len(found) >= _FEWEST:
            return found
    return []


def _from_json(text: str) -> list[Record]:
    """The first JSON list or object in the text that lists things."""
    starts = itertools.islice(re.finditer(r"[\[{]", text), _JSON_STARTS)
    decoder = json.JSONDecoder()
    for match in starts:
        try:
            data, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if found := _from_data(data):
            return found
    return []


def _from_data(data: JSON) -> list[Record]:
    if isinstance(data, Mapping):  # an object around the list
        inner = [found for part in data.values() if isinstance(part, list) and (found := _from_data(part))]
        return max(inner, key=len, default=[])
    if not isinstance(data, list):
        return []
    if data and all(isinstance(part, str) for part in data):
        return [record for part in data for record in _one(str(part))]
    flat = [dict(_flatten(part)) for part in data if isinstance(part, Mapping | list)]
    return [record for record in flat if record]


def _one(text: str) -> list[Record]:
    """One example written as text."""
    for read in (_from_tags, _from_pairs, _from_arrows):
        found = read(text)
        if found and len(found[0]) >= _FEWEST:
            return found[:1]
    return []


def _flatten(data: JSON, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(data, Mapping):
        for key, part in data.items():
            yield from _flatten(part, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list) and not path:  # a pair: [text, label]
        for index, part in enumerate(data):
            yield from _flatten(part, f"_{index}")
    elif data is not None:
        yield path, data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def _from_json_lines(text: str) -> list[Record]:
    rows: list[JSON] = []
    for line in text.splitlines():
        start, end = line.find("{"), line.rfind("}")
        if 0 <= start < end:
            try:
                rows.append(json.loads(line[start : end + 1]))
            except (ValueError, RecursionError):
                continue
    return _from_data(rows)


def _from_tags(text: str) -> list[Record]:
    """Fields between tags; a tag that comes again begins the next record."""
    if "</" not in text:
        return []
    fields = [(match.group(1), match.group(2).strip()) for match in _TAGGED.finditer(text)]
    return _grouped(fields)


_TAGGED = re.compile(r"<([^\W\d]\w*)>(.*?)</\1>", re.DOTALL)


def _from_pairs(text: str) -> list[Record]:
    """``key: value`` lines; a key that comes again begins the next record. Keys of one record only are prose."""
    pairs = [match.groups() for line in text.splitlines() if (match := _PAIR.match(line))]
    fields = [(str(key).strip().lower().replace(" ", "_"), str(value).strip(" \"'`")) for key, value in pairs]
    counts = Counter(key for key, _ in fields)
    often = max(counts.values(), default=0)
    return _grouped([(key, value) for key, value in fields if counts[key] * 2 > often])


def _grouped(fields: Sequence[tuple[str, str]]) -> list[Record]:
    found: list[dict[str, str]] = []
    for key, value in fields:
        if not found or key in found[-1]:
            found.append({})
        found[-1][key] = value
    return [record for record in found if len(record) >= _FEWEST]


def _from_arrows(text: str) -> list[Record]:
    matches = (_ARROW.match(line) for line in text.splitlines())
    return [{"_0": match.group(1).strip("\"'` "), "_1": match.group(2).strip("\"'` ")} for match in matches if match]


# --- the answer ------------------------------------------------------------------------------------------------------


def _examples(found: Sequence[Record]) -> Examples | None:
    counts = Counter(key for record in found for key in record)
    common = [key for key in counts if counts[key] * 2 >= len(found)]
    answer = _answer_field(found, common)
    if answer is None:
        return None
    inputs = _input_fields(common, answer)
    rows = [
        ({key.rpartition(".")[2]: record[key] for key in inputs if key in record}, record[answer])
        for record in found
        if answer in record
    ]
    kept = [(given, wanted) for given, wanted in rows if given and wanted]
    if len(kept) < _FEWEST:
        return None
    like_labels = _like_labels([wanted for _, wanted in kept])
    return Examples(kept, answer.rpartition(".")[2], like_labels, bool(_parts_of(answer) & _WANTED))


def _answer_field(found: Sequence[Record], common: Sequence[str]) -> str | None:
    """The field that holds the answers: by its name; else one with labels as values; else the last."""
    free = [key for key in common if not _parts_of(key) & _GIVEN] or list(common)
    named = [key for key in free if _parts_of(key) & _WANTED]
    labelled = [key for key in named or free if _like_labels([record[key] for record in found if key in record])]
    choice = labelled or named or free
    return choice[-1] if len(common) >= _FEWEST and choice else None


def _input_fields(common: Sequence[str], answer: str) -> list[str]:
    """The fields beside the answer: those called inputs where some are, else all."""
    others = [key for key in common if key != answer]
    given = [key for key in others if _parts_of(key) & _GIVEN]
    return given or [key for key in others if not _parts_of(key) & _WANTED] or others


def _parts_of(key: str) -> set[str]:
    return set(re.split(r"[._\s]+", key.lower()))


def _like_labels(values: Sequence[str]) -> bool:
    """Whether the values are short and fewer than the examples: labels, not texts and not numbers of their own."""
    short = sum(len(value.split()) <= _LABEL_WORDS for value in values) >= 0.9 * len(values)
    return short and 1 < len(set(values)) < len(values) and not all(_is_measure(value) for value in values)


def _is_measure(value: str) -> bool:
    return bool(re.fullmatch(r"\d*\.\d+", value))
