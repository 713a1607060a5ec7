"""The problem as text: sections that share a budget of tokens.

The sections and their order follow OptoPrime (Cheng, Nie and Swaminathan 2024, section 4). Each gets its share of the
budget; what a section does not need goes to the others. A token counts as four characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.graph.parameters import Parameter
from treadle.compiler.trace.propagate import Propagation
from treadle.compiler.trace.trace import Span
from treadle.optimizers import problem_tables as tables
from treadle.optimizers.clip import as_text, clip, fit, shares
from treadle.optimizers.problem import Past, Place, Problem, Variable

Section = Literal[
    "task", "program", "documentation", "variables", "inputs", "intermediates", "outputs", "feedback", "past"
]

CHARACTERS = 4
"""Characters a token counts as."""

_ENDLESS = 1 << 40
_BOUND = 2_000  # characters texts and instructions may have where nobody says less


def render(problem: Problem, *, tokens: int, hide: Sequence[Section] = ()) -> str:
    """The problem in at most ``tokens`` tokens.

    Args:
        problem: The problem.
        tokens: The budget.
        hide: Sections to leave out, to see what they are worth.
    """
    shown = [(name, weight, part) for name, (weight, part) in _SECTIONS.items() if name not in hide]
    if "intermediates" in hide:  # then what steps gave stands nowhere else
        shown = [(name, weight, tables.whole_outputs if name == "outputs" else part) for name, weight, part in shown]
    full = [(name, weight, part, part(problem, _ENDLESS)) for name, weight, part in shown]
    full = [section for section in full if section[3]]
    room = tokens * CHARACTERS - sum(len(_title(name)) + 2 for name, *_ in full)
    sizes = shares([len(text) for *_, text in full], [weight for _, weight, *_ in full], max(0, room))
    parts = [
        _title(name) + (text if len(text) <= size else _cut(part(problem, size), size))
        for (name, _, part, text), size in zip(full, sizes, strict=True)
    ]
    return "\n\n".join(parts)


def _title(name: str) -> str:
    return f"# {name.capitalize()}\n"


def _cut(text: str, size: int) -> str:
    """Whole lines from both ends: the last resort of a section that could not make itself short enough."""
    if len(text) <= size:
        return text
    lines = text.splitlines()
    head: list[str] = []
    tail: list[str] = []
    left = size - 40
    while lines:
        line = lines.pop(0) if len(head) <= len(tail) else lines.pop()
        if len(line) + 1 > left:
            lines.append(line)
            break
        left -= len(line) + 1
        (head if len(head) <= len(tail) else tail).append(line)
    return "\n".join([*head, f"… {len(lines)} lines …", *reversed(tail)])[:size]


# --- what does not grow with the runs --------------------------------------------------------------------------------


def _task(problem: Problem, size: int) -> str:
    parts = [problem.task, f"From the user, for every round: {problem.guidance}" if problem.guidance else ""]
    return "\n".join(fit([part for part in parts if part], size - 1))


def _program(problem: Problem, size: int) -> str:
    lines = [f"{problem.promise}:"]
    above: list[Place] = []
    for place in problem.places:
        del above[place.depth :]
        if place.arm == "otherwise" and not (above and above[-1].arm == "else shown"):
            lines.append(f"{'    ' * place.depth}else:")
            above[-1:] = [_with_else(above[-1])] if above else []
        lines.append("    " * (place.depth + 1) + _statement(problem, place))
        above.append(place)
    lines.append(f"    return {_returned(problem)}")
    return "\n".join(lines)


def _with_else(place: Place) -> Place:
    return Place(key=place.key, name=place.name, kind=place.kind, depth=place.depth, arm="else shown")


def _statement(problem: Problem, place: Place) -> str:
    run, span = _example(problem, place)
    names = [v.name for v in problem.variables if v.owner in (span.predictor or span.name,)]
    comment = f"  # {', '.join(names)}" if names and place.kind in ("step", "op") else ""
    if place.kind == "region":
        return _region(problem, run, span, place)
    call = span.predictor or span.name
    return f"{place.name} = {call}({', '.join(_arguments(problem, run, span))}){comment}"


def _arguments(problem: Problem, run: Propagation, span: Span) -> Iterator[str]:
    """Each argument and where it came from: a step, op or input of this value, else what is left of what was read."""
    found = {name: _same(problem, run, span, value) for name, value in span.inputs.items()}
    left = [name for name in _read_names(problem, run, span) if run.known and name not in found.values()]
    for name, value in span.inputs.items():
        made = f"<made from {', '.join(left)}>" if left else clip(as_text(value), 60)
        yield f"{name}={found[name] or made}"


def _region(problem: Problem, run: Propagation, span: Span, place: Place) -> str:
    decided = ", ".join(_read_names(problem, run, span)) or "the inputs"
    taken = {run.span(n).taken for run in problem.runs if (s := problem.site(run, place)) for n in s.spans}
    if span.name == "branch":
        arms = " and ".join(sorted(str(arm) for arm in taken))
        return f"if {place.name}:  # decided by {decided}; taken: {arms}"
    numbers = [turn for turn in taken if isinstance(turn, int)]
    turns = f"{min(numbers)} to {max(numbers)} turns" if numbers else "turns"
    return f"for each turn of {place.name}:  # over {decided}; {turns}"


def _example(problem: Problem, place: Place) -> tuple[Propagation, Span]:
    for run in problem.runs:
        site = problem.site(run, place)
        if site is not None:
            return run, run.span(site.spans[0])
    raise LookupError(place.name)


def _read_names(problem: Problem, run: Propagation, span: Span) -> list[str]:
    names = (problem.place_of(run, number) for number in run.reads.get(span.id, ()))
    return list(dict.fromkeys(name for name in names if name))


def _same(problem: Problem, run: Propagation, span: Span, value: JSON) -> str:
    """The step, op or input whose value this is; empty where there is none."""
    reads = run.reads.get(span.id, ()) if run.known else tuple(n for n in run.spans if 0 < n < span.id)
    if not _tells(value, run.known):
        return ""
    for number in reversed(reads):
        if run.span(number).output == value and problem.place_of(run, number):
            return problem.place_of(run, number)
    return next((name for name, given in run.span(0).inputs.items() if given == value), "")


def _tells(value: JSON, known: bool) -> bool:
    """Whether equal values are the same one: where it is not known what was read, short ones are equal by chance."""
    return known or len(as_text(value)) > 4


def _returned(problem: Problem) -> str:
    """Whose value the result is, or what it was made from, over all runs that had one."""
    names: dict[str, None] = {}
    same: dict[str, None] = {}
    for run in problem.runs:
        root = run.span(0)
        if not root.error:
            names |= dict.fromkeys(_read_names(problem, run, root))
            same[_same(problem, run, root, root.output) if run.reads.get(0) else ""] = None
    if len(same) == 1 and "" not in same:
        return next(iter(same))
    return f"<made from {', '.join(names)}>" if names else "result"


def _documentation(problem: Problem, size: int) -> str:
    texts = [text for text in problem.documentation.values() if text]
    return "\n".join(fit(texts, size - len(texts)))


# --- variables and memory --------------------------------------------------------------------------------------------


def _variables(problem: Problem, size: int) -> str:
    heads = [f"## {variable.name}\n{takes(variable.parameter)}" for variable in problem.variables]
    values = [shown_value(variable) for variable in problem.variables]
    fitted = fit(values, size - sum(len(head) + 4 for head in heads))
    return "\n\n".join(f"{head}\n{value}" for head, value in zip(heads, fitted, strict=True))


def shown_value(variable: Variable) -> str:
    """The value as a reader sees it: text and code as they are, everything else as JSON."""
    value, kind = variable.value, variable.parameter.kind
    if kind == "demos" and isinstance(value, Sequence):
        return "\n".join(as_text(demo) for demo in value) or "none"
    return value if isinstance(value, str) and kind != "choice" else as_text(label(value))


def label(value: JSON) -> JSON:
    """A choice as it is named: text, numbers and truth values by themselves, other values by their JSON text."""
    if value is None:
        return "default"
    return value if isinstance(value, str | int | float | bool) else canonical(value)


def takes(parameter: Parameter) -> str:
    """What a parameter may be, in words."""
    return "; ".join(part for part in (_allowed(parameter), parameter.description) if part)


def _allowed(parameter: Parameter) -> str:
    match parameter.kind:
        case "number":
            whole = "whole number" if parameter.integer else "number"
            return f"a {whole} from {parameter.low:g} to {parameter.high:g}"
        case "choice" | "module" | "model":
            return f"one of {', '.join(as_text(label(choice)) for choice in parameter.choices)}"
        case "instruction":
            return f"what {parameter.address.rpartition('.')[0]} is told{_at_most(parameter)}"
        case "code":
            return f"Python code; it must define {parameter.field} with the same arguments"
        case "demos":
            return f"worked examples shown to {parameter.address.rpartition('.')[0]}"
    return f"text{_at_most(parameter)}"


def _at_most(parameter: Parameter) -> str:
    """The bound of a text somebody set; the one that all have is left to the schema of the reply."""
    return f", at most {parameter.max_length} characters" if parameter.max_length < _BOUND else ""


def _past(problem: Problem, size: int) -> str:
    """The rounds so far, the latest last; where there is no room the oldest are left out."""
    lines = [_past_line(past) for past in problem.past]
    each = max(80, size // max(1, min(4, len(lines))))
    kept: list[str] = []
    left = size - 30
    for line in reversed(lines):
        short = clip(line, each)
        if len(short) + 1 > left:
            break
        kept.append(short)
        left -= len(short) + 1
    hidden = len(lines) - len(kept)
    return "\n".join([*([f"({hidden} earlier rounds)"] if hidden else []), *reversed(kept)])


def _past_line(past: Past) -> str:
    changes = ", ".join(f"{name} = {clip(as_text(value), 400)}" for name, value in past.changes.items())
    return f"round {past.number}: {changes or 'no change'} -> {past.outcome}"


Part = Callable[[Problem, int], str]

_SECTIONS: Mapping[str, tuple[float, Part]] = {
    "task": (0.05, _task),
    "program": (0.12, _program),
    "documentation": (0.10, _documentation),
    "variables": (0.27, _variables),
    "inputs": (0.08, tables.inputs),
    "intermediates": (0.16, tables.intermediates),
    "outputs": (0.05, tables.outputs),
    "feedback": (0.12, tables.feedback),
    "past": (0.05, _past),
}
