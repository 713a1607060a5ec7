"""Answering in text: the best span of the inputs, as it stands there.

Spans are list items, sentences, clauses and whole fields. A span is good when it is like the other fields, when a demo
with inputs like these was answered with a span like this, and when its field and kind are where answers come from, as
the demos show or the instruction says.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.offline_labels import keyed_lines, plain
from treadle.compiler.lm.offline_reading import Turn
from treadle.compiler.lm.offline_words import Noise, Rarity, cosine, stems

KINDS: Mapping[str, tuple[str, ...]] = {
    "item": ("item", "entry", "element"),
    "sentence": ("sentence",),
    "clause": ("clause", "phrase", "part"),
    "whole": ("whole", "entire"),
}
"""Kinds of span, and the words an instruction calls them by."""

_MOST_SPANS = 400
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE_END = re.compile(r"[,;:–—]\s+|\s-\s")
_LONGEST_VALUE = 40  # a field this short is a value, such as a label, that the instruction may speak of

_PLACE = 0.8  # worth of a likely place, beside a likeness of at most 1
_DEMO = 0.15  # count of a word of a demo's inputs; a word of the span itself counts 1
_TOPIC = 0.3  # count of a word of the output's own name and description
_STATED = 0.5  # what an instruction's word on the place is worth; demos that all agree: 1
_PLAIN_PLACE = {"item": 0.06, "sentence": 0.03, "clause": 0.0, "whole": 0.0}


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """A piece of an input.

    Attributes:
        field: The input it stands in.
        kind: One of ``KINDS``.
        text: As it stands there.
    """

    field: str
    kind: str
    text: str


@functools.lru_cache(maxsize=4_096)
def spans_of(field: str, text: str) -> tuple[Span, ...]:
    """The spans of one input, each text once, in order."""
    items = _strings(text)
    found: dict[str, Span] = {}
    for whole in [text] if items is None else items:
        kind = "whole" if items is None else "item"
        for part, name in ((whole, kind), *_parts(whole)):
            cut = part.strip()
            if cut and cut not in found and len(found) < _MOST_SPANS:
                found[cut] = Span(field, name, cut)
    return tuple(found.values())


def _strings(text: str) -> list[str] | None:
    """All texts in a JSON list or object; ``None`` for any other text."""
    if not text.startswith(("[", "{")):
        return None
    try:
        data: JSON = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return list(_leaves(data)) if isinstance(data, list | dict) else None


def _leaves(data: JSON) -> Iterable[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for part in data.values():
            yield from _leaves(part)
    elif isinstance(data, list):
        for part in data:
            yield from _leaves(part)


def _parts(text: str) -> Iterable[tuple[str, str]]:
    for sentence in _SENTENCE_END.split(text):
        yield sentence, "sentence"
        clauses = _CLAUSE_END.split(sentence)
        if len(clauses) > 1:
            yield from ((clause, "clause") for clause in clauses)


def all_spans(inputs: Mapping[str, str]) -> list[Span]:
    """The spans of all inputs."""
    return [span for field, text in inputs.items() for span in spans_of(field, text)]


class Extractor:
    """What the prompt says about one text output; made once and asked many times."""

    def __init__(self, said: str, topic: str, turns: Sequence[tuple[Turn, str]]) -> None:
        """Learn from the prompt.

        Args:
            said: The instruction and the output's description.
            topic: The output's name and description.
            turns: Demos with the text each gave for this output.
        """
        self._topic = stems(topic)
        self._stated = tuple(_stated(said))
        self._lines = keyed_lines(said)
        self._keys = [(key, stems(line)) for text, line in self._lines if (key := frozenset(stems(text)))]
        self._places = _places(turns)
        self._answered: dict[str, list[Turn]] = {}
        for turn, answer in turns:
            self._answered.setdefault(_bare(answer), []).append(turn)
        asked = [stems(text) for turn, _ in turns for text in turn.inputs.values()]
        self._rarity = Rarity([*asked, self._topic, *(stems(line) for _, line in self._lines)])

    def ranked(self, inputs: Mapping[str, str], noise: Noise, name: str) -> list[Span]:
        """The spans of the inputs, best first."""
        spans = all_spans(inputs)
        rarity = Rarity((stems(span.text) for span in spans if span.kind != "clause"), base=self._rarity)
        query = {field: rarity.vector(self._query(inputs, field)) for field in inputs}
        place = {(field, kind): self._place(field, kind) for field in inputs for kind in KINDS}

        def score(span: Span) -> float:
            likeness = cosine(rarity.vector(self._profile(span)), query[span.field])
            return likeness + _PLACE * place[span.field, span.kind] + noise.on(name, span.text)

        scores = {span: round(score(span), 9) for span in spans}
        return sorted(spans, key=lambda span: -scores[span])  # stable: among equals the first in the inputs

    def _profile(self, span: Span) -> Mapping[str, float]:
        """One bag: the span's words, what the instruction says of it, and the inputs of the demos it answered."""
        bag: Counter[str] = Counter(stems(span.text))
        own = bag.keys()
        for words in [words for key, words in self._keys if key <= own]:
            bag.update(words)
        turns = self._answered.get(_bare(span.text))
        if not turns:
            return bag
        shown = Counter(word for turn in turns for word in _beside(turn.inputs, span.field))
        return {word: bag[word] + _DEMO * shown[word] for word in (*bag, *shown)}

    def _place(self, field: str, kind: str) -> float:
        """How likely answers are to come from here, before anything is read."""
        said = any(field.lower() in words and kind in kinds for words, kinds in self._stated)
        return _PLAIN_PLACE[kind] + self._places.get((field, kind), 0.0) + (_STATED if said else 0.0)

    def _query(self, inputs: Mapping[str, str], field: str) -> Mapping[str, float]:
        """What a span of ``field`` should be like: the other inputs, and what the instruction says of their values."""
        bag: dict[str, float] = dict.fromkeys(self._topic, _TOPIC)
        others = [text for other, text in inputs.items() if other != field]
        values = {plain(text) for text in others if len(text) < _LONGEST_VALUE}
        hints = [line for key, line in self._lines if plain(key) in values]
        for word in (word for text in (*others, *hints) for word in stems(text)):
            bag[word] = bag.get(word, 0.0) + 1.0
        return bag


