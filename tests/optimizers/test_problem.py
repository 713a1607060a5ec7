"""The rendered problem: what it says, that it fits, that it is the same everywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

import treadle
from tests.worlds.problems import field, said, section, table, variables
from treadle.compiler.trace.propagate import Feedback
from treadle.optimizers.optoprime import OptoPrime
from treadle.optimizers.problem import Past, Problem
from treadle.optimizers.problem_text import CHARACTERS, render

ROOT = Path(__file__).parent.parent.parent


@treadle.predict
def triage(ticket: str) -> Literal["billing", "shipping"]:
    """Choose the team."""
    ...


@treadle.predict
def answer(line: str, team: str) -> str:
    """Answer one line."""
    ...


@treadle.op
def lines(ticket: str) -> list[str]:
    """The lines of a ticket."""
    return ticket.split("/")


@treadle.op(trainable=True)
def count(texts: list[str]) -> int:
    """How many words there are."""
    return sum(len(text.split()) for text in texts)


limit = treadle.Parameter("limit", 4, low=1, high=50, description="words a reply may have")


@treadle.program
def support(ticket: str) -> str:
    """Answer a ticket, line by line."""
    team = triage(ticket)
    answers = [answer(line, team) for line in lines(ticket)]
    if count(answers) > limit():
        return "too long"
    return " ".join(answers)


def scripted(request: Any) -> str:
    line = field([{"content": request.messages[-1].content}], "line")
    return '{"triage": "billing"}' if line is None else " ".join(["pay it now"] * (3 if "b" in line else 1))


LM = treadle.Scripted(scripted)


def problem(tickets: list[str], feedback: list[Feedback], program: Any = support, **settings: Any) -> Problem:
    program = program.bind(lm=LM)
    with treadle.trace() as t:
        for ticket in tickets:
            try:
                program(ticket=ticket)
            except Exception:  # a run that fails has a trace, too
                continue
    return OptoPrime(**settings).on(program, lm=LM).problem(t.traces, feedback)


def text(*given: Any, tokens: int = 6_000, **settings: Any) -> str:
    return render(problem(*given, **settings), tokens=tokens)


def test_the_program_is_told_once_with_what_each_step_reads() -> None:
    told = section(text(["a/b", "a"], ["bad", "good"]), "Program")
    assert told == (
        "support(ticket: str) -> str:\n"
        "    triage = triage(ticket=ticket)  # triage_demos, triage_instruction\n"
        "    lines = lines(ticket=ticket)\n"
        "    for each turn of map 1:  # over lines; 1 to 2 turns\n"
        "        answer = answer(line=<made from lines>, team=triage)  # answer_demos, answer_instruction\n"
        "    count = count(texts=<made from map 1, answer>)  # count\n"
        "    limit = limit()  # limit\n"
        "    if branch 1:  # decided by count, limit; taken: otherwise and then\n"
        "    return <made from branch 1, map 1, answer>"
    )


def test_variables_have_their_types_and_constraints() -> None:
    told = section(text(["a"], ["bad"]), "Variables")
    assert "## limit\na whole number from 1 to 50; words a reply may have\n4" in told
    assert "## count\nPython code; it must define count" in told
    assert "def count(texts: list[str]) -> int:" in told
    assert variables(f"# Variables\n{told}")["triage_instruction"] == "Choose the team."


def test_documentation_is_what_each_takes_and_does() -> None:
    told = section(text(["a/b"], ["bad"]), "Documentation").splitlines()
    assert told == [
        "answer(line: str, team: str) -> str",
        "triage(ticket: str) -> Literal['billing', 'shipping']",
        "Python: count(texts: list[str]) -> int; How many words there are.",
        "Python: lines(ticket: str) -> list[str]; The lines of a ticket.",
    ]


def test_values_stand_in_rows_by_run() -> None:
    told = text(["a/b", "a"], ["bad", 1.0])
    assert table(told, "Inputs") == {1: {"run": 1, "ticket": "a/b"}, 2: {"run": 2, "ticket": "a"}}
    rows = table(told, "Intermediates")
    assert rows[1]["triage"] == "billing"
    assert rows[1]["answer"] == {"turns": 2, "turn 1": "pay it now", "turn 2": "pay it now pay it now pay it now"}
    assert rows[1]["branch 1"] == "then"
    assert rows[2]["branch 1"] == "otherwise"
    assert table(told, "Outputs")[1]["result"] == "too long"


def test_outputs_with_different_feedback_keep_it() -> None:
    """Where Trace asserts that feedback is equal."""
    told = text(["a", "b"], [{"triage": "right", "answer": "too short"}, [0.2, "no"]])
    assert said(told) == {1: ["on triage: right", "  on answer: too short"], 2: ["score 0.2", "  no"]}


def test_many_turns_are_worst_median_and_best() -> None:
    cell = table(text(["/".join("abcdefgh")], ["bad"]), "Intermediates")[1]["answer"]
    assert list(cell) == ["best turn 8", "median turn 5", "turns", "worst turn 1"]
    assert cell["turns"] == 8


@treadle.program
def failing(ticket: str) -> int:
    return count(lines(ticket)) // (len(ticket) - 1)


@treadle.op
def check(number: int) -> int:
    """Refuse seven."""
    if number == 7:
        raise ValueError("not seven")
    return number


@treadle.program
def checking(ticket: str) -> int:
    return check(count(lines(ticket)) + 6)


def test_a_failing_op_is_shown_with_its_line() -> None:
    told = text(["a", "a/b"], [None, None], checking)
    feedback = section(told, "Feedback")
    assert "op check failed: ValueError: not seven" in feedback
    assert '    raise ValueError("not seven")\n    ^ ValueError: not seven' in feedback.replace("  > ", "")
    assert table(told, "Outputs")[1]["result"] == {"error": "ValueError: not seven"}


def test_a_reply_that_cannot_be_read_is_said_of_its_step() -> None:
    program = support.bind(lm=treadle.Scripted(lambda request: "nonsense"))
    with treadle.trace() as t, pytest.raises(treadle.ReplyError):
        program(ticket="a")
    told = render(OptoPrime().on(program).problem(t.traces, [None]), tokens=6_000)
    assert "step triage failed: ReplyError" in told
    assert "the model had replied: nonsense" in told


def test_what_a_person_says_and_what_was_tried_is_shown() -> None:
    stated = problem(["a"], ["bad"], guidance="never apologise")
    past = [Past(number=n, changes={"limit": n}, outcome="not kept: score 0.5 -> 0.4") for n in range(1, 4)]
    told = render(dataclasses.replace(stated, past=tuple(past)), tokens=6_000)
    assert "never apologise" in section(told, "Task")
    assert section(told, "Past").splitlines()[-1] == "round 3: limit = 3 -> not kept: score 0.5 -> 0.4"


def test_what_no_run_depends_on_is_not_shown() -> None:
    stated = problem(["a"], ["bad"], checking)
    assert [variable.name for variable in stated.variables] == ["count"]
    stated = problem(["a"], ["bad"])
    assert not stated.unreachable


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [300, 600, 1_500, 6_000])
@pytest.mark.parametrize("runs", [1, 4, 16])
def test_it_fits_the_budget_whatever_the_runs(tokens: int, runs: int) -> None:
    tickets = ["/".join(f"line {n} " + "x" * 400 for n in range(20)) for _ in range(runs)]
    told = text(tickets, ["because " * 200] * runs, tokens=tokens)
    assert len(told) <= tokens * CHARACTERS
    assert len(told) >= 0.5 * min(tokens, 3_000) * CHARACTERS
    for name in ("Task", "Program", "Variables", "Inputs", "Intermediates", "Outputs", "Feedback"):
        assert section(told, name)


def test_sixteen_runs_of_long_values_take_no_more_than_one_budget() -> None:
    """Where Trace's prompt grows to 55,000 characters."""
    told = text(["y" * 800] * 16, ["bad"] * 16)
    assert len(told) <= 24_000
    assert len(table(told, "Inputs")) == 16


