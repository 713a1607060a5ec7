"""What is said of a run, as notes: from a study's outcomes, and from what users of ``propose`` give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from treadle.compiler.study.metric import Score
from treadle.compiler.trace.propagate import Feedback, Note, notes_of
from treadle.compiler.values import dump
from treadle.optimizers.clip import as_text
from treadle.optimizers.demo_bank import labels_of

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.study.data import Example
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.trace.trace import Span


def notes_on(outcome: Outcome, example: Example, predictors: Mapping[str, Predictor]) -> tuple[Note, ...]:
    """What a study knows of a run: the metric's score and words, its words and numbers on steps, and the row's labels.

    Labels named like a step say whether that step was right; others are told where the metric has no words.
    """
    notes = [Note(score=outcome.score, text=outcome.feedback or outcome.failure)]
    notes += [Note(about=name, text=text) for name, text in outcome.notes.items()]
    notes += [Note(about=name, score=score) for name, score in outcome.objectives.items()]
    of_steps = list(_by_labels(outcome, example, predictors))
    if not (outcome.feedback or outcome.notes or of_steps) and example.labels:
        notes.append(Note(text=f"the row says: {as_text(dump(dict(example.labels)))}"))
    return (*notes, *of_steps)


def _by_labels(outcome: Outcome, example: Example, predictors: Mapping[str, Predictor]) -> Iterator[Note]:
    for name, predictor in predictors.items():
        labels = labels_of(example, name, predictor)
        spans = () if outcome.trace is None else outcome.trace.of(name)
        if labels is not None and len(spans) == 1:
            right = not spans[0].error and _outputs(predictor, spans[0]) == labels
            wanted = labels if len(labels) > 1 else next(iter(labels.values()))
            yield Note(about=name, score=float(right), text="" if right else f"should be {as_text(wanted)}")


def _outputs(predictor: Predictor, span: Span) -> JSON:
    outputs = predictor.signature.outputs
    return {outputs[0].name: span.output} if len(outputs) == 1 else span.output


def notes_given(feedback: Feedback | Score) -> tuple[Note, ...]:
    """What a user says of a run, as notes.

    Raises:
        DataError: It has none of the forms there are.
    """
    if not isinstance(feedback, Score):
        return notes_of(_without_scores(feedback))
    about: dict[str, Any] = {name: [] for name in (*feedback.notes, *feedback.objectives)}
    for name, text in feedback.notes.items():
        about[name].append(text)
    for name, number in feedback.objectives.items():
        about[name].append(number)
    return (Note(score=float(feedback.value), text=feedback.feedback), *notes_of(about))


def _without_scores(feedback: Any) -> Any:
    """Scores inside lists and mappings as what they hold."""
    if isinstance(feedback, Score):
        return [feedback.value, feedback.feedback]
    if isinstance(feedback, Mapping):
        return {name: _without_scores(part) for name, part in feedback.items()}
    return [_without_scores(part) for part in feedback] if isinstance(feedback, list | tuple) else feedback
