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


def criticise(asked: Mapping[str, str]) -> str:
    """The world's criticism of one input or of a step's variables: the line that was missing, if it was told."""
    wanted = re.search(r'should be "(\w+) ?(\w*)"', asked["feedback"])
    if wanted is None or not asked["about"].startswith("variable"):
        return "it should fit"
    clue = re.search(r"k\d+", asked["inputs"])
    team, code = wanted.groups()
    return f"add the line\n{team}: {code}" if code else f"add the line\n{clue.group() if clue else '?'}: {team}"


def rewrite(asked: Mapping[str, str]) -> str:
    """The world's new value: the old one and the lines that were asked for."""
    lines = [line for text in json.loads(asked["criticisms"]) for line in text.splitlines() if ": " in line]
    return "\n".join([asked["current"], *dict.fromkeys(lines)])
