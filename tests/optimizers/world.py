"""A small planted world: two steps whose answers depend on what their prompts say, and a proposer that reads examples.

``triage`` knows the team of a keyword only if its instruction has the line ``k3: T2`` or a demo shows the keyword.
``reply`` knows a team's code in the same way. The proposer writes such lines for two thirds of the examples it is
shown, and knows nothing else. So the program scores 1/8 as it is, and every demo and every proposal moves it by itself.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tests.optimizers.suggesting import criticise, rewrite, suggest
from treadle.compiler.canonical import digest
from treadle.compiler.lm.protocol import Message, Request

TEAMS = ("T1", "T2", "T3", "T4")
KEYWORDS = {f"k{number}": TEAMS[number % 4] for number in range(12)}
CODES = {"T1": "alpha", "T2": "beta", "T3": "gamma", "T4": "delta"}
Team = Literal["T1", "T2", "T3", "T4"]


def rows(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Tickets with the answers of both steps."""
    rng = random.Random(seed)
    words = [rng.choice(list(KEYWORDS)) for _ in range(count)]
    return [
        {"ticket": f"order {number} about {word} please", "triage": team, "reply": f"{team} {CODES[team]}"}
        for number, (word, team) in enumerate((word, KEYWORDS[word]) for word in words)
    ]


def metric(example: Mapping[str, Any], prediction: str) -> float:
    """Half for the right team, the rest for its code."""
    return 1.0 if prediction == example["reply"] else 0.5 * prediction.startswith(example["triage"])


def answer(request: Request) -> str:
    """The world's LM."""
    system, asked = request.messages[0].content, fields(request.messages[-1].content)
    if "failures" in asked:
        return _instruction({"examples": _cases(asked)}, request.key)
    if "examples" in asked:
        return _instruction(asked, request.key)
    if "rows" in asked:
        return "orders and what they are about"
    if "problem" in asked:
        return suggest(asked["problem"])
    if "about" in asked:
        return criticise(asked)
    if "criticisms" in asked:
        return rewrite(asked)
    known = _lines(system) | _shown(request.messages)
    if "team" in asked:
        return f"{asked['team']} {known.get(asked['team'], 'unknown')}"
    return json.dumps({"triage": known.get(_keyword(asked["ticket"]), "T1")})


def _instruction(asked: Mapping[str, str], key: str) -> str:
    lines = []
    for example in json.loads(asked["examples"]):
        given, output = example["inputs"], example["output"]
        key_of = given["team"] if "team" in given else _keyword(given["ticket"])
        if int(digest([key, key_of]), 16) % 3:
            lines.append(f"{key_of}: {output.split()[-1]}")
    return "\n".join(dict.fromkeys(lines))


def _cases(asked: Mapping[str, str]) -> str:
    """Failures with what they should be, and solved cases, as worked examples."""
    failed = [{"inputs": case["inputs"], "output": case["expected"]} for case in json.loads(asked["failures"])]
    return json.dumps([case for case in [*failed, *json.loads(asked["solved"])] if case["output"]])


def fields(text: str) -> dict[str, str]:
    """The inputs in a message."""
    return dict(re.findall(r"<(\w+)>\n(.*?)\n</\1>", text, re.DOTALL))


def _lines(system: str) -> dict[str, str]:
    return dict(re.findall(r"^(k\d+|T\d): (\w+)$", system.partition("# Instruction")[2], re.MULTILINE))


def _shown(messages: Sequence[Message]) -> dict[str, str]:
    shown = {}
    for asked, answered in zip(messages[1:-1:2], messages[2:-1:2], strict=True):
        given = fields(asked.content)
        if "team" in given:
            shown[given["team"]] = answered.content.split()[-1]
        else:
            shown[_keyword(given["ticket"])] = json.loads(answered.content)["triage"]
    return shown


def _keyword(text: str) -> str:
    found = re.search(r"k\d+", text)
    return found.group() if found else ""
