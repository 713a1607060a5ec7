from __future__ import annotations

import gc
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.lm.conformance import run
from tests.lm.network_conformance import CANARY, NetworkConformance
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.lm.litellm import LiteLLM
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Message, Price


@pytest.fixture(autouse=True, scope="module")
def _library_is_loaded() -> Iterator[None]:
    """Load it once, and keep the garbage collector from walking through it after every test."""
    _ = LM("openai/gpt-4o-mini", key=CANARY).provider
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class TestLiteLLM(NetworkConformance):
    def make(self, url: str, key: str | None = CANARY, **settings: object) -> LM:
        return LM("openai/gpt-4o-mini", endpoint=url, key=key, **settings)  # type: ignore[arg-type]  # settings of the test

    def test_the_table_prices_a_call(self, lm: LM) -> None:
        completion = run(lm.complete(self.ask(lm)))
        assert completion.usage is not None
        assert lm.price is not None
        assert completion.cost == lm.price.of(completion.usage)
        assert completion.cost > 0


def test_prices_and_schemas_come_from_the_table() -> None:
    price = LM("openai/gpt-4o-mini").price
    assert price is not None
    assert [round(price.input, 6), round(price.output, 6)] == [0.15, 0.6]
    assert LM("openai/gpt-4o-mini", price=(1, 2)).price == Price(1.0, 2.0)
    assert LM("openai/no-such-model").price is None
    assert LM("openai/gpt-4o-mini").structured
    assert not LM("openai/gpt-4o-mini", structured=False).structured
    assert not LM("openai/no-such-model").structured


def test_an_unknown_provider_is_named_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="no provider for 'nonesuch/model'") as caught:
        _ = LM("nonesuch/model").provider
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("model", "variable"),
    [("openai/gpt-4o-mini", "OPENAI_API_KEY"), ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY")],
)
def test_a_missing_key_is_named_before_anything_is_sent(model: str, variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        _ = LM(model).provider
    assert LM(model, key=CANARY).provider


@pytest.mark.parametrize("model", ["ollama/llama3", "bedrock/anthropic.claude-3", "vertex_ai/gemini-2.0-flash"])
def test_a_key_is_not_missed_where_there_are_other_ways_in(model: str) -> None:
    assert LM(model).provider


def test_a_seed_goes_only_to_providers_that_take_one() -> None:
    for model, takes in {"anthropic/claude-sonnet-4-5": False, "openai/gpt-4o-mini": True}.items():
        lm = LM(model, key=CANARY)
        assert isinstance(lm.provider, LiteLLM)
        request = lm.request([Message("user", "hi")], sample="s/1")
        assert ("seed" in lm.provider._arguments(request)) == takes


def test_its_log_shows_no_key(caplog: pytest.LogCaptureFixture) -> None:
    _ = LM("openai/gpt-4o-mini", key=CANARY).provider
    logging.getLogger("LiteLLM").warning("sent %s", CANARY)
    assert "sent" in caplog.text
    assert CANARY not in caplog.text


def test_it_sends_keeps_and_drops_nothing_by_itself() -> None:
    code = """
import sys
from treadle.compiler.lm.litellm import LiteLLM
from treadle.compiler.lm.lm import LM
lm = LM("openai/gpt-4o-mini", key="sk-0123456789")
assert "litellm" not in sys.modules
lm.provider
import os, litellm
assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
assert litellm.cache is None and not litellm.drop_params and litellm.suppress_debug_info
assert not (litellm.callbacks or litellm.success_callback or litellm.failure_callback)
assert not litellm.num_retries
"""
    subprocess.run([sys.executable, "-c", code], check=True)
