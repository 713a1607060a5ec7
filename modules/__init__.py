"""The standard library of modules: ways to answer a step."""

from treadle.compiler.module import Module, Predict
from treadle.modules.best_of import BestOf
from treadle.modules.chain_of_thought import ChainOfThought
from treadle.modules.compute import Compute
from treadle.modules.debate import Debate
from treadle.modules.decompose import Decompose
from treadle.modules.escalate import Escalate
from treadle.modules.execute import Execute
from treadle.modules.knn_demos import KNNDemos
from treadle.modules.panel import Panel
from treadle.modules.plan import Plan
from treadle.modules.progressive_hint import ProgressiveHint
from treadle.modules.re_act import ReAct
from treadle.modules.refine import Refine
from treadle.modules.route import Route
from treadle.modules.summarize import Summarize
from treadle.modules.vote import Vote

__all__ = [
    "BestOf",
    "ChainOfThought",
    "Compute",
    "Debate",
    "Decompose",
    "Escalate",
    "Execute",
    "KNNDemos",
    "Module",
    "Panel",
    "Plan",
    "Predict",
    "ProgressiveHint",
    "ReAct",
    "Refine",
    "Route",
    "Summarize",
    "Vote",
]
