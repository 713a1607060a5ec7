"""What every provider does, whatever it is made of. A provider's tests subclass ``ProviderConformance``."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Coroutine, Mapping
from typing import TypeVar

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Message, Request, Usage

T = TypeVar("T")

TEAM: dict[str, JSON] = {
    "type": "object",
    "properties": {"team": {"type": "string", "enum": ["billing", "shipping"]}},
    "required": ["team"],
    "additionalProperties": False,
}

UNICODE = {
    "emoji": "👩‍🚀 naïve café",
    "bidi": "abc\u202etxt\u202c \u05d0\u05d1\u05d2",
    "braces": "{{ 7 * 7 }} {% raw %} ${x} %s {0}",
    "controls": 'tab\tnewline\nbell\a quote" backslash\\',
    "scripts": "日本語 हिन्दी ไทย \U0010fffd \ufeff",
}


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run on a loop of its own, which ends with it."""
    return asyncio.run(coroutine)


class ProviderConformance:
    """Subclass it as ``TestX``, give it an LM, and say what the provider can do."""

    echoes = False
    """Whether the reply to a request without a schema is the last message's text."""
    counts_usage = True
    """Whether completions say their usage."""

    @pytest.fixture
    def lm(self) -> LM:
        """An LM of the provider; without a schema it echoes if ``echoes``."""
        raise NotImplementedError

    def seeds(self) -> list[int | None] | None:
        """The seeds the provider was sent so far, oldest first; ``None`` where that cannot be seen."""
        return None

    def ask(
        self,
        lm: LM,
        text: str = "Which team owns a late parcel?",
        *,
        schema: Mapping[str, JSON] | None = None,
        sample: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> Request:
        messages = [Message("system", "Answer."), Message("user", text)]
        return lm.request(messages, schema=schema, sample=sample, temperature=temperature, max_tokens=max_tokens)

    def test_the_protocol_is_one_method(self, lm: LM) -> None:
        assert inspect.iscoroutinefunction(lm.provider.complete)
        assert lm.provider is lm.provider

    def test_a_completion_is_whole(self, lm: LM) -> None:
        completion = run(lm.complete(self.ask(lm)))
        assert isinstance(completion, Completion)
        assert completion.text
        assert completion.finish_reason
        assert completion.model
        assert completion.seconds >= 0
        assert completion.repaired == ""
        assert not completion.cached

    def test_usage_is_counted_or_unknown(self, lm: LM) -> None:
        usage = run(lm.complete(self.ask(lm))).usage
        assert (usage is not None) == self.counts_usage
        if usage is not None:
            assert isinstance(usage, Usage)
            assert (type(usage.input_tokens), type(usage.output_tokens)) == (int, int)
            assert usage.input_tokens > 0
            prompt, reply = lm.worst_tokens(self.ask(lm))
            assert usage.input_tokens <= prompt
            assert usage.output_tokens <= reply

    def test_a_request_is_left_as_it_was(self, lm: LM) -> None:
        request = self.ask(lm, schema=TEAM, temperature=0.5, sample="team/0")
        before = json.dumps(request.to_json())
        run(lm.complete(request))
        assert json.dumps(request.to_json()) == before

    def test_the_same_sample_gives_the_same_reply(self, lm: LM) -> None:
        async def twice() -> tuple[Completion, Completion]:
            request = self.ask(lm, temperature=1.0, sample="step/3")
            return await lm.complete(request), await lm.complete(request)

        first, second = run(twice())
        assert first.text == second.text

    def test_the_sample_index_is_the_seed(self, lm: LM) -> None:
        requests = [self.ask(lm, sample=sample) for sample in ("", "step/0", "step/1")]
        assert len({request.key for request in requests}) == 3
        for request in requests:
            run(lm.complete(request))
        seeds = self.seeds()
        if seeds is not None:
            assert seeds == [None, requests[1].seed, requests[2].seed]

    @pytest.mark.parametrize("text", UNICODE.values(), ids=UNICODE.keys())
    def test_any_unicode_goes_through(self, lm: LM, text: str) -> None:
        completion = run(lm.complete(self.ask(lm, text)))
        assert completion.text.encode()
        if self.echoes:
            assert completion.text == text

    def test_a_lone_surrogate_in_a_prompt_stops_nothing(self, lm: LM) -> None:
        completion = run(lm.complete(self.ask(lm, "half a pair: \ud83d!")))
        assert completion.text.encode()
        if self.echoes:
            assert completion.text == "half a pair: \ufffd!"

    def test_a_schema_is_kept_to(self, lm: LM) -> None:
        completion = run(lm.complete(self.ask(lm, schema=TEAM)))
        assert json.loads(completion.text)["team"] in ("billing", "shipping")

    def test_overlapping_calls_get_their_own_replies(self, lm: LM) -> None:
        requests = [self.ask(lm, f"question number {n}", sample=f"s/{n}") for n in range(64)]

        async def at_once() -> list[Completion]:
            return await asyncio.gather(*[lm.complete(request) for request in requests])

        async def in_turn() -> list[Completion]:
            return [await lm.complete(request) for request in requests]

        together, apart = run(at_once()), run(in_turn())
        assert [one.text for one in together] == [one.text for one in apart]
        if self.echoes:
            assert [one.text for one in together] == [f"question number {n}" for n in range(64)]

    def test_a_cancelled_call_ends_and_the_next_one_works(self, lm: LM) -> None:
        async def cancel() -> str:
            task = asyncio.create_task(lm.complete(self.ask(lm)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled() or task.exception() is None
            return (await lm.complete(self.ask(lm))).text

        assert run(cancel())

    def test_one_lm_serves_many_loops_and_threads(self, lm: LM) -> None:
        texts: list[str] = []

        def serve() -> None:
            texts.append(run(lm.complete(self.ask(lm))).text)

        for _ in range(3):
            serve()
        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(texts) == 7
        assert len(set(texts)) == 1
