"""The parts of a problem that grow with the runs: inputs, intermediate values, results, and what was said of them.

Program text is said once; what differs between runs is a row each. A row is a JSON list, so that no value can be taken
for another. Long values keep head, tail and hash; where even that is too much the best runs are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.trace.propagate import Note, Propagation
from treadle.compiler.trace.trace import Span
from treadle.optimizers.clip import as_text, clip, fit, room
from treadle.optimizers.problem import Place, Problem

Cell = JSON | Mapping[str, JSON]
Row = Sequence[Cell]

_HIDDEN = 36  # characters that say how many runs are left out
_SAME = 96  # characters of a result that a step gave
_REPLY = 400  # characters of a raw reply that could not be read


def inputs(problem: Problem, size: int) -> str:
    """What each run was given."""
    names = list(dict.fromkeys(name for run in problem.runs for name in run.span(0).inputs))
    return _table(problem, names, lambda run: [run.span(0).inputs.get(name) for name in names], size)


def intermediates(problem: Problem, size: int) -> str:
    """What each step, op and region gave; of many turns the worst, the median and the best."""
    places = [place for place in problem.places if place.kind != "program"]
    return _table(problem, [p.name for p in places], lambda run: [_cell(problem, run, place) for place in places], size)


def outputs(problem: Problem, size: int) -> str:
    """What each run returned, or how it failed; the two ends where a step or op gave the same, which is shown."""
    return _table(problem, ["result"], lambda run: [_result(problem, run)], size)


def whole_outputs(problem: Problem, size: int) -> str:
    """What each run returned, or how it failed."""
    return _table(problem, ["result"], lambda run: [_given(run.span(0))], size)


def _result(problem: Problem, run: Propagation) -> Cell:
    root = run.span(0)
    spans = (run.span(site.spans[0]) for site in run.sites if len(site.spans) == 1)
    if not root.error and any(span.kind in ("step", "op") and span.output == root.output for span in spans):
        return _clipped(root.output, _SAME)
    return _given(root)


def _cell(problem: Problem, run: Propagation, place: Place) -> Cell:
    site = problem.site(run, place)
    if site is None:
        return None
    if len(site.spans) == 1:
        return _given(run.span(site.spans[0]))
    turns = {number: turn for turn, number in enumerate(site.spans, start=1)}
    shown = {f"{which} turn {turns[span.id]}".strip(): _given(span) for which, span in run.representatives(site)}
    return {"turns": len(site.spans), **shown}


def _given(span: Span) -> Cell:
    if span.error:
        return {"error": span.error}
    return span.taken if span.kind == "region" else span.output


# --- tables ----------------------------------------------------------------------------------------------------------


def _table(problem: Problem, names: Sequence[str], row: Callable[[Propagation], Row], size: int) -> str:
    if not names:
        return ""
    rows = [(number, run, row(run)) for number, run in enumerate(problem.runs, start=1)]
    head = as_text(["run", *names])
    while True:
        most = size if len(rows) == len(problem.runs) else size - _HIDDEN
        text = _rendered(head, rows, most)
        if len(text) <= most or len(rows) == 1:
            break
        rows.remove(max(rows, key=lambda each: (score_of(each[1]), each[0])))
    hidden = len(problem.runs) - len(rows)
    return f"{text}\n({hidden} more, of the better runs)" if hidden else text


def _rendered(head: str, rows: Sequence[tuple[int, Propagation, Row]], size: int) -> str:
    leaves = [leaf for _, _, row in rows for cell in row for leaf in _leaves(cell)]
    fixed = len(head) + sum(6 + 4 * len(row) for _, _, row in rows)
    most = room(leaves, size - fixed)
    return "\n".join([head, *(as_text([number, *(_clipped(cell, most) for cell in row)]) for number, _, row in rows)])


def _leaves(cell: Cell) -> list[str]:
    if isinstance(cell, Mapping) and ("turns" in cell or "error" in cell):
        return [text for part in cell.values() for text in _leaves(part)]
    return [cell if isinstance(cell, str) else as_text(cell)]


def _clipped(cell: Cell, most: int) -> JSON:
    if isinstance(cell, Mapping) and ("turns" in cell or "error" in cell):
        return {name: _clipped(part, most) for name, part in cell.items()}
    if isinstance(cell, str):
        return clip(cell, most)
    text = as_text(cell)
    return cell if len(text) <= most else clip(text, most)


def score_of(run: Propagation) -> float:
    """The run's score; the lowest there is where it failed, and 0 where nobody gave one."""
    if run.span(0).error:
        return -math.inf
    return next((note.score for note in run.notes if not note.about and note.score is not None), 0.0)


# --- feedback --------------------------------------------------------------------------------------------------------


def feedback(problem: Problem, size: int) -> str:
    """What was said of each run, of its result and of single steps; failures with the line to blame."""
    blocks = [(run, [*_said(run), *_failures(problem, run)]) for run in problem.runs]
    numbered = [(number, run, lines) for number, (run, lines) in enumerate(blocks, start=1)]
    while True:
        most = size if len(numbered) == len(problem.runs) else size - _HIDDEN
        text = _blocks(numbered, most)
        if len(text) <= most or len(numbered) == 1:
            break
        numbered.remove(max(numbered, key=lambda each: (score_of(each[1]), each[0])))
    hidden = len(problem.runs) - len(numbered)
    return f"{text}\n({hidden} more, of the better runs)" if hidden else text


def _blocks(numbered: Sequence[tuple[int, Propagation, Sequence[str]]], size: int) -> str:
    lines = [line for _, _, said in numbered for line in said]
    fitted = iter(fit(lines, size - sum(12 + len(said) for _, _, said in numbered)))
    return "\n".join(
        f"run {number}: " + ("\n  ".join(next(fitted) for _ in said) if said else "nothing was said")
        for number, _, said in numbered
    )


def _said(run: Propagation) -> list[str]:
    return [line for note in run.notes if (line := _line(note))]


def _line(note: Note) -> str:
    about = f"on {note.about}{list(note.indices) if note.indices else ''}: " if note.about else ""
    score = "" if note.score is None else f"score {note.score:g}"
    return f"{about}{score}{'; ' if score and note.text else ''}{note.text}" if score or note.text else ""


def _failures(problem: Problem, run: Propagation) -> list[str]:
    """The steps and ops that failed, innermost only: those around them failed because of them."""
    failed = [run.span(number) for site in run.sites for number in site.spans if run.span(number).error]
    around = {span.parent for span in failed}
    return [_failure(problem, run, span) for span in failed if span.id not in around]


def _failure(problem: Problem, run: Propagation, span: Span) -> str:
    name = problem.place_of(run, span.id)
    turn = f", turn {list(span.indices)}" if span.indices else ""
    said = f"{span.kind} {name}{turn} failed: {span.error}"
    if span.where:
        return f"{said}\n{span.where}"
    reply = next((call.reply for call in reversed(run.trace.spans) if call.reply and _inside(run, call, span)), "")
    return f"{said}\nthe model had replied: {clip(reply, _REPLY)}" if reply else said


def _inside(run: Propagation, call: Span, step: Span) -> bool:
    number = call.parent
    while number is not None and number > step.id:
        number = run.trace.spans[number].parent
    return number == step.id and call.id != step.id
