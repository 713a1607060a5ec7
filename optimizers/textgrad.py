"""Textual gradients: criticism handed back from step to step, then every variable rewritten by what reached it.

Yuksekgonul et al. 2024, "TextGrad: Automatic 'Differentiation' via Text" (arXiv 2406.07496), sections 2 and 3, over the
same propagation as OptoPrime, for comparison with it. Where we depart: what is not a language model passes criticism on
as it is, without a call; values that no parameter reaches get none; several criticisms of one value are joined, not
summed up by a call; new values are typed and checked, and kept only if they are better on the same examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.trace.propagate import Propagation
from treadle.compiler.trace.trace import Span
from treadle.compiler.values import dump
from treadle.optimizers.acceptance import Acceptance, StrictImprovement
from treadle.optimizers.by_hand import Hand
from treadle.optimizers.clip import as_text, clip
from treadle.optimizers.problem import Problem, Variable
from treadle.optimizers.problem_tables import score_of
from treadle.optimizers.problem_text import shown_value, takes
from treadle.optimizers.rounds import Ask, Check, Proposal, Settings, planned, search_rounds
from treadle.optimizers.suggestions import suggestion_type, value_type

if TYPE_CHECKING:
    from treadle.compiler.frontend.program import Program
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.lm.lm import LM
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study

_VALUE = 2_000  # characters of a value in a prompt
_TEMPERATURE = 0.7


def _text(name: str, description: str) -> Slot:
    return Slot(name=name, annotation=str, description=description)


CRITICISE = Predictor(
    signature=Signature(
        name="criticise",
        inputs=(
            _text("step", "A step of a program, and what it does."),
            _text("inputs", "What the step was given."),
            _text("output", "What it gave."),
            _text("feedback", "What is wrong with that, seen from behind it."),
            _text("about", "What to criticise: an input, or the variables of the step."),
        ),
        outputs=(_text("criticism", "How it has to be different for the feedback to be met."),),
        instruction="Criticise what you are asked about, so that the output meets the feedback. Do not rewrite it.",
    ),
    temperature=_TEMPERATURE,
)

_REWRITE = (
    _text("variable", "What it is, and what it may be."),
    _text("current", "Its value."),
    Slot(name="criticisms", annotation=list[str], description="What was said of it."),
    _text("guidance", "What the user has to say."),
    _text("past", "What was tried before, and what came of it."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextGrad:
    """Rewrite every variable by criticism handed back along the edges of a trace.

    LM calls a round: for each of the ``examples`` worst runs one for every edge between steps and one for every step
    with variables, then one for each variable.

    Attributes:
        rounds: Most rounds.
        batch: Feedback examples looked at in a round.
        examples: Runs criticism is handed back in, the worst of the batch.
        acceptance: When a change is kept.
        memory: Changes of earlier rounds that are shown.
        guidance: What you have to say, shown in every round.
        threshold: Score from which on a run has nothing to teach.
    """

    name: ClassVar[str] = "textgrad"
    most_demos: ClassVar[int] = 0
    rounds: int = 8
    batch: int = 4
    examples: int = 2
    acceptance: Acceptance = dataclasses.field(default_factory=StrictImprovement)
    memory: int = 4
    guidance: str = ""
    threshold: float = 1.0

    def __post_init__(self) -> None:
        for field in ("rounds", "batch", "examples"):
            if getattr(self, field) < 1:
                msg = f"TextGrad({field}={getattr(self, field)!r}): give 1 or more"
                raise ConfigurationError(msg)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best candidate found, or the program as it is."""
        return search_rounds(study, space, self.settings, self.suggest)

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """As for a chain: an edge and a criticism for each predictor, and one rewriting."""
        examples = min(self.examples, self.batch, shape.feedback)
        calls = examples * (2 * shape.predictors - 1) + shape.predictors
        runs = planned(shape, self.settings)
        return {"task": round(shape.calls_per_run * runs), "proposer": self.rounds * calls}

    @property
    def settings(self) -> Settings:
        """How the rounds go."""
        return Settings(
            rounds=self.rounds, batch=self.batch, candidates=1, acceptance=self.acceptance, memory=self.memory,
            guidance=self.guidance, threshold=self.threshold,
        )  # fmt: skip

    def on(self, program: Program[..., Any], *, lm: LM | str | None = None) -> Hand:
        """The optimizer for a loop of your own; see ``OptoPrime.on``."""
        return Hand(program, self.settings, self.suggest, lm)

    def suggest(
        self, ask: Ask, problem: Problem, predictors: Mapping[str, Predictor], check: Check, key: str
    ) -> Proposal:
        """Backwards through the worst runs, then one new value for each variable that was criticised."""
        worst = sorted(range(len(problem.runs)), key=lambda n: (score_of(problem.runs[n]), n))[: self.examples]
        backward = _Backward(problem, [problem.runs[n] for n in sorted(worst)])
        backward.walk(ask, key)
        variables = [v for v in problem.variables if v.parameter.kind != "demos" and backward.criticisms.get(v.owner)]
        values: dict[str, Any] = {}
        for variable in variables:
            value = self._rewritten(ask, variable, problem, predictors, backward.criticisms[variable.owner], key)
            if value is not None:
                values[variable.name] = value
        if not values:
            return Proposal(rejected="no variable was criticised, or no new value fitted its schema")
        try:
            given = suggestion_type(problem.variables, predictors).model_validate(values)
        except pydantic.ValidationError as error:
            return Proposal(rejected=str(error))
        suggestion = check(given)
        return Proposal(suggestions=(suggestion,), rejected=suggestion.refused)

    def _rewritten(
        self,
        ask: Ask,
        variable: Variable,
        problem: Problem,
        predictors: Mapping[str, Predictor],
        criticisms: Sequence[str],
        key: str,
    ) -> Any:
        slot = Slot(name="value", annotation=value_type(variable, predictors), description="The whole new value.")
        signature = Signature(
            name="rewrite", inputs=_REWRITE, outputs=(slot,),
            instruction="Give the variable a new value that meets the criticism, on inputs not shown here too.",
        )  # fmt: skip
        context = {
            "variable": f"{variable.name}: {takes(variable.parameter)}",
            "current": shown_value(variable),
            "criticisms": list(criticisms),
            "guidance": problem.guidance,
            "past": "\n".join(f"{as_text(dict(past.changes))} -> {past.outcome}" for past in problem.past),
        }
        step = Predictor(signature=signature, temperature=_TEMPERATURE)
        [value] = ask(step, [context], f"{key}/{variable.name}")
        return None if value is None else dump(value)


