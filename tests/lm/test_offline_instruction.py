import json
import random
import re

import pytest

from tests.lm.offline_prompts import answer, chat
from treadle.compiler.hints import from_string
from treadle.compiler.lm.offline_instruction import write_instruction
from treadle.compiler.signature import Signature, Slot

THEMES = {
    "Q1": ["courier", "parcel", "delivery", "tracking", "depot"],
    "Q2": ["refund", "invoice", "charged", "payment", "receipt"],
    "Q3": ["password", "login", "locked", "username", "email"],
}
FILLER = ["yesterday", "green", "Tuesday", "twelve", "kitchen", "river", "piano", "garden", "window", "orange"]


def tickets(count: int, seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    rows = []
    for n in range(count):
        label = sorted(THEMES)[n % 3]
        words = [*rng.sample(THEMES[label], 2), *rng.sample(FILLER, 2)]
        rng.shuffle(words)
        rows.append((f"About the {words[0]} and {words[1]}: I can't find {words[2]}, only {words[3]}.", label))
    return rows


ROWS = [{"ticket": text, "team": label} for text, label in tickets(20, 1)]
TASK = from_string("ticket -> team: Literal['Q1', 'Q2', 'Q3']", instruction="Choose the team.")
PROPOSER = Signature(
    name="propose",
    inputs=(Slot(name="examples", annotation=list[dict[str, str]]),),
    outputs=(Slot(name="instruction", annotation=str, description="what to tell the model"),),
    instruction="Write a better one.",
)


def accuracy(instruction: str) -> float:
    asked = tickets(90, 2)
    right: int = sum(answer(TASK.with_instruction(instruction), {"ticket": text}) == label for text, label in asked)
    return right / 90


def test_a_written_instruction_helps() -> None:
    assert accuracy("Choose the team.") < 0.5
    assert accuracy(answer(PROPOSER, {"examples": ROWS})) > 0.9


def blocks() -> str:
    return "\n\n".join(f"Ticket: {row['ticket']}\nTeam: {row['team']}" for row in ROWS)


def own_words() -> dict[str, str]:
    """Instructions got by ways a user might think of."""
    described = Signature(
        name="coach",
        inputs=(Slot(name="log", annotation=str), Slot(name="mood", annotation=str)),
        outputs=(Slot(name="rulebook", annotation=str, description="Guidelines for a new colleague."),),
        instruction="You coach people at a help desk.",
    )
    several = from_string(
        "history: list[str] -> thoughts, new_prompt, confidence: float", instruction="Reflect, then write."
    )
    lines = [f"{row['ticket']} => {row['team']}" for row in ROWS]
    pairs = [{"given": {"ticket": row["ticket"]}, "gold": row["team"]} for row in ROWS]
    schema = {"type": "object", "properties": {"instructions": {"type": "string"}}, "required": ["instructions"]}
    return {
        "a log": answer(described, {"log": blocks(), "mood": "kind"}),
        "several outputs": answer(several, {"history": lines}).new_prompt,
        "another house": json.loads(chat(("user", f"Learn from {json.dumps(pairs)}!"), schema=schema))["instructions"],
        "all in the system message": json.loads(
            chat(("system", f"These were sorted by hand.\n{blocks()}"), ("user", "Your turn."), schema=schema)
        )["instructions"],
        "a list of them": answer(from_string("cases -> instructions: list[str]"), {"cases": blocks()})[0],
    }


def test_it_works_for_proposers_in_other_words() -> None:
    for way, instruction in own_words().items():
        assert accuracy(instruction) > 0.8, way


def test_it_says_at_most_what_the_prompt_shows_and_quotes_no_example() -> None:
    written = answer(PROPOSER, {"examples": ROWS})
    shown = json.dumps(ROWS).lower()
    lines = [line for line in written.splitlines() if line.startswith("- ")]
    assert {line[2:4] for line in lines} == set(THEMES)
    for line in lines:
        for word in re.findall(r"[\w']+", line.partition(" mentions ")[2]):
            assert word in shown
    for row in ROWS:
        words = row["ticket"].split()
        assert not any(" ".join(words[n : n + 4]) in written for n in range(len(words) - 3))


def test_stop_words_are_left_out() -> None:
    rows = [
        {"text": f"please tell me about the new {w} I'm putting there", "label": "AB"[n % 2]}
        for n, w in enumerate("uvwx")
    ]
    written = answer(PROPOSER, {"examples": rows})
    assert "please" not in written
    assert "i'm" not in written


def test_the_sample_and_any_hint_vary_the_words() -> None:
    by_sample = {answer(PROPOSER, {"examples": ROWS}, sample=str(n)) for n in range(6)}
    assert len(by_sample) > 3
    hinted = PROPOSER.with_inputs(Slot(name="tip", annotation=str))
    by_hint = {answer(hinted, {"examples": ROWS, "tip": tip}) for tip in ("be brief", "be bold", "be kind", "")}
    assert len(by_hint) > 2
    assert answer(PROPOSER, {"examples": ROWS}) == answer(PROPOSER, {"examples": ROWS})


def test_the_instruction_in_force_is_kept_and_its_old_lines_are_not() -> None:
    signature = PROPOSER.with_inputs(Slot(name="current_instruction", annotation=str))
    first = answer(signature, {"examples": ROWS, "current_instruction": "Choose the team."})
    assert first.startswith("Choose the team.\n")
    second = answer(signature, {"examples": ROWS, "current_instruction": first})
    assert second.startswith("Choose the team.\n")
    assert len(second.splitlines()) == len(first.splitlines())


def test_for_longer_answers_it_says_where_they_stand() -> None:
    rules = ["Refunds take ten days.", "Parcels are replaced."]
    rows = [
        {"inputs": {"ticket": f"{word} please", "rules": rules}, "output": rules[n % 2]}
        for n, word in enumerate(["money", "box", "cash", "carton"])
    ]
    written = write_instruction("", {"examples": json.dumps(rows)}, "key")
    assert written is not None
    assert "Answer with one item of `rules`, copied exactly." in written
    assert re.search(r"- refunds ten: the ticket mentions .*(money|cash)", written)


@pytest.mark.parametrize("text", ["", "nothing here", "a: b"])
def test_without_examples_there_is_nothing_to_write(text: str) -> None:
    assert write_instruction(text, {"q": text}, "key") is None


def test_without_examples_the_step_answers_like_any_text() -> None:
    assert answer(from_string("note -> instruction"), {"note": "Turn left. Then stop."}) in ("Turn left.", "Then stop.")
