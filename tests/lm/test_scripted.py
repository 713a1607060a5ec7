from __future__ import annotations

import asyncio
import json

import pytest

from tests.lm.conformance import TEAM, ProviderConformance, run
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, RateLimited
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Message, Request, Usage
from treadle.compiler.lm.scripted import Reply, Scripted


def ask(lm: LM, text: str = "hi") -> Completion:
    return run(lm.complete(lm.request([Message("user", text)])))


class TestScripted(ProviderConformance):
    echoes = True

    @pytest.fixture
    def lm(self) -> LM:
        self.requests: list[Request] = []

        def answer(request: Request) -> JSON:
            self.requests.append(request)
            return {"team": "billing"} if request.schema == TEAM else request.messages[-1].content

        return Scripted(answer)

    def seeds(self) -> list[int | None]:
        return [request.seed if request.sample else None for request in self.requests]


def test_a_list_is_given_out_once_in_order() -> None:
    lm = Scripted(["yes", {"team": "ü"}, [1, 2], None])
    assert [ask(lm).text for _ in range(4)] == ["yes", '{"team": "ü"}', "[1, 2]", "null"]
    with pytest.raises(ConfigurationError, match="all 4 replies"):
        ask(lm)


def test_an_async_function_answers() -> None:
    async def answer(request: Request) -> Reply:
        await asyncio.sleep(0)
        return request.messages[-1].content.upper()

    assert ask(Scripted(answer)).text == "HI"


def test_exceptions_are_raised_and_completions_are_kept() -> None:
    lm = Scripted([RateLimited("slow down"), Completion(text="cut", finish_reason="unsupported")])
    with pytest.raises(RateLimited, match="slow down"):
        ask(lm)
    assert ask(lm).finish_reason == "unsupported"


def test_usage_is_four_bytes_a_token_unless_told() -> None:
    assert ask(Scripted(["ää b"]), "12345").usage == Usage(2, 2)
    assert ask(Scripted(["x"], usage=lambda request, text: Usage(7, 9))).usage == Usage(7, 9)
    assert ask(Scripted(["x"], usage=None)).usage is None


def test_cost_follows_the_price() -> None:
    assert ask(Scripted(["x"])).cost == 0.0
    lm = Scripted(["x"], usage=lambda request, text: Usage(1_000_000, 500_000), price=(2, 4))
    assert ask(lm).cost == 4.0


def test_replies_pass_the_boundary_like_any_other() -> None:
    completion = ask(Scripted(["a\ud800b\0c"]))
    assert completion.text == "a\ufffdb\ufffdc"
    assert completion.repaired == "surrogates nul"


@pytest.mark.parametrize("answer", ["yes", {"team": "x"}, 7, None])
def test_neither_function_nor_list_is_refused(answer: object) -> None:
    with pytest.raises(ConfigurationError, match="give a function"):
        Scripted(answer)  # type: ignore[arg-type]  # the mistake


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="JSON cannot hold"):
        ask(Scripted([{1, 2}]))  # type: ignore[list-item]  # the mistake


def test_nothing_heavy_is_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys, treadle.compiler.lm.lm, treadle.compiler.lm.scripted, treadle.compiler.lm.retry\n"
        "from treadle.compiler.lm.lm import LM\n"
        "LM('offline'), LM('openai/x'), LM('http://localhost/v1', model='m')\n"
        "print(json.dumps(sorted({'litellm', 'aiohttp', 'httpx', 'asyncio', 'socket'} & set(sys.modules))))"
    )
    found = subprocess.run([sys.executable, "-c", f"import json\n{code}"], check=True, capture_output=True, text=True)
    assert json.loads(found.stdout) == []
