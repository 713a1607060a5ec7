import enum
import json

import pytest

from tests.modules.any_module import LOOK_UP, TEXT, lms
from tests.modules.scripts import Script, run
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DeclarationError, ReplyError
from treadle.compiler.graph.op import Op
from treadle.compiler.module import module_from_json
from treadle.modules import ReAct


def act(tool: str, thought: str = "…", **arguments: JSON) -> dict[str, JSON]:
    return {"thought": thought, "action": {"tool": tool, **({"arguments": arguments} if arguments else {})}}


def test_tools_are_used_and_what_they_gave_is_seen() -> None:
    script = Script({"thought,action": [act("look_up", order=7, exact=True), act("finish")], "": "It is late."})
    assert run(ReAct(tools=(LOOK_UP,)), script, TEXT, question="?") == "It is late."
    done = json.loads(script.inputs("")[0]["done"])
    assert done[0] == {
        "thought": "…",
        "tool": "look_up",
        "arguments": {"order": 7, "exact": True},
        "seen": "order 7: True",
    }
    assert done[1] == {"thought": "…", "tool": "finish"}
    assert json.loads(script.inputs("thought,action")[1]["done"]) == done[:1]


def test_an_agent_that_never_finishes_is_stopped() -> None:
    script = Script({"thought,action": act("look_up", order=7, exact=True), "": "Enough."})
    assert run(ReAct(tools=(LOOK_UP,), steps=3), script, TEXT, question="?") == "Enough."
    assert len(script.requests) == 4 == ReAct(tools=(LOOK_UP,), steps=3).lm_calls()


def test_arguments_are_checked_against_the_tools_types() -> None:
    script = Script({"thought,action": act("look_up", order="seven", exact=True), "": "?"})
    with pytest.raises(ReplyError):
        run(ReAct(tools=(LOOK_UP,)), script, TEXT, question="?")
    asked_again = Script({"thought,action": [act("look_up", order="seven", exact=1), act("finish")], "": "Then not."})
    assert run(ReAct(tools=(LOOK_UP,)), asked_again, TEXT, question="?") == "Then not."


def test_the_model_is_told_what_a_tool_does_and_a_file_keeps_it() -> None:
    actor = next(lms(ReAct(tools=(LOOK_UP,)).build(TEXT)))
    assert actor.signature.instruction.splitlines()[1] == "- look_up(order, exact): What is known of an order."
    module = ReAct(tools=(LOOK_UP,))
    again = module_from_json(json.loads(json.dumps(module.to_json())))
    assert again == module
    assert again.ops() == {}
    assert module.ops() == {"look_up": LOOK_UP}
    script = Script({"thought,action": [act("look_up", order=1, exact=False), act("finish")], "": "Late."})
    assert run(again, script, TEXT, ops={"look_up": LOOK_UP}, question="?") == "Late."


class Mood(enum.Enum):
    CALM = "calm"
    ANGRY = "angry"


def greet(name: str, mood: Mood = Mood.CALM, title: str | None = None) -> str:
    """Greets."""
    return f"{title} {name}, {mood}"


def test_arguments_with_a_default_may_be_left_out() -> None:
    module = ReAct(tools=(Op(name="greet", function=greet, takes={"name": str, "mood": Mood, "title": str | None}),))
    actor = next(lms(module.build(TEXT)))
    assert "- greet(name, mood='calm', title=None): Greets." in actor.signature.instruction
    acts = [act("greet", name="Ada"), act("greet", name="Bob", mood="angry"), act("finish")]
    script = Script({"thought,action": acts, "": "Greeted."})
    again = module_from_json(json.loads(json.dumps(module.to_json())))
    assert again == module
    assert run(again, script, TEXT, ops=module.ops(), question="?") == "Greeted."
    done = json.loads(script.inputs("")[0]["done"])
    assert [entry["seen"] for entry in done[:2]] == ["None Ada, Mood.CALM", "None Bob, Mood.ANGRY"]


def test_what_cannot_be_a_tool_is_refused() -> None:
    untyped = Op(name="untyped", function=lambda order: order)
    with pytest.raises(DeclarationError, match="arguments order have no type"):
        ReAct(tools=(untyped,))
    with pytest.raises(DeclarationError, match="itself, not its name"):
        ReAct(tools=("look_up",))
    with pytest.raises(DeclarationError, match="not all different"):
        ReAct(tools=(LOOK_UP, LOOK_UP))
    with pytest.raises(DeclarationError, match="tools"):
        ReAct(tools=())
