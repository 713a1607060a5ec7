"""OptoPrime: update any mixture of parameters from what a program did and what was said of it.

Cheng, Nie and Swaminathan 2024, "Trace is the Next AutoDiff" (arXiv 2406.16218), section 4: a language model gets the
runs as a problem (pseudo-program, values, feedback) and answers with new values. Where we depart, and why:

- the reply is typed by the parameters and checked before anything changes; what does not fit gets the runtime's re-ask
  and one repair that quotes the error, then it is a recorded rejection, never a silent nothing;
- the model stops by a field of its reply, not by a word in its text;
- several suggestions of one reply are chosen between by running them, and a change is kept only if it is better on the
  same examples; the paper applies every update;
- program text is shown once for all runs of a batch, turns of maps and loops as worst, median and best, and everything
  within a budget of tokens;
- outputs may get different feedback, and what is known of single steps is said of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from treadle.compiler.canonical import canonical
from treadle.compiler.errors import ConfigurationError, ReplyError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.prompt.parse import parse
from treadle.compiler.prompt.render import response_schema
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import dump
from treadle.optimizers.acceptance import Acceptance, StrictImprovement
from treadle.optimizers.by_hand import Hand
from treadle.optimizers.problem import Problem
from treadle.optimizers.problem_text import Section, render
from treadle.optimizers.rounds import Ask, Check, Proposal, Settings, planned, search_rounds
from treadle.optimizers.suggestions import REASONING, STOP, suggestions_slot

if TYPE_CHECKING:
    from treadle.compiler.frontend.program import Program
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.lm.lm import LM
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study

PROBLEM = Slot(name="problem", annotation=str, description="The program, its variables, its runs and the feedback.")

INSTRUCTION = """\
You improve a program by changing its variables, so that its results get better feedback on inputs not shown here too.
The problem has these sections. Task: what the program is for. Program: its steps in order, one call a line, with what
each reads, which branch was taken and, after #, the variables of the call. Documentation: what steps and functions do;
those that are not Python are answered by a language model. Variables: what you may change, what each may be, and its
value. Inputs, Intermediates, Outputs: one row a run; a long value shows its two ends, its length and a hash. Feedback:
what was said of each run; "on x" is about x alone. Past: changes tried before and what came of them.
Find the first place where a value went wrong: a later step can only pass on what it got. Change the variables of that
place, and as few others as will do. Do not copy inputs or answers of single runs into a variable."""

REPAIR_INSTRUCTION = """\
You suggested changes to the variables of a program, and none of them can be made; the error says why. Give your reply
again, corrected, as one JSON document that fits the schema, and nothing else."""

_TEMPERATURE = 0.7


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptoPrime:
    """Change instructions, demos, numbers, choices, texts and code together, from traces and feedback.

    LM calls: one a round whatever the program, at most two more where a reply cannot be used; and in each round
    ``batch`` runs of the program as it is and of each suggestion. The last four changes that were kept are measured on
    the select examples.

    Attributes:
        rounds: Most rounds.
        batch: Feedback examples looked at in a round.
        candidates: Suggestions a reply may make; all are run, the best is kept if it is good enough.
        acceptance: When a change is kept: ``StrictImprovement()``, ``PairedTest(…)`` or ``Always()``.
        tokens: Most tokens of the rendered problem; a token counts as four characters.
        memory: Changes of earlier rounds that are shown.
        guidance: What you have to say, shown in every round.
        hide: Sections of the problem to leave out, to see what they are worth.
        threshold: Score from which on a run has nothing to teach.
    """

    name: ClassVar[str] = "optoprime"
    rounds: int = 8
    batch: int = 4
    candidates: int = 2
    acceptance: Acceptance = dataclasses.field(default_factory=StrictImprovement)
    tokens: int = 6_000
    memory: int = 8
    guidance: str = ""
    hide: tuple[Section, ...] = ()
    threshold: float = 1.0

    def __post_init__(self) -> None:
        for field in ("rounds", "batch", "candidates", "tokens"):
            if getattr(self, field) < 1:
                msg = f"OptoPrime({field}={getattr(self, field)!r}): give 1 or more"
                raise ConfigurationError(msg)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best candidate found, or the program as it is."""
        return search_rounds(study, space, self.settings, self.suggest)

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """One call a round, and the runs."""
        return {"task": round(shape.calls_per_run * planned(shape, self.settings)), "proposer": self.rounds}

    @property
    def settings(self) -> Settings:
        """How the rounds go."""
        return Settings(
            rounds=self.rounds, batch=self.batch, candidates=self.candidates, acceptance=self.acceptance,
            memory=self.memory, guidance=self.guidance, threshold=self.threshold,
        )  # fmt: skip

    def on(self, program: Program[..., Any], *, lm: LM | str | None = None) -> Hand:
        """The optimizer for a loop of your own: ``propose(traces, feedback)`` and ``update``.

        Args:
            program: What is improved.
            lm: Who suggests; ``None`` for the LM in force.
        """
        return Hand(program, self.settings, self.suggest, lm)

    def suggest(
        self, ask: Ask, problem: Problem, predictors: Mapping[str, Predictor], check: Check, key: str
    ) -> Proposal:
        """One call, and one repair where nothing it suggests can be tried."""
        text = render(problem, tokens=self.tokens, hide=self.hide)
        step = Predictor(
            signature=Signature(
                name="optoprime",
                inputs=(PROBLEM,),
                outputs=(REASONING, STOP, suggestions_slot(problem, predictors, self.candidates)),
                instruction=INSTRUCTION,
            ),
            temperature=_TEMPERATURE,
        )
        [reply] = ask(step, [{"problem": text}], key)
        if reply is None:
            return Proposal(rejected="no reply fitted the schema, the re-ask's neither")
        proposal = _proposal(reply, check)
        return _repaired(ask, step, text, reply, proposal, check, key) if proposal.rejected else proposal


