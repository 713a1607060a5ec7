"""OptoPrime: the contract of every optimizer, replies of every kind, code of every kind, and loops by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.optimizers.conformance import OptimizerConformance
from tests.optimizers.trace_programs import LIMITS, Searched, search
from tests.worlds.problems import section, variables
from treadle.compiler.errors import ConfigurationError, DataError
from treadle.compiler.lm.protocol import Request
from treadle.compiler.study.table import Paired
from treadle.optimizers.acceptance import Acceptance, Always, PairedTest, StrictImprovement
from treadle.optimizers.by_hand import Hand
from treadle.optimizers.optoprime import OptoPrime


class TestOptoPrime(OptimizerConformance):
    optimizer = OptoPrime(rounds=3)  # in more it has nothing left to learn, and spends less than planned


# --- a program with one of each --------------------------------------------------------------------------------------

limit = treadle.Parameter("limit", 3, low=1, high=9)
style = treadle.Parameter("style", "short", choices=["short", "long"])
closing = treadle.Parameter("closing", "Bye", max_length=30)


@treadle.predict
def write(ticket: str, style: str) -> str:
    """Write."""
    ...


@treadle.op(trainable=True)
def trim(text: str, most: int) -> str:
    """At most so many words."""
    return " ".join(text.split()[:most])


@treadle.program
def graph(ticket: str) -> str:
    return f"{trim(write(ticket, style()), limit())} {closing()}"


@treadle.program
def host(ticket: str) -> str:
    while True:
        return f"{trim(write(ticket, style()), limit())} {closing()}"


ROWS = [{"ticket": f"ticket {n}"} for n in range(16)]


def metric(example: Mapping[str, Any], prediction: Any) -> treadle.Score:
    right = ["Dear", "five"]
    got = sum(word in prediction for word in right) / 2
    return treadle.Score(got, "" if got == 1 else "the reply should say Dear, and have five words")


Reply = Callable[[str], str]


def lm(*replies: Reply | str) -> Callable[[Request], str]:
    """A task LM, and an optimizer's LM that gives these replies in turn, the last one for ever."""
    left = list(replies)

    def answer(request: Request) -> str:
        text = request.messages[-1].content
        if "<ticket>" in text and "<problem>" not in text:
            dear = "Dear " if "Dear" in request.messages[0].content else ""
            return f"{dear}one two three four five six"
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply if isinstance(reply, str) else reply(text)

    return answer


def reply(*suggestions: Mapping[str, Any], stop: bool = False) -> str:
    return json.dumps({"reasoning": "because", "stop": stop, "suggestions": list(suggestions)})


def run(*replies: Reply | str, program: Any = graph, folder: Path | None = None, **settings: Any) -> Searched:
    given: dict[str, Any] = {"rounds": 1, "batch": 2, "candidates": 2, **settings}
    return search(program, ROWS, metric, lm(*replies), OptoPrime(**given), folder=folder)


GOOD = {"write_instruction": "Write. Begin with Dear.", "limit": 6, "style": "long", "closing": "Yours"}
programs = pytest.mark.parametrize("program", [graph, host], ids=["graph", "host"])


@programs
def test_any_mixture_of_parameters_changes_together(program: Any) -> None:
    code = "def trim(text, most):\n    return ' '.join(text.split()[:most])  # kept\n"
    found = run(reply({**GOOD, "trim": code}), program=program)
    assert found.winner.values == {
        ".closing": "Yours", ".limit": 6, ".style": "long", ".trim": code,
        "write.instruction": "Write. Begin with Dear.",
    }  # fmt: skip
    assert [outcome.value for outcome in found.end] == [1.0] * 8


def test_demos_come_from_runs_that_were_shown() -> None:
    found = run(reply({**GOOD, "write_demos": [{"run": 1, "output": "Dear you five"}]}))
    demos: Any = found.winner.values["write.demos"]
    assert [demo["outputs"] for demo in demos] == [{"write": "Dear you five"}]
    assert demos[0]["inputs"]["ticket"] in {row["ticket"] for row in ROWS[:8]}


def test_the_best_of_several_suggestions_is_found_by_running_them() -> None:
    found = run(reply({"closing": "five"}, GOOD, {"limit": 1}))
    assert found.winner.values == {}  # three suggestions where two are allowed do not fit the schema
    found = run(reply({"closing": "five"}, GOOD))
    assert len(found.winner.values) == 4
    assert [event["kept"] for event in found.logged("tried")] == [False, True]


