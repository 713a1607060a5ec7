"""Traces: what one run did, as spans."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Literal

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.protocol import Message, Usage

SpanKind = Literal["program", "step", "lm", "op", "region"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One step, LM call, op or region of a run. Values are JSON, copied when the call starts and ends.

    Attributes:
        id: Position in the trace, from 0; parents come before children.
        parent: Id of the span this one ran in; ``None`` for the program itself.
        kind: What ran.
        name: Step name, op name, region kind, or the purpose of an LM call.
        predictor: Predictor of a step or LM call; empty otherwise.
        node: Id of the graph node; empty in host mode.
        indices: Region path: element numbers of the maps, loops and replicas around it, outermost first.
        inputs: Inputs by name.
        output: The result; ``None`` also where it failed.
        error: ``"TypeName: message"`` of the exception, or empty.
        sources: Ids of the spans whose results this one read, as far as known; data dependence.
        controls: Ids of the branch and loop spans that decided that this one ran; control dependence.
        messages: The prompt as sent, for an LM call.
        reply: The raw reply, for an LM call.
        repairs: What was repaired: re-asks, replaced characters.
        finish_reason: How an LM call's reply ended, as in ``Completion``; empty for other spans.
        parameters: Addresses of the parameters that took part.
        asked: Recorded name of the model that was asked, for an LM call.
        model: Model that answered, as its provider names it, for an LM call.
        usage: Tokens, for an LM call.
        cost: Dollars, or ``None`` where unknown.
        started: Seconds from the start of the run to that of this span, by a monotonic clock.
        seconds: Duration by a monotonic clock.
        cached: A store answered.
        where: For an op that failed, its source with the line to blame marked, as far as it is known.
        taken: For a branch, ``"then"`` or ``"otherwise"``; for a loop, map or replica the number of turns.
    """

    id: int
    parent: int | None
    kind: SpanKind
    name: str
    predictor: str = ""
    node: str = ""
    indices: tuple[int, ...] = ()
    inputs: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    output: JSON = None
    error: str = ""
    sources: tuple[int, ...] = ()
    controls: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()
    reply: str = ""
    repairs: tuple[str, ...] = ()
    finish_reason: str = ""
    parameters: tuple[str, ...] = ()
    asked: str = ""
    model: str = ""
    usage: Usage | None = None
    cost: float | None = None
    started: float = 0.0
    seconds: float = 0.0
    cached: bool = False
    taken: str | int | None = None
    where: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One run of a program: its spans in the order they started.

    Attributes:
        program: The program's name.
        spans: The first is the program's own.
    """

    program: str
    spans: tuple[Span, ...]

    def of(self, predictor: str) -> tuple[Span, ...]:
        """The step spans of one predictor, in program order of their start."""
        return tuple(span for span in self.spans if span.kind == "step" and span.predictor == predictor)

    def calls(self) -> Iterator[Span]:
        """The LM calls."""
        return (span for span in self.spans if span.kind == "lm")

    def ancestors(self, span: Span) -> tuple[Span, ...]:
        """The spans that led to the value of ``span``, and ``span`` itself; see ``trace/ancestors.py``."""
        from treadle.compiler.trace.ancestors import ancestors

        return ancestors(self, span)

    @property
    def usage(self) -> Usage:
        """Tokens of all LM calls whose usage is known."""
        known = [span.usage for span in self.calls() if span.usage is not None]
        return Usage(sum(use.input_tokens for use in known), sum(use.output_tokens for use in known))

    @property
    def cost(self) -> float | None:
        """Dollars of all LM calls; ``None`` if the cost of one is unknown."""
        costs = [span.cost for span in self.calls()]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    def _repr_html_(self) -> str:
        from treadle.compiler.trace.card import card

        return card(self)
