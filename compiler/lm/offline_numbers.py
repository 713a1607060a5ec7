"""Numbers read off the inputs, or off the most similar demo."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from treadle.compiler.lm.offline_reading import passage
from treadle.compiler.lm.offline_words import Rarity, cosine, stems

Number = int | float
Demo = tuple[Mapping[str, str], Number]
"""Inputs by field, and the number that was the answer."""

_DIGITS = re.compile(r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_REACH = 40  # characters before and after a number that say what it counts
_LONGEST = 15  # digits


def read_number(inputs: Mapping[str, str], demos: Sequence[Demo], words: str, *, whole: bool) -> Number | None:
    """The number of the inputs that the field's words or the demos point to; else the most similar demo's.

    Where demos have answers that do not stand in their own inputs, numbers are not copied.
    """
    here = numbers_in(inputs, whole=whole)
    copied = [near for given, wanted in demos for number, near in numbers_in(given, whole=whole) if number == wanted]
    if here and (copied or not demos):
        wanted: dict[str, float] = dict.fromkeys(stems(words), 1.0)
        for stem, weight in (pair for near in copied for pair in near.items()):
            wanted[stem] = wanted.get(stem, 0.0) + weight
        fits = [sum(wanted.get(stem, 0.0) * weight for stem, weight in near.items()) for _, near in here]
        return here[fits.index(max(fits))][0]
    return _most_similar(inputs, demos) if demos else None


def _most_similar(inputs: Mapping[str, str], demos: Sequence[Demo]) -> Number:
    texts = [stems(passage(given)) for given, _ in demos]
    rarity = Rarity(texts)
    asked = rarity.vector(Counter(stems(passage(inputs))))
    likeness = [cosine(asked, rarity.vector(Counter(text))) for text in texts]
    return demos[likeness.index(max(likeness))][1]


def numbers_in(inputs: Mapping[str, str], *, whole: bool) -> list[tuple[Number, Mapping[str, float]]]:
    """The numbers in the inputs, in order, each with the stems of the words around it; near ones weigh more."""
    found: list[tuple[Number, Mapping[str, float]]] = []
    for text in inputs.values():
        for match in _DIGITS.finditer(text):
            if len(match.group()) > _LONGEST:
                continue
            number = float(match.group().replace(",", ""))
            if number.is_integer() or not whole:
                found.append((int(number) if number.is_integer() else number, _around(text, match)))
    return found


def _around(text: str, match: re.Match[str]) -> Mapping[str, float]:
    before = text[max(0, match.start() - _REACH) : match.start()].split()[::-1]
    after = text[match.end() :][:_REACH].split()
    weights: dict[str, float] = {}
    for distance, pair in enumerate(itertools.zip_longest(before, after, fillvalue=""), start=1):
        for stem in stems(" ".join(pair)):
            weights[stem] = max(weights.get(stem, 0.0), 1 / distance)
    return weights
