"""Bootstrapping: demos from what the program does on feedback examples (Khattab et al. 2024, DSPy, section 4).

The teacher is the program with labelled demos. It answers each half of the examples with demos of the other half, so
that no example is answered by copying its own demo; DSPy drops the example from its own prompt instead, which is one
teacher an example. What it does becomes demos in two ways:

- *bootstrapped*: the steps of a run whose score passes, one demo an example and predictor. Runs that do not pass never
  give one, whatever the metric's type;
- *repaired*: for a step whose inputs the labels do not give, the label on the inputs it was seen with, if all labelled
  steps before it gave their labels. So a run that failed at the last step still teaches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.canonical import JSON
from treadle.compiler.prompt.demo import Demo
from treadle.optimizers.demo_bank import DemoBank, Worked, as_values, labelled_bank, labels_of, searched, stratified
from treadle.optimizers.spans import answer_of, ended_well, right_before

if TYPE_CHECKING:
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study
    from treadle.compiler.trace.trace import Span, Trace


def bootstrapped_bank(
    study: Study, space: ParameterSpace, *, rows: int, threshold: float, wanted: int, shots: int
) -> DemoBank:
    """The labelled bank, and what running the teacher on feedback examples adds to it.

    Args:
        study: Where the runs are made and paid for.
        space: Gives the predictors.
        rows: Most feedback examples to run, each once.
        threshold: Lowest score that passes; a metric that returns a bool passes with true at 1.
        wanted: A predictor with labelled demos and fewer passing traces than this keeps to its labelled ones: a few
            lucky traces are a poor sample of its answers.
        shots: Labelled demos the teacher shows.

    Raises:
        BudgetExhausted: The budget ended before all examples were run.
        DataError: A label does not fit its step.
    """
    study.log("stage", name="demos")
    bank = labelled_bank(study, space)
    outcomes = _taught(study, space, bank, rows, shots)
    passed = [o for o in outcomes if o.score is not None and o.score >= threshold]
    labelled = dict(bank.labelled)
    bootstrapped: dict[str, tuple[Worked, ...]] = {}
    for name in searched(space):
        labelled[name] = labelled[name] or tuple(_repaired(study, name, outcomes))
        found = tuple(_from_traces(study, name, passed))
        keeps = bool(found) and (len(found) >= wanted or not labelled[name])
        bootstrapped[name] = found if keeps else ()
        study.log(
            "demos", predictor=name, labelled=len(labelled[name]), bootstrapped=len(bootstrapped[name]),
            passed=len(found), runs=len(outcomes), message=_message(name, len(found), len(outcomes), keeps, wanted),
        )  # fmt: skip
    return DemoBank(labelled=labelled, bootstrapped=bootstrapped)


def _message(name: str, passed: int, runs: int, keeps: bool, wanted: int) -> str:
    if keeps:
        return ""
    if not passed:
        return f"no trace of {name} passed in {runs} runs"
    return f"{passed} traces of {name} passed in {runs} runs, fewer than {wanted}: its demos are labelled ones only"


def _taught(study: Study, space: ParameterSpace, bank: DemoBank, rows: int, shots: int) -> list[Outcome]:
    """The teacher's runs with traces, in the order of the examples."""
    ids = study.splits.feedback[:rows]
    halves = (ids[::2], ids[1::2])
    teachers = (_teacher(study, space, bank, halves[1], shots), _teacher(study, space, bank, halves[0], shots))
    flights = [study.start([t], half, traces=True) for t, half in zip(teachers, halves, strict=True) if half]
    by_id = {outcome.example: outcome for flight in flights for outcome in flight.wait()[0]}
    return [by_id[example] for example in ids]


def _teacher(study: Study, space: ParameterSpace, bank: DemoBank, ids: Sequence[str], shots: int) -> Candidate:
    """The program with labelled demos of the given examples where there are any; the program itself elsewhere."""
    allowed = set(ids)
    values: dict[str, JSON] = {}
    for name, pool in bank.labelled.items():
        mine = [w for w in pool if w.example in allowed]
        if mine:
            values[f"{name}.demos"] = as_values(stratified(mine, shots, study.rng("teacher", name, ids[0])))
    return space.candidate(values, parents=(space.default().id,), origin="teacher")


# --- from a run to demos ---------------------------------------------------------------------------------------------


def _from_traces(study: Study, name: str, outcomes: Iterable[Outcome]) -> Iterable[Worked]:
    """One demo per passing trace: of the predictor's steps in it, one at random."""
    predictor = study.program.predictors[name]
    for outcome in outcomes:
        spans = ended_well(outcome.trace, name)
        if outcome.trace is not None and spans:
            span = study.rng("bootstrap", name, outcome.example).choice(spans)
            outputs = {**thoughts(predictor, outcome.trace, span), **answer_of(predictor, span)}
            demo = Demo(inputs=span.inputs, outputs=outputs, origin="bootstrapped")
            yield Worked(demo=demo, example=outcome.example)


def _repaired(study: Study, name: str, outcomes: Iterable[Outcome]) -> Iterable[Worked]:
    """The label on the inputs a step was seen with, where all labelled steps before it gave their labels."""
    predictor = study.program.predictors[name]
    for outcome in outcomes:
        example, spans = study.example(outcome.example), ended_well(outcome.trace, name)
        outputs = labels_of(example, name, predictor)
        if outputs is None or outcome.trace is None or len(spans) != 1:
            continue
        if right_before(study, example, outcome.trace, spans[0]):
            origin = "labelled" if answer_of(predictor, spans[0]) == outputs else "repaired"
            yield Worked(demo=Demo(inputs=spans[0].inputs, outputs=outputs, origin=origin), example=example.id)


def thoughts(predictor: Predictor, trace: Trace, step: Span) -> Mapping[str, JSON]:
    """Fields the step's module added, such as reasoning, in the first of its calls that gave the step's answer."""
    answer = answer_of(predictor, step)
    inside = {step.id}
    for span in trace.spans:
        if span.parent in inside:
            inside.add(span.id)
            given = span.output
            if span.kind == "lm" and isinstance(given, Mapping) and _holds(given, answer):
                return {name: value for name, value in given.items() if name not in answer}
    return {}


def _holds(given: Mapping[str, JSON], answer: Mapping[str, JSON]) -> bool:
    return len(given) > len(answer) and all(name in given and given[name] == answer[name] for name in answer)
