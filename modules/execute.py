"""Running the code a step wrote on tests, and letting the step repair it.

Zhou et al., arXiv 2502.02533 (MASS), appendix, the Execute block; Chen et al., arXiv 2304.05128 (self-debugging).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from treadle.compiler.annotations import assignable, type_name
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.capabilities import require
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature
from treadle.modules.counting import product, total
from treadle.modules.programs import tested
from treadle.modules.revising import nothing_said, revised


class Execute(Module):
    """Answers with code, runs it on the tests among the inputs, and answers again with what failed in view.

    LM calls: inner + rounds × inner.

    The code runs through ``compiler/runtime/isolate.py``: a child process with limits, not a security boundary;
    ``program.bind(executor=…)`` takes a container of yours. The tests are an input of the step, so they are what the
    program's caller gives, never a label.

    Attributes:
        inner: Who writes the code.
        function: Name of the function that is tested.
        tests: Name of the input that holds the tests: a list of ``{"args": […], "returns": …}``.
        rounds: How often it is repaired, at most.

    >>> Execute(rounds=2).lm_calls()
    3
    """

    inner: AnyModule = Predict()
    function: str = "solve"
    tests: str = "tests"
    rounds: int = Field(1, ge=1, le=4)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """The inner graph, then a loop of running and inner graph.

        Raises:
            SignatureError: The step does not write code, or has no tests among its inputs.
        """
        kind, who = signature.value.annotation, f"Execute cannot run the answers of {signature.name!r}"
        remedy = "Let the step return str, the text of a program; to answer by a program, use Compute"
        require(kind, "executable", who, "only text can be a program", remedy)
        slot = next((slot for slot in signature.inputs if slot.name == self.tests), None)
        if slot is None or not assignable(slot.annotation, list):
            takes = f"it takes {signature.takes()}" if slot is None else f"{self.tests} is {type_name(slot.annotation)}"
            msg = f"{who}: it needs an input {self.tests!r}, a list of tests, and {takes}. Name it: Execute(tests=…)"
            raise SignatureError(msg)
        g = GraphBuilder(self.name, signature)

        def look(code: Value) -> tuple[Value, Value]:
            report = g.op(tested, [code, g.const(self.function), g.inputs[self.tests]])
            return report, nothing_said(g, report)

        return g.finish(
            revised(g, self.inner, signature, look, rounds=self.rounds, stop="approved", said="test_report")
        )

    def lm_calls(self) -> int | None:
        """Those of ``inner``, and as often again as ``rounds``."""
        return total(self.inner.lm_calls(), product(self.rounds, self.inner.lm_calls()))
