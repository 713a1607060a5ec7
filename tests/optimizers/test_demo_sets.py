import random

from tests.optimizers.program import OpenLab, space
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.study.outcome import Outcome
from treadle.optimizers.demo_bank import DemoBank, Worked, as_values, labelled_bank
from treadle.optimizers.demo_sets import DemoSets, Recipe, fill, recipes, tokens_of


def pool(origin: str, count: int) -> tuple[Worked, ...]:
    return tuple(
        Worked(demo=Demo(inputs={"x": n}, outputs={"y": f"a{n % 3}"}, origin=origin), example=f"e{n}")
        for n in range(count)
    )


BANK = DemoBank(labelled={"p": pool("labelled", 12)}, bootstrapped={"p": pool("bootstrapped", 6)})


def test_the_first_sets_are_labelled_only_and_bootstrapped_as_they_passed() -> None:
    first, second, *rest = recipes(9, max_bootstrapped=4, max_labeled=8, rng=random.Random(0))
    assert (first.bootstrapped, first.size) == (0, 8)
    assert (second.bootstrapped, second.shuffled) == (4, False)
    assert len(rest) == 7
    assert all(1 <= recipe.bootstrapped <= 4 and recipe.shuffled for recipe in rest)
    assert len({recipe.bootstrapped for recipe in rest}) > 1


def test_few_sets_are_the_first_ones() -> None:
    assert len(recipes(1, max_bootstrapped=4, max_labeled=8, rng=random.Random(0))) == 1
    assert recipes(0, max_bootstrapped=4, max_labeled=8, rng=random.Random(0)) == []


def test_labelled_demos_fill_a_set_with_examples_not_yet_in_it() -> None:
    shown = fill(BANK, "p", Recipe(bootstrapped=3, size=8), random.Random(0))
    assert [w.demo.origin for w in shown] == ["bootstrapped"] * 3 + ["labelled"] * 5
    assert len({w.example for w in shown}) == 8


def test_an_unshuffled_set_takes_the_first_that_passed() -> None:
    shown = fill(BANK, "p", Recipe(bootstrapped=4, size=4, shuffled=False), random.Random(0))
    assert [w.example for w in shown] == ["e0", "e1", "e2", "e3"]


def test_a_set_is_short_where_the_bank_is() -> None:
    assert len(fill(BANK, "p", Recipe(bootstrapped=0, size=100), random.Random(0))) == 12
    assert fill(BANK, "nobody", Recipe(bootstrapped=2, size=4), random.Random(0)) == []
    assert fill(BANK, "p", Recipe(bootstrapped=0, size=0), random.Random(0)) == []


def test_a_token_bound_leaves_out_what_does_not_fit() -> None:
    each = tokens_of(BANK.labelled["p"][0])
    shown = fill(BANK, "p", Recipe(bootstrapped=0, size=8, tokens=3 * each + 2), random.Random(0))
    assert 1 <= len(shown) <= 3
    assert sum(map(tokens_of, shown)) <= 3 * each + 2
    assert fill(BANK, "p", Recipe(bootstrapped=0, size=8, tokens=0), random.Random(0)) == []


def test_drawn_sets_differ_in_size() -> None:
    drawn = recipes(30, max_bootstrapped=2, max_labeled=8, rng=random.Random(0))[2:]
    assert {recipe.size for recipe in drawn} == {4, 5, 6, 7, 8}


def test_sets_near_another_keep_most_of_it_and_take_in_what_went_worst(lab: OpenLab) -> None:
    study = lab(count=99).study
    bank = labelled_bank(study, space())
    sets = DemoSets(bank=bank, max_bootstrapped=2, max_labeled=8)
    present = space().candidate({"triage.demos": as_values(bank.labelled["triage"][:6])})
    others = [w.example for w in bank.labelled["triage"][6:]]
    outcomes = [Outcome(example=example, score=float(n >= 3)) for n, example in enumerate(others)]
    worst = as_values([w for w in bank.labelled["triage"] if w.example in others[:3]])
    near = sets.near(study, space(), present, outcomes, 12)
    assert set(near) == {"triage.demos", "reply.demos"}
    for value in near["triage.demos"]:
        assert isinstance(value, list)
        kept = [demo for demo in value if demo in as_values(bank.labelled["triage"][:6])]
        assert len(kept) >= 3
        assert 1 <= len(value) <= 8
    taken = [demo for value in near["triage.demos"] for demo in (value if isinstance(value, list) else [])]
    assert sum(demo in worst for demo in taken) >= 6
    assert all(isinstance(value, list) and value for value in near["reply.demos"])
