"""What has changed between two programs, said as a person would: how steps are answered, what they are told and shown.

Both sides may be programs, or files written at any time. The comparison is of what is in force: the declaration with
what search has chosen.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from treadle.compiler.annotations import type_name
from treadle.compiler.artifact import edits
from treadle.compiler.artifact.contents import Contents
from treadle.compiler.artifact.outline import outline
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.escape import line, plain
from treadle.compiler.graph.bind import demos_of
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import LIBRARY_PREFIX
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.graph.rewrite import EDITS
from treadle.compiler.module import INNER, Module, module_of
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.render import CONTEXT_PREFIX
from treadle.compiler.signature import Signature, Slot

WIDTH = 100
"""Columns a line of text may take."""
_DEMOS_SHOWN = 6
"""Demos shown of each kind; ``treadle show`` shows all."""
_UNCHANGED_SHOWN = 1
"""Unchanged lines shown around a change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs.

    Attributes:
        subject: A predictor's name; empty for the program as a whole.
        what: What differs: ``"instruction"``, ``"demos"``, ``"answered by"``, …
        lines: What was, marked ``"- "``; what is, marked ``"+ "``; what stays, marked ``"  "``.
    """

    subject: str
    what: str
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Diff:
    """All that differs between two programs; false where nothing does. ``str`` gives the text."""

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        if not self.changes:
            return "no differences"
        return plain("\n".join(_text(self.changes)))

    def to_json(self) -> list[JSON]:
        """The changes as data."""
        return [{"subject": c.subject, "what": c.what, "lines": list(c.lines)} for c in self.changes]


def _text(changes: Sequence[Change]) -> Iterator[str]:
    subject = None
    for change in changes:
        if change.subject != subject:
            yield from ([""] if subject is not None else [])
            yield change.subject or "the program"
            subject = change.subject
        yield f"  {change.what}"
        yield from (f"    {row}" for row in change.lines)


def compare(a: Contents, b: Contents) -> Diff:
    """What is different in ``b``, seen from ``a``."""
    changes = [*_program(a, b)]
    for name in dict.fromkeys((*a.all_predictors, *b.all_predictors)):
        if name in a.all_predictors and name in b.all_predictors:
            changes.extend(_predictor(name, a, b))
        elif name in b.all_predictors and name not in b.predictors:  # an edit makes it: seen from how it begins
            changes.extend(_predictor(name, _only_edited(b), b))
    return Diff(tuple(changes))


def _only_edited(contents: Contents) -> Contents:
    values = {address: value for address, value in contents.candidate.values.items() if address == EDITS}
    return dataclasses.replace(contents, candidate=Candidate(values=values))


# --- the program -----------------------------------------------------------------------------------------------------


def _program(a: Contents, b: Contents) -> Iterator[Change]:
    yield from _change("", "inputs and output", fields_in_words(a.signature), fields_in_words(b.signature))
    yield from _change("", "predictors", list(a.predictors), list(b.predictors))
    yield from _change("", "ops", _own(a.ops), _own(b.ops))
    for name in sorted({*a.tunable, *b.tunable}):
        yield from _tunable(name, a, b)
    yield from _flow(a, b)
    if a.model is not None and b.model is not None:  # one that is bound to none runs on whichever is in force
        yield from _change("", "model", [a.model], [b.model])
    yield from _change("", "edits", edits.in_words(a.candidate.values), edits.in_words(b.candidate.values))
    if a.template != b.template:
        yield Change(subject="", what="chat template", lines=(f"- {a.template[0]}", f"+ {b.template[0]}"))


def _tunable(name: str, a: Contents, b: Contents) -> Iterator[Change]:
    """A number, choice, text or code that is in force."""
    old, new = tunable_rows(name, a), tunable_rows(name, b)
    what = f"code of {name}" if "code" in (tunable_kind(name, a), tunable_kind(name, b)) else name
    yield from _text_change("", what, old, new)


def tunable_kind(name: str, contents: Contents) -> str:
    """What kind of value it is; empty where the program has none of that name."""
    return contents.tunable[name].kind if name in contents.tunable else ""


def tunable_rows(name: str, contents: Contents) -> list[str]:
    """The value in force, as lines."""
    if name not in contents.tunable:
        return []
    value = contents.candidate.values.get(f".{name}", contents.tunable[name].default)
    if isinstance(value, str):
        return value.splitlines() if contents.tunable[name].kind == "code" else wrapped(value)
    return [line(_short(value), 200)]


def _own(ops: Sequence[str]) -> list[str]:
    """The user's ops: those of the library come and go with modules."""
    return [name for name in ops if not name.startswith(LIBRARY_PREFIX)]


