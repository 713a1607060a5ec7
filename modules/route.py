"""Routing: one of several ways to answer, chosen by a value or by a model.

Different models for different questions: Chen et al., arXiv 2305.05176 (FrugalGPT), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic
from pydantic import Field

from treadle.compiler.annotations import labels
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.capabilities import require
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import most, total
from treadle.modules.fields import about

ROUTING = "Choose who should do the task below. Do not do the task."


class Route(Module):
    """Answers by one of several arms. LM calls: the largest of the arms, and the router's where there is one.

    The arms answer the step, each with its instruction and demos until search gives it some of its own
    (``…/route:hard/predict.instruction``).

    Attributes:
        arms: Modules by name.
        models: Recorded names of LMs by arm, for arms that run on another than the step's.
        when: What each arm is for, in words, for the router.
        by: Name of an input whose values are the arms' names; ``None`` asks the router.
        router: Asked to choose an arm where ``by`` is ``None``, with an instruction of its own.

    Raises:
        DeclarationError: Fewer than two arms, or ``models`` or ``when`` name something else.

    >>> Route(arms={"easy": Predict(), "hard": Predict()}).lm_calls()
    2
    """

    variants: ClassVar[tuple[str, ...]] = ("arms",)

    arms: Annotated[dict[str, AnyModule], Field(min_length=2, max_length=12)]
    models: dict[str, str] = Field(default_factory=dict)
    when: dict[str, str] = Field(default_factory=dict)
    by: str | None = None
    router: AnyModule = Predict()

    @pydantic.model_validator(mode="after")
    def _names_are_arms(self) -> Self:
        check_names("Route", self.arms)
        foreign = sorted({*self.models, *self.when} - set(self.arms))
        if foreign:
            msg = f"Route has no arm {', '.join(foreign)}; its arms are {', '.join(self.arms)}"
            raise ValueError(msg)
        return self

    def build(self, signature: Signature) -> Graph:
        """The choice, then a branch for each arm but the last.

        Raises:
            SignatureError: ``by`` names no input, or one whose values are not the arms.
        """
        g = GraphBuilder(self.name, signature)
        chosen = self._asked(g, signature) if self.by is None else g.inputs[self._key(signature, self.by)]
        return g.finish(self._answer(g, signature, chosen, list(self.arms)))

    def _answer(self, g: GraphBuilder, signature: Signature, chosen: Value, names: Sequence[str]) -> Value:
        name, *rest = names

        def arm() -> Value:
            return g.module(self.arms[name], signature, g.inputs, variant=name, model=self.models.get(name))

        if not rest:
            return arm()
        is_it = g.expr(["compare", ["arg", 0], "==", ["const", name]], [chosen], bool)
        return g.branch(is_it, arm, lambda: self._answer(g, signature, chosen, rest))[0]

    def _asked(self, g: GraphBuilder, signature: Signature) -> Value:
        lines = [f"{name}: {self.when[name]}" for name in self.arms if name in self.when]
        kind: Any = Literal[tuple(self.arms)]
        asked = Signature(
            name="router",
            inputs=signature.inputs,
            outputs=(Slot(name="route", annotation=kind),),
            instruction=about("\n".join([ROUTING, *lines]), signature),
        )
        return g.module(self.router, asked, g.inputs, role="router")

    def _key(self, signature: Signature, by: str) -> str:
        who = f"Route cannot choose by {by!r}, an input of {signature.name!r}"
        kind = signature.input(by).annotation
        require(kind, "enumerable", who, "a choice needs finitely many values", "Make it a Literal, or let it be asked")
        unserved = [str(label) for label in labels(kind) or () if label not in self.arms]
        if unserved:
            msg = f"{who}: no arm is called {', '.join(unserved)}; the arms are {', '.join(self.arms)}. Add them"
            raise SignatureError(msg)
        return by

    def lm_calls(self) -> int | None:
        """The largest of the arms, and the router's where it is asked."""
        return total(most(*(arm.lm_calls() for arm in self.arms.values())), 0 if self.by else self.router.lm_calls())


def check_names(module: str, names: dict[str, Any]) -> None:
    """Refuse names that cannot stand in an address.

    Raises:
        ValueError: One is no identifier.
    """
    for name in names:
        if not name.isidentifier():
            msg = f"{module} cannot name a part {name!r}: a name in an address is a Python identifier"
            raise ValueError(msg)
