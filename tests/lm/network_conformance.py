"""What every provider that talks to a server does, also when the server or the way there fails."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import socket
import time
import traceback
from collections.abc import Iterator

import pytest

from tests.fake_clock import FakeClock
from tests.fake_server import FakeServer, Fault, JsonObject, Kind, default_reply, http_date
from tests.lm.conformance import TEAM, ProviderConformance, run
from treadle.compiler.errors import (
    AuthenticationFailed,
    ConnectionLost,
    ContextTooLong,
    DefinitiveLMError,
    LMError,
    LMTimeout,
    ProviderGarbage,
    RateLimited,
    ReplyTruncated,
    RequestRefused,
    ServerFault,
    TransientLMError,
)
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Request, Usage
from treadle.compiler.lm.retry import RetryPolicy, call

CANARY = "sk-canary-0f1e2d3c4b5a69788796a5b4"
POLICY = RetryPolicy(attempts=4, garbage_attempts=2, deadline=600, shortest_wait=0.5, longest_wait=60)

TRANSIENT: dict[Kind, type[TransientLMError]] = {
    "429": RateLimited,
    "500": ServerFault,
    "502": ServerFault,
    "503": ServerFault,
    "529": ServerFault,
    "drop": ConnectionLost,
    "half_body": ConnectionLost,
}
GARBAGE: tuple[Kind, ...] = ("html", "empty", "non_json", "deep_body", "no_choices", "null_content", "huge")
DEFINITIVE: dict[Kind, type[DefinitiveLMError]] = {
    "400": RequestRefused,
    "401": AuthenticationFailed,
    "403": AuthenticationFailed,
    "404": RequestRefused,
    "context_length": ContextTooLong,
    "length": ReplyTruncated,
    "content_filter": RequestRefused,
}


def echo(request: JsonObject) -> str:
    """Answer with the last message's text, or as the schema wants."""
    return default_reply(request) if "response_format" in request else request["messages"][-1]["content"]


def everything_said(error: BaseException) -> str:
    """All texts an exception brings along."""
    texts: list[str] = []
    stack: list[BaseException | None] = [error]
    seen: set[int] = set()
    while stack:
        one = stack.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), str(one.args), str(vars(one)), *traceback.format_exception(one)]
        stack += [one.__cause__, one.__context__]
    return "\n".join(texts)