def _flow(a: Contents, b: Contents) -> Iterator[Change]:
    if a.capture != b.capture:
        yield from _change("", "capture", [a.capture], [b.capture])
    elif a.graph is not None and b.graph is not None:
        yield from _text_change("", "flow", outline(a.graph), outline(b.graph))
    elif a.program_hash != b.program_hash:
        yield Change(subject="", what="source", lines=("  the function's text has changed",))


def fields_in_words(signature: Signature) -> list[str]:
    """The fields as a function would declare them, outputs behind an arrow."""
    return [*inputs_in_words(signature), *(f"→ {output}" for output in outputs_in_words(signature))]


def inputs_in_words(signature: Signature) -> list[str]:
    """The inputs as a function would declare them."""
    return [_field(slot) for slot in signature.inputs]


def outputs_in_words(signature: Signature) -> list[str]:
    """The outputs as a function would declare them."""
    return [_field(slot) for slot in signature.outputs]


def _field(slot: Slot) -> str:
    default = "" if slot.required else f" = {line(json.dumps(slot.dump(slot.default)), 40)}"
    return f"{slot.name}: {type_name(slot.annotation)}{default}"


# --- one predictor ---------------------------------------------------------------------------------------------------


def _predictor(name: str, a: Contents, b: Contents) -> Iterator[Change]:
    old, new = a.in_force(name), b.in_force(name)
    yield from _change(name, "fields", fields_in_words(old.signature), fields_in_words(new.signature))
    yield from _change(name, "answered by", [_answer(name, a)], [_answer(name, b)])
    yield from _change(name, "model", _maybe(old.model), _maybe(new.model))
    for setting in ("temperature", "max_tokens"):
        yield from _change(name, setting, _maybe(getattr(old, setting)), _maybe(getattr(new, setting)))
    yield from _change(name, "also reads", _edges(name, a), _edges(name, b))
    yield from _instruction(name, "instruction", old.signature.instruction, new.signature.instruction)
    yield from _demos(name, "demos", old.demos, new.demos)
    yield from _inner(name, a, b)


def _answer(name: str, contents: Contents) -> str:
    """How the predictor's steps are answered, knobs as search has set them."""
    return in_words(module_of(name, contents.all_predictors[name], contents.candidate.values))


def _edges(name: str, contents: Contents) -> list[str]:
    """Whose answers the predictor's steps read as context, as declared and as search has changed it."""
    steps = () if contents.graph is None else contents.graph.steps()
    found = {source for step in steps if step.predictor == name for source, _ in step.context}
    prefix = f"{name}.{CONTEXT_PREFIX}"
    for address, on in contents.candidate.values.items():
        if address.startswith(prefix):
            source = {address.removeprefix(prefix)}
            found = found | source if on else found - source
    return sorted(found)


def _inner(name: str, a: Contents, b: Contents) -> Iterator[Change]:
    """What search has chosen for the calls inside the predictor's module."""
    old, new = a.candidate.values, b.candidate.values
    for address in sorted({*old, *new}):
        if not address.startswith(f"{name}/") or canonical(old.get(address)) == canonical(new.get(address)):
            continue
        where, _, field = address.removeprefix(f"{name}/").rpartition(".")
        if field == "instruction":
            yield from _instruction(name, f"instruction of {where}", _str(old, address), _str(new, address))
        elif field == "demos":
            yield from _demos(name, f"demos of {where}", _demos_at(old, address), _demos_at(new, address))


def _str(values: Mapping[str, JSON], address: str) -> str:
    return str(values.get(address, "") or "")


