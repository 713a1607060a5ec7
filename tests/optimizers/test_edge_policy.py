"""Bernoulli edges under REINFORCE: where the logits go."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.optimizers.edge_policy import EdgePolicy


def run(policy: EdgePolicy, worth: tuple[float, ...], *, rounds: int, seed: int) -> None:
    """Rounds in which a graph scores the sum of what its edges are worth; each is expected to score what others do."""
    rng = random.Random(seed)
    for _ in range(rounds):
        graphs = [policy.sample(rng) for _ in range(4)]
        scores = [sum(value for value, there in zip(worth, graph, strict=True) if there) for graph in graphs]
        others = [(sum(scores) - score) / 3 for score in scores]
        policy.learn(graphs, [score - other for score, other in zip(scores, others, strict=True)])


@pytest.mark.parametrize("seed", range(5))
def test_the_logits_of_two_edges_move_the_right_way(seed: int) -> None:
    policy = EdgePolicy(2, rate=0.1)
    run(policy, (1.0, -1.0), rounds=60, seed=seed)
    helps, harms = policy.probabilities
    assert helps > 0.8
    assert harms < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_an_edge_worth_nothing_is_not_decided(seed: int) -> None:
    policy = EdgePolicy(1, rate=0.1)
    rng = random.Random(seed)
    for _ in range(60):  # scores are noise
        graphs = [policy.sample(rng) for _ in range(4)]
        policy.learn(graphs, [rng.gauss(0, 1) for _ in graphs])
    assert 0.05 < policy.probabilities[0] < 0.95


def test_one_step_is_the_score_function_gradient_under_adam() -> None:
    policy = EdgePolicy(2, rate=0.1)
    policy.learn([(True, False), (False, False)], [1.0, -1.0])  # gradient (0.5, 0): Adam's first step is its sign
    first, second = policy.probabilities
    assert first == pytest.approx(1 / (1 + 2.718281828 ** (-0.1)), abs=1e-6)
    assert second == 0.5


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=3), st.integers(0, 1000))
def test_samples_have_the_probabilities(start: list[float], seed: int) -> None:
    policy, rng = EdgePolicy(len(start), rate=0.1, probability=start[0]), random.Random(seed)
    count = sum(policy.sample(rng)[0] for _ in range(300))
    assert abs(count / 300 - start[0]) < 0.15


def test_without_a_graph_nothing_is_learned() -> None:
    policy = EdgePolicy(3, rate=0.1)
    policy.learn([], [])
    assert policy.probabilities == (0.5, 0.5, 0.5)
