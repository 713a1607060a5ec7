from collections.abc import Callable

import pytest

from treadle.compiler.errors import ConfigurationError
from treadle.optimizers.bootstrap import BootstrapFewShot
from treadle.optimizers.labeled import LabeledFewShot
from treadle.optimizers.mipro import MIPRO
from treadle.optimizers.random_search import RandomSearch


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LabeledFewShot(k=0), r"LabeledFewShot\(k=0\): k takes 1 or more"),
        (lambda: BootstrapFewShot(rows=-1), "rows takes 0 or more"),
        (lambda: RandomSearch(sets=-3), "sets takes 0 or more"),
        (lambda: MIPRO(max_labeled=-1), "max_labeled takes 0 or more"),
        (lambda: MIPRO(trials=0), "trials takes 1 or more"),
    ],
)
def test_impossible_settings_are_refused_when_the_optimizer_is_made(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make()


def test_what_is_left_out_is_left_to_the_optimizer() -> None:
    assert MIPRO().trials is None
