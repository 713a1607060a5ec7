"""The charts of a report, as SVG by hand: a title and a description for who cannot see them, colours from the page.

Coordinates are in units of the view box, which is 760 wide and scales with the page; that of the verdict is 480 wide
and fits a telephone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

from treadle.compiler.html import Markup, element
from treadle.compiler.study.gate import Comparison
from treadle.compiler.study.report_candidates import Tried
from treadle.compiler.study.report_curve import Point
from treadle.compiler.study.report_importance import Effect
from treadle.compiler.study.report_words import Scale

WIDTH, SMALL = 760.0, 480.0
_LEFT, _RIGHT = 62.0, 748.0
_MOST_DOTS, _MOST_BARS, _MOST_EFFECTS = 600, 300, 20


def _chart(title: str, description: str, height: float, parts: Sequence[Markup], width: float = WIDTH) -> Markup:
    drawn = element(
        "svg",
        element("title", title),
        element("desc", description),
        *parts,
        class_="chart" if width == WIDTH else "chart small",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{title}. {description}",
    )
    return element("figure", drawn)


def _text(x: float, y: float, content: str, anchor: str = "start", class_: str | None = None) -> Markup:
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, about so many.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _onto(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A linear scale from values to places."""
    width = high - low or 1.0
    return lambda value: round(start + (value - low) / width * (end - start), 2)


# --- the verdict ------------------------------------------------------------------------------------------------------


def interval_chart(found: Comparison, scale: Scale) -> Markup:
    """The difference with its interval, against no difference."""
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    pad = (high - low or 0.02) * 0.12
    left, right = 24.0, SMALL - 24.0
    x = _onto(low - pad, high + pad, left, right)
    parts = [_line(left, 52, right, 52, "axis")]
    for value in ticks(low - pad, high + pad):
        parts += [_line(x(value), 52, x(value), 57, "axis"), _text(x(value), 72, scale.change(value), "middle")]
    parts += [
        _line(x(0.0), 10, x(0.0), 52, "zero"),
        _line(x(found.low), 32, x(found.high), 32, "span"),
        element("circle", cx=x(found.difference), cy=32.0, r=6.0, class_="mark"),
        _text(x(found.difference), 18, scale.difference(found.difference), "middle", "strong"),
        _text(right, 90, f"difference{scale.behind}; right of the dashed line is better", "end"),
    ]
    description = (
        f"Difference {scale.difference(found.difference)}, 95 % interval {scale.change(found.low)} to "
        f"{scale.change(found.high)}; the dashed line is no difference."
    )
    return _chart("The winner against the input program", description, 96, parts, SMALL)


def differences_chart(differences: Sequence[float], scale: Scale) -> Markup:
    """One bar an example, the largest win on the left, the largest loss on the right."""
    ordered = sorted(differences, reverse=True)
    if len(ordered) > _MOST_BARS:
        ordered = [ordered[round(i * (len(ordered) - 1) / (_MOST_BARS - 1))] for i in range(_MOST_BARS)]
    most = max(map(abs, ordered), default=0.0) or 1.0
    y = _onto(most, -most, 12, 152)
    width = (_RIGHT - _LEFT) / len(ordered)
    parts = [_line(_LEFT, y(0.0), _RIGHT, y(0.0), "axis")]
    parts += [_text(_LEFT - 8, y(value) + 4, scale.change(value), "end") for value in (most, 0.0, -most)]
    for number, value in enumerate(ordered):
        if value:
            top, height = min(y(value), y(0.0)), abs(y(value) - y(0.0))
            place = {"x": round(_LEFT + number * width, 2), "width": round(max(0.6, width * 0.82), 2)}
            parts.append(element("rect", y=top, height=round(height, 2), class_="up" if value > 0 else "down", **place))
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    same = len(differences) - wins - losses
    description = f"Of {len(differences)} examples {wins} are better, {same} the same and {losses} worse."
    return _chart("Difference on each example", description, 164, parts)


# --- the search -------------------------------------------------------------------------------------------------------


