"""Estimates: what a search will cost and what it can show, before it is paid for."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.study.budget import NOTHING, Amount
from treadle.compiler.study.gate import smallest_gain, worth_of_a_pair
from treadle.compiler.study.optimizer import MOST_DEMOS
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.study.report_words import dollars_between
from treadle.compiler.study.splits import Splits
from treadle.compiler.trace.trace import Span, Trace

PROPOSER_TOKENS = (800, 6000)
"""Tokens of one proposer's call, prompt and reply, at least and at most: what is assumed before one was made."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerRun:
    """What one run of the program uses, from real runs.

    Attributes:
        runs: Runs it rests on.
        calls: LM calls, mean.
        tokens: Tokens, least and most.
        demo: Tokens that one demo of its own in every prompt would add.
        usd: Dollars, least and most; ``None`` where a price is unknown.
        judge_calls: LM calls of the metric, mean.
        judge_tokens: Tokens of these, mean.
        independent: Share of the calls that read no other call's reply, as far as is known.
    """

    runs: int
    calls: float
    tokens: tuple[int, int]
    demo: int
    usd: tuple[float, float] | None
    judge_calls: float = 0.0
    judge_tokens: float = 0.0
    independent: float = 0.0

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], judged: Amount = NOTHING) -> PerRun:
        """From outcomes of real runs, with their traces; failed ones used something, too.

        Args:
            outcomes: Of the runs.
            judged: What the metric's LM calls on them were charged.
        """
        tokens = [outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes]
        costs = [outcome.cost for outcome in outcomes if outcome.cost is not None]
        return cls(
            runs=len(outcomes),
            calls=statistics.fmean(outcome.calls for outcome in outcomes),
            tokens=(min(tokens), max(tokens)),
            demo=max((_demo_tokens(outcome.trace) for outcome in outcomes if outcome.trace is not None), default=0),
            usd=(min(costs), max(costs)) if len(costs) == len(outcomes) else None,
            judge_calls=judged.calls / len(outcomes),
            judge_tokens=judged.tokens / len(outcomes),
            independent=_independent([outcome.trace for outcome in outcomes if outcome.trace is not None]),
        )


def _independent(traces: Sequence[Trace]) -> float:
    """The share of LM calls to which no other one led. In host mode what a call read is not known: none then."""
    calls = [(trace, span) for trace in traces for span in trace.calls()]
    if not calls or not all(span.node for _, span in calls):
        return 0.0
    return statistics.fmean(not _reads_replies(trace, span) for trace, span in calls)


def _reads_replies(trace: Trace, span: Span) -> bool:
    """Whether another step's reply led to this call, through the steps and regions it stands in."""
    inside = span
    while inside.parent is not None:  # the program's own span read them all
        if any(one.id != inside.id and one.kind in ("lm", "step", "region") for one in trace.ancestors(inside)):
            return True
        inside = trace.spans[inside.parent]
    return False


