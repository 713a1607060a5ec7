from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.planted import LIARS
from treadle.optimizers.ablation import Ablation


class TestConformance(OptimizerConformance):
    optimizer = Ablation()
    planted = LIARS
