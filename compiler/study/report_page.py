"""A report as one page: nothing from elsewhere, no script, every text of a user's or a model's escaped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.artifact.diff import Change
from treadle.compiler.html import Content, Markup, details, element, fragment, joined, page, section, table, told
from treadle.compiler.study.gate import Comparison
from treadle.compiler.study.report_candidates import Tried
from treadle.compiler.study.report_charts import curve_chart, differences_chart, importance_chart, interval_chart
from treadle.compiler.study.report_examples import Judged, split_up
from treadle.compiler.study.report_importance import Effect
from treadle.compiler.study.report_text import against_estimate, consequence, remarks, scale_of, where
from treadle.compiler.study.report_words import Scale, dollars, seconds

if TYPE_CHECKING:
    from treadle.compiler.study.report import Report

LARGEST = 1_000_000
"""Bytes a page stays under."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of what a page shows.

    Attributes:
        candidates: Rows of the table of candidates.
        examples: Wins, and as many losses, told in full.
        lines: Lines of one change.
        options: Values of one parameter.
        text: Characters of one text.
    """

    candidates: int = 500
    examples: int = 100
    lines: int = 400
    options: int = 40
    text: int = 1000

    def smaller(self) -> Limits:
        """About half of each."""
        return Limits(
            candidates=max(10, self.candidates // 2),
            examples=max(3, self.examples // 2),
            lines=max(10, self.lines // 2),
            options=max(3, self.options // 2),
            text=max(60, self.text // 2),
        )


def document(report: Report) -> str:
    """The page; where it would be too large, with less of each list."""
    limits = Limits()
    while True:
        text = page(f"Treadle: {report.program}", *_Page(report, limits).parts())
        if len(text.encode()) < LARGEST or limits == limits.smaller():
            return text
        limits = limits.smaller()


def card(report: Report) -> Markup:
    """What a notebook shows: the verdict, what changed, and the learning curve."""
    shown = _Page(report, Limits(candidates=0, examples=3, lines=40, options=4, text=200))
    return fragment(*shown.verdict(), *shown.curve(), details("What changed", *shown.changes()))


class _Page:
    """The parts of a page."""

    def __init__(self, report: Report, limits: Limits) -> None:
        self.report = report
        self.limits = limits
        self.scale: Scale = scale_of(report)

    def parts(self) -> Iterator[Markup]:
        report = self.report
        yield from self.verdict()
        yield section("What changed", *self.changes())
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
        models = ", ".join(f"{name} {model}" for name, model in report.models.items())
        about = f"compiled by {report.optimizer}, seed {report.seed}, scored by {report.metric}"
        yield element("h1", told(report.program))
        yield element("p", about, f"; models: {models}" if models else "", class_="note")
        found = report.comparison
        if found is None:
            yield element("p", "Nothing was found that differs from the program as it is.")
        else:
            yield from self._comparison(found)
        yield from (element("p", told(warning), class_="warning") for warning in report.warnings)

    def _comparison(self, found: Comparison) -> Iterator[Markup]:
        scale, good = self.scale, found.verdict in ("better", "probably better")
        yield element(
            "p",
            element("span", found.verdict, class_="badge good" if good else "badge"),
            f" on {found.n} {where(found)}; {consequence(self.report, found)}.",
        )
        yield _figures(
            {
                "before": scale.score(found.start),
                "after": scale.score(found.winner),
                "difference": scale.difference(found.difference),
                "better / worse": f"{found.wins} / {found.losses}",
                "P(better)": f"{found.probability:.3f}",
            }
        )
        yield interval_chart(found, scale)
        if any(found.failures):
            said = f"Failed runs, counted as 0: {found.failures[1]} before, {found.failures[0]} after."
            yield element("p", said, class_="warning")
        if self.report.objectives:
            rows = [
                (
                    told(name),
                    scale.score(one.before),
                    scale.score(one.after),
                    scale.change(_minus(one.after, one.before)),
                )
                for name, one in self.report.objectives.items()
            ]
            heads = ("objective", "before", "after", f"change{scale.behind}")
            yield table("Further numbers of the metric, on the same examples", heads, rows, numbers=(1, 2, 3))

    # --- what changed ------------------------------------------------------------------------------------------------

    def changes(self) -> Iterator[Markup]:
        subject: str | None = None
        for change in self.report.diff.changes:
            if change.subject != subject:
                subject = change.subject
                yield element("h3", told(subject) if subject else "the program")
            yield element("p", told(change.what))
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
                joined(self._field(*pair) for pair in example.fields.items()),
                self._side(example, after=False),
                self._side(example, after=True),
                self.scale.change(example.difference),
            )
            for example in found
        ]
        return table(f"{title} with the winner, largest difference first", heads, rows, numbers=(4,))

    def _field(self, name: str, value: str) -> Markup:
        limit = min(self.limits.text, 400)
        return element("div", element("span", f"{name}: ", class_="muted"), told(value, limit), dir="auto")

    def _side(self, example: Judged, *, after: bool) -> Markup:
        side, limit = example.after if after else example.before, min(self.limits.text, 400)
        parts: list[Markup] = [element("div", "failed" if side.score is None else self.scale.score(side.score))]
        if side.prediction:
            parts.append(element("div", told(side.prediction, limit), dir="auto"))
        said = (text for text in (side.feedback, side.failure) if text)
        parts += [element("div", told(text, limit), class_="muted", dir="auto") for text in said]
        return joined(parts)

    # --- the search --------------------------------------------------------------------------------------------------

    def curve(self) -> Iterator[Markup]:
        if len(self.report.curve) > 1:
            yield curve_chart(self.report.curve, self.report.candidates, self.report.winner, self.scale)
            said = (
                "Search scores chose the winner, so they are optimistic; the verdict above is not. A candidate counts "
                "as the best so far once it is measured on half of the choosing examples; the line falls where it is "
                "measured on more and looks less good."
            )
            yield element("p", said, class_="note")

    def groups(self) -> Iterator[Markup]:
        if len(self.report.groups) > 1:
            rows = [
                (told(group.name), str(group.candidates), self.scale.score(group.best), str(group.n),
                 self.scale.change(group.mean_gain))
                for group in self.report.groups
            ]  # fmt: skip
            heads = ("changed", "candidates", "best search score", "on examples", f"mean gain{self.scale.behind}")
            yield table("Candidates by what they change", heads, rows, numbers=(1, 2, 3, 4))

    def candidates(self) -> Iterator[Markup]:
        report = self.report
        if not self.limits.candidates:
            return
        lineage = self._lineage()
        if len(lineage) > 1:
            links = [_link(one) for one in lineage]
            yield element("p", "The winner's lineage: ", joined(links, " → "), ".")
        kept = _first_and_best(report.candidates, self.limits.candidates, {one.id for one in lineage})
        rows, ids = [self._candidate(number, one) for number, one in kept], [f"c-{one.id}" for _, one in kept]
        heads = ("#", "id", "made by", "from", "changes", "search score", "on", f"gain{self.scale.behind}",
                 "calls a run", "dollars a run")  # fmt: skip
        caption = "Candidates in the order of the search; a number behind a parameter says which value, see below"
        cut = (
            f" ({len(kept)} of {len(report.candidates)}: the first and the best)"
            if len(kept) < len(report.candidates)
            else ""
        )
        shown = table(caption, heads, rows, numbers=(0, 5, 6, 7, 8, 9), ids=ids)
        yield details(f"All {len(report.candidates)} candidates{cut}", shown, opened=len(kept) <= 12)

    def _lineage(self) -> list[Tried]:
        """From the input program to the winner, over first parents."""
        by_id = {one.id: one for one in self.report.candidates}
        found: list[Tried] = []
        one = by_id.get(self.report.winner)
        while one is not None and one not in found:
            found.append(one)
            one = by_id.get(one.parents[0]) if one.parents else None
        return found[::-1]

    def _candidate(self, number: int, one: Tried) -> tuple[Content, ...]:
        name: Content = element("code", one.id)
        if one.id == self.report.winner:
            name = joined([name, element("strong", "winner")], " ")
        return (
            str(number),
            name,
            told(one.origin),
            joined([element("a", parent, href=f"#c-{parent}") for parent in one.parents], ", "),
            joined([told(f"{address} {option}") for address, option in one.options.items()], ", ") or "nothing",
            self.scale.score(one.score),
            str(one.n),
            self.scale.change(one.gain),
            "–" if one.calls is None else f"{one.calls:.3g}",
            "–" if one.usd is None else f"{one.usd:.3g}",
        )

    # --- importance --------------------------------------------------------------------------------------------------

    def importance(self) -> Iterator[Markup]:
        effects = self.report.importance
        if not effects:
            return
        if any(effect.share is not None for effect in effects):
            yield importance_chart(effects)
            said = (
                "Main effects: the share of the variance of search scores that goes with a parameter, less what as "
                "many values would explain by chance; P by permutation. The search tries what looks good more often "
                "and changes parameters together, so this is what went together here, no proof of a cause."
            )
        else:
            measured = sum(one.gain is not None for one in self.report.candidates)
            said = f"{measured} measured candidates are too few to say which parameter matters."
        yield element("p", said, class_="note")
        few = [effect.address for effect in effects if effect.share is None]
        if few and len(few) < len(effects):
            yield element("p", "Too many values for the candidates tried: ", told(", ".join(few)), ".", class_="note")
        yield from (self._effect(effect) for effect in effects)

    def _effect(self, effect: Effect) -> Markup:
        by_gain = sorted(effect.options, key=lambda option: -option.gain)
        rows = [
            (str(o.number), told(o.text, self.limits.text), str(o.candidates), self.scale.change(o.gain),
             "–" if o.calls is None else f"{o.calls:.3g}", "–" if o.usd is None else f"{o.usd:.3g}")
            for o in by_gain[: self.limits.options]
        ]  # fmt: skip
        heads = ("value", "what it is", "candidates", f"mean gain{self.scale.behind}", "calls a run", "dollars a run")
        parts = [table(f"{effect.address}: values tried, best first", heads, rows, numbers=(0, 2, 3, 4, 5))]
        if effect.together:
            said = ("Always changed together with ", told(", ".join(effect.together)), ": they cannot be told apart.")
            parts.append(element("p", *said, class_="note"))
        cut = f", the {self.limits.options} best" if len(by_gain) > self.limits.options else ""
        return details(joined([told(effect.address), f": {len(by_gain)} values tried{cut}"]), *parts)

    # --- stages and spend --------------------------------------------------------------------------------------------

    def stages(self) -> Iterator[Markup]:
        rows = [
            (
                told(stage.name), f"{stage.total.calls:,}", f"{stage.total.tokens:,}", dollars(stage.total.usd),
                f"{stage.runs:,}", f"{stage.proposals:,}", f"{stage.candidates:,}", seconds(stage.seconds),
                joined([element("div", told(note, self.limits.text)) for note in stage.notes]),
            )
            for stage in self.report.stages
        ]  # fmt: skip
        heads = ("stage", "LM calls", "tokens", "cost", "runs", "proposals", "new candidates", "time", "what it logged")
        if rows:
            yield table("What each stage did and was charged; time is of this run", heads, rows, numbers=range(1, 8))

    def spend(self) -> Iterator[Markup]:
        report = self.report
        expected, search = report.estimate, report.spend.search
        planned = dict(expected.calls)
        planned["task"] = planned.get("task", 0) + planned.pop("verdict", 0)
        roles = sorted({*planned, *report.spend.by_role})
        rows = [_role(role, planned.get(role, 0), report) for role in roles]
        whole = "–" if expected.usd is None else f"${expected.usd[0]:.4f} to ${expected.usd[1]:.4f}"
        rows.append(
            ("all", f"{search.calls:,}", f"{expected.total_calls:,}", against_estimate(report), f"{search.tokens:,}",
             f"{expected.tokens[0]:,} to {expected.tokens[1]:,}", dollars(search.usd), whole)
        )  # fmt: skip
        heads = ("role", "LM calls", "estimated", "off by", "tokens", "estimated", "cost", "estimated")
        yield table("Spend by role, against the estimate; runs of the verdict are task calls", heads, rows,
                    numbers=range(1, 8))  # fmt: skip
        yield from (element("p", said, class_="note") for said in remarks(report))
        sent = report.spend.sent
        said = f"Sent in all runs of the study, retries included: {sent.calls:,} LM calls, {sent.tokens:,} tokens, "
        yield element("p", said, dollars(sent.usd), ".", class_="note")


def _role(role: str, planned: int, report: Report) -> tuple[Content, ...]:
    used = report.spend.by_role.get(role)
    calls = 0 if used is None else used.calls
    off = f"{calls / planned - 1:+.0%}" if planned else "–"
    tokens, cost = ("0", "$0") if used is None else (f"{used.tokens:,}", dollars(used.usd))
    return (told(role), f"{calls:,}", f"{planned:,}", off, tokens, "", cost, "")


def _figures(values: Mapping[str, str]) -> Markup:
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in values.items()]
    return element("dl", *pairs, class_="figures")


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _link(one: Tried) -> Markup:
    return joined([told(one.origin), " ", element("a", element("code", one.id), href=f"#c-{one.id}")])


def _first_and_best(tried: Sequence[Tried], most: int, needed: set[str]) -> list[tuple[int, Tried]]:
    """At most so many candidates with their numbers: half of them the best, the rest the first; those needed always."""
    numbered = list(enumerate(tried))
    if len(numbered) <= most:
        return numbered
    best = sorted(numbered, key=lambda pair: (pair[1].n == 0, -(pair[1].score if pair[1].n else 0.0)))[: most // 2]
    kept = {number for number, one in numbered if one.id in needed} | {number for number, _ in best}
    first = [number for number, _ in numbered if number not in kept][: max(0, most - len(kept))]
    return [pair for pair in numbered if pair[0] in kept or pair[0] in set(first)]
