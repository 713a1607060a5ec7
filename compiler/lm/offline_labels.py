"""Choosing a label: one profile per label, the input's cosine with each.

A profile is one bag of words: twice the label's name, what the instruction says of the label, and the label's demos.
Adding up separate similarities instead makes demos hurt; one bag does not. The instruction speaks of a label where a
line begins with ``label:`` or a sentence quotes it; a label that merely occurs, as ordinary words do, is not spoken of.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.lm.offline_words import Noise, Rarity, fraction, stems

_NAME_WEIGHT = 2
_TIE = 1e-9
_LINE_START = re.compile(r"^[\s\-*•>#\d.)]*[\"'`“‘*]*([^:=\n]{1,80}?)[\"'`”’*]*\s*(?::|=>|->|—)\s*(.*)$")
_QUOTED = re.compile(r"[\"“`‘']([^\"”`’'\n]{1,80})[\"”`’']")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclasses.dataclass(frozen=True)
class Profiles:
    """What the prompt says of each label.

    Attributes:
        labels: The values to choose from.
        rarity: How rare words are among the passages about labels.
        weights: For each word, its weight in the profile of each label that has it, by the label's place.
    """

    labels: tuple[JSON, ...]
    rarity: Rarity
    weights: Mapping[str, Sequence[tuple[int, float]]]

    def scores(self, text: str) -> list[float]:
        """Cosine of ``text`` with each label's profile, from 0 to 1."""
        scores = [0.0] * len(self.labels)
        for word, weight in self.rarity.vector(Counter(stems(text))).items():
            for place, share in self.weights.get(word, ()):
                scores[place] += weight * share
        return scores

    def choose(self, text: str, noise: Noise, field: str) -> JSON:
        """The label whose profile is nearest to ``text``."""
        scores = [score + noise.on(field, name) for score, name in zip(self.scores(text), self.names, strict=True)]
        best = max(scores)
        tied = [place for place, score in enumerate(scores) if best - score <= _TIE]
        if len(tied) > 1:  # the first label always would make a start that says nothing answer one label only
            tied.sort(key=lambda place: fraction(text, self.names[place]))
        return self.labels[tied[0]]

    def near(self, text: str, share: float) -> list[JSON]:
        """The labels whose scores are at least ``share`` of the best; none where nothing is known."""
        scores = self.scores(text)
        least = share * max(scores, default=0.0)
        return [label for label, score in zip(self.labels, scores, strict=True) if score >= least > 0]

    @property
    def names(self) -> list[str]:
        """The labels as text."""
        return [label if isinstance(label, str) else canonical(label) for label in self.labels]


def profiles(labels: Sequence[JSON], names: Sequence[str], said: str, shown: Iterable[tuple[JSON, str]]) -> Profiles:
    """Profiles from the prompt.

    Args:
        labels: The values to choose from.
        names: What each value is called, in words.
        said: All that the prompt says in prose: the instruction and the field's description.
        shown: Demos as (label, text of the inputs).
    """
    place = {canonical(label): index for index, label in enumerate(labels)}
    about: list[list[tuple[str, ...]]] = [[stems(name)] * _NAME_WEIGHT for name in names]
    for index, passage in _spoken_of(said, names):
        about[index].append(stems(passage))
    for label, text in shown:
        index = place.get(canonical(label), -1)
        if index >= 0:
            about[index].append(stems(text))
    # the name counts once as a passage, however often it counts in the bag
    rarity = Rarity(words for passages in about for words in passages[_NAME_WEIGHT - 1 :])
    weights: dict[str, list[tuple[int, float]]] = {}
    for index, passages in enumerate(about):
        bag = Counter(word for words in passages for word in words)
        for word, weight in rarity.vector(bag).items():
            weights.setdefault(word, []).append((index, weight))
    return Profiles(tuple(labels), rarity, weights)


def _spoken_of(said: str, names: Sequence[str]) -> Iterable[tuple[int, str]]:
    """(Place of a label, what is said of it) for each line and sentence that speaks of one."""
    place = {plain(name): index for index, name in enumerate(names)}
    for line in said.splitlines():
        match = _LINE_START.match(line)
        index = place.get(plain(match.group(1)), -1) if match else -1
        if match and index >= 0:
            yield index, match.group(2)
            continue
        for sentence in _SENTENCE.split(line):
            quoted = {plain(text) for text in _QUOTED.findall(sentence)}
            yield from ((index, _QUOTED.sub(" ", sentence)) for name, index in place.items() if name in quoted)


def plain(name: str) -> str:
    """A label's name as people write it: lower case, spaces for underscores and hyphens."""
    return re.sub(r"[\s_\-]+", " ", name.strip().lower())


def keyed_lines(said: str) -> list[tuple[str, str]]:
    """(Key, rest) of the lines ``key: …`` of a text."""
    return [(match.group(1), match.group(2)) for line in said.splitlines() if (match := _LINE_START.match(line))]