def test_long_values_keep_head_tail_and_hash() -> None:
    ticket = "head " + "m" * 5_000 + " tail"
    shown = table(text([ticket], ["bad"], tokens=1_000), "Inputs")[1]["ticket"]
    digest = hashlib.sha256(ticket.encode()).hexdigest()[:8]
    assert shown.startswith("head ")
    assert shown.endswith(" tail")
    assert f"…[5010 characters, #{digest}]…" in shown


@treadle.program
def passed_on(ticket: str) -> str:
    return answer(ticket, "billing")


def test_a_result_a_step_gave_is_not_said_twice() -> None:
    program = passed_on.bind(lm=treadle.Scripted(lambda request: "r" * 800))
    with treadle.trace() as t:
        program(ticket="a")
    stated = OptoPrime().on(program, lm=LM).problem(t.traces, ["bad"])
    told = render(stated, tokens=6_000)
    assert table(told, "Intermediates")[1]["answer"] == "r" * 800
    assert len(table(told, "Outputs")[1]["result"]) <= 96
    assert "…[800 characters, #" in table(told, "Outputs")[1]["result"]
    assert "return answer" in section(told, "Program")
    alone = render(stated, tokens=6_000, hide=("intermediates",))
    assert table(alone, "Outputs")[1]["result"] == "r" * 800


def test_the_worst_runs_stay_where_not_all_fit() -> None:
    told = text(["z" * 300] * 16, [n / 16 for n in range(16)], tokens=400)
    rows = table(told, "Inputs")
    assert rows
    assert 1 in rows
    assert "more, of the better runs" in told


# --- the same everywhere ---------------------------------------------------------------------------------------------


def test_it_is_the_same_in_every_process_and_under_every_hash_seed(tmp_path: Path) -> None:
    script = (
        "from tests.optimizers.test_problem import text; import hashlib, sys; "
        "told = text(['a/b', 'a', 'c' * 900], [{'triage': 'wrong', 'answer': 'short'}, 0.5, 'bad'], tokens=800); "
        "sys.stdout.write(hashlib.sha256(told.encode()).hexdigest())"
    )
    found = set()
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    here = text(["a/b", "a", "c" * 900], [{"triage": "wrong", "answer": "short"}, 0.5, "bad"], tokens=800)
    assert found == {hashlib.sha256(here.encode()).hexdigest()}


def test_it_is_the_same_for_the_same_program_twice_in_one_process() -> None:
    """Where Trace counts on in the names: prompt0, then prompt4."""
    assert text(["a/b"], ["bad"]) == text(["a/b"], ["bad"])
