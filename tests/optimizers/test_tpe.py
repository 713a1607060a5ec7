import logging
import random
import statistics
import subprocess
import sys

import pytest

from treadle.optimizers.menu import Combination, Menu
from treadle.optimizers.sampling import Observation
from treadle.optimizers.tpe import Estimator

MENU = Menu(options={f"p{n}.instruction": tuple(range(5)) for n in range(3)})


def value(combination: Combination) -> float:
    return sum(option == place + 1 for place, option in enumerate(combination)) / 3


def told(count: int, seed: int = 0) -> list[Observation]:
    drawn = MENU.balanced(count, [MENU.original], random.Random(seed))
    return [seen(MENU.original, 0.0), *(seen(combination, value(combination)) for combination in drawn)]


def seen(combination: Combination, found: float | None, *further: float) -> Observation:
    return Observation(combination=combination, value=found, further=further)


def test_suggestions_follow_what_was_observed() -> None:
    model = Estimator(MENU, told(40))
    suggested = [value(model.suggest(seed)) for seed in range(40)]
    drawn = [value(combination) for combination in MENU.balanced(40, [], random.Random(9))]
    assert statistics.fmean(suggested) > statistics.fmean(drawn) + 0.2


def test_one_seed_is_one_suggestion() -> None:
    assert [Estimator(MENU, told(20)).suggest(seed) for seed in range(5)] == [
        Estimator(MENU, told(20)).suggest(seed) for seed in range(5)
    ]


def test_what_is_being_measured_is_kept_away_from() -> None:
    model = Estimator(MENU, told(20))
    first = [model.suggest(seed) for seed in range(20)]
    favourite = max(set(first), key=first.count)
    for _ in range(10):
        model.tell(seen(favourite, None))
    again = [model.suggest(seed) for seed in range(20)]
    assert again.count(favourite) < first.count(favourite)


def test_a_suggestion_counts_only_once_told() -> None:
    model = Estimator(MENU, told(20))
    assert [model.suggest(7) for _ in range(3)] == [Estimator(MENU, told(20)).suggest(7)] * 3


def test_a_parameter_with_one_option_does_no_harm() -> None:
    menu = Menu(options={"a": (0,), "b": tuple(range(4))})
    model = Estimator(menu, [seen(menu.original, 0.0), seen((0, 2), 1.0)])
    assert all(model.suggest(seed)[0] == 0 for seed in range(5))


def test_it_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    Estimator(MENU, told(3)).suggest(1)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("optuna").level in (logging.NOTSET, logging.INFO)


def test_suggestions_do_not_depend_on_the_hash_seed() -> None:
    script = (
        "from tests.optimizers.test_tpe import MENU, told\n"
        "from treadle.optimizers.tpe import Estimator\n"
        "print([Estimator(MENU, told(15)).suggest(seed) for seed in range(6)])"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert printed[0] == printed[1] != ""
