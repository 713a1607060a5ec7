"""The planted world's answer to a problem: lines for what the feedback says was wrong, read off the problem's text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from tests.worlds.problems import said, table, variables


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
    found = (re.match(r' *on (\w+): score 0; should be "(.*)"', text) for text in texts)
    return {match.group(1): match.group(2) for match in found if match}
