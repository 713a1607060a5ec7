import pytest

from tests.optimizers.program import PREDICTORS, OpenLab, space
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError
from treadle.compiler.graph.parameters import ParameterSpace
from treadle.modules import Refine, Vote
from treadle.optimizers.based import SpaceAt, widened
from treadle.optimizers.random_search import RandomSearch


def test_a_space_begins_at_its_base() -> None:
    whole = space()
    base = whole.candidate({"triage.instruction": "Choose well.", "reply.demos": []})
    inner = SpaceAt(whole, base, ["triage.instruction", "triage.demos", "not.there"])
    assert list(inner) == ["triage.demos", "triage.instruction"]
    assert inner.default() == base
    assert inner["triage.instruction"].default == "Choose well."
    assert inner.candidate({}) == base
    assert inner.candidate({"triage.demos": [{"a": 1}]}).values.keys() == {"triage.demos", "triage.instruction"}


def test_a_value_may_be_set_back_to_the_programs_own() -> None:
    whole = space()
    base = whole.candidate({"triage.instruction": "Choose well."})
    back = SpaceAt(whole, base).candidate({"triage.instruction": PREDICTORS["triage"].signature.instruction})
    assert back == whole.default()


def test_what_is_outside_is_refused() -> None:
    inner = SpaceAt(space(), space().default(), ["triage.instruction"])
    with pytest.raises(GraphError, match=r"no parameter 'reply\.instruction'; the space has triage\.instruction"):
        inner.candidate({"reply.instruction": "x"})


def test_a_wider_space_knows_the_prompts_of_modules_that_may_come(lab: OpenLab) -> None:
    wide = widened(lab().study, space(), {"triage": [Refine(), Vote(n=3)], "reply": []})
    assert set(space()) < set(wide)
    assert "triage/refine.critic/predict.instruction" in wide
    assert "triage/vote.n" in wide
    values: dict[str, JSON] = {"triage.module": Vote(n=9).to_json(), "triage/refine.critic/predict.demos": []}
    assert wide.candidate(values).values == {"triage.module": {"module": "vote", "n": 9}}


def test_any_optimizer_goes_on_from_the_base(lab: OpenLab) -> None:
    opened = lab(count=45)
    base = space().candidate({"reply.instruction": "T1: alpha\nT2: beta"})
    inner = SpaceAt(space(), base, ["triage.demos", "triage.instruction"])
    found = RandomSearch(sets=4).search(opened.study, inner)
    assert found.values["reply.instruction"] == base.values["reply.instruction"]
    assert all(c.values["reply.instruction"] == base.values["reply.instruction"] for c in opened.tried())
    assert isinstance(inner.only(predictor="triage"), ParameterSpace)
