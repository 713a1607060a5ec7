"""Library ops: the plain Python the standard modules need. Their names load from a file alone."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.graph.op import library_op
from treadle.compiler.signature import narrowed
from treadle.compiler.values import dump


@library_op("value")
def value_key(answer: Any) -> str:
    """The key under which equal values meet: numbers to nine significant digits, all else exactly."""
    return canonical(_rounded(dump(answer)))


def _rounded(value: JSON) -> JSON:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return f"{value:.9g}"
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value]


@library_op("text")
def text_key(answer: Any) -> str:
    """The key under which texts meet that differ only in case, white space and punctuation at the ends of words."""
    text = answer if isinstance(answer, str) else canonical(dump(answer))
    words = (_EDGES.sub("", word) for word in text.casefold().split())
    return " ".join(word for word in words if word)


_EDGES = re.compile(r"^\W+|\W+$")


@library_op("majority")
def majority(answers: list[Any], keys: list[Any]) -> Any:
    """The answer whose key most answers share; of equally many, the one that came first in sample order."""
    counts = Counter(keys)
    most = max(counts.values())
    return next(answer for answer, key in zip(answers, keys, strict=True) if counts[key] == most)


@library_op("best")
def best(answers: list[Any], scores: list[Any]) -> Any:
    """The answer with the highest score; of equal ones, the first in sample order.

    Raises:
        ValueError: A score is not a number.
    """
    for score in scores:
        if not isinstance(score, int | float) or math.isnan(score):
            msg = f"a judge returns a number, not {str(score)[:80]!r} of type {type(score).__name__}"
            raise ValueError(msg)
    return answers[scores.index(max(scores))]


@library_op("outputs")
def outputs(record: pydantic.BaseModel, names: Sequence[str]) -> Any:
    """The record without the outputs a module added to the step's own."""
    return narrowed(record, names)


@library_op("record")
def record(**fields: Any) -> dict[str, Any]:
    """The values by name."""
    return fields
