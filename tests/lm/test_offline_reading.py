from hypothesis import given
from hypothesis import strategies as st

from tests.prompt.cases import CASES
from treadle.compiler.hints import from_string
from treadle.compiler.lm.offline_reading import read_context, read_inputs, split
from treadle.compiler.lm.protocol import Message
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.render import render
from treadle.compiler.signature import Slot

MARKS = ["</a>", "</b>", "<a>", "\n<b>\n", "\n</a>\n", "</a-2>", "# Instruction\n", "# Output format\n", "\n", " "]
AWKWARD = st.sampled_from([*MARKS, "Context from x:\n"])
TEXT = st.lists(st.one_of(AWKWARD, st.text(max_size=20)), max_size=6).map("".join)


@given(TEXT, TEXT, TEXT, TEXT)
def test_what_was_rendered_is_read_back_exactly(a: str, b: str, context: str, instruction: str) -> None:
    signature = from_string("a, b -> c, d: int", instruction=instruction)
    demo = Demo(inputs={"a": b, "b": a}, outputs={"c": a, "d": 3})
    before, question = split(render(signature, [demo], {"a": a, "b": b}, context=[("s", context)]))
    assert read_inputs(question) == {"a": a, "b": b, "from_s": context}
    found = read_context(before)
    assert found.instruction == instruction.strip()
    (turn,) = found.turns
    assert turn.inputs == {"a": b, "b": a}
    assert turn.data == {"c": a, "d": 3}


def test_descriptions_and_the_output_are_known() -> None:
    slot = Slot(name="a", annotation=list[str], description="first line\nsecond line")
    signature = from_string("-> b", instruction="Go.").with_inputs(slot)
    found = read_context(split(render(signature, (), {"a": []}))[0])
    assert found.described == {"a": "first line\nsecond line", "b": ""}
    assert found.output == "b"


def test_every_golden_prompt_is_read() -> None:
    for case in CASES.values():
        before, question = split(render(case.signature, case.demos, case.inputs, context=case.context))
        found = read_context(before)
        assert len(found.turns) == len(case.demos)
        assert found.instruction == case.signature.instruction
        assert set(read_inputs(question)) >= set(case.inputs)


def test_a_chat_of_another_house_is_one_instruction_and_one_input() -> None:
    chat = (Message("system", "Be kind."), Message("system", "Be brief."), Message("user", "Hello?"))
    before, question = split(chat)
    assert read_context(before).instruction == "Be kind.\n\nBe brief."
    assert read_inputs(question) == {"": "Hello?"}
    assert split(chat[:2]) == (chat[:2], "")


def test_text_beside_the_tags_is_kept() -> None:
    assert read_inputs("Look:\n<a>\nx\n</a>\nThanks.") == {"a": "x", "": "Look:\nThanks."}
    assert read_inputs("<a>\nnever closed") == {"": "<a>\nnever closed"}
