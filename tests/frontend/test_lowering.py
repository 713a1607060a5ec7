"""What the captured part of Python becomes: nodes, bounds, calls, and values like the function's."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import logging
import re
from collections.abc import Callable
from typing import Any, Literal

import pydantic
import pytest

import treadle
from treadle.compiler.graph import nodes
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.lm.protocol import Request

Team = Literal["billing", "shipping", "account"]


class Urgency(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Refund(pydantic.BaseModel):
    kind: Literal["refund"] = "refund"
    amount: float


class Note(pydantic.BaseModel):
    kind: Literal["note"] = "note"
    text: str
    tags: list[str] = []

    def loud(self) -> str:
        return self.text.upper()


@dataclasses.dataclass(frozen=True)
class Settings:
    limit: int
    names: tuple[str, ...]


class Store:
    """A client outside the program."""

    def find(self, key: str) -> str:
        return f"found {key}"


class TooMany(ValueError):
    """An exception of the user's."""


STORE = Store()
SETTINGS = Settings(2, ("ann", "bob"))
DEFAULT = Note(text="nothing")
PATTERN = re.compile(r"\d+")
LOGGER = logging.getLogger("desk")
RATES = {Urgency.LOW: 1, Urgency.HIGH: 3}
TEMPLATE = "{0} of {1!r}, {count:03d}"


@treadle.predict
def ask(text: str) -> str:
    """Say something."""
    ...


@treadle.predict
def score(text: str) -> int:
    """Score it."""
    ...


@treadle.predict
def triage(text: str) -> Team:
    """Choose the team."""
    ...


@treadle.predict
def urgency(text: str) -> Urgency:
    """How urgent is it?"""
    ...


@treadle.predict
def decide(text: str) -> Refund | Note:
    """Refund it, or leave a note."""
    ...


@treadle.predict
def find(text: str) -> Note | None:
    """Find a note."""
    ...


@treadle.predict
async def aask(text: str) -> str:
    """Say something, later."""
    ...


def answer(request: Request) -> Any:
    text = request.messages[-1].content.split("\n")[1]
    schema = str(request.schema)
    if request.schema is None:
        return f"<{text}>"
    if "billing" in schema:
        return {"triage": "billing" if "b" in text else "account"}
    if "amount" in schema:
        return {"decide": {"kind": "refund", "amount": 5.0} if "r" in text else {"kind": "note", "text": text}}
    if "tags" in schema:
        return {"find": None if "0" in text else {"text": text, "tags": [text]}}
    if "high" in schema:
        return {"urgency": "high" if "!" in text else "low"}
    return {"score": len(text)}


LM = treadle.Scripted(answer)


def kinds(program: Any) -> list[str]:
    return [node.kind for _, node in program.graph.walk()]


def calls(program: Any, **inputs: Any) -> int:
    return sum(span.kind == "lm" for span in program.bind(lm=LM).traced(**inputs)[1].spans)


def same(program: Any, **inputs: Any) -> Any:
    """The value of the graph, which is that of the function, and of the graph read back from its JSON."""
    assert program.capture == "graph", str(program.capture)
    checked = treadle.check(program, [inputs], lm=LM)
    assert checked, str(checked)
    assert graph_hash(from_json(to_json(program.graph))) == graph_hash(program.graph)
    return program.bind(lm=LM).traced(**inputs)[0]


# --- loops -----------------------------------------------------------------------------------------------------------


def test_loops_that_only_collect_are_maps() -> None:
    @treadle.program
    def collected(words: list[str]) -> tuple[list[str], set[str], dict[str, int]]:
        made: list[str] = []
        seen = set()
        by_word = {}
        for word in words:
            if len(word) > 2:
                continue
            made.append(ask(word))
            seen.add(word[0])
            by_word[word] = score(word)
        return made, seen, by_word

    assert "map" in kinds(collected)
    assert "loop" not in kinds(collected)
    value = same(collected, words=["a", "abc", "ab", "a"])
    assert value == (["<a>", "<ab>", "<a>"], {"a"}, {"a": 1, "ab": 2})


