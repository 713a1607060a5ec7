from pathlib import Path
from typing import Any

import pytest

from tests.study.world import IDENTITY
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.study import identity
from treadle.compiler.study.budget import Budget, Caps
from treadle.compiler.study.identity import Plan, enroll
from treadle.compiler.study.store import Store


def again(folder: Path, budget: Budget, *, reserve: bool = False, warnings: list[str] | None = None) -> Plan:
    store = Store(folder)
    try:
        if reserve:
            store.save({"reserve": True})
        return enroll(store, IDENTITY, budget, (warnings if warnings is not None else []).append)
    finally:
        store.close()


def test_runs_are_counted(tmp_path: Path) -> None:
    budget = Budget(calls=100)
    plans = [again(tmp_path, budget) for _ in range(3)]
    assert [plan.run for plan in plans] == [1, 2, 3]
    assert {(plan.number, plan.search) for plan in plans} == {(1, Caps(calls=90))}


def test_another_budget_is_another_search(tmp_path: Path) -> None:
    again(tmp_path, Budget(calls=100))
    assert again(tmp_path, Budget(calls=200)) == Plan(number=2, search=Caps(calls=180), run=2)
    assert again(tmp_path, Budget(calls=200)) == Plan(number=2, search=Caps(calls=180), run=3)


def test_a_raised_cap_after_the_reserve_was_used_up_is_the_same_search(tmp_path: Path) -> None:
    again(tmp_path, Budget(calls=100))
    assert again(tmp_path, Budget(calls=110), reserve=True) == Plan(number=1, search=Caps(calls=90), run=2)
    assert again(tmp_path, Budget(calls=110)) == Plan(number=1, search=Caps(calls=90), run=3)
    assert again(tmp_path, Budget(calls=200)).number == 2


@pytest.mark.parametrize("budget", [Budget(calls=99), Budget(tokens=5, calls=100)])
def test_a_lowered_cap_is_another_search_also_then(tmp_path: Path, budget: Budget) -> None:
    again(tmp_path, Budget(calls=100))
    assert again(tmp_path, budget, reserve=True).number == 2


@pytest.mark.parametrize("change", [{"seed": 1}, {"lm": "other"}, {"program": {"nested": 1}}])
def test_another_study_is_refused_with_the_part_that_differs(tmp_path: Path, change: dict[str, Any]) -> None:
    again(tmp_path, Budget())
    store = Store(tmp_path)
    (part,) = change
    with pytest.raises(ConfigurationError, match=f"its {part} is .* give another folder"):
        enroll(store, {**IDENTITY, **change}, Budget(), print)
    store.close()


def test_other_versions_warn_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(tmp_path, Budget())
    monkeypatch.setattr(identity, "_versions", lambda: {"treadle": "99", "pydantic": "98"})
    warnings: list[str] = []
    again(tmp_path, Budget(), warnings=warnings)
    assert [("goes on with 99" in text, "goes on with 98" in text) for text in warnings] == [
        (True, False),
        (False, True),
    ]
