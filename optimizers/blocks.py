"""The blocks of MASS: ways of answering a step that can be put together, each with a number that says how much of it.

Zhou et al., arXiv 2502.02533, tables 2 and 3 of the appendix. A configuration gives every block its number; the first
of a block's numbers leaves it out. Put together in the paper's order, summarise, reflect, debate, aggregate, they are
one module around the step's own; code is executed beside reflecting.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias

from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.capabilities import votable
from treadle.compiler.module import Module, Predict
from treadle.compiler.signature import Signature
from treadle.modules.combining import How
from treadle.modules.debate import Debate
from treadle.modules.execute import Execute
from treadle.modules.refine import Refine
from treadle.modules.summarize import Summarize
from treadle.modules.vote import Vote

Configuration: TypeAlias = Mapping[str, int]
"""Every block's number, by the block's name."""


class Block(Protocol):
    """One way of answering. Write your own as a frozen dataclass: its repr tells one search from another."""

    @property
    def name(self) -> str:
        """Its name, an identifier."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """What its number may be; the first leaves it out."""
        ...

    @property
    def smallest(self) -> Configuration:
        """The numbers, its own and those it needs of others, with which it is there in its smallest form."""
        ...

    def around(self, inner: Module, numbers: Configuration, signature: Signature) -> Module:
        """The module that has this block around ``inner``; ``inner`` itself where its number leaves it out.

        Raises:
            SignatureError: It cannot serve the signature.
        """
        ...


def _how(signature: Signature) -> How:
    """How answers are made one: free text cannot be counted."""
    return "majority" if votable(signature.value.annotation) else "self_agreement"


@dataclasses.dataclass(frozen=True)
class Executing:
    """Run the code the step writes on the tests among its inputs, and repair it."""

    name: ClassVar[str] = "execute"
    numbers: tuple[int, ...] = (0, 1)
    smallest: ClassVar[Configuration] = {"execute": 1}

    def around(self, inner: Module, numbers: Configuration, signature: Signature) -> Module:
        """``Execute`` with as many rounds as its number."""
        rounds = numbers.get(self.name, 0)
        return Execute(inner, rounds=rounds) if rounds else inner


@dataclasses.dataclass(frozen=True)
class Reflecting:
    """Have the answer criticised and answer again."""

    name: ClassVar[str] = "reflect"
    numbers: tuple[int, ...] = (0, 1, 2, 3, 4)
    smallest: ClassVar[Configuration] = {"reflect": 1}

    def around(self, inner: Module, numbers: Configuration, signature: Signature) -> Module:
        """``Refine`` with as many rounds as its number."""
        rounds = numbers.get(self.name, 0)
        return Refine(inner, rounds=rounds) if rounds else inner


@dataclasses.dataclass(frozen=True)
class Debating:
    """Let as many agents as are aggregated read one another and answer again."""

    name: ClassVar[str] = "debate"
    numbers: tuple[int, ...] = (0, 1, 2, 3, 4)
    smallest: ClassVar[Configuration] = {"debate": 1, "aggregate": 2}

    def around(self, inner: Module, numbers: Configuration, signature: Signature) -> Module:
        """``Debate`` with as many rounds as its number."""
        rounds, agents = numbers.get(self.name, 0), numbers.get("aggregate", 1)
        if not rounds:
            return inner
        if agents < 2:
            msg = f"a debate about {signature.name!r} needs two agents at least: aggregate two answers or more"
            raise SignatureError(msg)
        return Debate(inner, agents=agents, rounds=rounds, how=_how(signature))


@dataclasses.dataclass(frozen=True)
class Aggregating:
    """Sample several answers and take the one most agree on; the answers of a debate are combined by it already."""

    name: ClassVar[str] = "aggregate"
    numbers: tuple[int, ...] = (1, 3, 5, 7, 9)
    smallest: ClassVar[Configuration] = {"aggregate": 3}

    def around(self, inner: Module, numbers: Configuration, signature: Signature) -> Module:
        """``Vote`` with as many samples as its number."""
        samples = numbers.get(self.name, 1)
        return Vote(inner, n=samples, how=_how(signature)) if samples > 1 and not numbers.get("debate") else inner


@dataclasses.dataclass(frozen=True)
class Summarizing:
    """Shorten the last free text among the inputs first."""

    name: ClassVar[str] = "summarize"
    numbers: tuple[int, ...] = (0, 1, 2, 3, 4)
    smallest: ClassVar[Configuration] = {"summarize": 1}

    def around(self, inner: Module, numbers: Configuration, signature: Signature) -> Module:
        """``Summarize`` with as many rounds as its number."""
        rounds = numbers.get(self.name, 0)
        return Summarize(inner, rounds=rounds) if rounds else inner


BLOCKS: tuple[Block, ...] = (Executing(), Reflecting(), Debating(), Aggregating(), Summarizing())
"""The paper's blocks, from the inside out."""


def composed(blocks: Sequence[Block], base: Module, numbers: Configuration, signature: Signature) -> Module:
    """The module a configuration stands for.

    Args:
        blocks: From the inside out.
        base: The step's own module.
        numbers: The configuration.
        signature: What the step is asked.

    Raises:
        SignatureError: A block cannot serve the signature.
    """
    module = _around(blocks, base, numbers, signature)
    module.build(signature)  # what cannot be served is refused here
    return module


def _around(blocks: Sequence[Block], module: Module, numbers: Configuration, signature: Signature) -> Module:
    for block in blocks:
        module = block.around(module, numbers, signature)
    return module


def calls_of(blocks: Sequence[Block], numbers: Configuration, signature: Signature) -> int | None:
    """LM calls of a step that takes one call when it is plain, at most.

    ``None`` where there is no bound, or a block cannot serve the signature.
    """
    try:
        return _around(blocks, Predict(), numbers, signature).lm_calls()
    except SignatureError:
        return None


def fits(numbers: Configuration, max_agents: int) -> bool:
    """Whether a configuration keeps the paper's rules.

    Its numbers add up to at most ``max_agents``, and a debate has two agents at least.
    """
    return sum(numbers.values()) <= max_agents and not (numbers.get("debate") and numbers.get("aggregate", 1) < 2)


def configurations(blocks: Sequence[Block], max_agents: int) -> Iterator[Configuration]:
    """Every configuration that fits, the one without any block first."""
    names = [block.name for block in blocks]
    for chosen in itertools.product(*(block.numbers for block in blocks)):
        numbers = dict(zip(names, chosen, strict=True))
        if fits(numbers, max_agents):
            yield numbers


def none_of(blocks: Sequence[Block]) -> Configuration:
    """The configuration that leaves out every block."""
    return {block.name: block.numbers[0] for block in blocks}