class NetworkConformance(ProviderConformance):
    """Subclass it with ``make``."""

    echoes = True
    server: FakeServer

    def make(self, url: str, key: str | None = CANARY, **settings: object) -> LM:
        """An LM of the provider that talks to ``url``."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with FakeServer(echo, keep_log=True) as server:
            self.server = server
            yield
        gc.collect()  # a connection left open says so now, not in another test

    @pytest.fixture
    def lm(self) -> LM:
        return self.make(self.server.base_url)

    def sent(self) -> list[JsonObject]:
        return [json.loads(logged.body) for logged in self.server.log]

    def seeds(self) -> list[int | None]:
        return [body.get("seed") for body in self.sent()]

    def call(self, lm: LM, clock: FakeClock | None = None, request: Request | None = None) -> Completion:
        return run(call(lm, request or self.ask(lm), policy=POLICY, clock=clock or FakeClock()))

    def failure(self, lm: LM, clock: FakeClock | None = None, request: Request | None = None) -> LMError:
        with pytest.raises(LMError) as caught:
            self.call(lm, clock, request)
        assert CANARY not in everything_said(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        return caught.value

    # --- what is sent ---

    def test_the_request_is_sent_as_it_is(self, lm: LM) -> None:
        request = self.ask(lm, "Where?", schema=TEAM, temperature=0.25, max_tokens=77, sample="x/1")
        completion = run(lm.complete(request))
        (body,) = self.sent()
        assert body["messages"] == [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Where?"}]
        assert body["temperature"] == 0.25
        assert body["max_tokens"] == 77
        assert body["seed"] == request.seed
        assert body["response_format"]["type"] == "json_schema"
        assert body["response_format"]["json_schema"]["schema"] == TEAM
        assert completion.usage == Usage(4, 5)

    def test_what_is_not_set_is_not_sent(self, lm: LM) -> None:
        run(lm.complete(self.ask(lm)))
        (body,) = self.sent()
        assert set(body) == {"model", "messages", "max_tokens"}

    def test_a_schema_is_not_sent_where_the_lm_says_so(self) -> None:
        lm = self.make(self.server.base_url, structured=False)
        run(lm.complete(self.ask(lm, schema=TEAM)))
        assert "response_format" not in self.sent()[0]

    def test_a_refused_schema_names_the_setting(self, lm: LM) -> None:
        self.server.set_faults(Fault("400", code="response_format is not supported"))
        assert "structured=False" in str(self.failure(lm, request=self.ask(lm, schema=TEAM)))
        assert self.server.counters().requests == 1

    def test_the_key_goes_into_the_header_and_nowhere_else(self, lm: LM) -> None:
        run(lm.complete(self.ask(lm)))
        (logged,) = self.server.log
        assert logged.headers["authorization"] == f"Bearer {CANARY}"
        assert CANARY.encode() not in logged.body
        assert CANARY not in repr(lm)

    def test_no_key_of_another_provider_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        lm = self.make(self.server.base_url, key=None)
        run(lm.complete(self.ask(lm)))
        assert CANARY not in str(self.server.log)

    def test_our_own_variable_holds_the_key_for_an_endpoint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TREADLE_API_KEY", CANARY)
        lm = self.make(self.server.base_url, key=None)
        run(lm.complete(self.ask(lm)))
        assert self.server.log[0].headers["authorization"] == f"Bearer {CANARY}"

    # --- rows 1 and 2: worth another attempt ---

    @pytest.mark.parametrize("kind", TRANSIENT)
    def test_a_passing_fault_is_retried(self, lm: LM, kind: Kind) -> None:
        self.server.set_faults(Fault(kind, times=2))
        clock = FakeClock()
        assert self.call(lm, clock).text
        assert self.server.counters().requests == 3
        first, second = clock.slept
        assert 0 <= first <= 0.5
        assert 0 <= second <= 1.0

    @pytest.mark.parametrize("kind", TRANSIENT)
    def test_a_lasting_fault_ends_with_the_history(self, lm: LM, kind: Kind) -> None:
        self.server.set_faults(Fault(kind, times=None, code=CANARY))
        error = self.failure(lm)
        assert type(error) is TRANSIENT[kind]
        assert self.server.counters().requests == 4
        assert len(error.attempts) == 4
        assert all(type(error).__name__ in line for line in error.attempts)

    @pytest.mark.parametrize("kind", ["429", "503"])
    def test_retry_after_in_seconds_is_honoured(self, lm: LM, kind: Kind) -> None:
        self.server.set_faults(Fault(kind, times=2, retry_after=7))
        clock = FakeClock()
        self.call(lm, clock)
        assert self.server.counters().requests == 3
        assert all(7 <= slept <= 7.5 for slept in clock.slept)

    def test_retry_after_as_a_date_is_honoured(self, lm: LM) -> None:
        self.server.set_faults(Fault("429", retry_after=http_date(time.time() + 5000)))
        clock = FakeClock()
        request, policy = self.ask(lm), dataclasses.replace(POLICY, deadline=9000)
        run(call(lm, request, policy=policy, clock=clock))
        (slept,) = clock.slept
        assert 4000 < slept < 5002

    def test_a_wait_past_the_deadline_is_not_begun(self, lm: LM) -> None:
        self.server.set_faults(Fault("429", times=None, retry_after=3600))
        clock = FakeClock()
        error = self.failure(lm, clock)
        assert self.server.counters().requests == 1
        assert clock.slept == []
        assert "deadline" in error.attempts[-1]

    def test_no_answer_in_time_may_have_been_billed(self, lm: LM) -> None:
        self.server.set_faults(Fault("timeout", times=None, contains="never"))
        run(lm.complete(self.ask(lm)))  # the library is loaded and warm
        hasty = self.make(self.server.base_url, timeout=0.8)
        policy = dataclasses.replace(POLICY, attempts=2)
        with pytest.raises(LMTimeout, match=r"LM\(timeout=…\)") as caught:
            run(call(hasty, self.ask(hasty, "never answered"), policy=policy, clock=FakeClock()))
        assert caught.value.billed
        assert len(caught.value.attempts) == 2
        assert self.server.counters().requests <= 3

    def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            lm = self.make(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
            error = self.failure(lm)
        assert type(error) is ConnectionLost
        assert not error.billed
        assert len(error.attempts) == 4

    @pytest.mark.parametrize("kind", ["drop", "half_body"])
    def test_a_call_lost_on_the_way_may_have_been_billed(self, lm: LM, kind: Kind) -> None:
        self.server.set_faults(Fault(kind, times=None))
        assert self.failure(lm).billed

    # --- row 3: never retried ---

    @pytest.mark.parametrize("kind", DEFINITIVE)
    def test_a_definitive_fault_is_not_retried(self, lm: LM, kind: Kind) -> None:
        self.server.set_faults(Fault(kind, times=None, retry_after=1))
        clock = FakeClock()
        error = self.failure(lm, clock)
        assert type(error) is DEFINITIVE[kind]
        assert self.server.counters().requests == 1
        assert clock.slept == []

    def test_an_empty_account_is_not_asked_again(self, lm: LM) -> None:
        self.server.set_faults(Fault("429", times=None, code="insufficient_quota"))
        assert type(self.failure(lm)) is AuthenticationFailed
        assert self.server.counters().requests == 1

    # --- rows 4, 5 and 7: what is no completion ---

    @pytest.mark.parametrize("kind", GARBAGE)
    def test_garbage_is_retried_once(self, lm: LM, kind: Kind) -> None:
        self.server.set_faults(Fault(kind, times=None))
        error = self.failure(lm)
        assert type(error) is ProviderGarbage
        assert error.billed
        assert self.server.counters().requests == 2

    def test_garbage_once_is_forgiven(self, lm: LM) -> None:
        self.server.set_faults(Fault("non_json"))
        assert self.call(lm).text

    def test_a_cut_reply_names_the_setting_and_is_never_used(self, lm: LM) -> None:
        self.server.set_faults(Fault("length"))
        error = self.failure(lm, request=self.ask(lm, max_tokens=99))
        assert "max_tokens=99" in str(error)
        assert error.billed

    def test_no_usage_is_unknown_and_not_zero(self, lm: LM) -> None:
        self.server.set_faults(Fault("no_usage"))
        completion = self.call(lm)
        assert completion.usage is None
        assert completion.cost is None

    def test_deep_json_in_a_text_is_a_text(self, lm: LM) -> None:
        self.server.set_faults(Fault("deep"))
        assert self.call(lm).text.startswith("[[[[")

    # --- row 6: text no file can hold ---

    @pytest.mark.parametrize(("kind", "name"), [("surrogate", "surrogates"), ("nul", "nul")])
    def test_bad_characters_are_replaced_and_recorded(self, lm: LM, kind: Kind, name: str) -> None:
        self.server.set_faults(Fault(kind))
        completion = self.call(lm)
        assert completion.text.endswith("\ufffd")
        assert completion.text.encode()
        assert completion.repaired == name

    # --- keys, cancellation, connections ---

    @pytest.mark.parametrize("kind", ["400", "401", "403", "404", "429", "500"])
    def test_a_key_in_an_error_body_appears_nowhere(self, lm: LM, kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.server.set_faults(Fault(kind, times=None, code=f"you sent {CANARY}"))
        error = self.failure(lm)
        assert CANARY not in caplog.text
        assert CANARY not in str(error.attempts)

    def test_a_cancelled_call_hangs_up(self, lm: LM) -> None:
        self.server.set_faults(Fault("timeout", times=None, contains="never"))

        async def cancel() -> None:
            await lm.complete(self.ask(lm))
            task = asyncio.create_task(call(lm, self.ask(lm, "never answered")))
            while self.server.counters().in_flight == 0:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while self.server.counters().abandoned == 0:
                await asyncio.sleep(0.005)

        run(cancel())
        assert self.server.counters().requests == 2

    def test_calls_in_flight_have_no_cap_of_their_own(self) -> None:
        self.server.reset(gate=160)
        lm = self.make(self.server.base_url)

        async def at_once() -> None:
            await asyncio.gather(*[call(lm, self.ask(lm, f"number {n}")) for n in range(160)])

        run(at_once())
        counters = self.server.counters()
        assert counters.peak_in_flight == 160
        assert counters.gate_timeouts == 0
