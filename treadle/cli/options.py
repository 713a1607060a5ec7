"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

import treadle

F = TypeVar("F", bound=Callable[..., Any])


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


traceback = click.option("--traceback", is_flag=True, expose_value=False, help="Show where an error came from.")

lm = _all(
    click.option(
        "--lm",
        metavar="LM",
        help="offline, openai/gpt-4o-mini, http://localhost:8000/v1#qwen or app.py:lm. "
        "Without it: what the code binds, then $TREADLE_LM.",
    ),
    click.option("--temperature", type=click.FloatRange(min=0), help="Decoding temperature of --lm."),
    click.option("--reply-tokens", type=click.IntRange(min=1), help="Most tokens of one reply of --lm."),
)

file = _all(
    click.option("--op", "ops", multiple=True, metavar="REF", help="An op that a .json file needs; may be repeated."),
    click.option("--accept-code", multiple=True, metavar="NAME", help="An op whose code in a .json file may run."),
    click.option("--program", "host", metavar="REF", help="The program that a .json file's parameters are for."),
    click.option("--lenient", is_flag=True, help="Take what still fits of a file whose --program has changed."),
)

data = _all(
    click.option("--data", metavar="FILE", help="Examples: .jsonl, .json, .csv or .tsv."),
    click.option("--field", "fields", multiple=True, metavar="THEIRS=OURS", help="Rename a field of the data."),
)

metric = click.option(
    "--metric", required=True, metavar="REF", help="app.py:metric, or exact_match=FIELD, f1=FIELD, numeric=FIELD."
)

budget = _all(
    click.option("--max-usd", type=float, help="Dollars at most, retries and crashes included."),
    click.option("--max-calls", type=int, help="LM calls at most, retries and crashes included."),
    click.option("--max-tokens", type=int, help="Tokens at most, of prompts and replies together."),
    click.option("--max-seconds", type=float, help="Seconds after which no new batch is started."),
)

study = click.option("--study", metavar="FOLDER", help="Where replies and scores are stored; run again to resume.")

display = click.option(
    "--display",
    type=click.Choice(["auto", "live", "plain", "none"]),
    default="auto",
    help="How progress is shown: live on a terminal, else one line per event.",
)

stubs = click.option(
    "--stub", "stubs", multiple=True, metavar="OP=REF", help="A stand-in for an op that changes the world."
)

search = _all(
    click.option("--optimizer", default="mipro", metavar="NAME", help=f"One of {', '.join(treadle.OPTIMIZERS)}."),
    click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the optimizer."),
    click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same search."),
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
