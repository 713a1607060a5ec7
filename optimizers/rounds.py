"""Rounds: run a few examples, show what happened to a language model, run what it suggests, keep what is better.

What OptoPrime and the textual-gradient variant share. They differ in how suggestions come about.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import pydantic

from treadle.compiler.trace.propagate import Propagation, propagate
from treadle.optimizers.acceptance import Acceptance
from treadle.optimizers.clip import as_text, clip
from treadle.optimizers.documentation import Documented, documentation, promise
from treadle.optimizers.problem import Past, Problem, variables_of
from treadle.optimizers.rungs import FINALISTS, best, halve, planned_runs
from treadle.optimizers.said import notes_on
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.suggestions import Suggestion, checked, merged

if TYPE_CHECKING:
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study

Ask: TypeAlias = "Callable[[Predictor, Sequence[Mapping[str, Any]], str], list[Any]]"
"""What a proposer's step makes of each context, given a key for the sample; ``None`` where no reply fitted."""

Check: TypeAlias = Callable[[pydantic.BaseModel], Suggestion]
"""A suggestion as the LM gave it, checked."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a language model made of a problem.

    Attributes:
        suggestions: Its changes, those that cannot be made among them.
        reasoning: Why, in its words.
        stop: It says that nothing can be made better.
        rejected: Why there is nothing to try, where there is nothing and it did not say stop.
    """

    suggestions: tuple[Suggestion, ...] = ()
    reasoning: str = ""
    stop: bool = False
    rejected: str = ""

    @property
    def usable(self) -> tuple[Suggestion, ...]:
        """Suggestions that can be tried."""
        return tuple(suggestion for suggestion in self.suggestions if not suggestion.refused)


class Proposes(Protocol):
    """How suggestions come about."""

    def __call__(
        self, ask: Ask, problem: Problem, predictors: Mapping[str, Predictor], check: Check, key: str
    ) -> Proposal:
        """What to change.

        Args:
            ask: Asks the LM.
            problem: What happened and what may change.
            predictors: The program's, by name.
            check: Checks a suggestion.
            key: Part of the sample index of every call of the round.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How rounds go.

    Attributes:
        rounds: Most rounds.
        batch: Examples looked at in a round.
        candidates: Most suggestions that are run in a round.
        acceptance: When a change is kept.
        memory: Changes of earlier rounds that are shown.
        guidance: What the user has to say, in every round.
        threshold: Score from which on a run has nothing to teach.
    """

    rounds: int
    batch: int
    candidates: int
    acceptance: Acceptance
    memory: int
    guidance: str
    threshold: float


def search_rounds(study: Study, space: ParameterSpace, settings: Settings, proposes: Proposes) -> Candidate:
    """The best candidate the rounds led to, by the select examples; the program as it is where none is better."""
    rounds = _Rounds(study, space, settings, proposes)
    with until_budget_ends(study):
        study.evaluate([rounds.current], study.splits.select)
        rounds.run()
    with until_budget_ends(study):
        halve(study, rounds.kept[-FINALISTS:])
    return best(study, space.default(), rounds.kept)


def planned(shape: Shape, settings: Settings) -> float:
    """Runs of the program that the rounds are expected to make."""
    batch = min(settings.batch, shape.feedback)
    looking = settings.rounds * batch * (1 + settings.candidates)
    return looking + planned_runs(shape, min(settings.rounds, FINALISTS))


def problem_of(
    program: Documented,
    space: ParameterSpace,
    current: Candidate,
    runs: Sequence[Propagation],
    *,
    guidance: str,
    past: Sequence[Past],
) -> Problem:
    """The problem that these runs state."""
    variables, unreachable = variables_of(space, current, runs)
    return Problem(
        program=program.signature.name,
        promise=promise(program.signature),
        task=program.signature.instruction or f"Make the results of {program.signature.name} better.",
        guidance=guidance,
        runs=tuple(runs),
        variables=variables,
        unreachable=unreachable,
        documentation=documentation(program, runs),
        past=tuple(past),
    )


