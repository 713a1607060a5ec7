import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.optimizers.program import space
from treadle.compiler.canonical import JSON
from treadle.optimizers.menu import Menu

MENU = Menu(options={"a": (0, 1, 2), "b": ("x", "y")})


def test_the_original_stands_first_of_all() -> None:
    everything = list(MENU.all())
    assert everything[0] == MENU.original == (0, 0)
    assert len(everything) == len(set(everything)) == MENU.size == 6


def test_a_combination_is_a_candidate_and_the_original_is_the_program_as_it_is() -> None:
    known = space()
    demo: dict[str, JSON] = {"inputs": {}, "outputs": {}}
    menu = Menu(options={"reply.instruction": ("Reply.", "Be kind."), "triage.demos": ([], [demo])})
    assert menu.candidate(known, (0, 0), "test") == known.default()
    made = menu.candidate(known, (1, 0), "test")
    assert made.values == {"reply.instruction": "Be kind."}
    assert (made.parents, made.origin) == ((known.default().id,), "test")


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 99), data=st.data())
def test_balanced_combinations_are_new_and_even(sizes: list[int], seed: int, data: st.DataObject) -> None:
    menu = Menu(options={f"p{n}": tuple(range(size)) for n, size in enumerate(sizes)})
    count = data.draw(st.integers(0, menu.size - 1))
    drawn = menu.balanced(count, [menu.original], random.Random(seed))
    assert len(drawn) == len(set(drawn)) == count
    assert menu.original not in drawn
    assert set(drawn) <= set(menu.all())


def test_every_option_comes_about_equally_often() -> None:
    menu = Menu(options={"a": tuple(range(4)), "b": tuple(range(4)), "c": tuple(range(4))})
    for seed in range(20):
        drawn = menu.balanced(8, [], random.Random(seed))
        for place in range(3):
            counts = Counter(combination[place] for combination in drawn)
            assert len(counts) == 4
            assert max(counts.values()) <= 4


@given(seed=st.integers(0, 999), taken=st.integers(0, 5))
def test_a_fresh_combination_is_near_and_not_taken(seed: int, taken: int) -> None:
    order = random.Random(seed).sample(list(MENU.all()), 6)
    fresh = MENU.fresh(order[0], order[:taken], random.Random(seed))
    assert fresh not in order[:taken]
    if not taken:
        assert fresh == order[0]


def test_one_step_of_the_walk_changes_one_option() -> None:
    menu = Menu(options={"a": tuple(range(9)), "b": tuple(range(9))})
    moves = [menu.fresh((4, 4), [(4, 4)], random.Random(seed)) for seed in range(30)]
    assert all((a == 4) != (b == 4) for a, b in moves)
    assert len(set(moves)) > 5


def test_an_extended_menu_means_the_same_by_the_old_combinations() -> None:
    longer = MENU.extended({"b": ["y", "z"], "unknown": [1]})
    assert longer.options == {"a": (0, 1, 2), "b": ("x", "y", "z")}
    assert list(MENU.all()) == [c for c in longer.all() if c[1] < 2]


def test_a_combination_is_found_by_its_values() -> None:
    assert MENU.nearest({"a": 2}) == (2, 0)
    assert MENU.nearest({"a": 7, "b": "y"}) == (0, 1)


def test_each_further_option_is_put_in_place_once() -> None:
    longer = MENU.extended({"a": [5, 6], "b": ["z"]})
    assert longer.with_each((1, 1), {"a": [5, 6], "b": ["z"]}) == [(3, 2), (4, 1)]
    assert longer.with_each((1, 1), {}) == []


def test_addresses_stand_in_canonical_order() -> None:
    assert list(MENU.with_addresses({"aa": (1, 2)}).options) == ["a", "aa", "b"]


def test_a_candidate_stands_on_its_base() -> None:
    known = space()
    base = known.candidate({"triage.instruction": "Choose well."})
    menu = Menu(options={"reply.instruction": ("Reply.", "Be kind.")})
    made = menu.candidate(known, (1,), "test", base)
    assert made.values == {"triage.instruction": "Choose well.", "reply.instruction": "Be kind."}
    assert made.parents == (base.id,)
