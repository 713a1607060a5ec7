"""Writing instructions: what tells the labelled examples in a prompt apart, in words.

The result is a list of the words each label's examples have and others have not. It never quotes an example, and says
at most what the prompt shows; on longer answers it says where in the inputs they stand.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from treadle.compiler.lm.offline_examples import Examples, find_examples
from treadle.compiler.lm.offline_text import origin
from treadle.compiler.lm.offline_words import fraction, surfaces

_CURRENT = re.compile(r"instruction|prompt|current|draft", re.IGNORECASE)
_LONGEST_KEPT = 600  # characters of a present instruction that are taken over
_VALUE_WORDS = 4
_NAME_WORDS = 2  # of a longer answer, to speak of it by


def write_instruction(instruction: str, inputs: Mapping[str, str], key: str) -> str | None:
    """An instruction learned from the examples in the prompt, or ``None`` where there are none.

    Args:
        instruction: The prompt's own instruction.
        inputs: The prompt's inputs by field.
        key: Seeds which words are taken; any change of the prompt or the sample index is another choice.
    """
    examples = find_examples([*inputs.values(), instruction])
    if examples is None:
        return None
    field, kind = _common_place(examples)
    if examples.labels and not field:
        body = _label_lines(examples, key)
    else:
        place = [f"Answer with one {kind} of `{field}`, copied exactly."] if field else []
        body = [*place, *_answer_lines(_without(examples, field), key)]
    present = _present(inputs)
    return "\n".join(part for part in (present, *body) if part) if body else present or None


def _present(inputs: Mapping[str, str]) -> str:
    """The instruction in force, where an input shows it, without lines this model wrote before."""
    shown = (text for name, text in inputs.items() if _CURRENT.search(name) and not text.startswith(("[", "{")))
    lines = next(shown, "").strip().splitlines()
    return "\n".join(line for line in lines if " mentions " not in line)[:_LONGEST_KEPT].strip()


def _label_lines(examples: Examples, key: str) -> list[str]:
    field = _longest_field(examples)
    texts = [(label, "\n".join(given.values())) for given, label in examples.rows]
    return _contrasts(texts, f"the {field} mentions", key)


def _common_place(examples: Examples) -> tuple[str, str]:
    """The field and kind of span that at least half of the answers copy; empty where there is none."""
    places = Counter(place for given, answer in examples.rows if (place := origin(given, answer)))
    best, count = max(places.items(), key=lambda item: item[1], default=(("", ""), 0))
    return best if count * 2 >= len(examples.rows) else ("", "")


def _without(examples: Examples, field: str) -> Examples:
    """The examples without the field that the answers are copied from."""
    rows = [({name: text for name, text in given.items() if name != field}, answer) for given, answer in examples.rows]
    return dataclasses.replace(examples, rows=rows)


def _answer_lines(examples: Examples, key: str) -> list[str]:
    """What goes with an answer given often, and what answers mention for each value of a short field."""
    lines = []
    answers = Counter(answer for _, answer in examples.rows)
    if max(answers.values()) > 1 and any(given for given, _ in examples.rows):
        names = _short_names(list(answers))
        texts = [(names[answer], "\n".join(given.values())) for given, answer in examples.rows]
        lines += _contrasts(texts, f"the {_longest_field(examples)} mentions", key)
    for short in _short_fields(examples):
        texts = [(given[short], answer) for given, answer in examples.rows if short in given]
        lines += _contrasts(texts, "the answer mentions", key)
    return lines


def _short_names(answers: Sequence[str]) -> dict[str, str]:
    """For each answer the first words in it that few other answers have."""
    words = {answer: dict(surfaces(answer)) for answer in answers}
    spread = Counter(stem for found in words.values() for stem in found)
    names = {}
    for answer, found in words.items():
        rare = sorted(found, key=lambda stem: spread[stem])[:_NAME_WORDS]
        names[answer] = " ".join(form for stem, form in found.items() if stem in rare)
    return names


def _short_fields(examples: Examples) -> list[str]:
    """Input fields whose values are like labels."""
    fields = list(dict.fromkeys(field for given, _ in examples.rows for field in given))
    values = {field: [given[field] for given, _ in examples.rows if field in given] for field in fields}
    return [
        field
        for field, found in values.items()
        if 1 < len(set(found)) < len(found) and all(len(value.split()) <= _VALUE_WORDS for value in found)
    ]


def _longest_field(examples: Examples) -> str:
    lengths: Counter[str] = Counter()
    for given, _ in examples.rows:
        lengths.update({field: len(text) for field, text in given.items()})
    name = lengths.most_common(1)[0][0]
    return "message" if name.startswith("_") else name


def _contrasts(texts: Sequence[tuple[str, str]], phrase: str, key: str) -> list[str]:
    """One line a label: the words that its texts have and other labels' texts have not."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for label, text in texts:
        found = [(stem, form) for stem, form in surfaces(text) if len(form) > 1 and not form.isdigit()]
        counts[label].update({stem for stem, _ in found})
        for stem, form in found:
            forms[stem][form] += 1
    spread = Counter(stem for found in counts.values() for stem in found)
    most = 5 + int(3 * fraction(key, "length"))
    lines = []
    for label in sorted(counts):
        weight = {
            stem: count * math.log(1 + len(counts) / spread[stem]) * (0.75 + 0.5 * fraction(key, label, stem))
            for stem, count in counts[label].items()
        }
        best = sorted(weight, key=lambda stem: (-weight[stem], stem))[:most]
        if best:
            lines.append(f"- {label}: {phrase} {', '.join(_form(forms[stem]) for stem in best)}.")
    return lines


def _form(forms: Counter[str]) -> str:
    """The commonest form of a word; the first by alphabet among equals."""
    return min(forms, key=lambda form: (-forms[form], form))
