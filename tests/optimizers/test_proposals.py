import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.optimizers import world
from tests.optimizers.program import START, Answers, Lab, OpenLab, space
from treadle.compiler import lm
from treadle.compiler.errors import RequestRefused
from treadle.compiler.lm.protocol import Request
from treadle.optimizers import demo_bank
from treadle.optimizers.demo_bank import DemoBank, labelled_bank
from treadle.optimizers.proposals import instructions, propose_instructions, summary
from treadle.optimizers.proposer_options import SHOWN, TIPS, fixed_ways

NOTHING = DemoBank(labelled={})


def proposing(reply: str) -> Answers:
    """The world's LM, but what it proposes is always the same."""
    return lambda request: reply if "<tip>" in request.messages[-1].content else world.answer(request)


def written(lab: Lab, bank: DemoBank, count: int) -> dict[str, list[str]]:
    """The texts proposed for each predictor, all grounded in all there is."""
    ways = {p.address: fixed_ways(count, lab.study.rng("ways", p.address)) for p in instructions(space())}
    found = propose_instructions(
        lab.study, space(), bank, ways=ways, base=START, data=summary(lab.study) if count else ""
    )
    return {address: [proposed.text for proposed in given] for address, given in found.items()}


def test_each_predictor_gets_its_proposals_verbatim(lab: OpenLab) -> None:
    opened = lab()
    found = written(opened, labelled_bank(opened.study, space()), 3)
    assert list(found) == ["reply.instruction", "triage.instruction"]
    said = opened.logged("proposal")
    assert len(said) == 6
    for address, texts in found.items():
        assert texts == [fields["text"] for fields in said if fields["parameter"] == address and not fields["refused"]]
        assert len(set(texts)) == len(texts) >= 2


def test_each_proposal_is_shown_other_examples_and_at_most_twenty(lab: OpenLab) -> None:
    opened = lab(count=99)
    written(opened, labelled_bank(opened.study, space()), 4)
    said = [fields for fields in opened.logged("proposal") if fields["parameter"] == "triage.instruction"]
    shown = [frozenset(fields["shown"]) for fields in said]
    assert all(len(examples) == SHOWN and examples <= set(opened.study.splits.feedback) for examples in shown)
    assert len(set(shown)) == 4


def test_a_proposal_is_grounded_in_data_program_role_examples_and_tip(lab: OpenLab) -> None:
    opened = lab()
    written(opened, labelled_bank(opened.study, space()), 6)
    asked = opened.asked("tip")
    assert len(asked) == 12
    assert {inputs["tip"] for inputs in asked} <= set(TIPS.values())
    assert len({inputs["tip"] for inputs in asked}) > 2
    (first,) = [inputs for inputs in asked if inputs["step"].startswith("reply")][:1]
    assert first["data"] == "orders and what they are about"
    assert first["program"].startswith("support(ticket: str) -> str\n\nAnswer tickets.\n\nStep triage(ticket: str)")
    assert "team comes from step triage" in first["step"]
    assert first["current_instruction"] == "Reply."
    for example in json.loads(first["examples"]):
        assert example.keys() == {"inputs", "output"}
        assert example["inputs"].keys() == {"ticket", "team"}
        assert example["output"].startswith(example["inputs"]["team"])


def test_the_summary_is_one_call_on_at_most_twenty_feedback_rows(lab: OpenLab) -> None:
    opened = lab(count=99)
    written(opened, NOTHING, 1)
    (asked,) = opened.asked("rows")
    given = json.loads(asked["rows"])
    tickets = {opened.study.example(i).inputs["ticket"] for i in opened.study.splits.feedback}
    assert len(given) == SHOWN
    assert {row["ticket"] for row in given} <= tickets
    assert given[0].keys() == {"ticket", "triage", "reply"}


@pytest.mark.parametrize(("reply", "refused"), [("", "empty"), ("Choose.", "duplicate"), ("x" * 30_000, "too long")])
def test_only_the_unusable_is_refused(lab: OpenLab, reply: str, refused: str) -> None:
    opened = lab(answer=proposing(reply))
    assert written(opened, NOTHING, 1)["triage.instruction"] == []
    assert opened.logged("proposal")[1]["refused"] == refused


def test_a_duplicate_is_kept_once_and_a_colon_does_no_harm(lab: OpenLab) -> None:
    text = "Extract the following fields: name, age and city."
    found = written(lab(answer=proposing(text)), NOTHING, 3)
    assert found == {"reply.instruction": [text], "triage.instruction": [text]}


def test_a_refusing_provider_is_a_refused_proposal(lab: OpenLab) -> None:
    def refusing(request: Request) -> Any:
        return RequestRefused("no") if "<tip>" in request.messages[-1].content else world.answer(request)

    opened = lab(answer=refusing)
    assert written(opened, NOTHING, 1) == {
        "reply.instruction": [],
        "triage.instruction": [],
    }
    assert {fields["refused"] for fields in opened.logged("proposal")} == {"no usable reply"}


def test_no_proposal_costs_nothing(lab: OpenLab) -> None:
    opened = lab()
    assert written(opened, NOTHING, 0) == {}
    assert not opened.requests


def test_only_the_steps_own_instructions_are_proposed_for() -> None:
    assert [p.address for p in instructions(space())] == ["reply.instruction", "triage.instruction"]


def test_no_four_words_of_ours_stand_in_the_offline_model() -> None:
    ours = {four for text in strings_in(Path(demo_bank.__file__).parent, "*.py") for four in fours(text)}
    theirs = {four for text in strings_in(Path(lm.__path__[0]), "offline*.py") for four in fours(text)}
    assert len(ours) > 300
    assert len(theirs) > 10
    assert not ours & theirs


def strings_in(folder: Path, pattern: str) -> Iterator[str]:
    """Every text in the code of the files; what they say of themselves in docstrings reaches no prompt."""
    for path in sorted(folder.glob(pattern)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in remarks:
                yield node.value


def fours(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return (tuple(words[place : place + 4]) for place in range(len(words) - 3))
