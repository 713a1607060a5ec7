import json
import subprocess
import sys
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.prompt.cases import CASES, MESSAGE, Address, Team, case
from treadle.compiler.errors import InputError
from treadle.compiler.hints import from_string
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.render import TEMPLATE_ID, render, response_schema, template_hash
from treadle.compiler.signature import Slot

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=60)
AWKWARD = st.sampled_from(
    [
        "{{ 7*7 }}",
        "{% for x in y %}",
        "{# no #}",
        "</a>",
        "</a-2>",
        "<a>",
        "\n",
        "\r\n",
        "# Instruction",
        "\x00",
        "Context from a:",
        "🚚",
        "\u202e",
    ]
)
MIXED_TEXT = st.lists(st.one_of(AWKWARD, ANY_TEXT), max_size=6).map("".join)

ASK = from_string("a -> b")


def test_importing_it_does_not_import_jinja2() -> None:
    code = (
        "import sys, treadle.compiler.prompt.render, treadle.compiler.prompt.parse; assert 'jinja2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_system_message_ends_with_the_instruction_and_the_chat_with_the_inputs() -> None:
    one = CASES["demos"]
    messages = render(one.signature, one.demos, one.inputs)
    assert messages[0].content.endswith("# Instruction\n" + one.signature.instruction)
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert MESSAGE in messages[-1].content


def test_only_the_last_message_depends_on_the_inputs() -> None:
    one = CASES["demos"]
    first = render(one.signature, one.demos, one.inputs)
    second = render(one.signature, one.demos, {**one.inputs, "ticket": "another"})
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]


def test_a_list_of_demos_may_grow_between_calls() -> None:
    demos: list[Demo] = []
    assert len(render(ASK, demos, {"a": "x"})) == 2
    demos.append(Demo(inputs={"a": "y"}, outputs={"b": "z"}))
    assert len(render(ASK, demos, {"a": "x"})) == 4


@given(MIXED_TEXT)
def test_text_of_instructions_and_data_stays_text(text: str) -> None:
    demo = Demo(inputs={"a": text}, outputs={"b": text})
    system, asked, answered, last = render(ASK.with_instruction("!" + text + "!"), (demo,), {"a": text})
    assert system.content.endswith("# Instruction\n!" + text + "!")
    assert answered.content == text
    assert asked.content == last.content
    assert f">\n{text}\n</a" in last.content


@given(MIXED_TEXT, MIXED_TEXT)
def test_the_first_line_that_closes_a_tag_closes_it(first: str, second: str) -> None:
    signature = from_string("a, b -> c")
    text = render(signature, (), {"a": first, "b": second})[-1].content
    found = []
    while text:
        tag, _, text = text.partition("\n")
        value, _, text = text.partition(f"\n</{tag[1:]}")
        found.append(value)
        text = text.removeprefix("\n\n")
    assert found == [first, second]


def test_values_that_are_not_text_are_shown_as_json() -> None:
    signature = from_string("a: Any -> b")
    shown = {
        5: "5",
        True: "true",
        None: "null",
        Team.BILLING: "billing",
        (1, "é"): '[1, "é"]',
    }
    for value, text in shown.items():
        assert render(signature, (), {"a": value})[-1].content == f"<a>\n{text}\n</a>"
    model = render(signature, (), {"a": [Address(street="x", city="y")]})[-1].content
    assert json.loads(model.splitlines()[1]) == [{"street": "x", "city": "y"}]


def test_a_value_without_a_json_form_is_named() -> None:
    with pytest.raises(InputError, match=r"'a', a object, has no JSON form"):
        render(from_string("a: Any -> b"), (), {"a": object()})


def test_a_demo_without_any_output_of_the_signature_is_refused() -> None:
    with pytest.raises(InputError, match=r"a demo of 'predict' has none of its outputs \(b\); it has team"):
        render(ASK, (Demo(inputs={"a": "x"}, outputs={"team": "y"}),), {"a": "x"})


def test_fields_a_demo_or_a_call_does_not_have_are_left_out() -> None:
    one = CASES["reasoning"]
    messages = render(one.signature, one.demos, {"ticket": "x"})
    assert json.loads(messages[2].content) == {"triage": "shipping"}
    assert "<policies>" not in messages[-1].content


def test_context_is_sorted_by_source_and_nothing_when_absent() -> None:
    edges = [("b", "2"), ("a", 1)]
    text = render(ASK, (), {"a": "x"}, context=edges)[-1].content
    assert text == "<a>\nx\n</a>\n\nContext from a:\n<from_a>\n1\n</from_a>\n\nContext from b:\n<from_b>\n2\n</from_b>"
    assert render(ASK, (), {"a": "x"}, context=edges[::-1])[-1].content == text
    assert "Context" not in render(ASK, (), {"a": "x"})[-1].content


def test_a_demo_shows_context_only_of_edges_in_force() -> None:
    demo = (Demo(inputs={"a": "x", "from_t": "y"}, outputs={"b": "z"}),)
    assert "Context" not in render(ASK, demo, {"a": "x"})[1].content
    assert "Context from t:\n<from_t>\ny\n" in render(ASK, demo, {"a": "x"}, context=[("t", "q")])[1].content


def test_a_description_cannot_start_a_section() -> None:
    slot = Slot(name="a", annotation=str, description="one\n# Instruction\ntwo")
    signature = from_string("-> b", instruction="Go.").with_inputs(slot)
    system = render(signature, (), {"a": "x"})[0].content
    assert [line for line in system.splitlines() if line.startswith("# ")] == [
        "# Fields",
        "# Output format",
        "# Instruction",
    ]


def test_plain_text_has_no_schema_and_everything_else_has() -> None:
    assert {name for name, one in CASES.items() if response_schema(one.signature) is None} == {
        "str",
        "str_constrained",
        "no_instruction",
        "no_inputs",
    }


def test_an_object_is_asked_for_as_itself_and_other_values_by_name() -> None:
    for name in ("model", "dataclass", "dict"):
        schema = response_schema(CASES[name].signature)
        assert schema is not None
        assert "answer" not in schema.get("properties", {})  # type: ignore[operator]  # an object
    for name in ("int", "literal", "enum", "list", "optional"):
        schema = response_schema(CASES[name].signature)
        assert schema is not None
        assert schema["required"] == ["answer"]


def test_definitions_of_a_wrapped_output_are_found_from_the_top() -> None:
    schema: Any = response_schema(CASES["list_of_models"].signature)
    assert schema["properties"]["answer"]["items"] == {"$ref": "#/$defs/Address"}
    assert "$defs" not in schema["properties"]["answer"]
    assert schema["$defs"]["Address"]["required"] == ["street", "city"]


def test_a_recursive_model_is_an_object() -> None:
    class Tree(pydantic.BaseModel):
        name: str
        children: list["Tree"] = []

    schema: Any = response_schema(case(Tree).signature)
    assert "properties" not in schema
    assert schema["$ref"] == "#/$defs/Tree"


def test_the_template_has_a_name_and_a_hash() -> None:
    assert TEMPLATE_ID == "chat/1"
    assert len(template_hash()) == 16
