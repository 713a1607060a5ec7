"""Blocks, configurations and influence: the paper's search spaces, and its rule beside ours."""

import dataclasses
import math
import random
from collections.abc import Sequence

import pytest

from treadle.compiler.errors import SignatureError
from treadle.compiler.hints import from_string
from treadle.modules import ChainOfThought, Debate, Execute, Predict, Refine, Summarize, Vote
from treadle.optimizers.blocks import (
    BLOCKS,
    Aggregating,
    Block,
    Configuration,
    Debating,
    Executing,
    Reflecting,
    Summarizing,
    composed,
    configurations,
    fits,
    none_of,
)
from treadle.optimizers.influence import FLOOR, Activation, Influence, drawn, helpful, keep_probabilities

MATH: Sequence[Block] = (Reflecting(), Debating(), Aggregating())
SPACES = [(MATH, 61), ((*MATH, Summarizing()), 192), ((Executing(), *MATH), 110)]
RULES: tuple[Activation, ...] = ("paper", "normalised")
LABEL = from_string("ticket -> team: Literal['a', 'b']", name="triage")


@pytest.mark.parametrize(("blocks", "count"), SPACES)
def test_the_papers_search_spaces_have_their_sizes(blocks: Sequence[Block], count: int) -> None:
    found = list(configurations(blocks, 10))
    assert len(found) == count
    assert len({tuple(sorted(numbers.items())) for numbers in found}) == count
    assert found[0] == none_of(blocks)
    assert all(fits(numbers, 10) for numbers in found)


def test_a_configuration_is_a_module_in_the_papers_order() -> None:
    def made(**numbers: int) -> object:
        return composed(BLOCKS, ChainOfThought(), numbers, LABEL)

    inner = ChainOfThought()
    assert made() == inner
    assert made(reflect=2) == Refine(inner, rounds=2)
    assert made(aggregate=5) == Vote(inner, n=5)
    assert made(aggregate=3, debate=2) == Debate(inner, agents=3, rounds=2)
    assert made(summarize=1, reflect=1, debate=1, aggregate=3) == Summarize(Debate(Refine(inner), agents=3, rounds=1))
    code = from_string("task, tests: list -> code", name="write")
    assert composed(BLOCKS, Predict(), {"execute": 1, "reflect": 1}, code) == Refine(Execute())


def test_free_text_is_made_one_by_asking() -> None:
    text = from_string("ticket -> answer", name="reply")
    assert composed(BLOCKS, Predict(), {"aggregate": 3}, text) == Vote(n=3, how="self_agreement")
    assert composed(BLOCKS, Predict(), {"aggregate": 3, "debate": 1}, text) == Debate(how="self_agreement")


def test_blocks_that_cannot_serve_are_refused() -> None:
    with pytest.raises(SignatureError, match="Execute cannot run"):
        composed(BLOCKS, Predict(), {"execute": 1}, LABEL)
    with pytest.raises(SignatureError, match="needs two agents"):
        composed(BLOCKS, Predict(), {"debate": 1}, LABEL)
    with pytest.raises(SignatureError, match="Summarize"):
        composed(BLOCKS, Predict(), {"summarize": 1}, from_string("n: int -> m: int"))


def influence(gain: float, *, plain: float = 0.5, error: float = 0.05, n: int = 100) -> Influence:
    return Influence(plain=plain, gain=gain, error=error, n=n)


def test_influence_is_a_ratio_that_small_scores_and_few_examples_do_not_blow_up() -> None:
    assert influence(0.0).ratio == 1
    assert influence(0.25, n=10_000).ratio == pytest.approx(1.5, abs=0.01)
    assert influence(0.25, n=8).ratio == pytest.approx(1.25)
    assert influence(0.1, plain=0.0, n=10_000).ratio == pytest.approx(2.0, abs=0.01)


