"""A report as text for a terminal: the verdict first, then what changed, what it cost, and how the search went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from treadle.compiler.escape import line, plain
from treadle.compiler.redact import redact
from treadle.compiler.study.gate import Comparison, Savings
from treadle.compiler.study.report_examples import split_up
from treadle.compiler.study.report_words import Scale, dollars

if TYPE_CHECKING:
    from treadle.compiler.study.report import Report

_SHOWN = 4
"""Candidates and parameters named; the page has them all."""


def text(report: Report) -> str:
    """The report in words, harmless for a terminal."""
    return plain(redact("\n".join(_rows(report))))


def scale_of(report: Report) -> Scale:
    """How the report's scores are written."""
    found = report.comparison
    verdict = [] if found is None else [found.start, found.winner]
    return Scale.of([*verdict, *(one.score for one in report.candidates)])


def _rows(report: Report) -> Iterator[str]:
    scale = scale_of(report)
    yield from _verdict(report, scale)
    yield from (f"Note: {line(warning)}" for warning in report.warnings)
    if report.changes:
        yield ""
        yield "What changed:"
        yield report.changes
    yield from _findings(report, scale)
    yield ""
    yield _costs(report)
    yield from _stages(report)
    yield from _search(report, scale)


def _findings(report: Report, scale: Scale) -> Iterator[str]:
    if report.findings:
        yield ""
        yield "What the search found:"
        yield from (f"  {line(finding)}" for finding in report.findings)
    if report.baselines:
        yield ""
        yield "Beside the winner, on the same examples:"
        width = max(len(line(baseline.name, 60)) for baseline in report.baselines)
        for baseline in report.baselines:
            said = (
                f"{scale.score(baseline.score)}  {baseline.calls:.1f} LM calls and {baseline.tokens:,.0f} tokens a run"
            )
            yield f"  {line(baseline.name, 60):<{width}}  {said if baseline.score is not None else line(baseline.note)}"


def _verdict(report: Report, scale: Scale) -> Iterator[str]:
    found = report.comparison
    if found is None:
        yield f"{report.program}: nothing was found that differs from the program as it is."
        return
    yield f"{report.program}, before and after, on {found.n} {where(found)}:"
    yield f"  before  {scale.score(found.start)}"
    yield (
        f"  after   {scale.score(found.winner)}   difference {scale.difference(found.difference)} "
        f"(95 % interval {scale.change(found.low)} to {scale.change(found.high)}), "
        f"{found.wins} better, {found.losses} worse"
    )
    for name, objective in report.objectives.items():
        yield f"    {line(name, 40)}: {scale.score(objective.before)} before, {scale.score(objective.after)} after"
    if found.savings is not None:
        yield f"  tokens of a run: {saved(found.savings, scale)}"
    better = " of being better" if found.savings is not None else ""
    yield f"  verdict: {found.verdict} (P = {found.probability:.3f}{better}); {consequence(report, found)}"
    if any(found.failures):
        yield f"  failed runs, counted as 0: {found.failures[1]} before, {found.failures[0]} after"


def where(found: Comparison) -> str:
    """What the verdict rests on."""
    return "examples, each by what was chosen without it" if found.cross_fitted else "examples the search never saw"


def saved(savings: Savings, scale: Scale) -> str:
    """What a search that aims at tokens has saved, and how sure it is that no more score is lost than may be."""
    change = f" ({savings.after / savings.before - 1:+.0%})" if savings.before else ""
    return (
        f"{savings.before:,.0f} before, {savings.after:,.0f} after{change}; P = {savings.probability:.3f} that no more "
        f"than {scale.score(savings.loss)} of score is lost"
    )


def consequence(report: Report, found: Comparison) -> str:
    """What the gate made of the verdict."""
    if not report.diff:
        return "all in all nothing was better than the program as it is, so it stays"
    if not report.emitted:
        return f"gate {report.gate!r} keeps the program as it was, the candidate is in .winner"
    if found.verdict == "too few examples":
        return "emitted all the same, as nothing can be shown with so few"
    return "emitted"


def against_estimate(report: Report) -> str:
    """How far the estimate was off, in words; empty where there was none."""
    expected = report.estimate.total_calls
    return f"{report.spend.search.calls / expected - 1:+.0%} against the estimate" if expected else ""


def _costs(report: Report) -> str:
    spent = report.spend.search
    roles = ", ".join(f"{used.calls:,} {role}" for role, used in sorted(report.spend.by_role.items()))
    off = against_estimate(report)
    parts = [f"Spent: {spent.calls:,} LM calls ({roles}){', ' + off if off else ''}; {spent.tokens:,} tokens"]
    return f"{parts[0]}; {dollars(spent.usd)}." + "".join(f" {said}" for said in remarks(report))


def remarks(report: Report) -> Iterator[str]:
    """What else is to be said of the costs."""
    spend = report.spend
    if spend.sent_now < spend.search.calls:
        yield f"{spend.sent_now:,} of these calls were sent by this run, the store answered the others."
    if spend.attempts > spend.search.calls:
        yield f"{spend.attempts:,} attempts were sent, retries and those of earlier runs among them."
    if spend.without_usage:
        yield f"{spend.without_usage:,} replies did not say their usage, so the tokens are a lower bound."
    if spend.timing_dependent:
        yield "Calls were metered one by one, so where the cap cut the search may depend on timing."


def _stages(report: Report) -> Iterator[str]:
    if len(report.stages) > 1:
        parts = [f"{line(stage.name, 30)} {stage.total.calls:,}" for stage in report.stages if stage.total.calls]
        yield f"  by stage: {', '.join(parts)}"


def _search(report: Report, scale: Scale) -> Iterator[str]:
    most = max((one.n for one in report.candidates), default=0)
    best = max((one.score for one in report.candidates if one.n == most > 0), default=None)
    yield (
        f"Search: {len(report.candidates)} candidates by {report.optimizer}, seed {report.seed}; best search score "
        f"on all {most} examples {scale.score(best)} (optimistic: it chose the winner)."
    )
    groups = [group for group in report.groups if group.kinds]
    if len(groups) > 1:
        parts = [f"{group.name} {scale.score(group.best)}" for group in groups[:_SHOWN]]
        yield f"  best by what is changed: {', '.join(parts)}"
    shares = [effect for effect in report.importance if effect.share is not None]
    if shares:
        parts = [f"{line(effect.address, 60)} {effect.share:.0%}" for effect in shares[:_SHOWN]]
        yield f"  variance of search scores by parameter: {', '.join(parts)}"
    for effect in report.importance:
        if effect.address.endswith(".model"):
            brought = [f"{line(o.text, 40)} {scale.change(o.gain)} ({dollars(o.usd)} a run)" for o in effect.options]
            yield f"  mean gain by {line(effect.address, 60)}: {', '.join(brought)}"
    if not shares and report.importance:
        yield "  too few candidates to say which parameter matters"
    _, losses = split_up(report.examples)
    if losses:
        rows = ", ".join(str(example.row) for example in losses[:8])
        yield f"  worse on row{'s' if len(losses) > 1 else ''} {rows}{' …' if len(losses) > 8 else ''} of the data"
