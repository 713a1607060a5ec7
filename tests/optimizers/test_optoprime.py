from tests.optimizers.conformance import OptimizerConformance
from treadle.optimizers.optoprime import OptoPrime


class TestOptoPrime(OptimizerConformance):
    optimizer = OptoPrime(rounds=3)  # in more it has nothing left to learn, and spends less than planned
