"""The offline model: a deterministic lexical in-context learner, for demos, tests and benchmarks without a key.

**It is not a language model.** It knows no language beyond a list of stop words and a rough stemmer. It reads what any
provider would get, the messages and the response schema, and does with them what word counts can do: it chooses labels
by profiles made of their names, the instruction and the demos, copies spans of the inputs, and writes instructions that
list what tells labelled examples apart. So prompts change how well it does on real text for real reasons, and a search
over prompts has something to find. What it answers is worth nothing beyond that.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import cast

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.offline_reading import read_context, read_inputs, split
from treadle.compiler.lm.offline_schema import Learner, Question
from treadle.compiler.lm.offline_words import Noise
from treadle.compiler.lm.protocol import Completion, Message, Request, Usage
from treadle.compiler.lm.reply import check_finish

_CHARACTERS_PER_TOKEN = 4


class Offline:
    """The provider behind ``LM("offline")``. Not a language model: see the module's docstring.

    Temperature adds seeded noise to scores; ``None`` means 0. Instructions it writes differ by sample index and by any
    change of the prompt, also at temperature 0.
    """

    def __repr__(self) -> str:
        return "Offline()  # a lexical learner, not a language model"

    async def complete(self, request: Request) -> Completion:
        """The one answer this request has; always the same.

        Raises:
            ReplyTruncated: The answer is longer than ``max_tokens``, at four characters a token.
        """
        before, asked = split(request.messages)
        learner = _learner(before, None if request.schema is None else json.dumps(request.schema))
        noise = Noise(request.key, request.temperature or 0.0)
        question = Question(inputs=read_inputs(asked), noise=noise, key=request.key)
        answer = learner.answer(question)
        text = cast(str, answer) if request.schema is None else json.dumps(answer, ensure_ascii=False)
        return _completion(request, text, "unsupported" if question.gaps else "stop")


@functools.lru_cache(maxsize=512)
def _learner(before: tuple[Message, ...], schema: str | None) -> Learner:
    """What a prompt teaches, kept while the same prompt is used again."""
    wanted = None if schema is None else cast(Mapping[str, JSON], json.loads(schema))
    return Learner(read_context(before), wanted)


def _completion(request: Request, text: str, finish_reason: str) -> Completion:
    reply = _tokens(len(text))
    check_finish("length" if reply > request.max_tokens else finish_reason, None, request)
    prompt = _tokens(sum(len(message.content) for message in request.messages))
    return Completion(text=text, usage=Usage(prompt, reply), finish_reason=finish_reason, model="offline")


def _tokens(characters: int) -> int:
    """Four characters are a token, as a rule of thumb."""
    return -(-characters // _CHARACTERS_PER_TOKEN)