def _demo_tokens(trace: Trace) -> int:
    """Tokens of the inputs and replies of all calls: what they take up when they are shown as demos."""
    total = 0.0
    for span in trace.calls():
        sent = sum(len(message.content) for message in span.messages)
        if span.usage is not None and sent:
            shown = len(canonical(dict(span.inputs))) + len(span.reply)
            total += span.usage.input_tokens * shown / sent
    return math.ceil(total)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """What a search is expected to cost.

    Attributes:
        program: The program's name.
        optimizer: The optimizer's name.
        per_run: What one run uses.
        most_calls: LM calls of one run at most, by the graph; ``None`` where a loop or map has no bound.
        calls: Expected LM calls by role; ``"verdict"`` is what comparing the winner with the start takes, ``"judge"``
            what the metric asks.
        splits: Which examples are used for what.
        ops: Plain functions the program calls.
        demos: Demos in a prompt at most; the upper end of tokens and dollars.
    """

    program: str
    optimizer: str
    per_run: PerRun
    most_calls: int | None
    calls: Mapping[str, int]
    splits: Splits
    ops: tuple[str, ...] = ()
    demos: int = MOST_DEMOS

    @property
    def total_calls(self) -> int:
        """All roles together."""
        return sum(self.calls.values())

    @property
    def runs(self) -> int:
        """Runs of the program, and so of each op outside branches and loops."""
        task = self.calls.get("task", 0) + self.calls.get("verdict", 0)
        return round(task / self.per_run.calls) if self.per_run.calls else 0

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens at least and at most, all roles together."""
        proposer, judge = self.calls.get("proposer", 0), round(self.runs * self.per_run.judge_tokens)
        low, high = self.runs * self.per_run.tokens[0], self.runs * self._longest
        return low + judge + proposer * PROPOSER_TOKENS[0], high + judge + proposer * PROPOSER_TOKENS[1]

    @property
    def _longest(self) -> int:
        """Tokens of a run with as many demos as any prompt is shown."""
        return self.per_run.tokens[1] + self.demos * self.per_run.demo

    @property
    def usd(self) -> tuple[float, float] | None:
        """Dollars at least and at most, other roles at the price of the program's tokens; ``None``: price unknown."""
        if self.per_run.usd is None:
            return None
        low, high = self.tokens
        return low * self._price(0), high * self._price(1)

    def _price(self, end: int) -> float:
        """Dollars per token of the program's runs."""
        assert self.per_run.usd is not None
        tokens = self.per_run.tokens[end]  # runs without demos, whose price is known
        return self.per_run.usd[end] / tokens if tokens else 0.0

    @property
    def smallest_gain(self) -> float:
        """The smallest true gain the examples can show, in score points (0 to 1)."""
        return smallest_gain(self.splits.judged * worth_of_a_pair(self.splits))

    def to_json(self) -> dict[str, JSON]:
        """The estimate as data."""
        return {
            "program": self.program,
            "optimizer": self.optimizer,
            "calls": dict(self.calls),
            "total_calls": self.total_calls,
            "calls_per_run": self.per_run.calls,
            "most_calls_per_run": self.most_calls,
            "tokens": list(self.tokens),
            "usd": None if self.usd is None else list(self.usd),
            "calibrated_on": self.per_run.runs,
            "smallest_gain": self.smallest_gain,
            "judged": self.splits.judged,
        }

    def __str__(self) -> str:
        """A few lines for a person."""
        low, high = self.tokens
        roles = ", ".join(f"{count:,} {role}" for role, count in self.calls.items() if count)
        demos = " (without and with demos)" if self.demos else ""
        most = "no bound on a run" if self.most_calls is None else f"at most {self.most_calls} a run"
        lines = [
            f"Compiling {self.program} with {self.optimizer}: about {self.total_calls:,} LM calls ({roles}), "
            f"{low:,} to {high:,} tokens{demos}, {dollars_between(self.usd)}",
            f"  {_counted(self.per_run.calls, 'call')} a run over {_counted(self.per_run.runs, 'real run')}, {most}",
            f"  {_splits_in_words(self.splits)}",
            f"  {_gain_in_words(self.splits, self.smallest_gain)}",
        ]
        if self.ops:
            lines.append(f"  ops, each about {self.runs:,} times: {', '.join(self.ops)}")
        return "\n".join(lines)


def _counted(number: float, what: str) -> str:
    return f"{number:.3g} {what}{'' if number == 1 else 's'}"


def _splits_in_words(splits: Splits) -> str:
    learn, choose = f"{len(splits.feedback)} examples to learn from", f"{len(splits.select)} to choose by"
    if splits.cross_fitted:
        return f"{learn}, {choose}; the verdict comes from held-out folds of these"
    return f"{learn}, {choose}, {splits.judged} kept for the verdict, which the search never sees"


def _gain_in_words(splits: Splits, gain: float) -> str:
    if splits.too_few:
        return f"{splits.examples} examples are too few for a verdict: give 30 or more to learn whether it is better"
    return (
        f"with {splits.judged} examples to judge by, a gain below about {math.ceil(100 * gain)} points cannot be shown"
    )