def curve_chart(points: Sequence[Point], tried: Sequence[Tried], winner: str, scale: Scale) -> Markup:
    """The best search score so far against LM calls, and every candidate where it was last measured."""
    start = next((one.score for one in tried if one.origin == "start"), points[0].score)
    dots = [one for one in tried if one.gain is not None and one.at is not None]
    shown = sorted(dots, key=lambda one: (one.id != winner, -one.n))[:_MOST_DOTS]
    scores = [start, *(start + (one.gain or 0.0) for one in shown), *(point.score for point in points)]
    low, high = min(scores), max(scores)
    pad = (high - low or 0.1) * 0.08
    x = _onto(0, max(points[-1].calls, *(one.at or 0 for one in shown), 1), _LEFT, _RIGHT - 12)
    y = _onto(low - pad, high + pad, 262, 24)
    parts = [*_axes(x, y, low - pad, high + pad, max(points[-1].calls, 1), scale)]
    parts += [
        _line(_LEFT, y(start), _RIGHT, y(start), "zero"),
        _text(_LEFT + 4, y(start) - 6, f"start {scale.score(start)}"),
    ]
    most = max((one.n for one in shown), default=1)
    parts += [_dot(one, x(one.at or 0), y(start + (one.gain or 0.0)), most, winner, scale) for one in reversed(shown)]
    parts.append(element("path", d=_steps(points, x, y), class_="best"))
    fell = any(point.score > points[-1].score for point in points)  # then the line comes from above
    end = y(points[-1].score) + (18 if fell else -8)
    parts.append(_text(x(points[-1].calls), end, scale.score(points[-1].score), "end", "strong"))
    description = (
        f"From {scale.score(points[0].score)} to {scale.score(points[-1].score)} in {points[-1].calls:,} LM calls; "
        f"{len(dots)} candidates as dots, larger ones measured on more examples."
    )
    return _chart("Best search score so far", description, 308, parts)


def _axes(
    x: Callable[[float], float], y: Callable[[float], float], low: float, high: float, calls: int, scale: Scale
) -> Iterator[Markup]:
    yield _line(_LEFT, 262, _RIGHT, 262, "axis")
    for value in ticks(low, high):
        yield _line(_LEFT, y(value), _RIGHT, y(value), "axis")
        yield _text(_LEFT - 8, y(value) + 4, scale.score(value), "end")
    for value in ticks(0, calls, 6):
        yield _text(x(value), 280, f"{value:,.0f}", "middle")
    yield _text(_LEFT - 8, 12, "search score", "start")
    yield _text(_RIGHT, 300, "LM calls of all roles", "end")


def _dot(one: Tried, x: float, y: float, most: int, winner: str, scale: Scale) -> Markup:
    told = f"{one.id} by {one.origin[:60]}: {scale.score(one.score)} on {one.n} examples"
    size = 2.0 + 2.6 * math.sqrt(one.n / most)
    return element(
        "circle",
        element("title", told + (" (the winner)" if one.id == winner else "")),
        cx=x,
        cy=y,
        r=round(size + (2 if one.id == winner else 0), 1),
        class_="mark" if one.id == winner else "dot",
    )


def _steps(points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    path = f"M{x(points[0].calls):g} {y(points[0].score):g}"
    for before, point in itertools.pairwise(points):
        path += f"H{x(point.calls):g}"
        if point.score != before.score:
            path += f"V{y(point.score):g}"
    return path


def importance_chart(effects: Sequence[Effect]) -> Markup:
    """A bar for each parameter's share of the variance of search scores."""
    known = [effect for effect in effects if effect.share is not None][:_MOST_EFFECTS]
    x = _onto(0, 1, 260, 690)
    parts: list[Markup] = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_line(x(value), 6, x(value), 10 + 26 * len(known), "axis"))
        parts.append(_text(x(value), 26 + 26 * len(known), f"{value:.0%}", "middle"))
    for number, effect in enumerate(known):
        top = 10.0 + 26 * number
        share = effect.share or 0.0
        name = effect.address if len(effect.address) <= 34 else "…" + effect.address[-33:]
        parts.append(_text(252, top + 14, name, "end", "strong"))
        parts.append(
            element("rect", x=260.0, y=top + 2, width=round(max(x(share) - 260, 0.5), 1), height=16.0, class_="mark")
        )
        parts.append(_text(x(share) + 6, top + 15, f"{share:.0%}, P {effect.p:.3f}"))
    named = ", ".join(f"{effect.address[:60]} {effect.share:.0%}" for effect in known)
    return _chart("Variance of search scores by parameter", named, 34 + 26 * len(known), parts)
