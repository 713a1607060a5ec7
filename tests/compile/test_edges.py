"""Searches over context edges through ``compile``: what is emitted, how a diff says it, and that it loads."""

from pathlib import Path
from typing import Any, Literal

import treadle
from treadle.compiler.lm.protocol import Request
from treadle.demo.program import rows
from treadle.optimizers.ablation import Ablation
from treadle.optimizers.gptswarm import GPTSwarm


@treadle.predict
def expert(question: str) -> str:
    """Say what is right."""
    ...


@treadle.predict
def liar(question: str) -> str:
    """Say what is wrong."""
    ...


@treadle.predict
def judge(question: str) -> Literal["yes", "no"]:
    """Decide."""
    ...


@treadle.program
def court(question: str) -> str:
    first, second = expert(question), liar(question)
    return judge.reading(expert=first, liar=second)(question)


def reply(request: Request) -> Any:
    """The judge believes the first word it reads; without any it says no."""
    told, text = request.messages[0].content, request.messages[-1].content
    odd = int("".join(c for c in text.partition("</question>")[0] if c.isdigit())) % 2 == 1
    if "Decide." not in told:
        return "yes" if odd == ("right" in told) else "no"
    said = [word for word in ("yes", "no") if f"\n{word}\n" in text]
    return {"judge": said[0] if said else "no"}


DATA = [{"question": f"Is {n} odd?", "answer": "yes" if n % 2 else "no"} for n in range(1000, 1120)]


def compiled(optimizer: Any, program: Any = court) -> Any:
    return treadle.compile(
        program, DATA, treadle.exact_match("answer"), optimizer=optimizer, lm=treadle.Scripted(reply),
        budget=treadle.Budget(calls=20_000), study=None, events=None,
    )  # fmt: skip


def test_an_edge_search_end_to_end(tmp_path: Path) -> None:
    found = compiled(GPTSwarm(rounds=60, rate=0.15))
    assert found.report.comparison.verdict == "better"
    said = str(treadle.diff(court, found))
    assert "judge\n  also reads\n    - liar" in said
    assert "leave out liar: its input question goes on as it is" in said
    assert any(line.startswith("judge reads liar: harms") for line in found.report.findings)
    found.save(tmp_path / "court.json")
    loaded = treadle.load(tmp_path / "court.json", lm=treadle.Scripted(reply))
    assert treadle.dumps(loaded) == (tmp_path / "court.json").read_text()
    document = treadle.dumps(found)
    assert '"name": "liar"' in document  # the base graph is whole
    for n in (7, 8):
        value, trace = loaded.traced(question=f"Is {n} odd?")
        assert value == found(question=f"Is {n} odd?") == ("yes" if n % 2 else "no")
        assert len(list(trace.calls())) == 2  # the liar is not asked


def test_a_program_compiled_before_is_compiled_further() -> None:
    once = compiled(GPTSwarm(rounds=60, rate=0.15))
    again = compiled(Ablation(), once)
    assert again(question="Is 7 odd?") == "yes"
    assert not treadle.diff(once, again)


def test_a_cheaper_program_that_is_no_worse_is_emitted_on_the_offline_model() -> None:
    @treadle.predict
    def team(ticket: str, locale: str = "") -> Literal["account", "payments", "shipping", "workshop"]:
        """Choose the team that owns the ticket."""
        ...

    @treadle.program
    def triage(ticket: str) -> str:
        return team(ticket, locale="en-GB")

    found = treadle.compile(
        triage, rows(), treadle.exact_match("team"), optimizer=Ablation(loss=0.1), lm=treadle.LM("offline"),
        budget=treadle.Budget(calls=5000), study=None, events=None,
    )  # fmt: skip
    assert found.report.comparison is not None
    assert found.report.comparison.verdict == "no worse, cheaper"
    assert found.report.emitted
    assert "no longer give team its input locale" in str(treadle.diff(triage, found))
    assert "that no more than 10.0% of score is lost" in str(found.report)
    loaded = treadle.loads(treadle.dumps(found), lm=treadle.LM("offline"))
    assert [loaded(ticket=row["ticket"]) for row in rows()[:5]] == [found(ticket=row["ticket"]) for row in rows()[:5]]
