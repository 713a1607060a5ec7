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


@library_op("weighted")
def weighted(answers: list[Any], keys: list[Any], weights: list[Any]) -> Any:
    """The answer whose key has the largest weight in all; of equal ones, the one that came first in sample order.

    Raises:
        ValueError: A weight is not a number.
    """
    sums: dict[Any, float] = {}
    for key, weight in zip(keys, weights, strict=True):
        sums[key] = sums.get(key, 0.0) + _number(weight)
    most = max(sums.values())
    return next(answer for answer, key in zip(answers, keys, strict=True) if sums[key] == most)


@library_op("best")
def best(answers: list[Any], scores: list[Any]) -> Any:
    """The answer with the highest score; of equal ones, the first in sample order.

    Raises:
        ValueError: A score is not a number.
    """
    known = [_number(score) for score in scores]
    return answers[known.index(max(known))]


def _number(score: Any) -> float:
    if not isinstance(score, int | float) or math.isnan(score):
        msg = f"a judge returns a number, not {str(score)[:80]!r} of type {type(score).__name__}"
        raise ValueError(msg)
    return score


@library_op("outputs")
def outputs(record: pydantic.BaseModel, names: Sequence[str]) -> Any:
    """The record without the outputs a module added to the step's own."""
    return narrowed(record, names)


@library_op("record")
def record(**fields: Any) -> dict[str, Any]:
    """The values by name."""
    return fields


@library_op("readings")
def readings(answers: list[Any], reads: str) -> list[list[Any]]:
    """For each agent of a debate its own answer and a list of those it reads."""
    count = len(answers)
    sources = {
        "all": [[other for other in range(count) if other != agent] for agent in range(count)],
        "ring": [[(agent + 1) % count] for agent in range(count)],
        "star": [list(range(1, count)) if agent == 0 else [0] for agent in range(count)],
    }[reads]
    return [[answers[agent], [answers[other] for other in seen]] for agent, seen in enumerate(sources)]


@library_op("agree")
def agree(keys: list[Any]) -> bool:
    """Whether all keys are equal."""
    return all(key == keys[0] for key in keys)


@library_op("worked")
def worked(before: list[Any], part: str, result: Any) -> list[dict[str, Any]]:
    """The parts done so far and what came of them, with one more."""
    return [*before, {"part": part, "result": result}]


@library_op("acted")
def acted(before: list[Any], thought: str, action: Any, seen: Any) -> list[dict[str, Any]]:
    """What an agent has done so far, with one action more and what it saw."""
    said = dump(action)
    assert isinstance(said, Mapping)
    step = {"thought": thought, **said, "seen": dump(seen)}
    return [*before, step if "arguments" in said else {"thought": thought, **said}]
