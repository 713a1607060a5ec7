"""What keeps a program in host mode: each reason is reported with its line, and the program runs all the same."""

from __future__ import annotations

import asyncio
import heapq
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import treadle
from treadle.compiler.lm.protocol import Request

LOG: list[str] = []


@treadle.predict
def ask(text: str) -> str:
    """Say something."""
    ...


@treadle.predict
async def aask(text: str) -> str:
    """Say something, later."""
    ...


@treadle.op
def untyped(text: str):  # type: ignore[no-untyped-def]  # noqa: ANN201  a type that is not known is the point
    return text.split()


def lines(text: str) -> Iterator[str]:
    yield from text.splitlines()


@treadle.program
def loops(text: str) -> str:
    while len(text) < 9:  # host: `while`
        text += ask(text)
    return text


@treadle.program
def carries_what_is_not_known(text: str, words: list[str]) -> str:
    known = text
    for word in words:
        known = untyped(known + word)[0].upper()  # host: the type of
    return ask(known)


@treadle.program
def tries(text: str) -> str:
    try:  # host: `try`
        return ask(text)
    except ValueError:
        return ""


@treadle.program
def shares(text: str) -> str:
    LOG.append(text)  # host: lives outside the program
    return ask(text)


@treadle.program
def changes_its_argument(words: list[str]) -> str:
    words.append("x")  # host: somebody else may hold
    words += ["y"]  # host: may change an object others hold
    return ask(words[0])


@treadle.program
def aliases(text: str) -> str:
    made = [text]
    other = made
    made.append(ask(text))  # host: somebody else may hold
    return other[-1]


@treadle.program
def hands_over(text: str) -> int:
    rows, row = [], [text]
    rows.append(row)
    row.append("x")  # host: somebody else may hold
    return len(rows[0])


@treadle.program
def may_be_unbound(text: str) -> str:
    if len(text) > 3:
        found = ask(text)
    return found  # host: 'found' may have no value


@treadle.program
def unbound_after_a_loop(words: list[str]) -> str:
    for word in words:
        last = ask(word)
    return last  # host: 'last' may have no value


@treadle.program
def unknown_type(text: str) -> Any:
    parts = untyped(text)
    return parts[0].upper()  # host: the type of `parts[0]` is not known


@treadle.program
def nested(text: str) -> str:
    def inner(part: str) -> str:  # host: a function inside the function
        return part + "!"

    return ask(inner(text))  # host: calls a value


@treadle.program
def grows(words: list[str]) -> list[str]:
    made = list(words)
    for word in made:  # host: the loop changes made
        made.append(ask(word))
        if len(made) > 5:
            break
    return made


@treadle.program
def keeps_an_iterator(words: list[str]) -> list[str]:
    pairs = zip(words, words, strict=True)  # host: can be read only once
    return [ask(one) for one, _ in pairs]


@treadle.program
def reads_a_generator(text: str) -> list[str]:
    return [ask(line) for line in lines(text)]  # host: yields


@treadle.program
def reads_step_by_step(words: list[str]) -> str:
    for number in (int(word) for word in words):  # host: reads step by step
        if number > 1:
            return ask(str(number))
    return ""


@treadle.program
def with_statement(text: str) -> str:
    with treadle.context(lm="offline"):  # host: `with`
        return text


@treadle.program
def imports(text: str) -> str:
    import json  # host: an import inside

    return json.dumps(text)


@treadle.program
def deletes(text: str) -> str:
    made = {"a": ask(text)}
    del made["a"]  # host: `del`
    return str(made)


@treadle.program
def mutating_library(words: list[str]) -> list[str]:
    made = list(words)
    heapq.heapify(made)  # host: changes its argument
    return made


@treadle.program
def twice(text: str) -> str:
    (a, a), b = [text, text], text  # host: a name stands twice
    return ask(a + b)


@treadle.program
def identity(words: list[str]) -> bool:
    made = [ask(word) for word in words]
    return made is words  # host: `is` on values


@treadle.program
def matches_shapes(words: list[str]) -> str:
    match words:
        case [first, *_]:  # host: on the shape of a value
            return ask(first)
    return ""


@treadle.program
async def forgets_to_await(text: str) -> str:
    pending = aask(text)  # host: not awaited right behind
    other = ask(text)
    return other + await pending


@treadle.program
async def async_loop(text: str) -> str:
    async with asyncio.Lock():  # host: `async with`
        return await aask(text)


@treadle.program
def two_reasons(text: str) -> str:
    while True:  # host: `while`
        try:  # host: `try`
            return ask(text)
        except ValueError:
            continue


INPUTS: dict[str, Any] = {"text": "ab cd", "words": ["b", "a"]}
PROGRAMS = [value for value in list(globals().values()) if isinstance(value, treadle.Program)]


def answer(request: Request) -> str:
    return "t" + str(len(request.messages[-1].content))


def marked(program: Any) -> list[tuple[int, str]]:
    source, first = inspect.getsourcelines(program.__wrapped__)
    found = [(first + number, re.search(r"# host: (.*)$", line)) for number, line in enumerate(source)]
    return [(number, mark[1].strip()) for number, mark in found if mark]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_reason_is_reported_with_its_line(program: Any) -> None:
    assert program.capture == "host"
    reported = [(reason.line, reason.text) for reason in program.capture.reasons]
    for line, words in marked(program):
        assert any(words in text for number, text in reported if number == line), str(program.capture)
    assert {line for line, _ in reported} == {line for line, _ in marked(program)}, str(program.capture)
    assert str(program.capture).startswith("host\n  line ")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_it_runs_all_the_same(program: Any) -> None:
    inputs = {slot.name: INPUTS[slot.name] for slot in program.inputs}
    try:
        expected = program.bind(lm=treadle.Scripted(answer)).traced(**inputs)[0]
    except (ValueError, UnboundLocalError):
        assert program.name in ("reads_step_by_step", "twice")
    else:
        assert expected is not None


def test_a_program_without_source_says_so() -> None:
    names: dict[str, Any] = {"ask": ask}
    exec("def made(text: str) -> str:\n    return ask(text)", names)
    program = treadle.program(names["made"])
    assert program.capture == "host"
    assert "its source cannot be found" in str(program.capture)
    assert sorted(program.predictors) == ["ask"]


def test_long_chains_of_early_returns_are_refused() -> None:
    import linecache

    body = "\n".join(f"    if text == '{number}':\n        return ask('{number}')" for number in range(150))
    source = f"def chain(text: str) -> str:\n{body}\n    return text\n"
    linecache.cache["<chain>"] = (len(source), None, source.splitlines(keepends=True), "<chain>")
    names: dict[str, Any] = {"ask": ask}
    exec(compile(source, "<chain>", "exec"), names)
    assert "nest more than 100 deep" in str(treadle.program(names["chain"]).capture)