def _demos_at(values: Mapping[str, JSON], address: str) -> tuple[Demo, ...]:
    return demos_of(values.get(address) or [])


def _instruction(name: str, what: str, old: str, new: str) -> Iterator[Change]:
    yield from _text_change(name, what, wrapped(old), wrapped(new))


def wrapped(text: str) -> list[str]:
    """A text as lines of at most ``WIDTH`` columns; none for no text."""
    rows: list[str] = []
    for row in text.split("\n"):
        rows.extend(textwrap.wrap(row, WIDTH, break_long_words=False, break_on_hyphens=False) or [""])
    return rows if text else []


def _demos(name: str, what: str, old: Sequence[Demo], new: Sequence[Demo]) -> Iterator[Change]:
    before, after = {_key(demo): demo for demo in old}, {_key(demo): demo for demo in new}
    gone = [demo for key, demo in before.items() if key not in after]
    come = [demo for key, demo in after.items() if key not in before]
    if gone or come:
        counts = [f"{len(demos)} {word}" for demos, word in ((gone, "removed"), (come, "added")) if demos]
        rows = [*_listed("-", gone), *_listed("+", come)]
        yield Change(subject=name, what=f"{what}: {', '.join(counts)}", lines=tuple(rows))
    elif list(before) != list(after):
        yield Change(subject=name, what=what, lines=("  the same, in another order",))


def _listed(mark: str, demos: Sequence[Demo]) -> Iterator[str]:
    yield from (f"{mark} {demo_in_words(demo)}" for demo in demos[:_DEMOS_SHOWN])
    if len(demos) > _DEMOS_SHOWN:
        yield f"{mark} … and {len(demos) - _DEMOS_SHOWN} more"


def _key(demo: Demo) -> str:
    return canonical([demo.inputs, demo.outputs])


def demo_in_words(demo: Demo) -> str:
    """A demo on one line."""

    def side(fields: Mapping[str, JSON]) -> str:
        limit = 60 if len(fields) == 1 else 36
        return ", ".join(f"{name}: {line(_short(value), limit)}" for name, value in fields.items())

    return f"{side(demo.inputs)} → {side(demo.outputs)} ({demo.origin})"


def _short(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- rows ------------------------------------------------------------------------------------------------------------


def _maybe(value: object) -> list[str]:
    return [] if value is None else [str(value)]


def _change(subject: str, what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    """Rows that were and rows that are, where they differ."""
    if list(old) != list(new):
        gone, come = [row for row in old if row not in new], [row for row in new if row not in old]
        rows = [*(f"- {row}" for row in gone), *(f"+ {row}" for row in come)]
        yield Change(subject=subject, what=what, lines=tuple(rows) or ("  the same, in another order",))


def _text_change(subject: str, what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    """A unified diff of two texts, without headers."""
    if list(old) != list(new):
        rows = list(difflib.unified_diff(old, new, lineterm="", n=_UNCHANGED_SHOWN))[2:]
        marked = ("  …" if row.startswith("@@") else f"{row[0]} {row[1:]}" for row in rows)
        kept = list(marked)
        yield Change(subject=subject, what=what, lines=tuple(kept[1:] if kept and kept[0] == "  …" else kept))


def in_words(module: Module) -> str:
    """A module as its author would write it; knobs at their defaults are left out.

    >>> from treadle.modules import ChainOfThought, Vote
    >>> in_words(Vote(ChainOfThought(), n=7))
    'Vote(ChainOfThought(), n=7)'
    """
    parts = []
    for name, field in type(module).model_fields.items():
        value = getattr(module, name)
        if value != field.get_default():
            shown = in_words(value) if isinstance(value, Module) else repr(value)
            parts.append(shown if name == INNER else f"{name}={shown}")
    return f"{type(module).__name__}({', '.join(parts)})"


def declared_change(name: str, old: Predictor, new: Predictor) -> Diff:
    """What has changed in a predictor's declared fields."""
    return Diff(tuple(_change(name, "fields", fields_in_words(old.signature), fields_in_words(new.signature))))
