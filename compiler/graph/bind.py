"""Binding: the graph of a module and a candidate's values become the calls to make.

A step owns its instruction and demos, and whichever inner call answers it uses them. So for one LM node, instruction
and demos are, in this order: the candidate's entry for that very call (``reply/refine.critic/predict.demos``); the
step's own (``reply.demos``), if the call answers the step's signature; what the module wrote into the node.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node, Predictor
from treadle.compiler.graph.substitute import with_inner
from treadle.compiler.prompt.demo import Demo

SAMPLING_TEMPERATURE = 0.7
"""Temperature of calls that are sampled several times, where nobody says another. The value of self-consistency
(Wang et al., arXiv 2203.11171, section 3.1)."""


def effective(name: str, predictor: Predictor, values: Mapping[str, JSON]) -> Predictor:
    """The predictor with a candidate's entries for the step itself: instruction, demos, module, model, temperature.

    Args:
        name: The predictor's name, under which its parameters are addressed.
        predictor: Its defaults.
        values: A candidate's values by address; those of other predictors are ignored.
    """
    changes: dict[str, object] = {}
    if (instruction := values.get(f"{name}.instruction")) is not None:
        changes["signature"] = predictor.signature.with_instruction(str(instruction))
    if (demos := values.get(f"{name}.demos")) is not None:
        changes["demos"] = demos_of(demos)
    for field in ("module", "model", "temperature"):
        if f"{name}.{field}" in values:
            changes[field] = values[f"{name}.{field}"]
    # `replace` cannot be followed by the type system when the fields are in a mapping
    return dataclasses.replace(predictor, **changes) if changes else predictor  # type: ignore[arg-type]


def demos_of(value: JSON) -> tuple[Demo, ...]:
    """Demos from a candidate's value."""
    return tuple(Demo.from_json(cast(Mapping[str, JSON], demo)) for demo in cast(Sequence[JSON], value))


def answers_step(node: nodes.LM) -> bool:
    """Whether the call answers the step's own signature, perhaps as a variant: no role stands in its address."""
    return "." not in node.address


def bind(
    graph: Graph,
    name: str,
    predictor: Predictor,
    values: Mapping[str, JSON],
    *,
    lm_temperature: float | None = None,
) -> Graph:
    """The graph with the effective instruction, demos, model and decoding in every LM node.

    Demos may lack fields a module adds, such as ``reasoning``.

    Args:
        graph: What the predictor's module built for its signature, under the effective or the default instruction.
        name: The predictor's name.
        predictor: The predictor, with or without the candidate's values for the step applied (``effective``).
        values: A candidate's values by address.
        lm_temperature: The temperature of the LM in force, where it states one.

    Raises:
        ConfigurationError: Calls that are sampled several times would run at temperature 0.
    """
    own = effective(name, predictor, values)
    binder = _Binder(name, predictor, own, values, lm_temperature)
    return dataclasses.replace(graph, nodes=tuple(binder.node(node, sampled=False) for node in graph.nodes))


@dataclasses.dataclass(frozen=True)
class _Binder:
    name: str
    default: Predictor
    own: Predictor
    values: Mapping[str, JSON]
    lm_temperature: float | None

    def node(self, node: Node, *, sampled: bool) -> Node:
        if isinstance(node, nodes.LM):
            return self._call(node, sampled)
        if not node.regions:
            return node
        inside = sampled or isinstance(node, nodes.Replicate)
        return with_inner(node, lambda inner: self.node(inner, sampled=inside))

    def _call(self, node: nodes.LM, sampled: bool) -> nodes.LM:
        instruction = self._instruction(node)
        same = instruction == node.signature.instruction  # then the object stays, and with it all that is kept for it
        return dataclasses.replace(
            node,
            signature=node.signature if same else node.signature.with_instruction(instruction),
            demos=self._demos(node),
            model=node.model or self.own.model,
            temperature=self._temperature(node, sampled),
            max_tokens=node.max_tokens if node.max_tokens is not None else self.own.max_tokens,
        )

    def _instruction(self, node: nodes.LM) -> str:
        leaf = self.values.get(f"{self.name}/{node.address}.instruction")
        if leaf is not None:
            return str(leaf)
        written = node.signature.instruction
        if answers_step(node) and written == self.default.signature.instruction:
            return self.own.signature.instruction
        return written

    def _demos(self, node: nodes.LM) -> tuple[Demo, ...]:
        leaf = self.values.get(f"{self.name}/{node.address}.demos")
        if leaf is not None:
            return demos_of(leaf)
        return self.own.demos if answers_step(node) else node.demos

    def _temperature(self, node: nodes.LM, sampled: bool) -> float | None:
        if node.temperature is not None:
            return node.temperature
        if not (sampled and answers_step(node)):
            return self.own.temperature
        stated = self.own.temperature if self.own.temperature is not None else self.lm_temperature
        if stated == 0:
            msg = (
                f"{self.name!r} samples its reply several times, and at temperature 0 all samples are the same; "
                "set a temperature above 0 on the step, the LM or the module, or answer the step by one call"
            )
            raise ConfigurationError(msg)
        return SAMPLING_TEMPERATURE if stated is None else stated
