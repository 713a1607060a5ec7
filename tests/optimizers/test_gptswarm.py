from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.planted import LIARS
from treadle.optimizers.gptswarm import GPTSwarm


class TestConformance(OptimizerConformance):
    optimizer = GPTSwarm(rounds=10, rate=0.4)
    planted = LIARS
