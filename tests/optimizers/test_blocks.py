"""Blocks, configurations and influence: the paper's search spaces, and its rule beside ours."""

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
    Debating,
    Executing,
    Reflecting,
    Summarizing,
    composed,
    configurations,
    fits,
    none_of,
)
from treadle.optimizers.influence import FLOOR, Influence, drawn, keep_probabilities

MATH: Sequence[Block] = (Reflecting(), Debating(), Aggregating())
SPACES = [(MATH, 61), ((*MATH, Summarizing()), 192), ((Executing(), *MATH), 110)]
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


def test_noise_makes_the_rule_softer() -> None:
    def second(error: float) -> float:
        found = {"a": influence(0.1, error=error), "b": influence(0.05, error=error)}
        return keep_probabilities(found, activation="normalised", sharpness=0.05)["b"]

    assert second(0.001) < second(0.1) < 1


@pytest.mark.parametrize(("activation", "most", "least"), [("paper", 0.004 * 1.6, 0.0), ("normalised", 1.0, 0.9)])
def test_all_four_blocks_at_once_are_drawn(activation: str, most: float, least: float) -> None:
    """Literally read, all four are kept in at most (1/4)^4 = 0.4 % of draws; the test allows for its own chance."""
    blocks: Sequence[Block] = (*MATH, Summarizing())
    found = dict.fromkeys((block.name for block in blocks), influence(0.1))
    keep = keep_probabilities(found, activation=activation, sharpness=0.05)  # type: ignore[arg-type]
    rng, hits, draws = random.Random(0), 0, 5_000
    for _ in range(draws):
        hits += all(rng.random() < keep[block.name] for block in blocks)
    assert least <= hits / draws <= most


def test_draws_keep_the_rules_and_ours_gives_a_debate_its_agents() -> None:
    blocks: Sequence[Block] = (*MATH, Summarizing())
    only_debate = {"debate": 1.0}
    for number in range(50):
        ours = drawn(blocks, only_debate, random.Random(number), max_agents=10, activation="normalised")
        assert ours is not None
        assert ours["debate"]
        assert ours["aggregate"] == 3
        assert fits(ours, 10)
    assert drawn(blocks, only_debate, random.Random(0), max_agents=10, activation="paper") is None
    assert drawn(blocks, only_debate, random.Random(0), max_agents=3, activation="normalised") is None
