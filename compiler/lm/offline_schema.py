"""Answering by schema: one method per kind of value, the plainest valid value where there is none.

Labels are chosen by profile, texts are spans, numbers are read off the inputs or the most similar demo, lists are the
best spans, objects are answered member by member. What has no method is said to have none.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import cast

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.offline_instruction import write_instruction
from treadle.compiler.lm.offline_labels import Profiles, profiles
from treadle.compiler.lm.offline_numbers import numbers_in, read_number
from treadle.compiler.lm.offline_plainest import Schema, allowed, labels_of, plainest
from treadle.compiler.lm.offline_reading import Context, Turn, passage
from treadle.compiler.lm.offline_text import Extractor
from treadle.compiler.lm.offline_words import Noise, Rarity, stems, surfaces

_INSTRUCTION = re.compile(r"\b(instructions?|prompt|directive|guidelines?)\b", re.IGNORECASE)
_REASONING = re.compile(r"\b(reasoning|rationale|reasons?|explanation|thoughts?|thinking|steps)\b", re.IGNORECASE)
_EVIDENCE = 4  # words a reasoning names
_DEEPEST = 8  # nesting of schemas that is followed
_VARIANTS = 3  # instructions written where a list of them is asked for
_LIST_LENGTH = 3  # items given where demos do not say how many
_SHARE_OF_BEST = 0.6  # labels this near to the best are chosen too where several may be


@dataclasses.dataclass(frozen=True)
class Question:
    """The inputs of one call.

    Attributes:
        inputs: Texts by field.
        noise: Seeded noise of the request.
        key: Identity of the request and its sample index, for choices that vary at any temperature.
        gaps: Filled in while answering: what there was no method for.
    """

    inputs: Mapping[str, str]
    noise: Noise
    key: str
    gaps: list[str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """All inputs as one text."""
        return passage(self.inputs)


class Learner:
    """What one prompt teaches about one schema; made once and asked many times."""

    def __init__(self, context: Context, schema: Schema | None) -> None:
        self.context = context
        self.schema = schema
        self._definitions = cast(Schema, (schema or {}).get("$defs", {}))
        self._profiles: dict[str, Profiles] = {}
        self._extractors: dict[str, Extractor] = {}

    def answer(self, question: Question) -> JSON:
        """The reply as JSON, a text where text was asked for; ``question.gaps`` says what there was no method for."""
        if self.schema is None:
            return self._text({"type": "string"}, (self.context.output,), question)
        return self._value(self.schema, (), question)

    # Each method takes the value's schema and its path of member names in the reply.

    def _value(self, schema: Schema, path: tuple[str, ...], question: Question) -> JSON:
        schema = self._resolved(schema)
        labels = labels_of(schema)
        if labels is not None:
            return self._label(schema, labels, path, question)
        kind = schema.get("type")
        if kind == "string":
            return self._text(schema, path, question)
        if kind in ("integer", "number"):
            return self._number(schema, path, question)
        if kind == "array":
            return self._list(schema, path, question)
        if kind == "object" and schema.get("properties") and len(path) < _DEEPEST:
            members = cast(Mapping[str, Schema], schema["properties"])
            return {name: self._value(member, (*path, name), question) for name, member in members.items()}
        return self._plainest(schema, path, question)

    def _resolved(self, schema: Schema) -> Schema:
        """The schema behind references; of alternatives the first that is not null."""
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            alternatives = cast(Sequence[Schema], schema.get("anyOf", schema.get("oneOf", ())))
            if isinstance(reference, str):
                found = cast(Schema, self._definitions.get(reference.rpartition("/")[2], {}))
            elif alternatives:
                found = next((part for part in alternatives if part.get("type") != "null"), {"const": None})
            else:
                break
            own = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf", "oneOf")}
            schema = {**found, **own}
        return schema

    def _label(self, schema: Schema, labels: Sequence[JSON], path: tuple[str, ...], question: Question) -> JSON:
        return self._profile(schema, labels, path).choose(question.text, question.noise, ".".join(path))

    def _profile(self, schema: Schema, labels: Sequence[JSON], path: tuple[str, ...]) -> Profiles:
        key = ".".join(path)
        if key not in self._profiles:
            words = self._description(schema, path)
            names = [_name_of(label, path[-1] if path else "", words) for label in labels]
            shown = [
                (label, passage(turn.inputs))
                for turn, given in self._given(path)
                for label in (given if isinstance(given, list) else [given])
            ]
            said = f"{self.context.instruction}\n{words}"
            self._profiles[key] = profiles(labels, names, said, shown)
        return self._profiles[key]

    def _description(self, schema: Schema, path: tuple[str, ...]) -> str:
        written = schema.get("description")
        return written if isinstance(written, str) else self.context.described.get(path[-1] if path else "", "")

    def _given(self, path: tuple[str, ...]) -> list[tuple[Turn, JSON]]:
        """Demos with the value each has at ``path``; those without it left out."""
        found = [(turn, _at(turn, path, self.schema is None)) for turn in self.context.turns]
        return [(turn, value) for turn, value in found if value is not None]

    # --- texts ---

    def _text(self, schema: Schema, path: tuple[str, ...], question: Question) -> str:
        name, words = path[-1] if path else "", self._description(schema, path)
        title = f"{name.replace('_', ' ')} {words}"
        if _INSTRUCTION.search(title):
            written = write_instruction(self.context.instruction, question.inputs, question.key)
            if written is not None:
                return _fitted(schema, written)
        elif _REASONING.search(name.replace("_", " ")):
            return _fitted(schema, self._evidence(question))
        if "format" in schema or "pattern" in schema:
            return cast(str, self._plainest(schema, path, question))
        ranked = self._extractor(path, title, words).ranked(question.inputs, question.noise, name)
        if not ranked:
            return cast(str, self._plainest(schema, path, question))
        return _fitted(schema, ranked[0].text)

    def _extractor(self, path: tuple[str, ...], title: str, words: str) -> Extractor:
        key = ".".join(path)
        if key not in self._extractors:
            turns = [(turn, value) for turn, value in self._given(path) if isinstance(value, str)]
            said = f"{self.context.instruction}\n{words}"
            self._extractors[key] = Extractor(said, title, turns)
        return self._extractors[key]

    def _evidence(self, question: Question) -> str:
        """A reasoning: the words of the inputs that the prompt also knows, rarest first."""
        known = Rarity(
            stems(text) for text in (self.context.instruction, *(passage(turn.inputs) for turn in self.context.turns))
        )
        forms = dict(surfaces(question.text))
        best = sorted(forms, key=lambda stem: -known.weight(stem))[:_EVIDENCE]
        return f"It mentions {', '.join(forms[stem] for stem in best)}." if best else "It mentions nothing known."

    # --- numbers and lists ---

    def _number(self, schema: Schema, path: tuple[str, ...], question: Question) -> JSON:
        demos = [(turn.inputs, value) for turn, value in self._given(path) if isinstance(value, int | float)]
        words = f"{' '.join(path)} {self._description(schema, path)}".replace("_", " ")
        number = read_number(question.inputs, demos, words, whole=schema.get("type") == "integer")
        return number if number is not None and allowed(schema, number) else self._plainest(schema, path, question)

    def _list(self, schema: Schema, path: tuple[str, ...], question: Question) -> JSON:
        if "prefixItems" in schema:  # a tuple: each place is a value of its own
            if len(path) >= _DEEPEST:
                return self._plainest(schema, path, question)
            places = cast(Sequence[Schema], schema["prefixItems"])
            return [self._value(place, (*path, str(index)), question) for index, place in enumerate(places)]
        items = self._resolved(cast(Schema, schema.get("items", {})))
        labels = labels_of(items)
        fewest, most = cast(int, schema.get("minItems", 0)), cast(int, schema.get("maxItems", 1_000))
        if labels is not None:
            found: Sequence[JSON] = self._profile(schema, labels, path).near(question.text, _SHARE_OF_BEST)
        elif items.get("type") == "string" and "format" not in items:
            found = self._texts(schema, path, question, most)
        elif items.get("type") in ("integer", "number"):
            numbers = numbers_in(question.inputs, whole=items.get("type") == "integer")
            found = [number for number, _ in numbers if allowed(items, number)]
        else:
            return self._plainest(schema, path, question)
        return list(found[:most]) if len(found) >= fewest else self._plainest(schema, path, question)

    def _texts(self, schema: Schema, path: tuple[str, ...], question: Question, most: int) -> Sequence[str]:
        words = self._description(schema, path)
        title = f"{path[-1] if path else ''} {words}".replace("_", " ")
        if _INSTRUCTION.search(title):
            keys = [f"{question.key}/{index}" for index in range(min(most, _VARIANTS))]
            written = [write_instruction(self.context.instruction, question.inputs, key) for key in keys]
            return [text for text in written if text]
        lengths = [len(value) for _, value in self._given(path) if isinstance(value, list)]
        count = min(most, round(sum(lengths) / len(lengths)) if lengths else _LIST_LENGTH)
        ranked = self._extractor(path, title, words).ranked(question.inputs, question.noise, title)
        return [span.text for span in ranked[:count]]

    def _plainest(self, schema: Schema, path: tuple[str, ...], question: Question) -> JSON:
        question.gaps.append(".".join(path))
        return plainest(schema, self._definitions)


def _name_of(label: JSON, field: str, words: str) -> str:
    """What a label is called: itself; true is called by its field, false and null by nothing."""
    if label is True:
        return f"{field} {words}".replace("_", " ")
    return "" if label is False or label is None else str(label).replace("_", " ")


def _at(turn: Turn, path: tuple[str, ...], as_text: bool) -> JSON:
    if as_text:
        return turn.reply
    value = turn.data
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _fitted(schema: Schema, text: str) -> str:
    longest = schema.get("maxLength")
    return text[:longest] if isinstance(longest, int) else text
