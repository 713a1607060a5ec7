"""Metrics: what a prediction is worth.

A metric is a function of an example, a prediction and, if it takes a third argument, the trace of the run. It returns a
number (higher is better), a bool or a ``Score``; it may be ``async``.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import pydantic

from treadle.compiler.canonical import digest
from treadle.compiler.errors import DataError
from treadle.compiler.values import shown

# A metric takes the example, the prediction and perhaps the trace, of whatever types the program has.
Metric: TypeAlias = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Score:
    """What a metric says of one prediction.

    Attributes:
        value: Higher is better; from 0 to 1 by convention.
        feedback: Why, in words an optimizer's LM may read.
        objectives: Further numbers by name, higher is better, such as one per step.
        notes: What is to be said of single steps or output fields, in words, by their names.

    >>> Score(0.5, feedback="the team is right, the reply is not").value
    0.5
    """

    value: float
    feedback: str = ""
    objectives: Mapping[str, float] = dataclasses.field(default_factory=dict)
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)


def takes_trace(metric: Metric) -> bool:
    """Whether ``metric`` takes the trace as its third argument.

    Raises:
        DataError: It is no function, or takes neither two nor three arguments.
    """
    if not callable(metric):
        msg = (
            f"the metric is {shown(metric)}; a metric is a function of (example, prediction), or "
            "treadle.exact_match('label')"
        )
        raise DataError(msg)
    try:
        parameters = inspect.signature(metric).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    if len(required) > 3 or len(positional) < 2:
        msg = (
            f"metric {metric_name(metric)!r} takes {len(required)} arguments; "
            "it is given (example, prediction) or (example, prediction, trace)"
        )
        raise DataError(msg)
    return len(positional) >= 3


def metric_name(metric: Metric) -> str:
    """The metric's name for reports."""
    return str(getattr(metric, "__name__", type(metric).__name__))


def metric_hash(metric: Metric) -> str:
    """Hash of the metric's source, so that stored scores of another metric are not taken for this one's."""
    identity = getattr(metric, "treadle_identity", None)
    if identity is not None:
        return digest(identity)
    target = metric if inspect.isroutine(metric) else type(metric)
    try:
        text = inspect.getsource(target)
    except (OSError, TypeError):
        text = f"{getattr(metric, '__module__', '')}.{getattr(metric, '__qualname__', repr(target))}"
    return digest([text, *_constants(metric)])


def _constants(metric: Metric) -> list[str]:
    """Values the source does not show: what is closed over, and which of two lambdas on one line this is."""
    cells = getattr(metric, "__closure__", None) or ()
    code = getattr(metric, "__code__", None)
    constants = [value for value in (code.co_consts if code else ()) if isinstance(value, str | int | float)]
    return [shown(cell.cell_contents, 200) for cell in cells] + [shown(value, 200) for value in constants]


async def score(
    metric: Metric,
    arguments: tuple[Any, ...],
    *,
    place: Callable[[Callable[[], Any]], Awaitable[Any]] | None = None,
) -> Score:
    """The metric's verdict on one prediction, as a ``Score``.

    Args:
        metric: As users write it.
        arguments: The row, what the program returned and, for a metric that ``takes_trace``, what the run did.
        place: Where to call the metric, such as a thread; here and now by default.

    Raises:
        DataError: The metric returned something that is no finite number, bool or ``Score``.
    """
    result = metric(*arguments) if place is None else await place(lambda: metric(*arguments))
    if isinstance(result, Awaitable):
        result = await result
    return as_score(result, metric_name(metric))


def as_score(result: object, name: str = "the metric") -> Score:
    """``result`` of a metric as a ``Score``.

    Raises:
        DataError: It is no finite number, bool or ``Score``.
    """
    if isinstance(result, Score):
        numbers = {"value": result.value, **result.objectives}
    elif isinstance(result, int | float):
        numbers = {"value": result}
    else:
        msg = f"{name} returned {shown(result)}; a metric returns a number, a bool or treadle.Score(value, feedback)"
        raise DataError(msg)
    for field, number in numbers.items():
        if not isinstance(number, int | float) or not math.isfinite(number):
            msg = f"{name} returned {field} = {shown(number)}; it must be a finite number"
            raise DataError(msg)
    if isinstance(result, Score):
        for field, words in {"feedback": result.feedback, **result.notes}.items():
            if not isinstance(field, str) or not isinstance(words, str):
                msg = f"{name} returned {field} = {shown(words)}; feedback and notes are text"
                raise DataError(msg)
        return result
    return Score(float(result))


