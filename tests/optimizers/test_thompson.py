import itertools
import random
import statistics
import subprocess
import sys

import pytest

from treadle.optimizers.menu import Combination, Menu
from treadle.optimizers.sampling import Observation
from treadle.optimizers.thompson import MainEffects

MENU = Menu(options={f"p{n}.instruction": tuple(range(5)) for n in range(3)})
BEST = (1, 2, 3)


def value(combination: Combination) -> float:
    return sum(option == best for option, best in zip(combination, BEST, strict=True)) / 3


def told(count: int, seed: int = 0, error: float = 0.02) -> list[Observation]:
    rng = random.Random(seed)
    drawn = MENU.balanced(count, [MENU.original], rng)
    seen = [Observation(combination=c, value=value(c) + rng.gauss(0, error), error=error) for c in drawn]
    return [Observation(combination=MENU.original, value=0.0), *seen]


def test_suggestions_find_the_best_of_what_adds_up() -> None:
    model = MainEffects(MENU, told(40))
    suggested = [model.suggest(seed) for seed in range(40)]
    assert statistics.fmean(map(value, suggested)) > 0.9
    assert suggested.count(BEST) > 20


def test_it_tries_what_it_has_not_seen() -> None:
    model = MainEffects(MENU, [Observation(combination=MENU.original, value=0.0)])
    suggested = {model.suggest(seed) for seed in range(200)}
    assert len(suggested) > 60
    assert all({c[place] for c in suggested} == set(range(5)) for place in range(3))


def test_effects_are_what_each_option_adds_and_the_originals_are_0() -> None:
    effects = MainEffects(MENU, told(60)).effects()
    for address, best in enumerate(BEST):
        assert effects[address][0] == (0.0, 0.0)
        assert effects[address][best][0] == pytest.approx(1 / 3, abs=0.08)
        others = [effects[address][option][0] for option in range(1, 5) if option != best]
        assert max(map(abs, others)) < 0.12


def test_more_observations_leave_less_doubt() -> None:
    few, many = (MainEffects(MENU, told(count)).effects() for count in (8, 60))
    assert statistics.fmean(e[1] for row in many for e in row) < statistics.fmean(e[1] for row in few for e in row)
    unseen = MainEffects(MENU, []).effects()
    assert all(error > 0 for row in unseen for _, error in row[1:])


def test_a_noisy_observation_counts_for_less() -> None:
    combination = (1, 0, 0)
    sure, unsure = (
        MainEffects(MENU, [Observation(combination=combination, value=0.3, error=error)]).effects()[0][1][0]
        for error in (0.01, 0.5)
    )
    assert sure > unsure > 0


def test_pending_combinations_change_nothing() -> None:
    model = MainEffects(MENU, told(20))
    before = [model.suggest(seed) for seed in range(5)]
    model.tell(Observation(combination=BEST, value=None))
    assert [model.suggest(seed) for seed in range(5)] == before
    model.tell(Observation(combination=BEST, value=1.0))
    assert [model.suggest(seed) for seed in range(5)] != before or before.count(BEST) == 5


def test_many_addresses_and_one_option_do_no_harm() -> None:
    menu = Menu(options={f"p{n:03}": tuple(range(1 + n % 3)) for n in range(200)})
    drawn = menu.balanced(50, [menu.original], random.Random(0))
    model = MainEffects(menu, [Observation(combination=c, value=sum(c) / 200, error=0.05) for c in drawn])
    suggested = model.suggest(1)
    assert all(option < size for option, size in zip(suggested, menu.sizes, strict=True))


def test_it_beats_chance_where_pairs_interact_a_little() -> None:
    def paired(c: Combination) -> float:
        return value(c) + 0.1 * sum((a + b) % 2 for a, b in itertools.pairwise(c))

    drawn = MENU.balanced(40, [MENU.original], random.Random(3))
    model = MainEffects(MENU, [Observation(combination=c, value=paired(c), error=0.02) for c in drawn])
    suggested = [paired(model.suggest(seed)) for seed in range(30)]
    assert statistics.fmean(suggested) > statistics.fmean(map(paired, drawn)) + 0.2


def test_suggestions_do_not_depend_on_the_hash_seed() -> None:
    script = (
        "from tests.optimizers.test_thompson import MENU, told\n"
        "from treadle.optimizers.thompson import MainEffects\n"
        "print([MainEffects(MENU, told(15)).suggest(seed) for seed in range(6)])"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert printed[0] == printed[1] != ""
