"""The standard library of modules: ways to answer a step."""

from treadle.compiler.module import Module, Predict
from treadle.modules.best_of import BestOf
from treadle.modules.chain_of_thought import ChainOfThought
from treadle.modules.vote import Vote

__all__ = ["BestOf", "ChainOfThought", "Module", "Predict", "Vote"]
