"""With every candidate truly 60 %, the gate is calibrated: at each size, over 2,000 searches of a response model."""

import pytest

from tests.study.response_model import SIZES, calibrate, splits_of
from treadle.compiler.study import gate
from treadle.compiler.study.gate import worth_of_a_pair

SEEDS = 2000


@pytest.mark.parametrize("examples", SIZES)
def test_nothing_is_sold_where_nothing_is_better(examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "interval", lambda *_, **__: (0.0, 0.0))  # thousands of bootstraps that are not looked at
    found = calibrate(examples, 0.0, SEEDS)
    assert abs(found.bias) <= 3 * found.error
    if len(splits_of(examples).confirm) >= 50:
        assert abs(found.bias) <= 0.005
    assert found.better <= 0.06
    assert found.probably <= 0.27
    assert found.worth == pytest.approx(worth_of_a_pair(splits_of(examples)), abs=0.15)
