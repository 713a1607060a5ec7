"""``treadle demo``: the main job on a small support desk, told to someone who sees Treadle for the first time."""

from __future__ import annotations

from contextlib import AbstractContextManager

import treadle
from treadle.cli import output
from treadle.cli.progress import Progress
from treadle.demo.program import metric, rows, support

CALLS = 30_000
"""LM calls the demo may make; they cost nothing."""

TICKET = "My parcel was due nine days ago and the tracking has not moved. Please help, I need it on Saturday!"

_INTRODUCTION = """\
A support desk for a bicycle shop: choose the team that owns a ticket, say how urgent it is, answer by the policy that
applies. Three typed steps, 300 tickets, each step a third of the score. The offline model answers: it is no language
model, it compares words, needs no key, and reads exactly what any provider would get. MIPRO now searches instructions
and worked examples for the three steps together.
"""

_NEXT = """\
wrote {out}: the program with its prompts, to be read, compared and run.
  treadle show {out}
  treadle run {out} --lm offline --input ticket="The rim of my wheel is bent and I leave tomorrow."
With a model of yours: --lm openai/gpt-4o-mini (and its key in the environment), or --lm http://localhost:8000/v1#qwen.
The program is {source}"""


def run(out: str, seed: int, watched: AbstractContextManager[Progress | None]) -> None:
    """Compile the support desk, show what came of it, and write it.

    Args:
        out: Path of the file it writes.
        seed: Of the search.
        watched: Shows progress for as long as the search lasts.
    """
    output.must_be_writable(out)
    output.show(_INTRODUCTION)
    lm = treadle.LM("offline")
    budget = treadle.Budget(calls=CALLS)
    with watched as events:
        compiled = treadle.compile(
            support, rows(), metric, optimizer="mipro", budget=budget, lm=lm, seed=seed, study=None, events=events
        )
    output.show(str(compiled.report))
    output.show(f"\nA ticket:  {TICKET}")
    for when, program in (("before", support.bind(lm=lm)), ("after", compiled)):
        answer = program(ticket=TICKET)
        output.show(f"  {when:6}  {answer['team']}, {answer['urgency']}: {answer['reply']}")
    compiled.save(out)
    output.show("\n" + _NEXT.format(out=out, source=support.__wrapped__.__code__.co_filename))
