from tests.optimizers.conformance import OptimizerConformance
from treadle.optimizers.textgrad import TextGrad


class TestTextGrad(OptimizerConformance):
    optimizer = TextGrad(rounds=3)