def test_one_call_a_round_whatever_the_program() -> None:
    found = run(reply({"limit": 2}), reply({"limit": 4}), reply({"limit": 5}), rounds=3, candidates=1)
    assert len(found.problems) == 3


# --- replies ---------------------------------------------------------------------------------------------------------

MALFORMED = {
    "prose": "I think you should raise the limit.",
    "empty": "",
    "cut": '{"reasoning": "x", "stop": false, "suggestions": [{"limit": 4',
    "an unknown variable": reply({"limits": 4}),
    "a value of another type": reply({"limit": "many"}),
    "a value out of range": reply({"limit": 99}),
    "an object for a text": reply({"closing": {"text": "Bye"}}),
    "a list for a choice": reply({"style": ["long"]}),
    "another form": '{"suggestion": {"limit": 4}}',
    "two documents": reply({"limit": 4}) + reply({"limit": 5}),
    "a bare list": '[{"limit": 4}]',
    "the magic word": "TERMINATE",
}


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_reply_is_asked_for_again_and_then_rejected(bad: str) -> None:
    """Where Trace's does nothing in silence, or takes the text for the value."""
    found = run(bad)
    assert found.winner.values == {}
    assert len(found.problems) == 2  # the call and the runtime's re-ask, which holds the error
    [rejected] = found.logged("rejected")
    assert "no reply fitted the schema" in rejected["reason"]


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_reply_is_repaired_by_the_re_ask(bad: str) -> None:
    found = run(bad, reply(GOOD))
    assert len(found.winner.values) == 4
    assert not found.logged("rejected")


def test_a_word_in_the_reasoning_ends_nothing() -> None:
    said = json.dumps({"reasoning": "TERMINATE would be wrong", "stop": False, "suggestions": [GOOD]})
    assert len(run(said).winner.values) == 4


def test_stop_is_a_field_and_ends_the_search() -> None:
    found = run(reply(stop=True), rounds=5)
    assert len(found.problems) == 1
    assert found.winner.values == {}
    assert found.logged("proposed")[0]["stop"] is True


UNFIT = {
    "nothing changes": (reply({"limit": 3}), "it changes nothing"),
    "no suggestion": (reply(), "no suggestion, and stop is false"),
    "another name": (reply({"trim": "def cut(text, most):\n    return text"}), "does not define the function 'trim'"),
    "another signature": (reply({"trim": "def trim(text):\n    return text"}), "it must take"),
    "no Python": (reply({"trim": "def trim(text, most) return text"}), "line 1"),
    "imports": (reply({"trim": "import socket\ndef trim(text, most):\n    return text"}), "imports 'socket'"),
    "files": (reply({"trim": "def trim(text, most):\n    return open(text).read()"}), "'open' may not be used"),
    "forks": (reply({"trim": "def trim(text, most):\n    import os\n    return os.fork()"}), "imports 'os'"),
    "prints": (reply({"trim": "def trim(text, most):\n    print(text)\n    return text"}), "'print' may not be used"),
    "a run that is not there": (reply({"write_demos": [{"run": 9, "output": "x"}]}), "run 9, in which write did not"),
    "an empty text": (reply({"closing": "  "}), "closing is empty"),
}


@pytest.mark.parametrize(("bad", "said"), UNFIT.values(), ids=UNFIT.keys())
def test_what_only_the_optimizer_can_check_gets_one_repair_that_quotes_the_error(bad: str, said: str) -> None:
    asked: list[str] = []

    def repaired(text: str) -> str:
        asked.append(text)
        return reply(GOOD)

    found = run(bad, repaired)
    assert len(found.winner.values) == 4
    assert re.search(re.escape(said), section_of(asked[0], "error"))


@pytest.mark.parametrize(("bad", "said"), UNFIT.values(), ids=UNFIT.keys())
def test_after_the_repair_it_is_a_recorded_rejection(bad: str, said: str) -> None:
    found = run(bad)
    assert len(found.problems) == 2  # the call and the repair, no more
    assert found.winner.values == {}
    [rejected] = found.logged("rejected")
    assert said in rejected["reason"]
    assert "after the repair" in rejected["reason"]


def test_at_most_two_repairs_whatever_comes_back() -> None:
    found = run("nonsense", UNFIT["no Python"][0], "nonsense")
    assert len(found.problems) == 3  # the call, the re-ask, the repair, which is not asked for again
    assert len(found.logged("rejected")) == 1


def test_an_update_is_all_or_nothing() -> None:
    found = run(reply({**GOOD, "trim": "def trim(text):\n    return text"}))
    assert found.winner.values == {}


