"""Commands that look at a program or run it: run, show, diff, graph, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from treadle.cli import arguments, options, output
from treadle.compiler.errors import ConfigurationError


@click.command("run", short_help="Run a program on an input or a file of them.")
@click.argument("program")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input; NAME=@FILE reads a file.")
@options.data
@click.option("--concurrency", type=click.IntRange(min=1), default=16, show_default=True, help="Rows at a time.")
@options.lm
@options.file
@options.as_json
@options.traceback
def run(program: str, inputs: tuple[str, ...], data: str | None, **given: Any) -> None:
    """Run a program on one input, or on every row of a file.

    PROGRAM is file.py:name, module:name or a .json file. With --data the results are JSON lines, in the rows' order.

    \b
      treadle run support.json --input ticket="Where is my parcel?" --lm openai/gpt-4o-mini
      treadle run support.json --op app.py:policies --input ticket=@letter.txt
      treadle run app.py:support --data tickets.jsonl --lm offline > answers.jsonl
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    if bool(inputs) == (data is not None):
        msg = "give the inputs either as --input NAME=VALUE or as --data FILE"
        raise click.UsageError(msg)
    found = arguments.program_of(program, given)
    slots = found.signature.inputs
    if data is None:
        value = found(**arguments.inputs_from(inputs, slots, found.name))
        _show_value(found.signature.value.dump(value), as_json=given["as_json"])
        return
    from treadle.compiler.study.data import load_data

    rows = load_data(data, slots, fields=arguments.pairs(given["fields"], "--field"))
    values = found.batch([dict(row.inputs) for row in rows], concurrency=given["concurrency"])
    for value in values:
        output.show_json(found.signature.value.dump(value), indent=None)


def _show_value(value: Any, *, as_json: bool) -> None:
    if isinstance(value, str) and not as_json:
        output.show(value)
    else:
        output.show_json(value)


@click.command("show", short_help="Show what a program says and sends.")
@click.argument("program")
@click.option("--prompt", metavar="PREDICTOR", help="Show the exact messages this predictor sends.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input of --prompt's predictor.")
@options.as_json
@options.traceback
def show(program: str, prompt: str | None, inputs: tuple[str, ...], *, as_json: bool) -> None:
    """Show what a program says: its flow, its prompts, where it comes from; or what a study found.

    PROGRAM is file.py:name, module:name, a .json file, which is read and not run, or the folder of a study.

    \b
      treadle show support.json
      treadle show studies/support-0f1e2d3c4b
      treadle show support.json --prompt reply --input ticket="Where is my parcel?" --input policies='["Be kind."]'
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from treadle.compiler.artifact.codec import encode
    from treadle.compiler.artifact.show import described, prompts

    if Path(program).is_dir():
        _show_study(Path(program), as_json=as_json)
        return
    contents = arguments.contents_of(program)
    if prompt is None:
        if as_json:
            output.show_json(encode(contents))
        else:
            output.show(described(contents))
        return
    if prompt not in contents.all_predictors:
        msg = f"{contents.name} has no predictor {prompt!r}; it has {', '.join(contents.all_predictors) or 'none'}"
        raise ConfigurationError(msg)
    slots = contents.all_predictors[prompt].signature.inputs
    calls = prompts(contents, prompt, arguments.inputs_from(inputs, slots, prompt))
    if as_json:
        output.show_json([[message.role, message.content] for _, messages in calls for message in messages])
        return
    for address, messages in calls:
        output.show(f"=== {address}")
        for message in messages:
            output.show(f"--- {message.role}\n{message.content}")


def _show_study(folder: Path, *, as_json: bool) -> None:
    """The report of the study in a folder, or how far it has come."""
    from treadle.compiler.study.report_files import described, read

    if as_json:
        output.show_json(read(folder))
    else:
        output.show(described(folder))


@click.command("diff", short_help="Show what is different between two programs.")
@click.argument("old")
@click.argument("new")
@options.as_json
@options.traceback
def diff(old: str, new: str, *, as_json: bool) -> None:
    """Show what is different in NEW, seen from OLD: how steps are answered, what they are told and shown.

    Each is file.py:name, module:name or a .json file, which is read and not run.

    \b
      treadle diff app.py:support support.json
      treadle diff monday.json tuesday.json
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from treadle.compiler.artifact.diff import compare

    found = compare(arguments.contents_of(old), arguments.contents_of(new))
    if as_json:
        output.show_json(found.to_json())
    else:
        output.show(str(found))


@click.command("graph", short_help="Draw a program's graph.")
@click.argument("program")
@click.option("--format", "form", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True)
@click.option("--out", metavar="FILE", help="Where it is written; by default standard output.")
@options.traceback
def graph(program: str, form: str, out: str | None) -> None:
    """Draw a program's graph, as an SVG that needs nothing else, or as Mermaid text.

    \b
      treadle graph app.py:support --out support.svg
      treadle graph support.json --format mermaid
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    drawn = arguments.contents_of(program).edited_graph()
    if form == "svg":
        from treadle.compiler.graph.svg import svg

        text = svg(drawn)
    else:
        from treadle.compiler.graph.mermaid import mermaid

        text = mermaid(drawn)
    if out is None:
        click.echo(text)
    else:
        output.write(out, text)
        output.say(f"wrote {out}")


@click.command("schema", short_help="Print the JSON Schema of program files.")
@options.traceback
def schema() -> None:
    """Print the JSON Schema of program files, for editors and other readers.

    \b
      treadle schema > program.schema.json
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from treadle.compiler.artifact.schema import schema as schema_of_documents

    output.show_json(schema_of_documents())


COMMANDS = (run, show, diff, graph, schema)
