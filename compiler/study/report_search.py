"""How the search went, for a report's page: curve, candidates, importance, stages and spend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.html import Content, Markup, details, element, joined, table, told
from treadle.compiler.study.report_candidates import Tried
from treadle.compiler.study.report_charts import curve_chart, importance_chart
from treadle.compiler.study.report_importance import Effect
from treadle.compiler.study.report_text import remarks
from treadle.compiler.study.report_view import NAME, View
from treadle.compiler.study.report_words import dollars, dollars_between, number, seconds

if TYPE_CHECKING:
    from treadle.compiler.study.report import Report


class SearchPart(View):
    """The sections about the search."""

    # --- the search --------------------------------------------------------------------------------------------------

    def curve(self) -> Iterator[Markup]:
        """The learning curve."""
        if len(self.report.curve) > 1:
            yield curve_chart(self.report.curve, self.report.candidates, self.report.winner, self.scale)
            said = (
                "Search scores chose the winner, so they are optimistic; the verdict above is not. A candidate counts "
                "as the best so far once it is measured on half of the choosing examples; the line falls where it is "
                "measured on more and looks less good."
            )
            yield element("p", said, class_="note")

    def groups(self) -> Iterator[Markup]:
        """Candidates by the kinds of parameters they change."""
        if len(self.report.groups) > 1:
            rows = [
                (self.named(group.name), str(group.candidates), self.scale.score(group.best), str(group.n),
                 self.scale.change(group.mean_gain))
                for group in self.first(self.report.groups)
            ]  # fmt: skip
            heads = ("changed", "candidates", "best search score", "on examples", f"mean gain{self.scale.behind}")
            yield table("Candidates by what they change", heads, rows, numbers=(1, 2, 3, 4))

    def candidates(self) -> Iterator[Markup]:
        """The winner's lineage, and the candidates."""
        report = self.report
        if not self.limits.candidates:
            return
        lineage = self._lineage()
        if len(lineage) > 1:
            links = [_link(one) for one in self.first(lineage)]
            yield element("p", "The winner's lineage: ", joined(links, " → "), ".")
        chosen, most = lineage[-1].n if lineage else 0, max((one.n for one in report.candidates), default=0)
        if 0 < chosen < most:
            yield element("p", f"The winner was chosen on {chosen} of {most} examples.", class_="note")
        kept = _first_and_best(report.candidates, self.limits.candidates, {one.id for one in lineage})
        rows, ids = [self._candidate(place, one) for place, one in kept], [f"c-{one.id}" for _, one in kept]
        heads = ("#", "id", "made by", "from", "changes", "search score", "on", f"gain{self.scale.behind}",
                 "calls a run", *self._priced)  # fmt: skip
        caption = "Candidates in the order of the search; a number behind a parameter says which value, see below"
        cut = (
            f" ({len(kept)} of {len(report.candidates)}: the first and the best)"
            if len(kept) < len(report.candidates)
            else ""
        )
        shown = table(caption, heads, rows, numbers=(0, 5, 6, 7, 8, 9), ids=ids)
        yield details(f"All {len(report.candidates)} candidates{cut}", shown, opened=len(kept) <= 12)

    @property
    def _priced(self) -> tuple[str, ...]:
        """The last column of tables, where anything cost money."""
        return ("dollars a run",) if self.priced else ()

    def _lineage(self) -> list[Tried]:
        """From the input program to the winner, over first parents."""
        by_id = {one.id: one for one in self.report.candidates}
        found: list[Tried] = []
        one = by_id.get(self.report.winner)
        while one is not None and one not in found:
            found.append(one)
            one = by_id.get(one.parents[0]) if one.parents else None
        return found[::-1]

    def _candidate(self, place: int, one: Tried) -> tuple[Content, ...]:
        name: Content = _id(one.id)
        if one.id == self.report.winner:
            name = joined([name, element("strong", "winner")], " ")
        return (
            str(place),
            name,
            self.named(one.origin),
            joined([_id_link(parent) for parent in one.parents], ", "),
            self.said(", ".join(f"{address} {option}" for address, option in one.options.items()) or "nothing"),
            self.scale.score(one.score),
            str(one.n),
            self.scale.change(one.gain),
            number(one.calls),
            *([number(one.usd)] if self.priced else []),
        )

    # --- importance --------------------------------------------------------------------------------------------------

    def importance(self) -> Iterator[Markup]:
        """What each parameter had to do with the scores, and the values tried."""
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
            said = f"{measured} measured candidates are too few, for so many values, to say which parameter matters."
        yield element("p", said, class_="note")
        few = [effect.address for effect in effects if effect.share is None]
        if few and len(few) < len(effects):
            yield element(
                "p", "Too many values for the candidates tried: ", self.said(", ".join(few)), ".", class_="note"
            )
        yield from (self._effect(effect) for effect in self.first(effects))

    def _effect(self, effect: Effect) -> Markup:
        by_gain = sorted(effect.options, key=lambda option: -option.gain)
        rows = [
            (str(o.number), self.said(o.text), str(o.candidates), self.scale.change(o.gain),
             number(o.calls), *([number(o.usd)] if self.priced else []))
            for o in by_gain[: self.limits.options]
        ]  # fmt: skip
        heads = ("value", "what it is", "candidates", f"mean gain{self.scale.behind}", "calls a run", *self._priced)
        parts = [table(f"{effect.address[:NAME]}: values tried, best first", heads, rows, numbers=(0, 2, 3, 4, 5))]
        if effect.together:
            said = (
                "Always changed together with ",
                self.said(", ".join(effect.together)),
                ": they cannot be told apart.",
            )
            parts.append(element("p", *said, class_="note"))
        cut = f", the {self.limits.options} best" if len(by_gain) > self.limits.options else ""
        return details(joined([self.named(effect.address), f": {len(by_gain)} values tried{cut}"]), *parts)

    # --- stages and spend --------------------------------------------------------------------------------------------

    def stages(self) -> Iterator[Markup]:
        """What each stage did and was charged."""
        rows = [
            (
                self.named(stage.name), f"{stage.total.calls:,}", f"{stage.total.tokens:,}", dollars(stage.total.usd),
                f"{stage.runs:,}", f"{stage.proposals:,}", f"{stage.candidates:,}", seconds(stage.seconds),
                joined([element("div", self.said(note)) for note in stage.notes]),
            )
            for stage in self.first(self.report.stages)
        ]  # fmt: skip
        heads = ("stage", "LM calls", "tokens", "cost", "runs", "proposals", "new candidates", "time", "what it logged")
        if rows:
            yield table("What each stage did and was charged; time is of this run", heads, rows, numbers=range(1, 8))

    def spend(self) -> Iterator[Markup]:
        """What each role was charged, against the estimate."""
        report = self.report
        expected, search = report.estimate, report.spend.search
        planned = dict(expected.calls)
        planned["task"] = planned.get("task", 0) + planned.pop("verdict", 0)
        roles = sorted({*planned, *report.spend.by_role})
        rows = [_role(role, planned.get(role, 0), report) for role in roles]
        rows.append(
            ("all", f"{search.calls:,}", f"{expected.total_calls:,}", _off(search.calls, expected.total_calls),
             f"{search.tokens:,}", f"{expected.tokens[0]:,} to {expected.tokens[1]:,}", dollars(search.usd),
             dollars_between(expected.usd))
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
    tokens, cost = ("0", "$0") if used is None else (f"{used.tokens:,}", dollars(used.usd))
    return (told(role, NAME), f"{calls:,}", f"{planned:,}", _off(calls, planned), tokens, "", cost, "")


def _off(used: int, planned: int) -> str:
    return f"{used / planned - 1:+.0%}" if planned else "–"


def _id(candidate: str) -> Markup:
    return element("code", candidate, class_="id")


def _id_link(candidate: str) -> Markup:
    return element("a", _id(candidate), href=f"#c-{candidate}")


def _link(one: Tried) -> Markup:
    return joined([told(one.origin, NAME), " ", _id_link(one.id)])


def _first_and_best(tried: Sequence[Tried], most: int, needed: set[str]) -> list[tuple[int, Tried]]:
    """At most so many candidates with their numbers: half of them the best, the rest the first; those needed always."""
    placed = list(enumerate(tried))
    if len(placed) <= most:
        return placed
    best = sorted(placed, key=lambda pair: (pair[1].n == 0, -(pair[1].score if pair[1].n else 0.0)))[: most // 2]
    kept = {place for place, one in placed if one.id in needed} | {place for place, _ in best}
    kept.update([place for place, _ in placed if place not in kept][: max(0, most - len(kept))])
    return [pair for pair in placed if pair[0] in kept]
