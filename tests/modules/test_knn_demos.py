"""KNNDemos, and ProgressiveHint."""

from tests.modules.any_module import LABEL, lms
from tests.modules.scripts import Script, run
from treadle.compiler.prompt.demo import Demo
from treadle.modules import KNNDemos, ProgressiveHint, Refine, Vote

POOL = tuple(
    Demo(inputs={"ticket": text}, outputs={"team": team}, origin="labelled")
    for text, team in (
        ("my card was charged twice", "billing"),
        ("the parcel is late", "shipping"),
        ("the parcel is broken", "shipping"),
        ("refund my card", "billing"),
    )
)


def shown(script: Script, call: int = 0) -> list[str]:
    return [message.content for message in script.requests[call].messages[1:-1:2]]


def test_the_nearest_of_the_steps_demos_are_shown_the_most_alike_last() -> None:
    script = Script({"team": "shipping"})
    run(KNNDemos(k=2), script, LABEL, demos=POOL, ticket="where is my late parcel")
    texts = shown(script)
    assert len(texts) == 2
    assert "broken" in texts[0]
    assert "late" in texts[1]
    run(KNNDemos(k=1), script, LABEL, demos=POOL, ticket="charged twice")
    assert ["charged" in text for text in shown(script, 1)] == [True]


def test_only_calls_that_answer_the_step_choose() -> None:
    marked = {node.address: node.nearest for node in lms(KNNDemos(Refine(Vote(n=2)), k=3).build(LABEL))}
    assert marked == {
        "knn_demos/refine/vote/predict": 3,
        "knn_demos/refine.critic/predict": None,
        "knn_demos/refine:revision/vote/predict": 3,
    }


def test_hints_add_up_until_an_answer_comes_twice() -> None:
    script = Script({"team": ["billing", "shipping", "shipping", "billing"]})
    assert run(ProgressiveHint(rounds=5), script, LABEL, ticket="late") == "shipping"
    assert [inputs.get("earlier_answers") for inputs in script.inputs("team")] == [
        None,
        '["billing"]',
        '["billing", "shipping"]',
    ]