def _proposal(reply: Any, check: Check) -> Proposal:
    if reply.stop:
        return Proposal(reasoning=reply.reasoning, stop=True)
    suggestions = tuple(check(given) for given in reply.suggestions)
    found = Proposal(suggestions=suggestions, reasoning=reply.reasoning)
    if found.usable:
        return found
    reasons = "; ".join(suggestion.refused for suggestion in suggestions)
    return dataclasses.replace(found, rejected=reasons or "no suggestion, and stop is false")


def _repaired(
    ask: Ask, step: Predictor, problem: str, reply: Any, proposal: Proposal, check: Check, key: str
) -> Proposal:
    """The proposal of a second reply to what is wrong with the first; it is read here, so it gets no re-ask."""
    schema = response_schema(step.signature)
    context = {
        "problem": problem,
        "reply": canonical(dump(reply)),
        "error": proposal.rejected,
        "schema": canonical(dict(schema or {})),
    }
    [text] = ask(REPAIR, [context], f"{key}/repair")
    try:
        again = _proposal(parse(step.signature, text or ""), check)
    except ReplyError as error:
        again = Proposal(rejected=str(error))
    if not again.rejected:
        return dataclasses.replace(again, suggestions=(*proposal.suggestions, *again.suggestions))
    return dataclasses.replace(proposal, rejected=f"{proposal.rejected}; after the repair: {again.rejected}")


REPAIR = Predictor(
    signature=Signature(
        name="optoprime_repair",
        inputs=(
            PROBLEM,
            Slot(name="reply", annotation=str, description="Your reply."),
            Slot(name="error", annotation=str, description="Why nothing of it can be tried."),
            Slot(name="schema", annotation=str, description="JSON Schema of replies."),
        ),
        outputs=(Slot(name="corrected", annotation=str, description="The corrected reply, one JSON document."),),
        instruction=REPAIR_INSTRUCTION,
    ),
    temperature=_TEMPERATURE,
)
"""The one repair of what only the optimizer can check."""
