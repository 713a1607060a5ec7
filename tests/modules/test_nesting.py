"""Modules nested at random, as they run: within their bounds whatever the LM says, and equal where they must be."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings

from tests.graph.stubs import valid_value
from tests.modules.any_module import LABEL, LOOK_UP, any_module, any_served
from treadle.compiler.canonical import JSON, digest
from treadle.compiler.errors import ReplyError
from treadle.compiler.graph.nodes import Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.module import Module
from treadle.compiler.runtime.interpreter import run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Signature
from treadle.modules import BestOf, Debate, Escalate, KNNDemos, Refine, Route, Summarize, Vote

INPUTS: Mapping[str, Mapping[str, JSON]] = {
    "triage": {"ticket": "My parcel is late."},
    "write": {"task": "Square it.", "tests": [{"args": [2], "returns": 4}]},
}
OPS = {
    "look_up": LOOK_UP,
    "my_judge": Op(name="my_judge", function=lambda answer, inputs: len(str(answer))),
    "my_critic": Op(name="my_critic", function=lambda answer, inputs: "" if "b" in str(answer) else "Look again."),
    "my_op": Op(name="my_op", function=lambda part: part.upper()),
    "content": Op(name="content", function=lambda answer, inputs: ""),
    "same": Op(name="same", function=lambda answer, inputs: 1),
}

Answer = Callable[[Request], JSON]

few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def asked_for(request: Request) -> str:
    """What a request says, without its sample, its temperature and its address: equal prompts get equal replies."""
    return digest([[message.content for message in request.messages], request.schema])


def by_prompt(request: Request) -> JSON:
    key = asked_for(request)
    return f"text {key[:6]}" if request.schema is None else valid_value(request.schema, key)


def by_sample(request: Request) -> JSON:
    key = digest([asked_for(request), request.sample])
    return f"text {key[:6]}" if request.schema is None else valid_value(request.schema, key)


def never_content(request: Request) -> JSON:
    """Lists longer than allowed, nothing ever right, no tool ever the last, every text a new one."""
    if request.schema is None:
        return request.sample
    value = valid_value(request.schema, digest([asked_for(request), request.sample]), count=25)
    assert isinstance(value, dict)
    return {name: False if isinstance(part, bool) else part for name, part in value.items()}


def run(module: Module, signature: Signature, answer: Answer, *, stagger: int = 0) -> tuple[JSON, int]:
    """The value of a step the module answers, and its LM calls."""
    count = 0

    async def said(request: Request) -> JSON:
        nonlocal count
        count += 1
        for _ in range(int(digest([request.sample, stagger])[:2], 16) % 5 if stagger else 0):
            await asyncio.sleep(0)
        return answer(request)

    session = Session(lm=Scripted(said))
    predictor = Predictor(signature=signature, module=module.to_json())
    value = asyncio.run(run_step(signature.name, predictor, INPUTS[signature.name], session, ops=OPS))
    return value, count


@given(any_served(smallest=True))
@few
def test_no_run_makes_more_calls_than_the_module_says(served: tuple[Module, Signature]) -> None:
    module, signature = served
    most = module.lm_calls()
    assert most is not None
    for answer in (by_sample, by_prompt, never_content):
        value, count = run(module, signature, answer)
        assert 1 <= count <= most
        assert signature.outputs[0].read(value) == value


@given(any_served(smallest=True))
@few
def test_a_run_does_not_depend_on_which_reply_comes_first(served: tuple[Module, Signature]) -> None:
    assert run(*served, by_sample) == run(*served, by_sample, stagger=1) == run(*served, by_sample, stagger=2)


@given(any_served(smallest=True))
@few
def test_an_lm_that_never_says_what_is_asked_ends_a_run(served: tuple[Module, Signature]) -> None:
    module, signature = served
    most, asked = module.lm_calls(), []

    def nonsense(request: Request) -> JSON:
        asked.append(request)
        return {"nobody": "asked for this"}

    assert most is not None
    with contextlib.suppress(ReplyError):  # text is whatever comes, so that a step of texts alone goes on
        run(module, signature, nonsense)
    assert 1 <= len(asked) <= 2 * most


# --- what must not change an answer, where equal prompts get equal replies -----------------------------------------


def copied(request: Request) -> JSON:
    """As ``by_prompt``, and a summariser that copies what it is to shorten."""
    text = request.messages[-1].content.partition("<ticket>\n")[2].partition("\n</ticket>")[0]
    if request.schema is None:
        return text if "Shorten `ticket`" in request.messages[0].content else by_prompt(request)
    value = by_prompt(request)
    assert isinstance(value, dict)
    return {**value, "summary": text} if "summary" in value else value


IDENTITIES: dict[str, Callable[[Module], Module]] = {
    "a vote of equal samples": lambda module: Vote(module, n=3, key="treadle:text"),
    "the best of equal samples": lambda module: BestOf(module, n=3, judge="same"),
    "a critic who is content": lambda module: Refine(module, critic="content", rounds=3),
    "a summary that leaves nothing out": lambda module: Summarize(module, rounds=2),
    "no demo to choose from": KNNDemos,
    "agents who all say the same, and no round": lambda module: Debate(module, agents=3, rounds=0),
    "cheap answers that agree": lambda module: Escalate(module, to=Vote(module, n=5), n=2),
    "arms that are alike": lambda module: Route(arms={"one": module, "two": module}),
}


@pytest.mark.parametrize("wrapped", IDENTITIES.values(), ids=IDENTITIES)
@given(module=any_module(1, smallest=True))
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_a_wrapper_with_nothing_to_do_changes_no_answer(module: Module, wrapped: Callable[[Module], Module]) -> None:
    assert run(wrapped(module), LABEL, copied)[0] == run(module, LABEL, copied)[0]


@given(any_module(1, smallest=True))
@few
def test_a_debate_without_a_round_is_a_vote(module: Module) -> None:
    debate, vote = Debate(module, agents=3, rounds=0), Vote(module, n=3)
    assert debate.lm_calls() == vote.lm_calls()
    assert run(debate, LABEL, by_prompt) == run(vote, LABEL, by_prompt)