class _Rounds:
    """A search on its way."""

    def __init__(self, study: Study, space: ParameterSpace, settings: Settings, proposes: Proposes) -> None:
        self.study = study
        self.space = space
        self.settings = settings
        self.proposes = proposes
        self.current = space.default()
        self.kept: list[Candidate] = []
        self.past: list[Past] = []
        self.seen: dict[str, str] = {self.current.id: "it is the program as it is"}
        self._batches = self._endless_batches()

    def run(self) -> None:
        for number in range(1, self.settings.rounds + 1):
            outcomes = self._something_to_learn(number)
            if not outcomes or not self._round(number, outcomes):
                break

    # --- what to look at

    def _endless_batches(self) -> Iterator[list[str]]:
        size = min(self.settings.batch, len(self.study.splits.feedback))
        epoch = 0
        while size:
            ids = list(self.study.splits.feedback)
            self.study.rng("rounds.batch", epoch).shuffle(ids)
            yield from (ids[first : first + size] for first in range(0, len(ids) - size + 1, size))
            epoch += 1

    def _something_to_learn(self, number: int) -> list[Outcome]:
        """The next batch in which not all is well; nothing where that is so of all feedback examples."""
        looked = 0
        for ids in self._batches:
            [outcomes] = self.study.evaluate([self.current], ids, traces=True)
            if any(outcome.value < self.settings.threshold for outcome in outcomes):
                return [outcome for outcome in outcomes if outcome.trace is not None]
            looked += len(ids)
            if looked >= len(self.study.splits.feedback):
                break
        self.study.log("stopped", round=number, reason="no feedback example is left to learn from")
        return []

    # --- one round

    def _round(self, number: int, outcomes: Sequence[Outcome]) -> bool:
        """One round; whether another one makes sense."""
        problem = self._problem(outcomes)
        if problem.unreachable:
            self.study.log("unreachable", round=number, parameters=list(problem.unreachable))
        if not problem.variables:
            self._reject(number, "no parameter has a path to the output of these runs")
            return True
        predictors = self.study.program.predictors

        def check(given: pydantic.BaseModel) -> Suggestion:
            return checked(given, problem, self.space, self.current, self.seen, predictors)

        proposal = self.proposes(self._ask, problem, predictors, check, f"round {number}")
        self.study.log(
            "proposed", round=number, reasoning=proposal.reasoning, stop=proposal.stop,
            changes=[dict(suggestion.changes) for suggestion in proposal.suggestions],
            refused=[suggestion.refused for suggestion in proposal.suggestions],
        )  # fmt: skip
        for suggestion in proposal.suggestions:
            if suggestion.refused:
                self._remember(number, suggestion, f"refused: {suggestion.refused}")
        if proposal.rejected:
            self._reject(number, proposal.rejected)
        elif proposal.usable:
            self._try(number, [outcome.example for outcome in outcomes], proposal.usable)
        return not proposal.stop

    def _problem(self, outcomes: Sequence[Outcome]) -> Problem:
        predictors = self.study.program.predictors
        runs = []
        for outcome in outcomes:
            assert outcome.trace is not None  # only those are looked at
            notes = notes_on(outcome, self.study.example(outcome.example), predictors)
            runs.append(propagate(outcome.trace, notes))
        past = self.past[-self.settings.memory :] if self.settings.memory else []
        return problem_of(
            self.study.program, self.space, self.current, runs, guidance=self.settings.guidance, past=past
        )

    def _ask(self, predictor: Predictor, contexts: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
        return self.study.propose(predictor, contexts, key=key)

    def _try(self, number: int, ids: Sequence[str], suggestions: Sequence[Suggestion]) -> None:
        """Run the suggestions on the same examples, and keep the best if it is good enough."""
        origin = f"round {number}"
        made = {merged(self.space, self.current, s.values, origin=origin): s for s in reversed(suggestions)}
        tried = list(reversed(made))[: self.settings.candidates]
        self.study.evaluate(tried, ids)
        table = self.study.table
        before = table.mean(self.current, ids).mean
        winner = table.best(tried, ids)
        accepted = self.settings.acceptance.accepts(table.paired(winner, self.current, ids))
        for candidate in tried:
            kept = accepted and candidate == winner
            after = table.mean(candidate, ids).mean
            outcome = f"{'kept' if kept else 'not kept'}: score {before:.3g} -> {after:.3g} on {len(ids)} examples"
            outcome += _failure(table.outcomes(candidate, ids))
            self.seen[candidate.id] = outcome
            self._remember(number, made[candidate], outcome)
            self.study.log("tried", round=number, candidate=candidate.id, outcome=outcome, kept=kept)
        if accepted:
            self.current = winner
            self.kept.append(winner)

    def _remember(self, number: int, suggestion: Suggestion, outcome: str) -> None:
        self.past.append(Past(number=number, changes=suggestion.changes, outcome=outcome))

    def _reject(self, number: int, reason: str) -> None:
        self.past.append(Past(number=number, changes={}, outcome=f"rejected: {clip(reason, 400)}"))
        self.study.log("rejected", round=number, reason=reason)


def _failure(outcomes: Sequence[Outcome]) -> str:
    failed = [outcome.failure for outcome in outcomes if outcome.failure]
    return f"; {len(failed)} failed, the first with {clip(as_text(failed[0]), 200)}" if failed else ""
