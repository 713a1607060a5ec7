"""The command line. Every option is also an argument in Python; nothing here does work of its own.

Results go to standard output, progress and messages to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from treadle.cli import files, searches
from treadle.cli.output import say_error

DONE, FAILED, MISUSED, BELOW_MINIMUM, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: done; an error, told in one message; a command written wrongly; ``eval`` below ``--min-score``;
interrupted, and the same command resumes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: What stands behind ``treadle``; by default that of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = group.main(args=given, prog_name="treadle", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        if "--traceback" in given:
            raise
        say_error(error)
        return FAILED
    return code if isinstance(code, int) else DONE


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="treadle")
def group() -> None:
    """Compile compound-AI programs: search for better prompts, and write the result as one file.

    \b
      treadle demo                                          no key, no network
      treadle compile app.py:support --data train.jsonl --metric app.py:metric --lm openai/gpt-4o-mini --max-usd 2
      treadle run support.json --input ticket="Where is my parcel?"

    \b
    Exit codes:
      0    done
      1    an error, told in one message (--traceback shows where)
      2    the command was written wrongly
      3    eval: the score is below --min-score
      130  interrupted; the same command resumes
    """  # noqa: D301  \b is click's mark for lines to leave as they are


for _command in (*searches.COMMANDS, *files.COMMANDS):
    group.add_command(_command)
