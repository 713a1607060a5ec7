# Follows the control flow of: microsoft/Trace, README and examples/greeting.py (a sales agent that greets)
from typing import Any, Literal

import treadle


@treadle.predict
def decide_language(system_prompt: str, user_query: str) -> Literal["en", "es"]:
    """Which language is the visitor speaking?"""
    ...


@treadle.predict
def extract_name(system_prompt: str, user_query: str) -> str:
    """What is the visitor called? Leave it empty if they do not say."""
    ...


class Agent:
    def __init__(self, system_prompt: str) -> None:
        self.system_prompt = system_prompt
        self.greetings = {"en": "Hello", "es": "Hola"}

    def greet(self, lang: str, user_name: str) -> str:
        """The words that open the conversation."""
        return f"{self.greetings[lang]}, {user_name}!"

    @treadle.program
    def __call__(self, user_query: str) -> str:
        lang = decide_language(self.system_prompt, user_query)
        user_name = extract_name(self.system_prompt, user_query)
        if not user_name:
            user_name = "amigo" if lang == "es" else "friend"
        return self.greet(lang, user_name)


agent = Agent("You stand at the door of a shop.")

PROGRAM = agent.__call__
EXAMPLES = [
    {"user_query": "Hola, soy Rosa."},
    {"user_query": "Hello, is anyone there?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    query = inputs["user_query"]
    if request_step == "decide_language":
        return "es" if query.startswith("Hola") else "en"
    if request_step == "extract_name":
        return query.split("soy ")[1].rstrip(".") if "soy " in query else ""
    raise KeyError(request_step)