# --- metrics that ship ------------------------------------------------------------------------------------------------


def _named(function: Metric, name: str, *settings: str) -> Metric:
    """Give a made metric a name and an identity that does not depend on where it was made."""
    function.__name__ = name
    function.treadle_identity = [name, *settings]  # type: ignore[attr-defined]  # read by metric_hash
    return function


def picked(prediction: Any, field: str) -> Any:
    """The part of a prediction a label is compared with: its field of that name if it has one, else all of it."""
    if isinstance(prediction, Mapping):
        return prediction.get(field, prediction)
    if isinstance(prediction, pydantic.BaseModel) or dataclasses.is_dataclass(prediction):
        return getattr(prediction, field, prediction)
    return prediction


def _label(example: Mapping[str, Any], field: str) -> Any:
    if field not in example:
        msg = f"the example has no label {field!r}; it has {', '.join(example)}"
        raise DataError(msg)
    return example[field]


def normalized(value: object) -> str:
    """Text for comparison: lower case, no punctuation at the ends of words, single spaces.

    >>> normalized("  The Answer: 42. ")
    'the answer 42'
    """
    value = getattr(value, "value", value)
    return " ".join(re.sub(r"[^\w\s]", " ", str(value).lower()).split())


def exact_match(field: str) -> Metric:
    """1 where the prediction equals the example's label ``field`` after ``normalized``, else 0.

    >>> exact_match("team")({"team": "billing"}, "Billing").value
    1.0
    """

    def metric(example: Mapping[str, Any], prediction: Any) -> Score:
        want, got = _label(example, field), picked(prediction, field)
        right = normalized(want) == normalized(got)
        return Score(float(right), "" if right else f"{field} should be {shown(want)}, was {shown(got)}")

    return _named(metric, f"exact_match({field})", field)


def f1(field: str) -> Metric:
    """Word-overlap F1 (0 to 1) between the prediction and the example's label ``field``, after ``normalized``.

    >>> f1("answer")({"answer": "a red car"}, "red car").value
    0.8
    """

    def metric(example: Mapping[str, Any], prediction: Any) -> Score:
        want, got = normalized(_label(example, field)).split(), normalized(picked(prediction, field)).split()
        common = sum((Counter(want) & Counter(got)).values())
        value = 2 * common / (len(want) + len(got)) if want or got else 1.0
        return Score(value, "" if value == 1 else f"{field} should be {shown(_label(example, field))}")

    return _named(metric, f"f1({field})", field)


def numeric(field: str, *, tolerance: float = 1e-6) -> Metric:
    """1 where the prediction's number is within ``tolerance`` of the label's, relative to the larger of it and 1.

    >>> numeric("answer")({"answer": "1,200"}, "It is 1200.0").value
    1.0
    """

    def metric(example: Mapping[str, Any], prediction: Any) -> Score:
        want, got = number(_label(example, field)), number(picked(prediction, field))
        if want is None:
            msg = f"the label {field!r} is {shown(_label(example, field))}, which holds no number"
            raise DataError(msg)
        right = got is not None and abs(want - got) <= tolerance * max(1.0, abs(want))
        return Score(float(right), "" if right else f"{field} should be {want:g}, was {shown(got)}")

    return _named(metric, f"numeric({field})", field, str(tolerance))


def number(value: object) -> float | None:
    """The last number in ``value``, thousands separators allowed, or ``None``.

    >>> number("total: 1,200.50 dollars")
    1200.5
    """
    if isinstance(value, int | float):
        return float(value)
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", str(value))
    return float(found[-1].replace(",", "")) if found else None
