"""Words and bags of words: all the offline model knows of language.

A text is its content words, cut to rough stems; a bag weighs a word by ``log(1 + count)`` and by how rare it is among
the passages of the prompt. There is no corpus inside: how rare a word is, the prompt itself says.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

# Words that say how a thing is said, not what it is about.
_STOP_WORDS = """
    a about above after afternoon again all also always am an and another any anyone anything are as ask asking at
    away back be because been before being best better both but by came can cannot cheers come concern could dear did do
    does doing done down each easy either else even evening ever every everything far few find first for from further
    gave get gets getting give given go goes going gone good got had happen happened happening has have having he hello
    help her here hers hey hi him his how however i if in into is it its itself just keep kind kindly know known let
    like little long look looking lot madam made make makes making many may maybe me mean might mine more morning most
    mr mrs ms much must my myself near need needed needs neither never new next no nor not nothing now of off often oh
    ok okay old on once one only onto or other others our ours out over own part per perhaps please possible put quite
    rather really regarding regards right said same saw say saying says see seem seems seen sent shall she should since
    sincerely sir so some someone something somewhere soon sorry still such sure take taken takes taking tell than thank
    thanks that the their theirs them then there these they thing things think this those though through thus till to
    together told too took toward tried tries try trying two under unless until up upon us use used uses using usually
    various very via want wanted wants was way we well went were what whatever when where whether which while who whom
    whose why will wish wishes with within without wonder wondering would yes yet you your yours yourself
    """
# Contractions, apostrophes already removed.
_CONTRACTIONS = """
    arent cant couldnt didnt doesnt dont hadnt hasnt havent heres hes hows id ill im isnt its ive lets shes shouldnt
    thats theres theyre theyve wasnt werent weve whats wheres whos wont wouldnt youd youll youre youve
    """
_STOP = frozenset(f"{_STOP_WORDS} {_CONTRACTIONS}".split())
_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s")
_SHORTEST_STEM = 3


@functools.lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A rough stem of a lower-case word: ``charges``, ``charged`` and ``charging`` are one.

    >>> [stem(word) for word in ("charges", "charged", "charging", "carries", "glass")]
    ['charg', 'charg', 'charg', 'carry', 'glass']
    """
    if not word.endswith("ss"):
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
                word = word[: -len(suffix)] + ("y" if suffix in ("ies", "ied") else "")
                break
    return word[:-1] if word.endswith("e") and len(word) > _SHORTEST_STEM else word


@functools.lru_cache(maxsize=65_536)
def _content(word: str) -> str:
    """The stem of a content word as it stands in a text; empty for a stop word."""
    bare = word.replace("'", "").replace("’", "")
    return "" if bare in _STOP else stem(bare)


@functools.lru_cache(maxsize=8_192)
def stems(text: str) -> tuple[str, ...]:
    """Stems of the content words of ``text``, in order.

    >>> stems("I haven't got the charges_fee!")
    ('charg', 'fee')
    """
    return tuple(found for word in _WORD.findall(text.lower()) if (found := _content(word)))


def surfaces(text: str) -> list[tuple[str, str]]:
    """Content words of ``text`` as (stem, lower-case word as it stands there), in order."""
    return [(found, word) for word in _WORD.findall(text.lower()) if (found := _content(word))]


Vector = Mapping[str, float]


class Rarity:
    """How rare each word is among passages: those given, and those of ``base``."""

    def __init__(self, passages: Iterable[Iterable[str]], base: Rarity | None = None) -> None:
        found = [set(passage) for passage in passages]
        self._counts = Counter(word for passage in found for word in passage)
        self._base: Mapping[str, int] = base._counts if base else {}
        self._total: int = len(found) + (base._total if base else 0)
        self._weights: dict[str, float] = {}

    def weight(self, word: str) -> float:
        """At least 1, more for a rare word; 0 for one that stands nowhere."""
        found = self._weights.get(word)
        if found is None:
            count = self._counts[word] + self._base.get(word, 0)
            found = 1.0 + math.log((1 + self._total) / count) if count else 0.0
            if count:
                self._weights[word] = found
        return found

    def vector(self, bag: Mapping[str, float]) -> Vector:
        """The bag's weights, of length one; words that stand nowhere in the passages weigh nothing."""
        vector = {word: math.log1p(count) * self.weight(word) for word, count in bag.items()}
        length = math.sqrt(math.fsum(weight * weight for weight in vector.values()))
        return {word: weight / length for word, weight in vector.items() if weight} if length else {}


def cosine(a: Vector, b: Vector) -> float:
    """Similarity of two vectors of length one, from 0 to 1."""
    if len(a) > len(b):
        a, b = b, a
    return sum(weight * b[word] for word, weight in a.items() if word in b)


@dataclasses.dataclass(frozen=True, slots=True)
class Noise:
    """Seeded noise of one request.

    Attributes:
        key: Identity of the request and its sample index.
        temperature: 0 for no noise.
    """

    key: str
    temperature: float

    def on(self, *parts: str) -> float:
        """Gumbel noise for one alternative: added to scores, the largest sum is a draw from their soft maximum."""
        if not self.temperature:
            return 0.0
        uniform = (fraction(self.key, *parts) * (1 - 2e-12)) + 1e-12
        return -_SCALE * self.temperature * math.log(-math.log(uniform))


_SCALE = 0.08  # temperature 1 costs 3 to 8 points on banking77, and a vote of five gets most of them back


def fraction(*parts: str) -> float:
    """A number from 0 to 1 that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48