def test_loops_that_carry_values_are_loops_and_stop_early() -> None:
    @treadle.program
    def first_long(words: list[str]) -> str:
        total = 0
        for number, word in enumerate(words):
            total += score(word)
            if total > 3:
                return f"{number} {word}"
        else:
            return "none"

    assert "loop" in kinds(first_long)
    assert same(first_long, words=["a", "bb", "c", "d", "e"]) == "2 c"
    assert same(first_long, words=["a"]) == "none"
    assert calls(first_long, words=["a", "bb", "c", "d", "e"]) == 3


def test_any_all_and_next_ask_no_more_than_the_function() -> None:
    @treadle.program
    def searched(words: list[str]) -> tuple[bool, bool, str]:
        found = any(score(word) > 1 for word in words)
        every = all(score(word) > 1 for word in words if word)
        return found, every, next((word for word in words if score(word) > 2), "none")

    assert same(searched, words=["a", "bb", "ccc", "d"]) == (True, False, "ccc")
    assert calls(searched, words=["a", "bb", "ccc", "d"]) == 2 + 1 + 3


def test_what_a_loop_carries_may_begin_as_none() -> None:
    @treadle.program
    def joined(words: list[str]) -> str | None:
        text = None
        for word in words:
            if text is None:
                text = ask(word)
                continue
            text = text.upper() + word
        return text

    assert same(joined, words=["a", "b"]) == "<A>b"
    assert same(joined, words=[]) is None


def test_a_step_or_something_else_is_not_none_behind_or() -> None:
    @treadle.program
    def grown(text: str, words: list[str]) -> str:
        note = find(text) or Note(text=text)
        for word in words:
            note = find(note.text + word) or note
        return note.loud()

    assert same(grown, text="0", words=["a", "b"]) == "0"
    assert same(grown, text="a", words=["b", "0"]) == "AB"


def test_bounds_of_maps_and_loops_are_known_where_the_source_says_them() -> None:
    @treadle.program
    def bounded(text: str, words: list[str]) -> list[str]:
        made = [ask(text) for _ in range(5)]
        made += [ask(name) for name in SETTINGS.names]
        made += [ask(word) for word in words[:4]]
        made += [ask(word) for word in words]
        return made

    found = [node.bound for _, node in bounded.graph.walk() if isinstance(node, nodes.Map)]  # type: ignore[union-attr]
    assert found == [5, 2, 4, None]
    assert same(bounded, text="a", words=["b"])[5:] == ["<ann>", "<bob>", "<b>", "<b>"]


def test_a_loop_over_something_counts_as_entered() -> None:
    @treadle.program
    def entered(text: str) -> str:
        for number in range(3):
            last = ask(f"{text}{number}")
            if score(last) > 3:
                break
        return last

    assert same(entered, text="a") == "<a0>"


# --- branches --------------------------------------------------------------------------------------------------------


def test_types_narrow_in_branches() -> None:
    @treadle.program
    def narrowed(text: str) -> str:
        note = find(text)
        if note is None:
            return ask("nothing")
        made = decide(text)
        if isinstance(made, Refund):
            return f"{made.amount:.2f}"
        return f"{note.text} {made.text} {made.loud()} {made.tags}"

    assert same(narrowed, text="0") == "<nothing>"
    assert same(narrowed, text="r") == "5.00"
    assert same(narrowed, text="x") == "x x X []"


def test_match_on_values() -> None:
    @treadle.program
    def matched(text: str) -> str:
        match urgency(text):
            case Urgency.HIGH:
                return ask("now")
            case Urgency.LOW if len(text) > 3:
                found = "long"
            case _:
                found = "short"
        match len(text):
            case 0 | 1:
                found += " tiny"
            case size:
                found += f" {size}"
        return found

    assert same(matched, text="!") == "<now>"
    assert same(matched, text="long text") == "long 9"
    assert same(matched, text="a") == "short tiny"


