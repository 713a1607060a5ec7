"""Numbers read off the inputs, or off the most similar demo."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from treadle.compiler.lm.offline_reading import passage
from treadle.compiler.lm.offline_words import Rarity, cosine, stems

Number = int | float
Demo = tuple[Mapping[str, str], Number]
"""Inputs by field, and the number that was the answer."""

_DIGITS = re.compile(r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_AROUND = 30  # characters before and after a number that say what it counts
_LONGEST = 15  # digits


def read_number(inputs: Mapping[str, str], demos: Sequence[Demo], words: str, *, whole: bool) -> Number | None:
    """The number of the inputs that the field's words or the demos point to; else the most similar demo's.

    Where demos have answers that do not stand in their own inputs, numbers are not copied.
    """
    here = numbers_in(inputs, whole=whole)
    copied = [near for given, wanted in demos for number, near in numbers_in(given, whole=whole) if number == wanted]
    if here and (copied or not demos):
        wanted = Counter(stem for near in (stems(words), *copied) for stem in near)
        fits = [(sum(wanted[stem] for stem in set(near)), -place, number) for place, (number, near) in enumerate(here)]
        return max(fits)[2]
    return _most_similar(inputs, demos) if demos else None


def _most_similar(inputs: Mapping[str, str], demos: Sequence[Demo]) -> Number:
    texts = [stems(passage(given)) for given, _ in demos]
    rarity = Rarity(texts)
    asked = rarity.vector(Counter(stems(passage(inputs))))
    likeness = [cosine(asked, rarity.vector(Counter(text))) for text in texts]
    return demos[likeness.index(max(likeness))][1]


def numbers_in(inputs: Mapping[str, str], *, whole: bool) -> list[tuple[Number, tuple[str, ...]]]:
    """The numbers in the inputs, in order, each with the stems of the words around it."""
    found: list[tuple[Number, tuple[str, ...]]] = []
    for text in inputs.values():
        for match in _DIGITS.finditer(text):
            if len(match.group()) > _LONGEST:
                continue
            number = float(match.group().replace(",", ""))
            if number.is_integer() or not whole:
                before, after = text[max(0, match.start() - _AROUND) : match.start()], text[match.end() :][:_AROUND]
                found.append((int(number) if number.is_integer() else number, stems(f"{before} {after}")))
    return found
