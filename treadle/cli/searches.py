"""Commands that spend: demo, compile, eval, estimate."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

import treadle
from treadle.cli import arguments, options, output
from treadle.cli.interrupt import INTERRUPTED, two_stages
from treadle.cli.progress import Progress, shown
from treadle.compiler.errors import StudyError

if TYPE_CHECKING:
    from treadle.compiler.compile import Compiled

BELOW_MINIMUM = 3
"""Exit code of ``eval`` where the score is below ``--min-score``."""


class _Interrupted(click.ClickException):
    """What a command ends with after Ctrl-C: how to go on."""

    exit_code = INTERRUPTED

    def show(self, file: Any = None) -> None:
        """Say it, on standard error."""
        output.say(self.message)


@contextlib.contextmanager
def _watched(display: str, *, resumable: bool) -> Iterator[Progress | None]:
    """Progress on standard error; Ctrl-C in two stages, with the command that goes on."""
    try:
        with two_stages(output.say), shown(sys.stderr, display=display) as progress:
            yield progress
    except KeyboardInterrupt:
        saved = f"resume: {_again()}" if resumable else "nothing was kept: without a study folder a search starts anew"
        raise _Interrupted(f"interrupted; {saved}") from None
    except StudyError as error:
        if resumable and type(error) is StudyError:  # its subclasses say themselves what helps
            error.add_note(f"resume: {_again()}")
        raise


def _again() -> str:
    """The command as it was typed."""
    return shlex.join(["treadle", *sys.argv[1:]])


@click.command("compile", short_help="Search for better prompts, and write the result.")
@click.argument("program")
@options.data
@options.metric
@options.search
@options.budget
@options.lm
@click.option("--proposer-lm", metavar="LM", help="Writes proposals; by default --lm.")
@options.study
@click.option("--no-study", is_flag=True, help="Keep the study in memory: it cannot be resumed.")
@click.option(
    "--gate",
    type=click.Choice(["probable", "strict", "report"]),
    default="probable",
    show_default=True,
    help="How sure a gain must be for the winner to be written; report: always.",
)
@click.option("--feedback", metavar="FILE", help="Your own split: what proposals and demos may come from.")
@click.option("--select", metavar="FILE", help="Your own split: what chooses between candidates.")
@click.option("--confirm", metavar="FILE", help="Your own split: what judges the winner.")
@options.stubs
@options.file
@click.option("--out", metavar="FILE", help="Where the result goes; by default the program's name and .json.")
@options.as_json
@options.display
@options.traceback
def compile_(program: str, **given: Any) -> None:
    """Search for better prompts and demonstrations, and write the result as one file.

    PROGRAM is file.py:name, module:name or a .json file. The same command again resumes. The first Ctrl-C finishes
    calls in flight, saves and says how to go on; the second stops at once.

    \b
      treadle compile app.py:support --data train.jsonl --metric app.py:metric --lm openai/gpt-4o-mini --max-usd 2
      treadle compile app.py:support --data train.csv --metric exact_match=team --lm offline --study studies/a
      treadle compile app.py:support --data train.jsonl --metric app.py:metric --lm http://localhost:8000/v1#qwen

    The file is written whatever the verdict is; where no gain is shown it holds the program as it was.
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    found = arguments.program_of(program, given)
    out = given["out"] or f"{found.name}.json"
    output.must_be_writable(out)
    search = {**_search(given), "budget": arguments.budget_from(given)}
    if given["no_study"]:
        search["study"] = None
    elif given["study"]:
        search["study"] = given["study"]
    for split in ("feedback", "select", "confirm"):
        if given[split]:
            search[split] = given[split]
    if given["proposer_lm"]:
        search["proposer_lm"] = arguments.lm_from(given["proposer_lm"])
    with _watched(given["display"], resumable=not given["no_study"]) as events:
        compiled = treadle.compile(found, given["data"], gate=given["gate"], events=events, **search)
    _finish(compiled, out, as_json=given["as_json"])


