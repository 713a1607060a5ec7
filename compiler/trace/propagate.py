"""From feedback on a result back to what could have caused it: the part of a trace between parameters and output.

What Trace (Cheng, Nie and Swaminathan 2024, arXiv 2406.16218, section 3) calls the minimal sub-graph: the spans that a
parameter can reach and that lead to the output. Where we depart: every span is visited once, without recursion, so the
time is linear; what one call site did in the turns of maps and loops stays together as one site; branches and loops
that decided what ran are part of it; and each note keeps what it is about, so that outputs may get different feedback.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from treadle.compiler.canonical import digest
from treadle.compiler.errors import DataError
from treadle.compiler.trace.trace import Span, Trace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
    """One thing that is said of a run.

    Attributes:
        text: In words.
        score: As a number, higher is better; ``None`` where there is none.
        about: The step, op or output field it is about; empty for the result as a whole.
        indices: Which turn of the maps and loops around, as ``Span.indices``; empty for all.
    """

    text: str = ""
    score: float | None = None
    about: str = ""
    indices: tuple[int, ...] = ()


_LONGEST_KEY = 200  # characters; deeper places have a hash for a key

Feedback = Note | str | bool | int | float | BaseException | Mapping[str, object] | Sequence[object] | None
"""What may be said of a run: words, a number, an exception, these by step or output field, or several of them."""


def notes_of(feedback: Feedback, about: str = "") -> tuple[Note, ...]:
    """Feedback as notes.

    Raises:
        DataError: It is none of what ``Feedback`` lists.

    >>> notes_of({"team": "wrong", "reply": 1.0})[0]
    Note(text='wrong', score=None, about='team', indices=())
    """
    match feedback:
        case None:
            return ()
        case Note():
            return (feedback,)
        case str():
            return (Note(text=feedback, about=about),) if feedback else ()
        case bool() | int() | float():
            if feedback != feedback:  # NaN
                raise DataError(f"feedback{f' on {about}' if about else ''} is NaN; give a finite number")
            return (Note(score=float(feedback), about=about),)
        case BaseException():
            return (Note(text=f"{type(feedback).__name__}: {feedback}", about=about),)
        case Mapping():
            return tuple(note for name, part in feedback.items() for note in notes_of(_any(part), _name(name)))
        case list() | tuple():
            return tuple(note for part in feedback for note in notes_of(part, about))
    msg = (
        f"feedback cannot be {type(feedback).__name__} ({str(feedback)[:80]!r}); give text, a number, an exception, a "
        "mapping from step or output field to these, a Note, or a list of them"
    )
    raise DataError(msg)


def _any(part: Any) -> Any:  # checked when it is looked at
    return part


def _name(name: object) -> str:
    if not isinstance(name, str):
        msg = f"feedback by step has the key {str(name)[:80]!r}; keys are names of steps or output fields"
        raise DataError(msg)
    return name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """One place of a program, and what ran there.

    Attributes:
        key: The same for this place in every run of the program.
        parent: Index of the site around it; ``None`` at the top.
        spans: Ids of its spans, in program order; more than one in maps, loops and replicas.
    """

    key: str
    parent: int | None
    spans: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Propagation:
    """The part of a run between its parameters and its output, with what was said of it.

    Attributes:
        trace: The run.
        notes: What was said.
        spans: Ids of the spans that a parameter can reach and that lead to the output, in program order.
        givens: Ids of the spans these read, and that no parameter reaches.
        sites: The places of both, outer before inner, in program order.
        reads: Ids of the spans that each of ``spans`` read or was decided by.
        known: Whether the trace tells what each span read. In host mode it does not, and every span counts.
        visited: Spans looked at on the way back from the output; each once.
    """

    trace: Trace
    notes: tuple[Note, ...]
    spans: tuple[int, ...]
    givens: tuple[int, ...]
    sites: tuple[Site, ...]
    reads: Mapping[int, tuple[int, ...]]
    known: bool
    visited: int

    def span(self, number: int) -> Span:
        """The span with this id."""
        return self.trace.spans[number]

    def notes_about(self, span: Span) -> tuple[Note, ...]:
        """What was said of this span."""
        names = {span.name, span.predictor} - {""}
        return tuple(
            note for note in self.notes if note.about in names and note.indices == span.indices[: len(note.indices)]
        )

    def representatives(self, site: Site) -> tuple[tuple[str, Span], ...]:
        """The worst, the median and the best of what ran at a site, by failures and by what was said of each."""
        ranked = sorted((self.span(number) for number in site.spans), key=self._rank)
        if len(ranked) < 3:
            return tuple(("", span) for span in sorted(ranked, key=lambda span: span.id))
        return (("worst", ranked[0]), ("median", ranked[len(ranked) // 2]), ("best", ranked[-1]))

    def _rank(self, span: Span) -> tuple[float, int]:
        if span.error:
            return (float("-inf"), span.id)
        scores = [note.score for note in self.notes_about(span) if note.score is not None and note.indices]
        return (min(scores) if scores else 0.0, span.id)


def propagate(trace: Trace, feedback: Feedback, trainable: Collection[str] | None = None) -> Propagation:
    """What could have caused the feedback.

    Steps count as wholes: what ran inside one is how it was answered. Where a run failed, its failure is the output.

    Args:
        trace: One run.
        feedback: What was said of its result, or of its steps and output fields by name.
        trainable: Predictors, ops and parameters that may change; all that have parameters by default.

    Raises:
        DataError: The feedback has another form.
    """
    notes = notes_of(feedback)
    walk = _Walk(trace)
    led = walk.back()
    reached = walk.reached(led, trainable)
    reached_set = set(reached)
    givens = sorted({source for number in reached for source in walk.reads[number]} - reached_set - {0})
    return Propagation(
        trace=trace,
        notes=notes,
        spans=tuple(reached),
        givens=tuple(givens),
        sites=_sites(trace, walk, sorted({*reached, *givens} - {0})),
        reads={number: walk.reads[number] for number in reached},
        known=walk.known,
        visited=len(led),
    )


class _Walk:
    """A trace prepared for one walk: what is visible, and what each visible span read."""

    def __init__(self, trace: Trace) -> None:
        self.spans = trace.spans
        self.owner: list[int] = []  # the visible span that stands for each span
        self.inside: list[bool] = []  # of a step
        self.children: dict[int, list[int]] = {}
        for span in trace.spans:
            hidden = span.parent is not None and (
                self.inside[span.parent] or trace.spans[span.parent].kind in ("step", "lm")
            )
            self.inside.append(hidden)
            self.owner.append(self.owner[span.parent] if hidden and span.parent is not None else span.id)
            if not hidden and span.parent is not None:
                self.children.setdefault(span.parent, []).append(span.id)
        self.reads = {span.id: self._reads(span) for span in trace.spans if not self.inside[span.id]}
        self.known = bool(trace.spans[0].sources) or any(
            span.node for span in trace.spans[1:] if not self.inside[span.id]
        )

    def _reads(self, span: Span) -> tuple[int, ...]:
        found = dict.fromkeys(self.owner[number] for number in (*span.sources, *span.controls))
        found.pop(span.id, None)
        return tuple(found)

    def back(self) -> set[int]:
        """Everything that led to the output, each span once."""
        found = set(self._starts())
        left = list(found)
        while left:
            for number in self._behind(left.pop()):
                if number not in found:
                    found.add(number)
                    left.append(number)
        return found

    def _starts(self) -> list[int]:
        root = self.spans[0]
        if not root.error:
            return [0]
        failed = [span.id for span in self.spans[1:] if span.error and not self.inside[span.id]]
        around = {self.spans[number].parent for number in failed}
        return [0, *(number for number in failed if number not in around)]

    def _behind(self, number: int) -> Iterable[int]:
        span = self.spans[number]
        yield from self.reads[number]
        if span.parent:  # the region or program around it; the root is there from the start
            yield span.parent
        if span.kind in ("program", "op") and not (number == 0 and self.known) and not self._is_graph(number):
            yield from self.children.get(number, ())  # what its value was made from is not known

    def _is_graph(self, number: int) -> bool:
        """Whether it is a program inside another whose result says what it was made from."""
        return self.spans[number].kind == "program" and bool(self.spans[number].sources)

    def reached(self, led: Collection[int], trainable: Collection[str] | None) -> list[int]:
        """Those of ``led`` that a parameter reaches, in program order; the root among them."""
        found: set[int] = set()
        regions = {0}  # around something reached; what they decide need not be
        for number in sorted(led):
            if self._may_change(self.spans[number], trainable) or any(n in found for n in self.reads[number]):
                found.add(number)
                around = self.spans[number].parent
                while around and around not in found and around not in regions:
                    (regions if self.spans[around].kind == "region" else found).add(around)
                    around = self.spans[around].parent
        return sorted(found | regions)

    def _may_change(self, span: Span, trainable: Collection[str] | None) -> bool:
        if span.kind not in ("step", "op"):
            return False
        return bool(span.parameters) if trainable is None else span.name in trainable or span.predictor in trainable


def _sites(trace: Trace, walk: _Walk, numbers: Sequence[int]) -> tuple[Site, ...]:
    """The sites of the given spans, in the order in which they first ran."""
    index: dict[tuple[int | None, str], int] = {}
    keys: list[str] = []
    at: dict[int, int] = {}
    spans: list[list[int]] = []
    parents: list[int | None] = []
    for number in numbers:
        span = trace.spans[number]
        above = at.get(span.parent) if span.parent else None
        label = _label(trace, span)
        place = (above, label)
        if place not in index:
            index[place] = len(spans)
            keys.append(_key("" if above is None else keys[above], label))
            spans.append([])
            parents.append(above)
        at[number] = index[place]
        spans[index[place]].append(number)
    return tuple(Site(key=keys[i], parent=parents[i], spans=tuple(spans[i])) for i in range(len(keys)))


def _key(around: str, label: str) -> str:
    key = f"{around}/{label}"
    return key if len(key) <= _LONGEST_KEY else digest(key)


def _label(trace: Trace, span: Span) -> str:
    """What tells a site from others in the same place: its node, or its name; and the arm of the branch it is in."""
    around = trace.spans[span.parent] if span.parent is not None else None
    arm = f"{around.taken}:" if around is not None and around.kind == "region" and isinstance(around.taken, str) else ""
    return f"{arm}{span.node or span.name}"
