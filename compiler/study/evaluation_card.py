"""An evaluation as notebooks show it: the score, what it cost, what failed, and the examples with the lowest scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from treadle.compiler.html import Content, Markup, details, element, figures, fragment, joined, table, told
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.report_examples import short
from treadle.compiler.study.report_words import Scale, dollars, seconds

if TYPE_CHECKING:
    from treadle.compiler.study.evaluate import Evaluation

SHOWN = 20
"""Examples shown."""


def card(found: Evaluation) -> Markup:
    """The evaluation as a fragment of HTML."""
    return fragment(*_parts(found))


def _parts(found: Evaluation) -> Iterator[Markup]:
    scale = Scale.of(outcome.score for outcome in found.outcomes)
    (low, high), (median, most), spent = found.interval, found.latency, found.spend.search
    yield element("p", element("strong", told(found.program)), f" on {len(found.outcomes)} examples by {found.metric}")
    yield figures(
        {
            "score": scale.score(found.score),
            "95 % interval": f"{scale.score(low)} to {scale.score(high)}",
            "LM calls": f"{spent.calls:,}",
            "cost": dollars(found.cost),
            "a run": f"{seconds(median)}, 95 % under {seconds(most)}",
        }
    )
    if found.objectives:
        rows = [(told(name), scale.score(value)) for name, value in found.objectives.items()]
        yield table("Further numbers of the metric", ("objective", "mean"), rows, numbers=(1,))
    if found.failures:
        failed = [(outcome.example, told(short(outcome.failure))) for outcome in found.failures[:SHOWN]]
        shown = table("Failed runs, counted as 0", ("example", "what failed"), failed)
        yield details(
            f"{len(found.failures)} run{'s' if len(found.failures) > 1 else ''} failed, counted as 0",
            shown,
            opened=True,
        )
    lowest = sorted((o for o in found.outcomes if o.score is not None), key=lambda outcome: outcome.value)[:SHOWN]
    if lowest:
        heads = ("example", "score", "said", "feedback")
        shown = table("Lowest scores first", heads, [_row(outcome, scale) for outcome in lowest], numbers=(1,))
        yield details("Examples with the lowest scores", shown)


def _row(outcome: Outcome, scale: Scale) -> tuple[Content, ...]:
    said = told(short(outcome.prediction))
    return outcome.example, scale.score(outcome.score), said, joined([told(short(outcome.feedback))])
