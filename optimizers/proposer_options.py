"""How an instruction is asked for, and learning it (Opsahl-Ong et al. 2024, section 4.3: MIPRO++).

The paper finds that what a proposer is shown and told decides how good its instructions are, and that this differs
from task to task. So the first proposals differ in it, and later ones are asked for in the ways whose instructions
gained most, by Thompson sampling on the ways' main effects.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.optimizers.menu import Menu
from treadle.optimizers.sampling import Observation
from treadle.optimizers.thompson import MainEffects

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.optimizers.menu import Combination

SHOWN = 20
"""Most worked examples in one prompt."""

TIPS = {
    "none": "",
    "creative": "Be inventive: look at the task from another side than the present wording does.",
    "simple": "Be brief and plain.",
    "description": "Be thorough: spell out every distinction the examples show.",
    "high_stakes": "Stress what goes wrong for people when the answer is wrong.",
    "persona": "Address the reader as an expert whose daily work this is.",
}
"""What a proposal may be nudged with, by name: the six kinds of MIPROv2."""

WAYS = Menu(options={"tip": tuple(TIPS), "data": (True, False), "program": (True, False), "examples": (SHOWN, 10, 5)})
"""What an instruction may be asked for with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """One way to ask for an instruction.

    Attributes:
        tip: Name of the nudge.
        data: Whether the summary of the data is shown.
        program: Whether the program and the step's role in it are shown.
        examples: Most worked examples that are shown.
    """

    tip: str
    data: bool = True
    program: bool = True
    examples: int = SHOWN

    @property
    def combination(self) -> Combination:
        """The way as a combination of ``WAYS``."""
        said = dataclasses.asdict(self)
        return tuple(options.index(said[name]) for name, options in WAYS.options.items())

    def to_json(self) -> dict[str, JSON]:
        """The way as data."""
        return dataclasses.asdict(self)


def fixed_ways(count: int, rng: random.Random) -> list[Way]:
    """Ways that show all there is and differ in the tip only."""
    return [Way(tip=rng.choice(list(TIPS))) for _ in range(count)]


def varied_ways(count: int, rng: random.Random) -> list[Way]:
    """Different ways in which every option comes about equally often, the first of which shows all there is."""
    first = [Way(tip=rng.choice(list(TIPS)))][:count]
    drawn = WAYS.balanced(min(count, WAYS.size) - len(first), [way.combination for way in first], rng)
    ways = [*first, *map(_way, drawn)]
    return [ways[number % len(ways)] for number in range(count)]


def learned_ways(count: int, tried: Sequence[tuple[Way, float, float]], rng: random.Random) -> list[Way]:
    """Ways that promise most after what earlier ones came to.

    Args:
        count: How many.
        tried: Earlier ways, what their instructions gain, and the standard error of that.
        rng: Draws from the posterior.
    """
    mean = math.fsum(value for _, value, _ in tried) / len(tried) if tried else 0.0  # only differences say something
    seen = [Observation(combination=way.combination, value=value - mean, error=error) for way, value, error in tried]
    model = MainEffects(WAYS, seen)
    return [_way(model.suggest(rng.getrandbits(32))) for _ in range(count)]


def _way(combination: Combination) -> Way:
    chosen = {name: options[number] for (name, options), number in zip(WAYS.options.items(), combination, strict=True)}
    return Way(
        tip=str(chosen["tip"]), data=bool(chosen["data"]), program=bool(chosen["program"]),
        examples=int(str(chosen["examples"])),
    )  # fmt: skip
