"""Parameter importance: how much of what sets the candidates' scores apart goes with each parameter.

Main effects only, over the candidates that were tried. The response is a candidate's mean paired difference to the
start, weighted by the examples it rests on. The share of a parameter is the epsilon-squared of a one-way analysis of
variance (Kelley 1935): the plain share of variance between its values, less what as many values would explain by
chance. Its P is that of a permutation test. A search tries what looks good more often and changes parameters together,
so a share is what goes with a parameter in these candidates; it is no proof that the parameter does it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.report_candidates import Tried, options_of, rounded
from treadle.compiler.study.report_examples import short

if TYPE_CHECKING:
    import numpy

FEWEST = 8
"""Fewest measured candidates for which shares are given."""
SPARE = 4
"""Fewest measured candidates beyond the number of a parameter's values for which its share is given."""
PERMUTATIONS = 999
_MOST_DRAWS = 2_000_000  # places in all permutations together: thousands of candidates get fewer permutations


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """One value tried for a parameter.

    Attributes:
        number: 0 for the original, then in the order they were first tried.
        text: The value in words, cut.
        candidates: Measured candidates that have it.
        gain: Their mean difference to the start, weighted by examples.
        calls: LM calls of a run with it, mean over these candidates.
        usd: Dollars of a run with it; ``None`` where unknown.
    """

    number: int
    text: str
    candidates: int
    gain: float
    calls: float | None
    usd: float | None

    def to_json(self) -> dict[str, JSON]:
        """The option as data."""
        return {
            "number": self.number,
            "text": self.text,
            "candidates": self.candidates,
            "gain": rounded(self.gain),
            "calls_per_run": rounded(self.calls),
            "usd_per_run": rounded(self.usd),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effect:
    """What one parameter has to do with the scores.

    Attributes:
        address: The parameter.
        options: The values tried.
        share: Share of the variance of search scores that goes with it, from 0 to 1; ``None`` where too few candidates
            were measured to say.
        p: How often chance alone explains as much; ``None`` as above.
        together: Parameters that were changed in the very same candidates, value for value: they cannot be told apart.
    """

    address: str
    options: tuple[Option, ...]
    share: float | None
    p: float | None
    together: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        """The effect as data."""
        return {
            "parameter": self.address,
            "share": rounded(self.share),
            "p": rounded(self.p),
            "together_with": list(self.together),
            "options": [option.to_json() for option in self.options],
        }


def importance(tried: Sequence[Tried], candidates: Sequence[Candidate], words: Mapping[str, str]) -> tuple[Effect, ...]:
    """The effect of every parameter that was changed in a measured candidate, the largest share first.

    Args:
        tried: The candidates of the search.
        candidates: The same with their values.
        words: What the original value of each parameter is, in words.
    """
    known = [one for one in tried if one.gain is not None]
    values = options_of(candidates)
    numbers = {address: tuple(one.options.get(address, 0) for one in known) for address in values}
    changed = [address for address in numbers if len(set(numbers[address])) > 1]
    test = _Test(known) if len(known) >= FEWEST else None
    effects = []
    for address in changed:
        share, p = (None, None) if test is None else test.of(numbers[address])
        texts = [words.get(address, "the original"), *map(in_words, values[address])]
        together = [a for a in changed if a != address and _same_partition(numbers[a], numbers[address])]
        options = tuple(_option(n, texts[n], known, address) for n in sorted(set(numbers[address])))
        effects.append(Effect(address=address, options=options, share=share, p=p, together=tuple(together)))
    return tuple(sorted(effects, key=lambda effect: -(effect.share if effect.share is not None else -1.0)))


def in_words(value: JSON) -> str:
    """A parameter's value, short: demos by their number and origin."""
    if isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) and "origin" in v for v in value):
        origins: dict[str, int] = {}
        for demo in value:
            assert isinstance(demo, Mapping)
            origins[str(demo["origin"])] = origins.get(str(demo["origin"]), 0) + 1
        return f"{len(value)} demos: " + ", ".join(f"{count} {origin}" for origin, count in sorted(origins.items()))
    if value is None:
        return "none of its own"
    return "nothing" if value in ("", [], ()) else short(value)


def _option(number: int, text: str, known: Sequence[Tried], address: str) -> Option:
    having = [one for one in known if one.options.get(address, 0) == number]
    weight = sum(one.n for one in having)
    costs = [one.usd for one in having if one.usd is not None]
    calls = [one.calls for one in having if one.calls is not None]
    return Option(
        number=number,
        text=text,
        candidates=len(having),
        gain=math.fsum(one.n * (one.gain or 0.0) for one in having) / weight,
        calls=math.fsum(calls) / len(calls) if calls else None,
        usd=math.fsum(costs) / len(costs) if len(costs) == len(having) else None,
    )


def _same_partition(a: Sequence[int], b: Sequence[int]) -> bool:
    pairs = set(zip(a, b, strict=True))
    return len(pairs) == len(set(a)) == len(set(b))


class _Test:
    """The analysis of variance of one set of candidates, with the same permutations for every parameter."""

    def __init__(self, known: Sequence[Tried]) -> None:
        import numpy

        self._numpy = numpy
        gains = numpy.asarray([one.gain for one in known])
        weights = numpy.asarray([float(one.n) for one in known])
        seed = int(digest([[rounded(one.gain), one.n] for one in known], length=8), 16)
        rng = numpy.random.default_rng(seed)
        count = min(PERMUTATIONS, max(99, _MOST_DRAWS // len(known)))
        orders = numpy.stack([numpy.arange(len(known)), *(rng.permutation(len(known)) for _ in range(count))])
        centred = gains - (weights @ gains) / weights.sum()
        self._weights = weights[orders]
        self._weighted = (weights * centred)[orders]
        self._whole = float(weights @ centred**2)
        self._count = len(known)

    def of(self, numbers: Sequence[int]) -> tuple[float | None, float | None]:
        """Share and P of the parameter with these values; ``None`` where they are too many, or all scores are one."""
        kinds = sorted(set(numbers))
        if self._count < len(kinds) + SPARE or self._whole <= 1e-12:
            return None, None
        between = self._between(self._numpy.asarray(numbers), kinds)
        inside = (self._whole - between[0]) / (self._count - len(kinds))
        share = 1 - inside / (self._whole / (self._count - 1))
        as_good = int((between >= between[0] - 1e-12 * self._whole).sum())
        return float(min(1.0, max(0.0, share))), as_good / len(between)

    def _between(self, numbers: numpy.ndarray[Any, Any], kinds: Sequence[int]) -> numpy.ndarray[Any, Any]:
        """The sum of squares between values, for the order as it is and for every permutation."""
        found = self._numpy.zeros(len(self._weights))
        for kind in kinds:
            having = numbers == kind
            found += self._weighted[:, having].sum(axis=1) ** 2 / self._weights[:, having].sum(axis=1)
        return found