_Edge = tuple[int, Span, int | None, dict[str, str]]
"""Number of the run, the span, the span it read or ``None`` for its variables, what to ask."""


class _Backward:
    """Criticism on its way back through runs; all runs take each step back together."""

    def __init__(self, problem: Problem, runs: Sequence[Propagation]) -> None:
        self.problem = problem
        self.runs = runs
        self.criticisms: dict[str, list[str]] = {}
        self._said: list[dict[int, list[str]]] = [{} for _ in runs]
        self._left = [[n for n in run.spans if n and run.span(n).kind != "program"] for run in runs]
        for number, run in enumerate(runs):
            notes = [line for note in run.notes if not note.about and (line := _line(note.score, note.text))]
            self._hand_back(number, 0, notes)

    def walk(self, ask: Ask, key: str) -> None:
        """Hand criticism back until it has reached every step."""
        wave = 0
        while any(self._left):
            asked = [edge for number in range(len(self.runs)) for edge in self._edges(number)]
            if asked:
                replies = ask(CRITICISE, [context for *_, context in asked], f"{key}/back {wave}")
                for (number, span, target, _), text in zip(asked, replies, strict=True):
                    self._arrived(number, span, target, text)
            wave += 1

    def _edges(self, number: int) -> list[_Edge]:
        """What to ask of the next span of a run: of each value it read, and of its variables (``None``)."""
        if not self._left[number]:
            return []
        run = self.runs[number]
        span = run.span(self._left[number].pop())
        said = [*self._said[number].get(span.id, ()), *(_line(n.score, n.text) for n in run.notes_about(span))]
        if span.kind != "step":
            self._hand_back(number, span.id, said)
            if span.kind == "op" and any(said):
                self._note(span.name, said)
            return []
        if not any(said):
            return []
        context = self._context(span, said)
        behind = [n for n in _behind(run, span.id) if n in run.spans and run.span(n).kind != "program"]
        edges: list[_Edge] = []
        for n in behind:
            about = f"the input that {self.problem.place_of(run, n)} gave"
            edges.append((number, span, n, {**context, "about": about}))
        mine = [v for v in self.problem.variables if v.owner == span.predictor]
        if mine:
            about = "\n".join(f"variable {v.name}: {clip(shown_value(v), _VALUE)}" for v in mine)
            edges.append((number, span, None, {**context, "about": about}))
        return edges

    def _context(self, span: Span, said: Sequence[str]) -> dict[str, str]:
        known = self.problem.documentation.get(span.predictor, "")
        return {
            "step": f"{span.name}: {known}",
            "inputs": clip(as_text(dict(span.inputs)), _VALUE),
            "output": clip(span.error or as_text(span.output), _VALUE),
            "feedback": "\n".join(text for text in said if text),
        }

    def _arrived(self, number: int, span: Span, target: int | None, text: str | None) -> None:
        if not text:
            return
        if target is None:
            self._note(span.predictor, [text])
        else:
            self._said[number].setdefault(target, []).append(text)

    def _note(self, owner: str, texts: Sequence[str]) -> None:
        self.criticisms.setdefault(owner, []).extend(text for text in texts if text)

    def _hand_back(self, number: int, span: int, texts: Sequence[str]) -> None:
        """What is no language model passes on what was said of its value."""
        run = self.runs[number]
        behind = _behind(run, span)
        failed = [n for n in run.spans if n and run.span(n).error] if span == 0 and run.span(0).error else []
        for source in dict.fromkeys((*behind, *failed)):
            self._said[number].setdefault(source, []).extend(text for text in texts if text)


def _behind(run: Propagation, span: int) -> Sequence[int]:
    """What a span read; where that is not known, what ran before it."""
    if run.known:
        return run.reads.get(span, ())
    return [n for n in run.spans if n and (n < span or not span)][-1:]


def _line(score: float | None, text: str) -> str:
    return "; ".join(part for part in ("" if score is None else f"score {score:g}", text) if part)
