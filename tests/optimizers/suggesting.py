"""The planted world's answer to a problem: lines for what the feedback says was wrong, read off the problem's text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def section(problem: str, name: str) -> str:
    """The text of one section."""
    found = re.search(rf"^# {name}\n(.*?)(?=\n\n# [A-Z]|\Z)", problem, re.DOTALL | re.MULTILINE)
    return found.group(1) if found else ""


def table(problem: str, name: str) -> dict[int, dict[str, Any]]:
    """The rows of a section by run."""
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
            runs[max(runs)].append(line.strip())
    return runs


def suggest(problem: str) -> str:
    """The world's suggestion: for each step that was wrong, the line it lacked."""
    inputs, values = table(problem, "Inputs"), variables(problem)
    lines: dict[str, list[str]] = {"triage": [], "reply": []}
    for number, texts in said(problem).items():
        for step, wanted in _wanted(texts).items():
            team, _, code = wanted.partition(" ")
            clue = re.search(r"k\d+", inputs[number]["ticket"]) if step == "triage" else None
            lines[step].append(f"{clue.group()}: {wanted}" if clue else f"{team}: {code}")
    changes: Mapping[str, str] = {
        f"{step}_instruction": "\n".join([values[f"{step}_instruction"], *dict.fromkeys(new)])
        for step, new in lines.items()
        if new and f"{step}_instruction" in values
    }
    suggestions = [changes, dict(list(changes.items())[:1])] if len(changes) > 1 else [changes]
    return json.dumps({"reasoning": "The lines were missing.", "stop": False, "suggestions": suggestions})


def _wanted(texts: list[str]) -> dict[str, str]:
    found = (re.match(r'on (\w+): score 0; should be "(.*)"', text) for text in texts)
    return {match.group(1): match.group(2) for match in found if match}