def section_of(text: str, name: str) -> str:
    found = re.search(rf"<{name}>\n(.*?)\n</{name}>", text, re.DOTALL)
    return found.group(1) if found else ""


# --- code ------------------------------------------------------------------------------------------------------------

HARMFUL = {
    "loops": ("while True:\n        pass", "used more than 1 s of processor time"),
    "fills memory": ("return len('x' * (1 << 34))", "MemoryError"),
    "recurses": ("return trim(text, most)", "RecursionError"),
    "gives a set": ("return {text}", "returned set"),
    "gives another type": ("return 5", "does not fit its return type"),
    "raises": ("return text[10_000]", "IndexError"),
    "says it was not isolated": (
        'import json\n    json.JSONEncoder.encode = lambda *a: \'{"unconfined": "x"}\'\n    return text',
        "wrote a reply of another form",
    ),
    "changes Python": ("import math\n    math.floor = None\n    return math.floor(2.5)", "TypeError"),
}


@pytest.mark.parametrize(("body", "said"), HARMFUL.values(), ids=HARMFUL.keys())
def test_code_that_does_harm_is_a_failed_candidate_and_the_study_goes_on(
    body: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.optimizers import trace_programs

    monkeypatch.setattr(trace_programs, "LIMITS", treadle.Isolated(isolation="limits", cpu=1))
    code = f"def trim(text, most):\n    {body}\n"
    asked: list[str] = []

    def second(problem: str) -> str:
        asked.append(problem)
        return reply(GOOD)

    found = run(reply({"trim": code}), second, rounds=2, batch=1)
    assert len(found.winner.values) == 4
    [first] = [event for event in found.logged("tried") if "failed" in event["outcome"]]
    assert said in first["outcome"]
    assert said in section(asked[0], "Past")


def test_code_never_runs_in_this_process(tmp_path: Path) -> None:
    code = "def trim(text, most):\n    return str(__name__)\n"
    found = run(reply({"trim": code}), acceptance=Always())
    assert {str(outcome.prediction).split()[0] for outcome in found.end} <= {"code", "one"}


# --- memory, acceptance, budget --------------------------------------------------------------------------------------


def test_later_rounds_are_told_what_was_tried() -> None:
    asked: list[str] = []

    def note(problem: str) -> str:
        asked.append(problem)
        return reply({"limit": 4 + len(asked)})

    run(note, rounds=3, candidates=1, guidance="never shout")
    past = section(asked[2], "Past").splitlines()
    assert [line.partition(" -> ")[0] for line in past] == ["round 1: limit = 5", "round 2: limit = 6"]
    assert all("score" in line for line in past)
    assert all("never shout" in section(problem, "Task") for problem in asked)


def test_the_same_change_is_not_tried_twice() -> None:
    found = run(reply({"limit": 2}), rounds=2, candidates=1)
    assert [event["outcome"][:8] for event in found.logged("tried")] == ["not kept"]
    assert "it was tried before: not kept" in found.logged("rejected")[0]["reason"]


@pytest.mark.parametrize(
    ("rule", "differences", "kept"),
    [
        (Always(), (-1.0, -1.0), True),
        (StrictImprovement(), (0.0, 0.0), False),
        (StrictImprovement(), (1.0, -0.5), True),
        (PairedTest(0.8), (1.0, 0.0, 0.0), False),
        (PairedTest(0.8), (1.0, 1.0, 1.0), True),
        (PairedTest(0.8), (), False),
    ],
)
def test_acceptance(rule: Acceptance, differences: Sequence[float], kept: bool) -> None:
    assert rule.accepts(Paired(tuple(differences))) is kept


def test_a_change_that_is_not_better_is_not_kept() -> None:
    found = run(reply({"closing": "Bye bye"}))
    assert found.winner.values == {}
    assert "not kept" in found.logged("tried")[0]["outcome"]


@pytest.mark.parametrize("field", ["rounds", "batch", "candidates", "tokens"])
def test_impossible_settings_are_refused(field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        OptoPrime(**{field: 0})  # type: ignore[arg-type]  # the field decides the type
    with pytest.raises(ConfigurationError, match="probability"):
        PairedTest(0.2)


def test_nothing_to_learn_ends_the_search() -> None:
    found = search(graph, ROWS, lambda example, prediction: 1.0, lm("unused"), OptoPrime(rounds=3, batch=2))
    assert not found.problems
    assert found.logged("stopped")


def test_a_program_without_a_path_from_its_parameters_is_a_rejection() -> None:
    @treadle.program
    def deaf(ticket: str) -> str:
        write(ticket, style())
        return ticket

    found = search(deaf, ROWS, lambda example, prediction: 0.0, lm("unused"), OptoPrime(rounds=2, batch=2))
    assert not found.problems
    assert found.winner.values == {}
    assert "no parameter has a path" in found.logged("rejected")[0]["reason"]
    assert ".style" in found.logged("unreachable")[0]["parameters"]


def test_a_search_is_resumed_without_asking_again(tmp_path: Path) -> None:
    first = run(reply(GOOD), folder=tmp_path / "study", rounds=2)
    again = run("never asked", folder=tmp_path / "study", rounds=2)
    assert again.winner == first.winner
    assert not again.problems


def test_compile_takes_it_by_name() -> None:
    compiled = treadle.compile(
        graph.bind(executor=LIMITS), ROWS * 3, metric, "optoprime", lm=treadle.Scripted(lm(reply(GOOD))),
        study=None, events=None,
    )  # fmt: skip
    assert compiled.report.emitted
    assert compiled.candidate.values[".limit"] == 6


# --- by hand ---------------------------------------------------------------------------------------------------------


def hand(*replies: Reply | str, program: Any = graph) -> Hand:
    model = treadle.Scripted(lm(*replies))
    return OptoPrime().on(program.bind(lm=model, executor=LIMITS), lm=model)


def test_a_loop_of_the_users() -> None:
    asked: list[str] = []

    def second(problem: str) -> str:
        asked.append(problem)
        return reply({"limit": 7})

    optimizer = hand(reply({"limit": 5}), second)
    value, trace = optimizer.program.traced(ticket="q")
    assert value == "one two three Bye"
    proposal = optimizer.propose([trace], ["too short"])
    assert proposal.reasoning == "because"
    optimizer.update(proposal)
    value, trace = optimizer.program.traced(ticket="q")
    assert value == "one two three four five Bye"
    optimizer.propose([trace], [treadle.Score(0.5, "still too short", notes={"write": "say more"})])
    assert variables(asked[0])["limit"] == "5"
    assert section(asked[0], "Past") == "round 1: limit = 5 -> kept"
    assert section(asked[0], "Feedback") == "run 1: score 0.5; still too short\n  on write: say more"


def test_a_proposal_can_be_turned_down_with_a_reason() -> None:
    asked: list[str] = []

    def note(problem: str) -> str:
        asked.append(problem)
        return reply({"limit": 2})

    optimizer = hand(note)
    _, trace = optimizer.program.traced(ticket="q")
    optimizer.reject(optimizer.propose([trace], ["too short"]), "two words are not enough")
    optimizer.guidance = "at least five words"
    optimizer.propose([trace], ["too short"])
    assert "two words are not enough" in section(asked[1], "Past")
    assert "at least five words" in section(asked[1], "Task")


def test_a_batch_with_different_feedback_is_one_call() -> None:
    asked: list[str] = []

    def note(problem: str) -> str:
        asked.append(problem)
        return reply({"limit": 2})

    optimizer = hand(note)
    traces = [optimizer.program.traced(ticket=f"q{n}")[1] for n in range(3)]
    optimizer.propose(traces, ["too short", {"trim": "cuts too much"}, ValueError("broke")])
    assert len(asked) == 1
    assert section(asked[0], "Feedback") == (
        "run 1: too short\nrun 2: on trim: cuts too much\nrun 3: ValueError: broke"
    )


@pytest.mark.parametrize(
    ("traces", "feedback"),
    [(1, []), (1, ["a", "b"]), (0, []), (1, "text"), (1, 3), (1, None), (1, [object()]), (1, [{"a": object()}])],
)
def test_feedback_of_the_wrong_shape_is_refused(traces: int, feedback: Any) -> None:
    optimizer = hand(reply({"limit": 2}))
    _, trace = optimizer.program.traced(ticket="q")
    with pytest.raises(DataError, match=r"feedback|as many"):
        optimizer.propose([trace] * traces, feedback)


def test_what_is_rejected_cannot_be_taken() -> None:
    optimizer = hand("nonsense")
    before = optimizer.program
    _, trace = before.traced(ticket="q")
    proposal = optimizer.propose([trace], ["bad"])
    assert proposal.rejected
    with pytest.raises(DataError, match="0 suggestions"):
        optimizer.update(proposal)
    assert optimizer.program is before
    assert optimizer.past[0].outcome.startswith("rejected: ")