def test_a_constant_dict_of_callables_is_a_branch() -> None:
    @treadle.program
    def close(text: str) -> str:
        return ask(f"close {text}")

    def shout(text: str) -> str:
        return text.upper()

    handlers: dict[str, Callable[[str], str]] = {"billing": ask, "shipping": close, "account": shout, "other": ask}

    @treadle.program
    def routed(text: str) -> str:
        return handlers[triage(text)](text)

    assert "branch" in kinds(routed)
    assert sorted(routed.predictors) == ["ask", "triage"]
    assert same(routed, text="b") == "<b>"
    assert same(routed, text="x") == "X"


def test_conditional_expressions_ask_only_what_is_needed() -> None:
    @treadle.program
    def chosen(text: str) -> str:
        return (ask("long") if score(text) > 2 else text) or ask("empty")

    assert same(chosen, text="abc") == "<long>"
    assert same(chosen, text="a") == "a"
    assert calls(chosen, text="a") == 1


# --- calls -----------------------------------------------------------------------------------------------------------


def helper(text: str) -> str:
    return ask(text) + "?"


@treadle.program
def inner(text: str, times: int = 2) -> list[str]:
    return [ask(f"{text}{number}") for number in range(times)]


def test_programs_and_helpers_are_put_in_place() -> None:
    @treadle.program
    def outer(text: str) -> list[str]:
        return [*inner(text), *inner(text, times=1), helper(text), ask(text)]

    assert same(outer, text="a") == ["<a0>", "<a1>", "<a0>", "<a>?", "<a>"]
    assert [step.name for step in outer.graph.steps()] == ["ask", "ask#2", "ask#3", "ask#4"]  # type: ignore[union-attr]


def test_context_edges_are_part_of_the_graph() -> None:
    @treadle.program
    def read(text: str) -> str:
        team = triage(text)
        return ask.reading(triage=team)(text)

    step = read.graph.steps()[1]  # type: ignore[union-attr]
    assert [source for source, _ in step.context] == ["triage"]
    seen: list[str] = []

    def watching(request: Request) -> Any:
        seen.append(request.messages[-1].content)
        return answer(request)

    read.bind(lm=treadle.Scripted(watching))("b")
    assert "Context from triage:" in seen[1]
    assert same(read, text="b") == "<b>"


def test_what_is_called_outside_is_an_op_and_listed() -> None:
    trim = functools.partial(str.ljust, "abc")

    @treadle.program
    def outside(text: str) -> str:
        LOGGER.debug("asked %s", text)
        found = STORE.find(text)
        digits = PATTERN.findall(text)
        print(end="")  # noqa: T201  users do
        return f"{found} {len(digits)} {re.sub('a', 'b', text)} {trim(5)}"

    assert outside.capture.ops == ("LOGGER.debug", "PATTERN.findall", "STORE.find", "ljust", "print", "sub")
    assert outside.ops["print"].effects
    assert same(outside, text="a1") == "found a1 1 b1 abc  "


def test_two_functions_of_one_name_are_two_ops() -> None:
    def sub(text: str) -> str:
        return text + "!"

    @treadle.program
    def both(text: str) -> str:
        return sub(text) + re.sub("a", "b", text)

    assert len(both.ops) == 2
    assert same(both, text="a") == "a!b"


def test_constants_are_captured_by_value() -> None:
    names = ["x", "y"]

    @treadle.program
    def constants(text: str) -> str:
        note = find(text) or DEFAULT
        rate = RATES[urgency(text)]
        return TEMPLATE.format(note.text, names, count=rate + SETTINGS.limit)

    assert same(constants, text="0!") == "nothing of ['x', 'y'], 005"
    names.append("z")
    assert constants.bind(lm=LM)("a") == "a of ['x', 'y'], 003"
    assert set(constants.capture.constants) == {"DEFAULT", "RATES", "SETTINGS.limit", "TEMPLATE", "names"}


