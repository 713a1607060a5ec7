"""A report as one page: nothing from elsewhere, no script, every text of a user's or a model's escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.artifact.diff import Change
from treadle.compiler.html import (
    Content,
    Markup,
    details,
    element,
    figures,
    fragment,
    joined,
    page,
    section,
    table,
    told,
)
from treadle.compiler.study.baselines import Baseline
from treadle.compiler.study.gate import Comparison
from treadle.compiler.study.report_charts import differences_chart, interval_chart
from treadle.compiler.study.report_examples import Judged, split_up
from treadle.compiler.study.report_search import SearchPart
from treadle.compiler.study.report_text import consequence, saved, scale_of, where
from treadle.compiler.study.report_view import NAME, Limits

if TYPE_CHECKING:
    from treadle.compiler.study.report import Report

LARGEST = 1_000_000
"""Bytes a page stays under."""


def document(report: Report) -> str:
    """The page; where it would be too large, with less of each list."""
    limits = Limits()
    while True:
        text = page(f"Treadle: {report.program[:NAME]}", *_Page(report, limits, scale_of(report)).parts())
        if len(text.encode()) < LARGEST or limits == limits.smaller():
            return text
        limits = limits.smaller()


def card(report: Report) -> Markup:
    """What a notebook shows: the verdict, what changed, and the learning curve."""
    shown = _Page(report, Limits(candidates=0, examples=3, lines=40, options=4, text=200), scale_of(report))
    return fragment(*shown.verdict(), *shown.curve(), details("What changed", *shown.changes()))


class _Page(SearchPart):
    """The parts of a page."""

    def parts(self) -> Iterator[Markup]:
        report = self.report
        yield from self.verdict()
        yield section("What changed", *self.changes())
        yield section("What the search found", *self.findings())
        yield section(
            "Wins and losses", *self.examples(), note="Every example the verdict rests on; where the choice was "
            "cross-fitted, each is judged by what the other folds chose.",
        )  # fmt: skip
        yield section("The search", *self.curve(), *self.groups(), *self.candidates())
        yield section("Parameter importance", *self.importance())
        yield section("Stages and spend", *self.stages(), *self.spend())
        if report.folder:
            yield element("p", "The study, with every event and reply: ", element("code", report.folder), class_="note")

    # --- the verdict -------------------------------------------------------------------------------------------------

    def verdict(self) -> Iterator[Markup]:
        report = self.report
        models = ", ".join(f"{name[:NAME]} {model[:NAME]}" for name, model in report.models.items())
        about = f"compiled by {report.optimizer[:NAME]}, seed {report.seed}, scored by {report.metric[:NAME]}"
        yield element("h1", self.named(report.program))
        yield element("p", about, f"; models: {models}" if models else "", class_="note")
        found = report.comparison
        if found is None:
            yield element("p", "Nothing was found that differs from the program as it is.")
        else:
            yield from self._comparison(found)
        yield from (element("p", self.said(warning), class_="warning") for warning in self.first(report.warnings))

    def _comparison(self, found: Comparison) -> Iterator[Markup]:
        scale, good = self.scale, found.verdict in ("better", "probably better", "no worse, cheaper")
        yield element(
            "p",
            element("span", found.verdict, class_="badge good" if good else "badge"),
            f" on {found.n} {where(found)}; {consequence(self.report, found)}.",
        )
        yield figures(
            {
                "before": scale.score(found.start),
                "after": scale.score(found.winner),
                "difference": scale.difference(found.difference),
                "better / worse": f"{found.wins} / {found.losses}",
                "P(better)": f"{found.probability:.3f}",
            }
        )
        yield interval_chart(found, scale)
        if found.savings is not None:
            yield element("p", f"Tokens of a run: {saved(found.savings, scale)}.")
        if any(found.failures):
            said = f"Failed runs, counted as 0: {found.failures[1]} before, {found.failures[0]} after."
            yield element("p", said, class_="warning")
        if self.report.objectives:
            rows = [
                (
                    self.named(name),
                    scale.score(one.before),
                    scale.score(one.after),
                    scale.change(_minus(one.after, one.before)),
                )
                for name, one in self.first(self.report.objectives.items())
            ]
            heads = ("objective", "before", "after", f"change{scale.behind}")
            yield table("Further numbers of the metric, on the same examples", heads, rows, numbers=(1, 2, 3))

    # --- what changed ------------------------------------------------------------------------------------------------

    def changes(self) -> Iterator[Markup]:
        subject: str | None = None
        for change in self.first(self.report.diff.changes):
            if change.subject != subject:
                subject = change.subject
                yield element("h3", self.named(subject) if subject else "the program")
            yield element("p", self.named(change.what))
            yield self._change(change)
        if not self.report.diff:
            yield element("p", "Nothing: the input program is as good as anything that was found.")

    def _change(self, change: Change) -> Markup:
        kinds: Mapping[str, tuple[str, str]] = {"-": ("del", "was"), "+": ("ins", "now")}
        rows = []
        for row in change.lines[: self.limits.lines]:
            tag, style = kinds.get(row[:1], ("span", ""))
            cut = row if len(row) <= 4 * self.limits.text else row[: 4 * self.limits.text] + "…"
            rows.append(element("span", element(tag, cut, class_="plain"), class_=style or None, dir="auto"))
        if len(change.lines) > self.limits.lines:
            rows.append(element("span", f"… and {len(change.lines) - self.limits.lines} more lines"))
        return element("pre", *rows)

    # --- what the search found ---------------------------------------------------------------------------------------

    def findings(self) -> Iterator[Markup]:
        """What the search says of itself, and what else could have been done."""
        report = self.report
        if report.findings:
            yield element("ul", *(element("li", self.said(finding)) for finding in self.first(report.findings)))
        if report.baselines:
            rows = [self._baseline(baseline) for baseline in self.first(report.baselines)]
            heads = ("program", "score", "LM calls a run", "tokens a run", "why there is none")
            shown = len(heads) if any(baseline.note for baseline in report.baselines) else len(heads) - 1
            caption = "Beside the winner, on the examples of the verdict"
            yield table(caption, heads[:shown], [row[:shown] for row in rows], numbers=(1, 2, 3))

    def _baseline(self, baseline: Baseline) -> tuple[Content, ...]:
        if baseline.score is None:
            return self.named(baseline.name), "–", "–", "–", self.said(baseline.note)
        calls, tokens = f"{baseline.calls:.1f}", f"{baseline.tokens:,.0f}"
        return self.named(baseline.name), self.scale.score(baseline.score), calls, tokens, ""

    # --- examples ----------------------------------------------------------------------------------------------------

    def examples(self) -> Iterator[Markup]:
        if not self.report.examples:
            return
        yield differences_chart([example.difference for example in self.report.examples], self.scale)
        wins, losses = split_up(self.report.examples)
        for title, found, opened in (("Worse", losses, True), ("Better", wins, False)):
            if found:
                shown = found[: self.limits.examples]
                cut = f", the {len(shown)} largest" if len(shown) < len(found) else ""
                yield details(f"{title} ({len(found)}{cut})", self._examples(title, shown), opened=opened)
        same = len(self.report.examples) - len(wins) - len(losses)
        yield element("p", f"{same} examples score the same before and after.", class_="note")

    def _examples(self, title: str, found: Sequence[Judged]) -> Markup:
        heads = ("row", "example", "before", "after", f"change{self.scale.behind}")
        rows = [
            (
                str(example.row),
                joined(self._field(*pair) for pair in self.first(example.fields.items())),
                self._side(example, after=False),
                self._side(example, after=True),
                self.scale.change(example.difference),
            )
            for example in found
        ]
        return table(f"{title} with the winner, largest difference first", heads, rows, numbers=(4,))

    def _field(self, name: str, value: str) -> Markup:
        limit = min(self.limits.text, 400)
        return element("div", element("span", f"{name[:NAME]}: ", class_="muted"), told(value, limit), dir="auto")

    def _side(self, example: Judged, *, after: bool) -> Markup:
        side, limit = example.after if after else example.before, min(self.limits.text, 400)
        parts: list[Markup] = [element("div", "failed" if side.score is None else self.scale.score(side.score))]
        if side.prediction:
            parts.append(element("div", told(side.prediction, limit), dir="auto"))
        said = (text for text in (side.feedback, side.failure) if text)
        parts += [element("div", told(text, limit), class_="muted", dir="auto") for text in said]
        return joined(parts)


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
