"""Made-up words: no text outside a world contains them, so a world can find them in any prompt."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence

_ONSETS = (*"bdfgkmnprstvz", "bl", "br", "dr", "fl", "gr", "kl", "kr", "pl", "pr", "sk", "sl", "tr")
_VOWELS = tuple("aeiou")
_CODAS = tuple("klmnprstx")
_WORD = re.compile(r"[a-z]+")


def made_up(count: int, rng: random.Random, avoid: Collection[str] = ()) -> list[str]:
    """``count`` different pronounceable words of three syllables."""
    found: dict[str, None] = {}
    while len(found) < count:
        word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(3)) + rng.choice(_CODAS)
        if word not in avoid:
            found[word] = None
    return list(found)


def mentioned(text: str, among: Collection[str]) -> list[str]:
    """The words of ``among`` that occur in ``text``, each once, in order of occurrence."""
    return list(dict.fromkeys(word for word in _WORD.findall(text.lower()) if word in among))


def occurrences(text: str, among: Collection[str]) -> list[str]:
    """The words of ``among`` in ``text``, as often as they occur."""
    return [word for word in _WORD.findall(text.lower()) if word in among]


def sentence(words: Sequence[str]) -> str:
    """The words as a line of text."""
    return "Report: " + " ".join(words) + "."
