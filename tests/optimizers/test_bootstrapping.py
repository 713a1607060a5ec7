from collections.abc import Mapping
from typing import Any, cast

from tests.optimizers.program import Lab, OpenLab, space
from tests.optimizers.world import rows
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.hints import from_string
from treadle.compiler.study.outcome import Outcome
from treadle.compiler.trace.trace import Span, Trace
from treadle.optimizers.bootstrapping import bootstrapped_bank, thoughts
from treadle.optimizers.demo_bank import DemoBank


def bank_of(lab: Lab, *, runs: int = 20, threshold: float = 1.0, wanted: int = 1, shots: int = 8) -> DemoBank:
    return bootstrapped_bank(lab.study, space(), rows=runs, threshold=threshold, wanted=wanted, shots=shots)


def outcomes_of(lab: Lab) -> dict[str, Outcome]:
    """The teachers' outcomes by example."""
    table = lab.study.table
    return {outcome.example: outcome for teacher in table.candidates for outcome in table.outcomes(teacher)}


def shown_by(teacher: Candidate) -> list[str]:
    demos = cast("list[Mapping[str, Any]]", teacher.values["triage.demos"])
    return [demo["inputs"]["ticket"] for demo in demos]


def test_passing_traces_become_demos_of_every_step(lab: OpenLab) -> None:
    opened = lab()
    bank = bank_of(opened)
    passed = [example for example, outcome in outcomes_of(opened).items() if outcome.score == 1.0]
    assert passed
    for name in ("triage", "reply"):
        assert sorted(w.example for w in bank.bootstrapped[name]) == sorted(passed)
        for w in bank.bootstrapped[name]:
            assert w.demo.outputs == {name: opened.study.example(w.example).labels[name]}
            assert w.demo.origin == "bootstrapped"


def test_rejected_traces_never_become_demos(lab: OpenLab) -> None:
    opened = lab()
    bank = bank_of(opened, shots=2)
    failed = {example for example, outcome in outcomes_of(opened).items() if outcome.score != 1.0}
    assert failed
    assert not failed & {w.example for pool in bank.bootstrapped.values() for w in pool}


def test_a_rejecting_bool_metric_rejects(lab: OpenLab) -> None:
    assert not any(bank_of(lab(metric=lambda *_: False)).bootstrapped.values())
    assert all(bank_of(lab(metric=lambda *_: True)).bootstrapped.values())


def test_a_lower_threshold_passes_more(lab: OpenLab) -> None:
    strict, lax = bank_of(lab(), shots=2), bank_of(lab(), shots=2, threshold=0.5)
    assert len(lax.bootstrapped["triage"]) > len(strict.bootstrapped["triage"])


def test_the_teacher_never_shows_the_example_it_answers(lab: OpenLab) -> None:
    opened = lab()
    bank_of(opened)
    teachers = opened.tried("teacher")
    assert len(teachers) == 2
    for teacher in teachers:
        answered = [opened.study.example(o.example).inputs["ticket"] for o in opened.study.table.outcomes(teacher)]
        assert len(shown_by(teacher)) == 8
        assert len(answered) == 10
        assert not set(shown_by(teacher)) & set(answered)


def test_too_few_passing_traces_leave_the_labelled_demos_and_a_message(lab: OpenLab) -> None:
    opened = lab()
    bank = bank_of(opened, wanted=100)
    assert not bank.bootstrapped["triage"]
    assert bank.labelled["triage"]
    told = opened.logged("demos")
    assert [fields["predictor"] for fields in told] == ["reply", "triage"]
    assert all("fewer than 100" in fields["message"] for fields in told)


def test_without_labels_the_passing_traces_are_kept_however_few(lab: OpenLab) -> None:
    renamed = [{"ticket": row["ticket"], "team": row["triage"]} for row in rows(60)]
    bank = bank_of(lab(rows=renamed, metric=lambda row, reply: reply.startswith(row["team"])), wanted=100)
    assert bank.bootstrapped["triage"]
    assert not bank.labelled["triage"]


def test_a_step_whose_inputs_labels_do_not_give_is_repaired(lab: OpenLab) -> None:
    opened = lab(host=True)  # in host mode nothing says where `team` comes from
    bank = bank_of(opened)
    for w in bank.labelled["reply"]:
        example = opened.study.example(w.example)
        assert w.demo.inputs == {"ticket": example.inputs["ticket"], "team": example.labels["triage"]}
        assert w.demo.outputs == {"reply": example.labels["reply"]}
        assert w.demo.origin == "repaired"


def test_a_repair_needs_the_steps_before_it_to_be_right(lab: OpenLab) -> None:
    opened = lab(host=True)
    bank = bank_of(opened)
    right = [example for example, outcome in outcomes_of(opened).items() if outcome.value >= 0.5]
    assert sorted(w.example for w in bank.labelled["reply"]) == sorted(right)
    assert 0 < len(right) < 20


def test_reasoning_of_the_call_that_gave_the_answer_stays_with_it() -> None:
    predictor = Predictor(signature=from_string("q -> a", name="p"))
    step = Span(id=1, parent=0, kind="step", name="p", predictor="p", output="yes")
    spans = (
        Span(id=0, parent=None, kind="program", name="t"),
        step,
        Span(id=2, parent=1, kind="region", name="replicate"),
        Span(id=3, parent=2, kind="lm", name="", predictor="p", output={"reasoning": "wrong", "a": "no"}),
        Span(id=4, parent=2, kind="lm", name="", predictor="p", output={"reasoning": "right", "a": "yes"}),
        Span(id=5, parent=0, kind="lm", name="", predictor="q", output={"reasoning": "other", "a": "yes"}),
    )
    assert thoughts(predictor, Trace(program="t", spans=spans), step) == {"reasoning": "right"}


def test_a_bare_call_has_no_thoughts() -> None:
    predictor = Predictor(signature=from_string("q -> a", name="p"))
    step = Span(id=0, parent=None, kind="step", name="p", predictor="p", output="yes")
    bare = Span(id=1, parent=0, kind="lm", name="", predictor="p", output="yes")
    assert thoughts(predictor, Trace(program="t", spans=(step, bare)), step) == {}
