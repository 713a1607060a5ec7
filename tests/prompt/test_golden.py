"""The exact prompt of each output kind. To write the files anew: ``REGENERATE_GOLDEN=1 pytest tests/prompt``."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.prompt.cases import CASES, Case
from treadle.compiler.lm.protocol import Message
from treadle.compiler.prompt.render import json_text, render, response_schema

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = bool(os.environ.get("REGENERATE_GOLDEN"))


def written(messages: Sequence[Message], schema: object) -> str:
    chat = "".join(f"=== {message.role} ===\n{message.content}\n" for message in messages)
    return f"{chat}=== schema ===\n{json_text(schema)}\n"  # type: ignore[arg-type]  # a schema is JSON


def text_of(case: Case) -> str:
    messages = render(case.signature, case.demos, case.inputs, context=case.context)
    return written(messages, response_schema(case.signature))


@pytest.mark.parametrize("name", CASES)
def test_the_prompt_is_the_golden_file_byte_for_byte(name: str) -> None:
    path, text = GOLDEN / f"{name}.txt", text_of(CASES[name])
    if REGENERATE:
        path.write_bytes(text.encode())
    assert path.read_bytes().decode() == text


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == sorted(CASES)
