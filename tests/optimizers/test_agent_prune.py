from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.planted import LIARS
from treadle.optimizers.agent_prune import AgentPrune


class TestConformance(OptimizerConformance):
    optimizer = AgentPrune(rounds=10, graphs=4, examples=6, shares=(0.5,))
    planted = LIARS