def test_the_papers_rule_shares_one_block_out_and_ours_keeps_the_best() -> None:
    equal = dict.fromkeys("abcd", influence(0.1))
    paper = keep_probabilities(equal, activation="paper", sharpness=0.05)
    assert sum(paper.values()) == pytest.approx(1)
    assert paper["a"] == pytest.approx(0.25)
    assert keep_probabilities(equal, activation="normalised", sharpness=0.05) == dict.fromkeys("abcd", 1.0)


def test_blocks_that_harm_are_seldom_kept_even_where_they_are_the_best_there_is() -> None:
    harmful = {"a": influence(-0.3, error=0.01), "b": influence(-0.2, error=0.01)}
    kept = keep_probabilities(harmful, activation="normalised", sharpness=0.05)
    assert kept["a"] == FLOOR
    assert kept["b"] < 0.1


def test_a_block_of_which_no_run_went_well_is_not_drawn() -> None:
    broken = dataclasses.replace(influence(-0.5), works=False)
    assert keep_probabilities({"a": broken}, activation="normalised", sharpness=0.05) == {}
    kept = keep_probabilities({"a": broken, "b": influence(0.1)}, activation="normalised", sharpness=0.05)
    assert kept == {"b": 1.0}


def test_noise_makes_the_rule_softer() -> None:
    def second(error: float) -> float:
        found = {"a": influence(0.1, error=error), "b": influence(0.05, error=error)}
        return keep_probabilities(found, activation="normalised", sharpness=0.05)["b"]

    assert second(0.001) < second(0.1) < 1


FOUR: Sequence[Block] = (*MATH, Summarizing())


def has_all(numbers: Configuration | None) -> bool:
    return numbers is not None and all(numbers[block.name] != block.numbers[0] for block in FOUR)


def test_literally_read_all_four_blocks_are_kept_in_at_most_one_draw_in_256() -> None:
    """The product of four shares of 1 is largest where they are equal, so 0.4 % is an upper bound."""
    for gains in ((0.1, 0.1, 0.1, 0.1), (0.1, 0.12, 0.1, 0.08), (0.3, 0.1, 0.1, 0.1)):
        found = {block.name: influence(gain) for block, gain in zip(FOUR, gains, strict=True)}
        shares = keep_probabilities(found, activation="paper", sharpness=0.05)
        assert math.prod(shares.values()) <= 0.25**4 * 1.000001 < 0.004


def test_searches_of_ten_draws_find_the_four_by_our_rule_and_hardly_ever_by_the_literal_one() -> None:
    """Every block helps by 10 points, measured to ± 3; 500 searches."""
    searches, ours, literal = 500, 0, 0
    for seed in range(searches):
        rng = random.Random(seed)
        found = {block.name: influence(rng.gauss(0.1, 0.03), error=0.03) for block in FOUR}
        by_rule = {
            rule: [
                drawn(FOUR, keep, rng, max_agents=10, activation=rule, tries=1)
                for keep in [keep_probabilities(found, activation=rule, sharpness=0.05)] * 10
            ]
            for rule in RULES
        }
        literal += any(has_all(numbers) for numbers in by_rule["paper"])
        ours += has_all(helpful(FOUR, found)) or any(has_all(numbers) for numbers in by_rule["normalised"])
    assert literal / searches <= 0.04
    assert ours / searches >= 0.99


def test_draws_keep_the_rules_and_ours_gives_a_debate_its_agents() -> None:
    blocks, only_debate = FOUR, {"debate": 1.0}
    for number in range(50):
        ours = drawn(blocks, only_debate, random.Random(number), max_agents=10, activation="normalised")
        assert ours is not None
        assert ours["debate"]
        assert ours["aggregate"] == 3
        assert fits(ours, 10)
    assert drawn(blocks, only_debate, random.Random(0), max_agents=10, activation="paper") is None
    assert drawn(blocks, only_debate, random.Random(0), max_agents=3, activation="normalised") is None
