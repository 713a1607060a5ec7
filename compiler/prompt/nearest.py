"""Choosing demos by the inputs: the ones most like the question, as in nearest-neighbour prompting.

Likeness is by words: cosine of tf-idf vectors over the inputs, rarity taken from the demos themselves. It needs no
model, and is the same in every process.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from treadle.compiler.prompt.same import Same
from treadle.compiler.values import dump

if TYPE_CHECKING:
    from treadle.compiler.prompt.demo import Demo
    from treadle.compiler.signature import Signature

_WORD = re.compile(r"\w+")
Vector = Mapping[str, float]


def nearest(signature: Signature, demos: Sequence[Demo], inputs: Mapping[str, object], count: int) -> tuple[Demo, ...]:
    """The ``count`` demos most like ``inputs``, the most alike last, where a model reads it best.

    Of equally alike demos the earlier one is taken. A demo of these very inputs is like any other.

    Args:
        signature: Says which fields are compared.
        demos: What there is to choose from, in order.
        inputs: Values by field.
        count: How many to take.
    """
    if len(demos) <= count:
        return tuple(demos)
    fields = tuple(slot.name for slot in signature.inputs)
    index = _index(Same(demos), fields)
    asked = index.vector(_words({name: inputs[name] for name in fields if name in inputs}))
    by_likeness = sorted(range(len(demos)), key=lambda place: -_cosine(asked, index.vectors[place]))
    return tuple(demos[place] for place in reversed(by_likeness[:count]))


class _Index:
    """Vectors of a pool of demos."""

    def __init__(self, bags: Sequence[Counter[str]]) -> None:
        self._total = len(bags)
        self._counts = Counter(word for bag in bags for word in bag)
        self.vectors = [self.vector(bag) for bag in bags]

    def vector(self, bag: Counter[str]) -> Vector:
        """The bag's weights, of length one; words no demo has weigh nothing."""
        weights = {
            word: (1 + math.log(count)) * math.log(1 + self._total / self._counts[word])
            for word, count in sorted(bag.items())
            if word in self._counts
        }
        length = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
        return {word: weight / length for word, weight in weights.items()} if length else {}


@functools.lru_cache(maxsize=256)
def _index(pool: Same, fields: tuple[str, ...]) -> _Index:
    demos = cast("Sequence[Demo]", pool.objects[0])
    return _Index([_words({name: demo.inputs[name] for name in fields if name in demo.inputs}) for demo in demos])


def _words(values: Mapping[str, object]) -> Counter[str]:
    text = " ".join(value if isinstance(value, str) else json.dumps(dump(value)) for value in values.values())
    return Counter(_WORD.findall(text.casefold()))


def _cosine(a: Vector, b: Vector) -> float:
    return math.fsum(weight * b[word] for word, weight in a.items() if word in b)
