"""Optimizing in a loop of your own: you run the program, you say what you think of the results.

>>> from treadle.optimizers.optoprime import OptoPrime  # doctest: +SKIP
>>> optimizer = OptoPrime().on(support, lm="openai/gpt-4o-mini")  # doctest: +SKIP
>>> value, trace = optimizer.program.traced(ticket="Where is my parcel?")  # doctest: +SKIP
>>> proposal = optimizer.propose([trace], ["the tone is wrong: we are sorry"])  # doctest: +SKIP
>>> optimizer.update(proposal)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pydantic

from treadle.compiler.errors import DataError, DefinitiveLMError, ReplyError
from treadle.compiler.lm.lm import LM
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.interpreter import run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.study.metric import Score
from treadle.compiler.trace.propagate import Feedback, propagate
from treadle.compiler.trace.trace import Trace
from treadle.optimizers.problem import Past, Problem
from treadle.optimizers.rounds import Proposal, Proposes, Settings, problem_of
from treadle.optimizers.said import notes_given
from treadle.optimizers.suggestions import Suggestion, checked, merged

if TYPE_CHECKING:
    from treadle.compiler.frontend.program import Program
    from treadle.compiler.graph.nodes import Predictor


class Hand:
    """An optimizer in a loop of yours. Made by ``OptoPrime(…).on(program)``; keeps what was tried before.

    Attributes:
        program: The program as it is at present.
        past: What was tried, oldest first.
        guidance: What you have to say in every round; set it whenever you like.
    """

    def __init__(self, program: Program[..., Any], settings: Settings, proposes: Proposes, lm: LM | str | None) -> None:
        self.program = program
        self.past: list[Past] = []
        self.guidance = settings.guidance
        self._settings = settings
        self._proposes = proposes
        self._lm = LM(lm) if isinstance(lm, str) else lm
        self._space = program.space()
        self._round = 0

    def problem(self, traces: Sequence[Trace], feedback: Sequence[Feedback | Score]) -> Problem:
        """What the LM would be asked.

        Raises:
            DataError: There is not one feedback for each trace, or one has none of the forms there are.
        """
        lists = isinstance(traces, list | tuple) and isinstance(feedback, list | tuple)
        if not lists or len(traces) != len(feedback) or not traces:
            msg = "give a list of traces and a list of what you say of each: as many of the one as of the other"
            raise DataError(msg)
        runs = [propagate(trace, notes_given(said)) for trace, said in zip(traces, feedback, strict=True)]
        past = self.past[-self._settings.memory :] if self._settings.memory else []
        return problem_of(self.program, self._space, self.program.candidate, runs, guidance=self.guidance, past=past)

    def propose(self, traces: Sequence[Trace], feedback: Sequence[Feedback | Score]) -> Proposal:
        """What to change, from runs of the program and what you say of them. Changes nothing.

        Args:
            traces: Runs of ``program``; failed ones too.
            feedback: What you say of each: text, a number, a ``Score``, an exception, any of these by the name of a
                step or output field, or a list of them.

        Raises:
            DataError: As for ``problem``.
            LMError: The call failed on the provider's side.
        """
        problem = self.problem(traces, feedback)
        self._round += 1
        if not problem.variables:
            return self._rejected(Proposal(rejected="no parameter has a path to the output of these runs"))
        predictors = self.program.predictors

        def check(given: pydantic.BaseModel) -> Suggestion:
            return checked(given, problem, self._space, self.program.candidate, {}, predictors)

        proposal = self._proposes(self._ask, problem, predictors, check, f"by hand {self._round}")
        return self._rejected(proposal) if proposal.rejected else proposal

    def update(self, proposal: Proposal, *, choice: int = 0) -> Program[..., Any]:
        """Take a suggestion: all of its values, or none. Gives, and keeps, the changed program.

        Args:
            proposal: What ``propose`` gave.
            choice: Which of its usable suggestions.

        Raises:
            DataError: It has no such suggestion.
            GraphError: A value is not allowed.
        """
        if not 0 <= choice < len(proposal.usable):
            msg = f"the proposal has {len(proposal.usable)} suggestions that can be taken, and not number {choice}"
            raise DataError(msg)
        suggestion = proposal.usable[choice]
        candidate = merged(self._space, self.program.candidate, suggestion.values, origin=f"by hand {self._round}")
        self.program = self.program.with_candidate(candidate)
        self.past.append(Past(number=self._round, changes=suggestion.changes, outcome="kept"))
        return self.program

    def reject(self, proposal: Proposal, reason: str) -> None:
        """Remember that you did not take the proposal, and why; later rounds are told."""
        for suggestion in proposal.suggestions:
            self.past.append(Past(number=self._round, changes=suggestion.changes, outcome=f"not kept: {reason}"))

    def _rejected(self, proposal: Proposal) -> Proposal:
        self.past.append(Past(number=self._round, changes={}, outcome=f"rejected: {proposal.rejected}"))
        return proposal

    def _ask(self, predictor: Predictor, contexts: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
        return [self._answer(predictor, context) for context in contexts]

    def _answer(self, predictor: Predictor, context: Mapping[str, Any]) -> Any:
        session = Session(lm=self._lm)
        try:
            return wait(run_step(predictor.signature.name, predictor, context, session))
        except (ReplyError, DefinitiveLMError):
            return None
