from collections.abc import Mapping
from typing import Any, cast

from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.program import Lab, OpenLab, space
from treadle.optimizers.random_search import RandomSearch


class TestConformance(OptimizerConformance):
    optimizer = RandomSearch(sets=6, max_labeled=6)


def sets_of(lab: Lab) -> list[list[str]]:
    """Origins of each candidate's demos of one step."""
    found = [cast("list[Mapping[str, Any]]", c.values["triage.demos"]) for c in lab.tried("random_search")]
    return [[demo["origin"] for demo in demos] for demos in found]


def test_candidates_are_labelled_then_bootstrapped_then_drawn(lab: OpenLab) -> None:
    opened = lab()
    RandomSearch(sets=6, max_bootstrapped=3, max_labeled=4).search(opened.study, space())
    tried = sets_of(opened)
    assert tried[:2] == [["labelled"] * 4, ["bootstrapped"] * 3 + ["labelled"]]
    assert len(tried) == 6
    assert all(2 <= len(demos) <= 4 and demos[0] == "bootstrapped" for demos in tried[1:])


def test_from_100_examples_on_the_worse_are_dropped_early(lab: OpenLab) -> None:
    opened = lab(count=160)
    RandomSearch(sets=12).search(opened.study, space())
    sizes = [len(opened.study.table.outcomes(candidate)) for candidate in opened.tried("random_search")]
    assert sizes.count(len(opened.study.splits.select)) == 4
    assert min(sizes) < len(opened.study.splits.select) / 3


def test_without_demos_there_is_nothing_to_try(lab: OpenLab) -> None:
    opened = lab()
    RandomSearch(max_bootstrapped=0, max_labeled=0).search(opened.study, space())
    assert not opened.tried("random_search")
