# Follows the control flow of: microsoft/Trace, quick start "Emergent Behaviors" (VirtualHome: an agent with a plan)
from typing import Any

import treadle

ROOMS = {"kitchen": ["apple", "plate"], "bedroom": ["book"]}


@treadle.op
def observe(goal: str, history: list[str]) -> str:
    """What the agent sees: its goal, what it holds and what is still around."""
    held = [action.removeprefix("grab ") for action in history if action.startswith("grab ")]
    around = [thing for things in ROOMS.values() for thing in things if thing not in held]
    return f"Goal: {goal}. Plan: $PLAN$. Holding: {', '.join(held) or 'nothing'}. Around: {', '.join(around)}."


@treadle.predict
def revise_plan(goal: str, plan: str) -> str:
    """Revise the plan so that the goal is reached sooner."""
    ...


@treadle.predict
def choose_action(observation: str) -> str:
    """Choose one action: grab <thing>, or None if nothing is left to do."""
    ...


class HomeAgent:
    def __init__(self, max_steps: int = 4) -> None:
        self.max_steps = max_steps
        self.plan = ""
        self.history: list[str] = []

    @treadle.program
    def run(self, goal: str) -> str:
        self.history = []  # host: attribute
        self.plan = revise_plan(goal, "go and look")  # host: attribute
        for _ in range(self.max_steps):
            observation = observe(goal, self.history).replace("$PLAN$", self.plan)
            action = choose_action(observation)
            if action == "None":
                break
            self.history.append(action)  # host: attribute
        return f"{self.plan}: {'; '.join(self.history) or 'did nothing'}"


PROGRAM = HomeAgent().run
EXAMPLES = [{"goal": "bring the apple and the book"}, {"goal": "rest"}]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "revise_plan":
        return f"{inputs['plan']} for things to {inputs['goal'].split()[0]}"
    if request_step == "choose_action":
        goal, around = inputs["observation"].split(".")[0], inputs["observation"].split("Around: ")[1].rstrip(".")
        wanted = [thing for thing in around.split(", ") if thing in goal]
        return f"grab {wanted[0]}" if wanted else "None"
    raise KeyError(request_step)
