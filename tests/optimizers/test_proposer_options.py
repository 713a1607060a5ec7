import random
from collections import Counter

from treadle.optimizers.proposer_options import SHOWN, TIPS, WAYS, Way, fixed_ways, learned_ways, varied_ways


def test_fixed_ways_show_all_there_is_and_differ_in_the_tip_only() -> None:
    ways = fixed_ways(20, random.Random(0))
    assert all((way.data, way.program, way.examples) == (True, True, SHOWN) for way in ways)
    assert len({way.tip for way in ways}) > 3


def test_varied_ways_differ_and_take_every_option_about_equally_often() -> None:
    ways = varied_ways(12, random.Random(1))
    assert len(set(ways)) == 12
    assert (ways[0].data, ways[0].program, ways[0].examples) == (True, True, SHOWN)
    assert set(Counter(way.data for way in ways).values()) <= {5, 6, 7}
    assert {way.tip for way in ways} == set(TIPS)


def test_more_ways_than_there_are_come_round_again() -> None:
    ways = varied_ways(WAYS.size + 5, random.Random(1))
    assert len(ways) == WAYS.size + 5
    assert len(set(ways)) == WAYS.size


def test_ways_that_gained_are_taken_again() -> None:
    rng = random.Random(2)
    tried = [(way, 0.3 if way.tip == "description" else 0.0, 0.02) for way in varied_ways(24, rng)]
    learned = Counter(way.tip for way in learned_ways(60, tried, rng))
    assert learned["description"] > 40


def test_only_differences_count() -> None:
    """That all instructions gain says nothing of how to ask."""
    rng = random.Random(3)
    tried = [(way, 0.5, 0.02) for way in varied_ways(24, rng)]
    learned = Counter(way.tip for way in learned_ways(120, tried, rng))
    assert len(learned) == len(TIPS)


def test_a_way_is_its_combination() -> None:
    way = Way(tip="simple", data=False, program=True, examples=5)
    assert way.combination == (list(TIPS).index("simple"), 1, 0, 2)
    assert way.to_json() == {"tip": "simple", "data": False, "program": True, "examples": 5}
