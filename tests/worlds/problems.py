"""Reading a stated problem as a language model would: sections, tables, variables, what was said of each run."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any


def section(problem: str, name: str) -> str:
    """The text of one section; empty where it is not there."""
    found = re.search(rf"^# {name}\n(.*?)(?=\n\n# [A-Z]|\n</problem>|\Z)", problem, re.DOTALL | re.MULTILINE)
    return found.group(1) if found else ""


def table(problem: str, name: str) -> dict[int, dict[str, Any]]:
    """The rows of a section by run, cells by column."""
    lines = [json.loads(line) for line in section(problem, name).splitlines() if line.startswith("[")]
    return {row[0]: dict(zip(lines[0], row, strict=True)) for row in lines[1:]}


def variables(problem: str) -> dict[str, str]:
    """The values of the variables by name."""
    parts = re.split(r"^## (\w+)\n", section(problem, "Variables"), flags=re.MULTILINE)
    return {name: body.strip().partition("\n")[2] for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def said(problem: str) -> dict[int, list[str]]:
    """What was said of each run, line by line."""
    runs: dict[int, list[str]] = {}
    for line in section(problem, "Feedback").splitlines():
        opened = re.match(r"run (\d+): (.*)", line)
        if opened:
            runs[int(opened.group(1))] = [opened.group(2)]
        elif runs:
            runs[max(runs)].append(line)
    return runs


def field(messages: Sequence[Mapping[str, str]], name: str) -> str | None:
    """An input in the last message."""
    found = re.search(rf"<{name}>\n(.*?)\n</{name}>", messages[-1]["content"], re.DOTALL)
    return found.group(1) if found else None


def instruction(messages: Sequence[Mapping[str, str]]) -> str:
    """The instruction in a prompt."""
    return messages[0]["content"].partition("# Instruction")[2].strip()


def reply(suggestions: Sequence[Mapping[str, Any]], reasoning: str = "so it seems", *, stop: bool = False) -> str:
    """A reply to a problem."""
    return json.dumps({"reasoning": reasoning, "stop": stop, "suggestions": list(suggestions)})


def chances(*key: object) -> random.Random:
    """A generator for this key: the same in every process."""
    return random.Random("|".join(map(str, key)))
