from tests.optimizers import world
from tests.optimizers.program import START, Lab, OpenLab, space
from treadle.compiler.study.outcome import Outcome
from treadle.optimizers.failures import Failure, failures_of


def runs(lab: Lab, count: int = 12) -> list[Outcome]:
    return lab.study.evaluate([START], lab.study.splits.feedback[:count], traces=True)[0]


def found(lab: Lab, name: str, outcomes: list[Outcome]) -> list[Failure]:
    return failures_of(lab.study, name, outcomes, threshold=1.0)


def test_a_labelled_step_fails_where_it_answered_otherwise(lab: OpenLab) -> None:
    opened = lab()
    outcomes = runs(opened)
    failed = found(opened, "triage", outcomes)
    rows = {o.example: opened.study.example(o.example) for o in outcomes}
    assert {f.example for f in failed} == {i for i, row in rows.items() if row.labels["triage"] != "T1"}
    for failure in failed:
        assert failure.answered == "T1"
        assert failure.expected == rows[failure.example].labels["triage"]
        assert failure.inputs == {"ticket": rows[failure.example].inputs["ticket"]}


def test_a_mistake_is_blamed_on_the_first_step_that_made_it(lab: OpenLab) -> None:
    opened = lab()
    outcomes = runs(opened, 20)
    first = {failure.example for failure in found(opened, "triage", outcomes)}
    second = {failure.example for failure in found(opened, "reply", outcomes)}
    assert first
    assert second
    assert not first & second


def test_a_step_without_a_label_fails_with_its_run(lab: OpenLab) -> None:
    rows = [{"ticket": row["ticket"], "answer": row["reply"]} for row in world.rows(30)]
    opened = lab(rows=rows, metric=lambda example, prediction: float(prediction == example["answer"]))
    outcomes = runs(opened)
    failed = found(opened, "reply", outcomes)
    assert {f.example for f in failed} == {o.example for o in outcomes if o.value < 1}
    assert all(failure.expected is None for failure in failed)


def test_who_is_right_fails_nowhere(lab: OpenLab) -> None:
    opened = lab()
    lines = "\n".join(f"{word}: {team}" for word, team in world.KEYWORDS.items())
    codes = "\n".join(f"{team}: {code}" for team, code in world.CODES.items())
    right = space().candidate({"triage.instruction": lines, "reply.instruction": codes})
    [outcomes] = opened.study.evaluate([right], opened.study.splits.feedback, traces=True)
    assert found(opened, "triage", outcomes) == found(opened, "reply", outcomes) == []


def test_a_case_says_what_is_right_before_what_was_answered(lab: OpenLab) -> None:
    opened = lab()
    case = found(opened, "triage", runs(opened))[0].case()
    assert list(case.model_dump()) == ["inputs", "expected", "answered", "feedback"]
