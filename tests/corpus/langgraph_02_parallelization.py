# Follows the control flow of: LangGraph documentation, "Workflows and agents", parallelization
import asyncio
from typing import Any

import treadle


@treadle.predict
async def write_joke(topic: str) -> str:
    """Write a joke about the topic."""
    ...


@treadle.predict
async def write_story(topic: str) -> str:
    """Write a story about the topic."""
    ...


@treadle.predict
async def write_poem(topic: str) -> str:
    """Write a poem about the topic."""
    ...


@treadle.program
async def parallel_workflow(topic: str, with_poem: bool = True) -> str:
    topic = topic.strip().lower()
    joke, story = await asyncio.gather(write_joke(topic), write_story(topic))

    combined = f"Two pieces on {topic}\n\n"
    combined += f"Story:\n{story}\n\n"
    combined += f"Joke:\n{joke}"
    if with_poem:
        poem = await write_poem(topic)
        combined += f"\n\nPoem:\n{poem}"
    return combined


PROGRAM = parallel_workflow
EXAMPLES = [{"topic": " Cats ", "with_poem": True}, {"topic": "Rain", "with_poem": False}]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    return f"{request_step.removeprefix('write_')} on {inputs['topic']}"
