"""What evaluate, estimate and compile need to open a study: the LM, the identity, the examples they may touch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import DataError
from treadle.compiler.frontend.program import Program
from treadle.compiler.frontend.source import source_hash
from treadle.compiler.graph.bounds import lm_calls
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import LM as LMNode
from treadle.compiler.graph.op import LIBRARY_PREFIX, Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.graph.rewrite import with_edits
from treadle.compiler.lm.lm import LM
from treadle.compiler.module import expand_step
from treadle.compiler.study.data import Data
from treadle.compiler.study.metric import Metric, metric_hash
from treadle.compiler.study.splits import Splits
from treadle.compiler.values import shown


def lm_of(lm: LM | str | None) -> LM | None:
    """The LM a user gave, by object or by name."""
    return LM(lm) if isinstance(lm, str) else lm


def check_program(program: object) -> None:
    """Refuse what is no program, and capture what is one.

    Raises:
        DataError: It is no program.
        DeclarationError: The program cannot be captured.
    """
    if not isinstance(program, Program):
        msg = f"{shown(program)} is no program; decorate the function that calls your steps with @treadle.program"
        raise DataError(msg)
    program.check()


def splits_for_evaluation(data: Data) -> Splits:
    """All examples in one split: nothing is chosen, so nothing is held out."""
    return Splits(feedback=(), select=data.ids, examples=len(data))


def most_lm_calls(program: Program[Any, Any], candidate: Candidate, *, reasks: bool = False) -> int | None:
    """LM calls of one run under ``candidate`` at most; ``None`` where there is no bound.

    Args:
        program: What is run.
        candidate: Its parameters' values.
        reasks: With the one re-ask of each reply that may not fit.
    """
    if program.graph is None:
        return None
    values = {**program.candidate.values, **candidate.values}
    return lm_calls(
        with_edits(program.graph, values),
        expand=lambda name, predictor: expand_step(name, predictor, values),
        weight=calls_of if reasks else None,
    )


def calls_of(node: LMNode) -> int:
    """LM calls of one LM node at most: two where the reply may not fit, one for plain text, which always does."""
    return 1 if len(node.signature.outputs) == 1 and _is_plain(node.signature.outputs[0].annotation) else 2


def _is_plain(annotation: Any) -> bool:
    """Whether the type is ``str`` without constraints: a description is none."""
    if get_origin(annotation) is not Annotated:
        return annotation is str
    kind, *notes = get_args(annotation)
    return kind is str and all(isinstance(note, str) for note in notes)


def identity_of(
    program: Program[Any, Any],
    metric: Metric,
    lm: LM | None,
    *,
    stubs: Mapping[str, Op] | None = None,
    **more: JSON,
) -> dict[str, JSON]:
    """What makes a study this one, by part. Cells depend on program, ops, metric and LM.

    Args:
        program: Its graph or its source, its defaults and the candidate it is bound to.
        metric: By its source.
        lm: By what decides its replies; ``None`` where steps bring their own.
        stubs: What stands in for ops, by name.
        more: Further parts, such as ``optimizer`` and ``seed``.
    """
    return {
        "program": program_hash(program),
        "ops": {name: _source_hash(op) for name, op in sorted({**program.ops, **(stubs or {})}.items())},
        "metric": metric_hash(metric),
        "lm": None if lm is None else [lm.model, lm.endpoint, lm.temperature, lm.max_tokens],
        **more,
    }


def program_hash(program: Program[Any, Any]) -> str:
    """Hash of what a program does before any candidate: its graph, or its source; and its predictors' defaults."""
    predictors = {
        name: [p.signature.to_json(), p.module, [d.to_json() for d in p.demos], p.model, p.temperature, p.max_tokens]
        for name, p in sorted(program.predictors.items())
    }
    return digest([code_hash(program), predictors, dict(program.candidate.values)])


def code_hash(program: Program[Any, Any]) -> str:
    """Hash of the program's graph; in host mode of its source."""
    return source_hash(program.__wrapped__) if program.graph is None else graph_hash(program.graph)


def _source_hash(op: Op) -> str:
    if op.name.startswith(LIBRARY_PREFIX):
        return "library"
    if op.parameter is not None:
        return digest(op.parameter.default)
    try:
        return digest(inspect.getsource(inspect.unwrap(op.function)))
    except (OSError, TypeError):
        return "unknown"
