"""What led to a value: the part of a trace that its span depends on."""

from __future__ import annotations

from treadle.compiler.trace.trace import Span, Trace


def ancestors(trace: Trace, span: Span) -> tuple[Span, ...]:
    """The spans that led to the value of ``span``, and ``span`` itself, in program order.

    These are the spans whose results it read and the branches and loops that decided that it ran, and theirs in turn.
    What ran inside a span is not listed: it is how the span was answered. In host mode what a span read is not known.
    Each span is visited once, without recursion, so the time is linear in the part that is found.

    Args:
        trace: The trace.
        span: One of its spans; the first stands for the program's value.
    """
    found = {span.id}
    left = [span]
    while left:
        current = left.pop()
        for number in (*current.sources, *current.controls):
            if number not in found:
                found.add(number)
                left.append(trace.spans[number])
    return tuple(trace.spans[number] for number in sorted(found))
