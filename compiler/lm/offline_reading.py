"""Reading a chat back: what the offline model knows of a prompt is what stands in its messages.

It knows the house style (fixed headings, inputs between tags, demos as earlier turns). In any other chat the system
message is the instruction and the last message the one input.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.protocol import Message

_INSTRUCTION = "# Instruction\n"
_FORMAT = "# Output format\n"
_FIELD = re.compile(r"^- `([^`\n]+)` \(.*?\)(?:: (.*(?:\n  .*)*))?$", re.MULTILINE)
_OPENING = re.compile(r"<([^<>/\s]+)>\n")
_NUMBER = re.compile(r"-\d+\Z")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn:
    """A worked example: an earlier question and its answer.

    Attributes:
        inputs: Texts by field.
        reply: The answer as it stands.
        data: The answer as JSON; the text itself where it is none.
    """

    inputs: Mapping[str, str]
    reply: str
    data: JSON


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """What stands before the inputs.

    Attributes:
        instruction: The instruction's text.
        described: Descriptions by field name, inputs and outputs.
        output: Name of the output asked for as text; empty where the prompt names none.
        turns: Worked examples, oldest first.
    """

    instruction: str
    described: Mapping[str, str]
    output: str
    turns: tuple[Turn, ...]


def split(messages: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
    """The messages before the question, and the question: the last message with inputs between tags.

    A re-ask comes after the question and has no inputs: it is passed over.
    """
    asked = [index for index, message in enumerate(messages) if message.role == "user"]
    if not asked:
        return tuple(messages), ""
    tagged = (index for index in reversed(asked) if _OPENING.search(messages[index].content))
    last = next(tagged, asked[-1])
    return tuple(messages[:last]), messages[last].content


@functools.lru_cache(maxsize=512)
def read_context(messages: tuple[Message, ...]) -> Context:
    """What stands in the messages before the question; kept while the same messages are used again."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    instruction, described, output = _read_system(system)
    turns = tuple(
        Turn(inputs=read_inputs(asked.content), reply=answered.content, data=_data(answered.content))
        for asked, answered in itertools.pairwise(messages)
        if (asked.role, answered.role) == ("user", "assistant")
    )
    return Context(instruction=instruction, described=described, output=output, turns=turns)


def _read_system(text: str) -> tuple[str, Mapping[str, str], str]:
    """Instruction, descriptions by field, and the last output's name."""
    if not text.startswith("# Fields\n") or _FORMAT not in text:
        return text, {}, ""
    head, _, rest = text.partition(_FORMAT)
    instruction = rest.partition(_INSTRUCTION)[2]
    fields = [(name, description.replace("\n  ", "\n")) for name, description in _FIELD.findall(head)]
    return instruction, dict(fields), fields[-1][0] if fields else ""


def read_inputs(text: str) -> dict[str, str]:
    r"""The texts between tags, by field; text outside any tag under the empty name.

    >>> read_inputs("<a-2>\nx\n</a>\n</a-2>\n\nContext from t:\n<from_t>\ny\n</from_t>")
    {'a': 'x\n</a>', 'from_t': 'y'}
    """
    inputs: dict[str, str] = {}
    outside, position = [], 0
    while match := _OPENING.search(text, position):
        end = text.find(f"\n</{match.group(1)}>", match.end() - 1)
        if end < 0:
            break
        outside.append(text[position : match.start()])
        inputs[_NUMBER.sub("", match.group(1))] = text[match.end() : end]
        position = end + len(match.group(1)) + 4
    if not inputs:
        return {"": text}
    rest = "\n".join(line for part in (*outside, text[position:]) for line in part.splitlines() if _says_more(line))
    return inputs | ({"": rest} if rest else {})


def _says_more(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("Context from ")


def _data(text: str) -> JSON:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        found: JSON = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found


def passage(inputs: Mapping[str, str]) -> str:
    """All inputs as one text."""
    return "\n".join(inputs.values())
