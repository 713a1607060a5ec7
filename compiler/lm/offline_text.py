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
from treadle.compiler.lm.offline_labels import lines_about
from treadle.compiler.lm.offline_reading import Turn
from treadle.compiler.lm.offline_words import Noise, Rarity, Vector, cosine, fraction, stems

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
_WORDS_OF_A_VALUE = 4  # a field this short is a value, such as a label, that the instruction may speak of

_OTHERS, _DEMOS, _PLACE, _TOPIC = 1.0, 1.0, 0.8, 0.3  # weights of the parts of a span's score
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


@dataclasses.dataclass(frozen=True)
class Extractor:
    """What the prompt says about one text output.

    Attributes:
        said: The instruction and the output's description.
        topic: Stems of the output's name and description.
        places: How often the demos' answers come from a (field, kind), from 0 to 1.
        stated: The words of each sentence that names kinds of span, and these kinds.
        examples: Demos as (stems of the inputs, stems of the answer).
    """

    said: str
    topic: tuple[str, ...]
    places: Mapping[tuple[str, str], float]
    stated: Sequence[tuple[frozenset[str], frozenset[str]]]
    examples: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]

    def ranked(self, inputs: Mapping[str, str], noise: Noise, name: str) -> list[Span]:
        """The spans of the inputs, best first."""
        spans = all_spans(inputs)
        rarity = self._rarity(inputs, spans)
        query = {field: self._query(inputs, field, rarity) for field in inputs}
        similar = self._similar_demos(inputs, rarity)
        place_of = {(field, kind): self._place(field, kind) for field in inputs for kind in KINDS}

        def score(span: Span) -> float:
            vector = rarity.vector(Counter(stems(span.text)))
            shown = max((weight * cosine(vector, answer) for weight, answer in similar), default=0.0)
            place = place_of[span.field, span.kind]
            likeness = cosine(vector, query[span.field])
            return _OTHERS * likeness + _DEMOS * shown + _PLACE * place + noise.on(name, span.text)

        scores = {span: round(score(span), 9) for span in spans}
        return sorted(spans, key=lambda span: (-scores[span], fraction(name, span.text)))

    def _place(self, field: str, kind: str) -> float:
        """How likely answers are to come from here, before anything is read."""
        said = any(field.lower() in words and kind in kinds for words, kinds in self.stated)
        return _PLAIN_PLACE[kind] + self.places.get((field, kind), 0.0) + (_STATED if said else 0.0)

    def _rarity(self, inputs: Mapping[str, str], spans: Sequence[Span]) -> Rarity:
        pieces = [stems(span.text) for span in spans if span.kind != "clause"]
        shown = [answer for _, answer in self.examples]
        return Rarity.among([*pieces, *shown, self.topic, *(stems(line) for line in self._hints(inputs, ""))])

    def _query(self, inputs: Mapping[str, str], field: str, rarity: Rarity) -> Vector:
        """What a span of ``field`` should be like: the other inputs, and what is said of their values."""
        bag: Counter[str] = Counter()
        for other, text in inputs.items():
            if other != field:
                bag.update(stems(text))
        for line in self._hints(inputs, field):
            bag.update(stems(line))
        weighed = dict.fromkeys(self.topic, _TOPIC) | {word: float(count) for word, count in bag.items()}
        return rarity.vector(weighed)

    def _hints(self, inputs: Mapping[str, str], field: str) -> list[str]:
        values = [text for other, text in inputs.items() if other != field and len(text.split()) <= _WORDS_OF_A_VALUE]
        return [line for value in values for line in lines_about(self.said, value)]

    def _similar_demos(self, inputs: Mapping[str, str], rarity: Rarity) -> list[tuple[float, Vector]]:
        here = rarity.vector(Counter(stems("\n".join(inputs.values()))))
        demos = (
            (cosine(here, rarity.vector(Counter(asked))), rarity.vector(Counter(answer)))
            for asked, answer in self.examples
        )
        return [(weight, answer) for weight, answer in demos if weight > 0 and answer]


def extractor(said: str, topic: str, turns: Sequence[tuple[Turn, str]]) -> Extractor:
    """An extractor from the prompt.

    Args:
        said: The instruction and the output's description.
        topic: The output's name and description.
        turns: Demos with the text each gave for this output.
    """
    places: Counter[tuple[str, str]] = Counter()
    for turn, answer in turns:
        found = origin(turn.inputs, answer)
        if found:
            places[found] += 1
    learned = {place: count / len(turns) for place, count in places.items()}
    examples = [(stems("\n".join(turn.inputs.values())), stems(answer)) for turn, answer in turns]
    return Extractor(said, stems(topic), learned, tuple(_stated(said)), examples)


def origin(inputs: Mapping[str, str], answer: str) -> tuple[str, str] | None:
    """The (field, kind) of the span that ``answer`` copies, if it copies one."""
    wanted = answer.strip().rstrip(".")
    return next(((span.field, span.kind) for span in all_spans(inputs) if span.text.rstrip(".") == wanted), None)


def _stated(said: str) -> Iterable[tuple[frozenset[str], frozenset[str]]]:
    """The sentences that name kinds of span: their words, and the kinds."""
    for sentence in _SENTENCE_END.split(said.lower()):
        words = frozenset(re.findall(r"\w+", sentence))
        kinds = frozenset(kind for kind, called in KINDS.items() if words & set(called))
        if kinds:
            yield words, kinds