def _search(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that ``compile`` and ``estimate`` share."""
    search: dict[str, Any] = {
        "metric": arguments.metric_from(given["metric"]),
        "optimizer": arguments.optimizer_from(given["optimizer"], given["settings"]),
        "seed": given["seed"],
        "fields": arguments.pairs(given["fields"], "--field") or None,
        "stubs": arguments.stubs_from(given["stubs"]),
        "lm": arguments.lm_from(given["lm"], temperature=given["temperature"], max_tokens=given["reply_tokens"]),
    }
    return {name: value for name, value in search.items() if value is not None}


def _finish(compiled: Compiled[..., Any], out: str, *, as_json: bool) -> None:
    if as_json:
        output.show_json(compiled.report.to_json())
    else:
        output.show(str(compiled.report))
    compiled.save(out)
    output.say(f"wrote {out}")


@click.command("eval", short_help="Score a program on examples.")
@click.argument("program")
@options.data
@options.metric
@click.option("--min-score", type=float, help="Exit with 3 where the score is below this.")
@options.budget
@options.lm
@options.study
@options.stubs
@options.file
@options.as_json
@options.display
@options.traceback
def evaluate(program: str, **given: Any) -> int:
    """Score a program on examples, without changing it.

    \b
      treadle eval support.json --data test.jsonl --metric app.py:metric --lm openai/gpt-4o-mini
      treadle eval app.py:support --data test.jsonl --metric exact_match=team --lm offline --min-score 0.8
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    found = arguments.program_of(program, given)
    settings = {
        "lm": arguments.lm_from(given["lm"], temperature=given["temperature"], max_tokens=given["reply_tokens"]),
        "fields": arguments.pairs(given["fields"], "--field") or None,
        "stubs": arguments.stubs_from(given["stubs"]),
        "budget": arguments.budget_from(given),
        "study": given["study"],
    }
    kept = {name: value for name, value in settings.items() if value is not None}
    metric = arguments.metric_from(given["metric"])
    with _watched(given["display"], resumable=given["study"] is not None) as events:
        evaluation = treadle.evaluate(found, _needed(given["data"]), metric, events=events, **kept)
    if given["as_json"]:
        output.show_json(evaluation.to_json())
    else:
        output.show(str(evaluation))
    low = given["min_score"] is not None and evaluation.score < given["min_score"]
    return BELOW_MINIMUM if low else 0


def _needed(data: str | None) -> str:
    if data is None:
        msg = "--data is missing"
        raise click.UsageError(msg)
    return data


@click.command("estimate", short_help="Say what compiling would cost.")
@click.argument("program")
@options.data
@options.metric
@options.search
@options.lm
@options.stubs
@options.file
@options.as_json
@options.traceback
def estimate(program: str, **given: Any) -> None:
    """Say what compiling would cost, and the smallest gain the data can show. Runs a few examples to calibrate.

    \b
      treadle estimate app.py:support --data train.jsonl --metric app.py:metric --lm openai/gpt-4o-mini
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    found = arguments.program_of(program, given)
    estimated = treadle.estimate(found, _needed(given["data"]), **_search(given))
    if given["as_json"]:
        output.show_json(estimated.to_json())
    else:
        output.show(str(estimated))


@click.command("demo", short_help="Compile a small program: no key, no network.")
@click.option("--out", metavar="FILE", default="support.json", show_default=True, help="Where the result goes.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same search.")
@options.display
@options.traceback
def demo(out: str, seed: int, display: str) -> None:
    """Compile a small support desk on the offline model: no key, no network, a few seconds.

    The offline model is no language model: it compares words. It reads what any provider would get, so prompts and
    examples change what it answers, and searching them pays for the same reasons.
    """
    from treadle.cli.demo import run

    run(out, seed, _watched(display, resumable=False))


COMMANDS = (demo, compile_, evaluate, estimate)
