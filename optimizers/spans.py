"""A predictor's steps in a trace: what they read, what they answered, and whether what they read was right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from treadle.optimizers.demo_bank import labels_of

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.study.data import Example
    from treadle.compiler.study.study import Study
    from treadle.compiler.trace.trace import Span, Trace


def ended_well(trace: Trace | None, name: str) -> list[Span]:
    """The predictor's steps that gave an answer, in the order they began."""
    return [span for span in trace.of(name) if not span.error] if trace is not None else []


def answer_of(predictor: Predictor, span: Span) -> Mapping[str, JSON]:
    """What a step answered, by output field."""
    outputs = predictor.signature.outputs
    if len(outputs) == 1:
        return {outputs[0].name: span.output}
    return span.output if isinstance(span.output, Mapping) else {}


def right_before(study: Study, example: Example, trace: Trace, before: Span) -> bool:
    """Whether all labelled steps that began earlier answered as labelled."""
    predictors = study.program.predictors
    for span in trace.spans:
        if span.kind == "step" and span.id < before.id and span.predictor in predictors:
            labels = labels_of(example, span.predictor, predictors[span.predictor])
            if labels is not None and labels != answer_of(predictors[span.predictor], span):
                return False
    return True
