"""Host mode: names of steps, nesting, samples, threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from typing import Any

import pytest

import treadle
from treadle.compiler.lm.protocol import Request


@treadle.predict
def ask(text: str) -> str:
    """Say something."""
    ...


@treadle.predict
async def aask(text: str) -> str:
    """Say something, later."""
    ...


def answer(request: Request) -> str:
    return request.messages[-1].content.splitlines()[1] + "!"


LM = treadle.Scripted(answer)


def steps(trace: treadle.Trace) -> list[str]:
    return [span.name for span in trace.spans if span.kind == "step"]


@treadle.program
def sites(words: list[str]) -> list[str]:
    found = []
    while True:
        first = ask(words[0])
        found += [ask(word) for word in words]
        found.append(first + ask(text=first))
        return found


def test_steps_are_named_by_their_call_sites() -> None:
    value, trace = sites.bind(lm=LM).traced(["a", "b"])
    assert value == ["a!", "b!", "a!a!!"]
    assert steps(trace) == ["ask", "ask#2", "ask#2", "ask#3"]


@treadle.program
def graph_sites(words: list[str]) -> list[str]:
    first = ask(words[0])
    found = [ask(word) for word in words]
    return [*found, first + ask(text=first)]


def test_a_graph_names_the_same_sites_alike() -> None:
    value, trace = graph_sites.bind(lm=LM).traced(["a", "b"])
    assert value == ["a!", "b!", "a!a!!"]
    assert sorted(steps(trace)) == ["ask", "ask#2", "ask#2", "ask#3"]


def test_equal_requests_in_one_run_are_different_samples() -> None:
    @treadle.program
    def votes(text: str) -> list[str]:
        while True:
            return [ask(text) for _ in range(3)]

    seen: list[str] = []

    def watching(request: Request) -> str:
        seen.append(request.sample)
        return "x"

    bound = votes.bind(lm=treadle.Scripted(watching))
    bound("a")
    assert len(set(seen)) == 3
    bound("a")
    assert seen[:3] == seen[3:]


@treadle.program
def recursive(text: str, depth: int) -> str:
    if depth == 0:
        return ask(text)
    return recursive(ask(text), depth - 1) + str(threading.get_ident() == THREADS[-1])


THREADS: list[int] = []


def test_a_host_program_called_from_one_stays_in_its_thread() -> None:
    THREADS.append(threading.get_ident())
    assert recursive.capture == "host"
    assert recursive.bind(lm=LM)("a", 9) == "a!!!!!!!!!!" + "True" * 9


def test_many_rows_wait_for_one_another() -> None:
    barrier = threading.Barrier(64, timeout=60)

    @treadle.program
    def meeting(text: str) -> str:
        while True:
            first = ask(text)
            barrier.wait()
            return ask(first)

    rows = [{"text": str(number)} for number in range(64)]
    assert meeting.bind(lm=LM).batch(rows, concurrency=64) == [f"{number}!!" for number in range(64)]


def test_a_raw_thread_that_loses_its_run_is_told_how_to_keep_it() -> None:
    @treadle.program
    def threaded(words: list[str]) -> list[str]:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(ask, words))

    with treadle.context(lm=LM), pytest.raises(treadle.ConfigurationError, match="copy_context"):
        threaded(["a", "b"])

    @treadle.program
    def kept(words: list[str]) -> list[str]:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(contextvars.copy_context().run, ask, word) for word in words]
            return [call.result() for call in calls]

    value, trace = kept.bind(lm=LM).traced(["a", "b"])
    assert value == ["a!", "b!"]
    assert len(steps(trace)) == 2


def test_to_thread_keeps_the_run() -> None:
    @treadle.program
    async def threaded(text: str) -> str:
        async with asyncio.Lock():
            return await asyncio.to_thread(ask, text)

    value, trace = threaded.bind(lm=LM).traced("a")
    assert value == "a!"
    assert steps(trace) == ["ask"]


def test_an_async_host_program_may_call_a_plain_step() -> None:
    @treadle.program
    async def mixed(text: str) -> str:
        async with asyncio.Lock():
            return ask(text) + await aask(text)

    assert mixed.capture == "host"
    assert mixed.traced.__self__ is mixed  # type: ignore[attr-defined]
    assert mixed.bind(lm=LM).traced("a")[0] == "a!a!"
    assert mixed.bind(lm=LM).batch([{"text": "a"}, {"text": "b"}]) == ["a!a!", "b!b!"]


def test_a_graph_program_inside_a_host_program_joins_its_run() -> None:
    @treadle.program
    def inner(text: str) -> str:
        return ask(text)

    @treadle.program
    def outer(text: str) -> str:
        try:
            return inner(text)
        except ValueError:
            return ""

    assert outer.capture == "host"
    value, trace = outer.bind(lm=LM).traced("a")
    assert value == "a!"
    assert [(span.kind, span.name) for span in trace.spans if span.kind != "lm"] == [
        ("program", "outer"),
        ("program", "inner"),
        ("step", "ask"),
    ]
    assert sorted(outer.predictors) == ["ask"]


def test_failures_say_where_they_were() -> None:
    @treadle.program
    def fails(text: str) -> str:
        while True:
            return ask(text)

    def refuse(request: Request) -> Any:
        return treadle.RequestRefused("no")

    with pytest.raises(treadle.RequestRefused) as raised:
        fails.bind(lm=treadle.Scripted(refuse))("a")
    assert any("step 'ask'" in note and "line" in note for note in raised.value.__notes__)


class Nested:
    """A desk whose steps lie in containers."""

    def __init__(self) -> None:
        self.steps = {"first": [treadle.predict("text -> word").copy("inner")]}

    @treadle.program
    def run(self, text: str) -> str:
        word: str = self.steps["first"][0](text=text)
        return word


def test_steps_in_containers_that_an_instance_holds_are_its_own() -> None:
    run = Nested().run
    assert run.capture.mode == "host"
    assert list(run.predictors) == ["inner"]
