from __future__ import annotations

import asyncio
import copy
import json

import pytest

from tests.lm.conformance import TEAM, run
from treadle.compiler.errors import ConfigurationError, LMTimeout
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Message, Price, Request, Usage
from treadle.compiler.lm.scripted import Scripted

KEY = "zq9-lm-key-1234567"


class Fixed:
    """A provider of the user's own."""

    def __init__(self, completion: Completion) -> None:
        self.completion = completion

    async def complete(self, request: Request) -> Completion:
        return self.completion


def test_the_three_ways_to_name_one() -> None:
    offline = LM("offline")
    assert (offline.model, offline.endpoint, offline.price) == ("offline", "", Price(0.0, 0.0))
    lite = LM("openai/gpt-4o-mini")
    assert (lite.model, lite.endpoint) == ("openai/gpt-4o-mini", "")
    http = LM("http://localhost:8000/v1/", model="qwen")
    assert (http.model, http.endpoint, http.price, http.structured) == ("qwen", "http://localhost:8000/v1", None, True)


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        ((None,), {}, 'LM\\("offline"\\)'),
        (("",), {}, 'LM\\("offline"\\)'),
        (("ofline",), {}, "'ofline' names no LM"),
        (("gpt-4o-mini",), {}, "openai/gpt-4o-mini"),
        (("localhost:8000/v1",), {}, "http://localhost:8000/v1"),
        (("openai/gpt 4",), {}, "names no LM"),
        (("http://localhost:8000/v1",), {}, "needs the model served there"),
        (("http://localhost:8000/v1",), {"model": "m", "endpoint": "http://x/v1"}, "leave endpoint= out"),
        (("offline",), {"model": "m"}, "goes with the URL"),
        (("offline",), {"endpoint": "http://x/v1"}, "goes with a LiteLLM model"),
        (("openai/m",), {"endpoint": "nonsense"}, "http://host:port/v1"),
        (("ftp://localhost/v1",), {"model": "m"}, "http://host:port/v1"),
        (("http://localhost:port/v1",), {"model": "m"}, "http://host:port/v1"),
        (("http://[::1/v1",), {"model": "m"}, "http://host:port/v1"),
        (("http://me:pw@localhost/v1",), {"model": "m"}, "give it with key="),
        (("http://localhost/v1?api_key=abcdefgh",), {"model": "m"}, "goes into key="),
        (("http://localhost/v1/chat/completions",), {"model": "m"}, "without /chat/completions"),
        (("http://local host/v1",), {"model": "m"}, "no spaces"),
        (("offline",), {"temperature": -0.1}, "temperature=-0.1: give a number, 0 or more"),
        (("offline",), {"temperature": float("nan")}, "temperature=nan"),
        (("offline",), {"temperature": "hot"}, "temperature='hot'"),
        (("offline",), {"max_tokens": 0}, "max_tokens=0: give a whole number, 1 or more"),
        (("offline",), {"max_tokens": 10.5}, "max_tokens=10.5"),
        (("offline",), {"max_tokens": True}, "max_tokens=True"),
        (("offline",), {"price": (-1, 2)}, "dollars per million tokens"),
        (("offline",), {"price": 3}, "dollars per million tokens"),
        (("offline",), {"price": (1, 2, 3)}, "dollars per million tokens"),
        (("offline",), {"timeout": 0}, "timeout=0: give a number above 0"),
        (("offline",), {"concurrency": 0}, "concurrency=0"),
        (("offline",), {"requests_per_minute": 0}, "requests_per_minute=0"),
        (("offline",), {"tokens_per_minute": float("inf")}, "tokens_per_minute=inf"),
        (("openai/m",), {"key": ""}, "key=: give a text"),
        (("openai/m",), {"key": "line\nbreak-1234"}, "key=: give a text"),
    ],
)
def test_a_mistake_names_the_remedy(arguments: tuple[str], settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        LM(*arguments, **settings)  # type: ignore[arg-type]  # the mistake


def test_a_key_never_shows() -> None:
    lm = LM("http://localhost:8000/v1", model="qwen", key=KEY)
    shown = [repr(lm), str(lm), f"{lm}", str(vars(lm)), repr(lm._identity())]
    assert not any(KEY in text for text in shown)
    with pytest.raises(ConfigurationError) as caught:
        LM(f"http://me:{KEY}@localhost/v1", model="m")
    assert KEY not in str(caught.value)


def test_it_is_immutable_and_stays_one() -> None:
    lm = LM("offline")
    with pytest.raises(AttributeError, match="make another with temperature=1"):
        lm.temperature = 1
    with pytest.raises(AttributeError, match="immutable"):
        del lm.model
    assert copy.copy(lm) is lm
    assert copy.deepcopy([lm])[0] is lm
    with pytest.raises(TypeError, match="not written to files"):
        lm.__reduce__()


def test_equality_is_by_settings() -> None:
    make = {"model": "qwen", "temperature": 0.5}
    url = "http://localhost:8000/v1"
    assert LM(url, **make) == LM(url, **make)  # type: ignore[arg-type]  # mixed values
    assert hash(LM(url, **make)) == hash(LM(url, **make))  # type: ignore[arg-type]  # mixed values
    assert LM(url, model="qwen") != LM(url, model="llama")
    assert LM(url, model="qwen", key=KEY) != LM(url, model="qwen")
    assert LM("offline") != LM("offline", max_tokens=5)
    assert LM("offline") != "offline"
    assert Scripted(["a"]) != Scripted(["a"])


def test_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_LM", raising=False)
    with pytest.raises(ConfigurationError, match="TREADLE_LM=offline"):
        LM.from_environment()
    for text, lm in {
        "offline": LM("offline"),
        "openai/gpt-4o-mini": LM("openai/gpt-4o-mini"),
        "http://localhost:8000/v1#qwen": LM("http://localhost:8000/v1", model="qwen"),
    }.items():
        monkeypatch.setenv("TREADLE_LM", text)
        assert LM.from_environment() == lm
        assert LM.from_environment() is LM.from_environment()
    monkeypatch.setenv("TREADLE_LM", "nonsense")
    with pytest.raises(ConfigurationError, match="'nonsense' names no LM"):
        LM.from_environment()


def test_a_request_takes_the_settings_or_its_own() -> None:
    lm = LM("http://localhost:8000/v1", model="qwen", temperature=0.2, max_tokens=50)
    plain = lm.request([Message("user", "hi")])
    assert (plain.model, plain.endpoint) == ("qwen", "http://localhost:8000/v1")
    assert (plain.temperature, plain.max_tokens, plain.sample) == (0.2, 50, "")
    own = lm.request([Message("user", "hi")], schema=TEAM, sample="a/1", temperature=0.0, max_tokens=9)
    assert (own.temperature, own.max_tokens, own.sample, own.schema) == (0.0, 9, "a/1", TEAM)


def test_the_worst_case_covers_every_byte() -> None:
    lm = Scripted(["x"], price=(1, 10), max_tokens=100)
    request = lm.request([Message("system", "ä" * 500), Message("user", "\ud800")], schema=TEAM)
    prompt, reply = lm.worst_tokens(request)
    assert prompt >= 1000 + 3 + len(json.dumps(TEAM, separators=(",", ":")))
    assert reply == 100
    assert lm.worst_cost(request) == (prompt * 1 + reply * 10) / 1_000_000
    assert LM("http://localhost/v1", model="m").worst_cost(request) is None


def test_a_provider_of_your_own() -> None:
    lm = LM("mine", provider=Fixed(Completion(text="hello", usage=Usage(1000, 500))), price=(2, 4))
    completion = run(lm.complete(lm.request([Message("user", "hi")])))
    assert (completion.text, completion.cost) == ("hello", 0.004)
    assert (lm.model, lm.price, lm.structured) == ("mine", Price(2.0, 4.0), True)


def test_a_reported_cost_stands_unless_a_price_was_given() -> None:
    fixed = Fixed(Completion(text="x", usage=Usage(1000, 0), cost=0.5))
    request = LM("mine", provider=fixed).request([Message("user", "hi")])
    assert run(LM("mine", provider=fixed).complete(request)).cost == 0.5
    assert run(LM("mine", provider=fixed, price=(1, 1)).complete(request)).cost == 0.001


def test_unknown_usage_costs_unknown() -> None:
    lm = LM("mine", provider=Fixed(Completion(text="x")), price=(1, 1))
    assert run(lm.complete(lm.request([Message("user", "hi")]))).cost is None


def test_an_attempt_ends_at_its_timeout() -> None:
    async def never(request: Request) -> str:
        await asyncio.Event().wait()
        return ""

    lm = Scripted(never, timeout=0.01)
    with pytest.raises(LMTimeout, match=r"LM\(timeout=…\)") as caught:
        run(lm.complete(lm.request([Message("user", "hi")])))
    assert caught.value.billed
    assert caught.value.__context__ is None


def test_a_timeout_inside_the_provider_is_not_ours() -> None:
    def broken(request: Request) -> str:
        raise TimeoutError("of the script")

    lm = Scripted(broken)
    with pytest.raises(TimeoutError, match="of the script"):
        run(lm.complete(lm.request([Message("user", "hi")])))