def _beside(inputs: Mapping[str, str], field: str) -> tuple[str, ...]:
    """Stems of the inputs other than ``field``; of ``field`` where there is no other."""
    others = [text for other, text in inputs.items() if other != field] or list(inputs.values())
    return tuple(word for text in others for word in stems(text))


def _places(turns: Sequence[tuple[Turn, str]]) -> Mapping[tuple[str, str], float]:
    """How often the demos' answers come from a (field, kind), from 0 to 1."""
    found = Counter(place for turn, answer in turns if (place := origin(turn.inputs, answer)))
    return {place: count / len(turns) for place, count in found.items()}


def origin(inputs: Mapping[str, str], answer: str) -> tuple[str, str] | None:
    """The (field, kind) of the span that ``answer`` copies, if it copies one."""
    wanted = _bare(answer)
    return next(((span.field, span.kind) for span in all_spans(inputs) if _bare(span.text) == wanted), None)


def _bare(text: str) -> str:
    """A span's text without what may stand around it."""
    return text.strip().rstrip(".")


def _stated(said: str) -> Iterable[tuple[frozenset[str], frozenset[str]]]:
    """The sentences that name kinds of span: their words, and the kinds."""
    for sentence in _SENTENCE_END.split(said.lower()):
        words = frozenset(re.findall(r"\w+", sentence))
        kinds = frozenset(kind for kind, called in KINDS.items() if words & set(called))
        if kinds:
            yield words, kinds
