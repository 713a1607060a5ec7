"""What has changed, as a person would say it."""

import copy
import json
from typing import Any

import pytest

import treadle
from tests.artifact.programs import TUNED, graph, predictors, program_of, tuned
from tests.test_escape import HOSTILE
from treadle.compiler.artifact.codec import decode
from treadle.compiler.artifact.diff import Diff, compare, in_words
from treadle.compiler.artifact.emit import contents_of, dumps
from treadle.compiler.artifact.load import loads
from treadle.compiler.artifact.outline import outline
from treadle.compiler.artifact.show import described
from treadle.compiler.errors import ArtifactError
from treadle.compiler.frontend.program import Program
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.hints import from_string
from treadle.compiler.module import Predict
from treadle.modules import ChainOfThought, Vote


def diff(a: Program[..., Any], b: Program[..., Any]) -> Diff:
    return compare(contents_of(a), contents_of(b))


TEXT = """\
reply
  temperature
    - 0.5
    + 0.7
  also reads
    + triage
  instruction of chain_of_thought/predict
    + Think, then draft the reply.

triage
  answered by
    - Predict()
    + Vote(n=7)
  instruction
    - Choose the team that owns the problem.
    + Say which team owns the ticket.
    + 
    + billing: money
    + shipping: parcels
  demos: 1 removed, 2 added
    - ticket: I was charged twice → triage: billing (labelled)
    + ticket: My parcel is late → triage: shipping (bootstrapped)
    + ticket: Grüße \\u202e {{ x }} <b> → triage: account (labelled)"""  # noqa: W291  an empty line of a diff has its mark


def test_a_search_said_in_words() -> None:
    assert str(diff(program_of(graph()), tuned())) == TEXT


def test_nothing_differs_from_itself() -> None:
    found = diff(tuned(), tuned())
    assert not found
    assert str(found) == "no differences"
    assert found.to_json() == []


def test_files_and_programs_compare_alike() -> None:
    written = decode(json.loads(dumps(tuned())))
    assert not compare(contents_of(tuned()), written)
    assert str(compare(contents_of(program_of(graph())), written)) == TEXT


def test_the_way_back_says_the_opposite() -> None:
    forth, back = diff(program_of(graph()), tuned()), diff(tuned(), program_of(graph()))
    turned = str.maketrans("+-", "-+")
    for there, here in zip(forth.changes, back.changes, strict=True):
        assert (there.subject, there.what.partition(":")[0]) == (here.subject, here.what.partition(":")[0])
        assert sorted(row[:1].translate(turned) + row[1:] for row in there.lines) == sorted(here.lines)


def test_demos_in_another_order_are_said_so() -> None:
    demos = copy.deepcopy(TUNED["triage.demos"])
    assert isinstance(demos, list)
    a = program_of(graph()).with_candidate(Candidate(values={"triage.demos": demos}))
    b = program_of(graph()).with_candidate(Candidate(values={"triage.demos": demos[::-1]}))
    assert "the same, in another order" in str(diff(a, b))


def test_a_changed_program_shows_its_flow() -> None:
    other = graph(predictors(), op="policies")
    text = str(diff(program_of(graph()), program_of(other, {})))
    assert "+ policies = policies(team=triage)" in text
    assert "- reply = reply(ticket=ticket, policies={" in text


def test_a_hostile_text_does_nothing_to_a_terminal() -> None:
    instruction = HOSTILE.replace("\ud800", "")
    made = program_of(graph()).with_candidate(Candidate(values={"triage.instruction": instruction}))
    for text in (str(diff(program_of(graph()), made)), described(contents_of(made))):
        assert "\\x1b]0;title" in text
        assert not any(character in text for character in "\x1b\x07\x9b\r\x00\u202e\u2028")


@pytest.mark.parametrize(
    ("module", "words"),
    [(Predict(), "Predict()"), (Vote(ChainOfThought(), n=7), "Vote(ChainOfThought(), n=7)"), (Vote(), "Vote()")],
)
def test_modules_in_words(module: Predict | Vote, words: str) -> None:
    assert in_words(module) == words


def test_a_program_shown() -> None:
    text = described(contents_of(tuned()))
    assert text.startswith("support(ticket: str) → support: Reply")
    for part in (
        "  triage = triage(ticket=ticket)",
        "  → reply",
        "answered by Vote(n=7)",
        "| billing: money",
        "e.g. ticket: My parcel is late → triage: shipping (bootstrapped)",
        "also reads triage",
        "compiled by mipro, seed 7, with offline",
        "0.250 before, 0.500 after; difference +0.250 (+0.100 to +0.400) on 60 examples: better",
    ):
        assert part in text


def test_regions_in_words() -> None:
    signature = from_string("questions: list[str], n: int -> answers: list[str]", name="ask")
    one = from_string("question -> answer", name="answer")
    g = GraphBuilder("ask", signature)
    (answers,) = g.map(g.inputs["questions"], lambda question: g.step("answer", "answer", one, {"question": question}))
    chosen = g.branch(
        g.expr(["compare", ["arg", 0], ">", ["const", 2]], [g.inputs["n"]], bool),
        lambda: answers,
        lambda: g.inputs["questions"],
    )
    assert outline(g.finish(chosen[0])) == [
        "mapped = for each item of questions:",
        "  answer = answer(question=item)",
        "  → answer",
        "chosen = if n > 2:",
        "  → mapped",
        "else:",
        "  → questions",
        "→ chosen",
    ]


@treadle.predict
def ask(question: str, notes: list[str]) -> str:
    """Answer."""
    ...


LONG = ["a long note that nobody wants to see whole"] * 1000
LONG_IN_WORDS = '["a long note that no…", "a long note that no…", "a long note that no…", …]'


@treadle.program
def told(question: str) -> str:
    notes = [LONG[0]]
    for word in question.split():
        answer = ask(word, notes)
        if not answer:
            break
        notes.append(f"{word}: {answer}")
    return ask(question, notes + LONG)


def test_a_loop_in_words() -> None:
    assert told.graph is not None
    assert outline(told.graph) == [
        f"for each item of question.split(), one after another, with kept = [{LONG_IN_WORDS}[0]]:",
        "  ask = ask(question=item, notes=kept)",
        "  chosen, chosen′2 = if not ask:",
        '    → "break", kept',
        "  else:",
        '    → "", (kept after append(f"{item}: {ask}"))',
        "  kept = chosen′2",
        '  stop if chosen == "break"',
        f"ask#2 = ask(question=question, notes=kept + {LONG_IN_WORDS})",
        "→ ask#2",
    ]


def test_why_a_program_runs_as_its_function_is_shown() -> None:
    @treadle.program
    def tried(question: str) -> str:
        try:
            return ask(question, [])
        except ValueError:
            return ""

    text = described(contents_of(tried))
    assert "runs as its Python function (host mode)\n  line " in text
    with pytest.raises(ArtifactError, match="has no graph\n  line "):
        contents_of(tried).edited_graph()


def test_edits_of_who_reads_what_are_said_as_a_person_would() -> None:
    inserted: Any = {
        "op": "insert_step",
        "target": "reply",
        "args": {"field": "ticket", "name": "shorten", "instruction": "Make it short."},
    }
    edited = program_of(graph()).with_candidate(Candidate(values={".edits": [inserted]}))
    found = str(compare(contents_of(program_of(graph())), contents_of(edited)))
    assert "+ let ticket pass through a new step shorten on its way to reply: “Make it short.”" in found
    loaded = loads(dumps(edited))
    assert dict(loaded.candidate.values) == {".edits": [inserted]}