def test_exceptions_are_those_of_the_function() -> None:
    @treadle.program
    def guarded(text: str) -> str:
        if len(text) > 5:
            raise TooMany("too long", len(text))
        if not text:
            raise ValueError(f"empty {text!r}")
        assert text != "a", f"not {text}"
        return ask(text)

    assert guarded.capture == "graph", str(guarded.capture)
    bound = guarded.bind(lm=LM)
    cases = (("abcdef", TooMany, "too long"), ("", ValueError, "empty ''"), ("a", AssertionError, "not a"))
    for text, error, words in cases:
        with pytest.raises(error, match=words):
            bound(text)
    assert treadle.check(guarded, [{"text": text} for text in ("abcdef", "", "b")], lm=LM)


def test_what_stands_left_of_a_call_is_evaluated_before_it() -> None:
    done: list[str] = []

    @treadle.op(effects=True)
    def note(text: str) -> int:
        done.append(text)
        return len(text)

    @treadle.program
    def ordered(text: str, number: int) -> int:
        return 6 // number + note(ask(text)) + [1][number] + note("b")

    assert ordered.capture == "graph"
    with pytest.raises(ZeroDivisionError):
        ordered.bind(lm=LM)("a", 0)
    assert done == []
    with pytest.raises(IndexError):
        ordered.bind(lm=LM)("a", 1)
    assert done == ["<a>"]


def test_asyncio_gather_and_coroutines_with_names() -> None:
    @treadle.program
    async def gathered(words: list[str]) -> list[str]:
        one, two = await asyncio.gather(aask("1"), ask.acall("2"))
        tasks = [aask(word) for word in words]
        some = await asyncio.gather(*tasks)
        _, second = asyncio.create_task(aask("3")), words
        task = asyncio.create_task(aask("4"))
        four = await task
        return [one, two, *some, four, *second]

    assert "is not awaited where it stands" in str(gathered.capture)

    @treadle.program
    async def kept(words: list[str]) -> list[str]:
        one, two = await asyncio.gather(aask("1"), ask.acall("2"))
        tasks = [aask(word) for word in words]
        some = await asyncio.gather(*tasks)
        task = asyncio.create_task(aask("4"))
        pending = aask("5")
        four = await task
        five = await pending
        return [one, two, *some, four, five]

    assert same(kept, words=["a", "b"]) == ["<1>", "<2>", "<a>", "<b>", "<4>", "<5>"]


class Parcel(pydantic.BaseModel):
    carrier: str


@treadle.predict
async def aparcel(text: str) -> Parcel:
    """Find the parcel."""
    ...


def test_what_is_gathered_into_names_keeps_each_its_own_type() -> None:
    @treadle.program
    async def both(text: str) -> str:
        parcel, answer = await asyncio.gather(aparcel(text), aask(text))
        return f"{parcel.carrier}: {answer.upper()}"

    assert both.capture == "graph", str(both.capture)


# --- identity --------------------------------------------------------------------------------------------------------


def test_names_layout_and_comments_leave_no_mark() -> None:
    @treadle.program(name="same")
    def one(text: str, words: list[str]) -> str:
        zebra = ask(text)
        apple = 0
        for item in words:  # a comment
            apple += score(item)
            zebra = zebra + item
        if apple > 3:
            return zebra
        return f"{apple}"

    @treadle.program(name="same")
    def other(text: str, words: list[str]) -> str:
        a = ask(text)
        z = 0
        for b in words:
            z += score(b)
            a = a + b
        if z > 3:
            return a
        return f"{z}"

    assert graph_hash(one.graph) == graph_hash(other.graph)  # type: ignore[arg-type]


def test_temporary_values_leave_no_mark() -> None:
    @treadle.program(name="same")
    def one(text: str) -> str:
        if len(text) > 2:
            unused = text.upper()
            found = unused + "!"
        else:
            unused = "x"
            found = unused
        return ask(found)

    branch = next(node for _, node in one.graph.walk() if isinstance(node, nodes.Branch))  # type: ignore[union-attr]
    assert len(branch.types) == 1
