# Follows the control flow of: Pydantic AI documentation, "Graphs", "GenAI Example" (ai.pydantic.dev)
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

import treadle


@dataclass
class User:
    name: str
    interests: list[str]


class Email(BaseModel):
    subject: str
    body: str


class Review(BaseModel):
    ok: bool
    feedback: str | None = None


@treadle.predict
async def write_email(prompt: str, previous: Email | None) -> Email:
    """Write to somebody who has just signed up."""
    ...


@treadle.predict
async def review_email(user: str, email: Email) -> Review:
    """The email must mention every interest of the user: approve it, or say what is missing."""
    ...


@treadle.program
async def welcome(user: User) -> Email:
    profile = f"name: {user.name}\ninterests: {', '.join(user.interests)}"
    feedback: str | None = None
    email: Email | None = None

    for _ in range(3):
        if feedback:
            prompt = f"Write the email once more for\n{profile}\nFeedback: {feedback}"
        else:
            prompt = f"Welcome a new reader:\n{profile}"

        email = await write_email(prompt, email)
        review = await review_email(profile, email)
        if review.ok:
            return email
        feedback = review.feedback

    assert email is not None
    return email


PROGRAM = welcome
EXAMPLES = [
    {"user": User("Ana", [])},
    {"user": User("Bo", ["chess"])},
    {"user": User("Cy", ["chess", "jazz", "moss", "knots"])},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "write_email":
        name = inputs["prompt"].split("name: ")[1].split("\n")[0]
        asked = inputs["prompt"].split("Feedback: ")[1] if "Feedback: " in inputs["prompt"] else ""
        before = str(inputs["previous"] or "")
        known = [word for word in ("chess", "jazz", "moss", "knots") if word in before or word in asked]
        return {"subject": f"Welcome, {name}", "body": f"Read about {' and '.join(known)}"}
    if request_step == "review_email":
        interests = inputs["user"].split("interests: ")[1].split(", ")
        missing = [word for word in interests if word not in str(inputs["email"])]
        return {"ok": False, "feedback": missing[0]} if missing else {"ok": True}
    raise KeyError(request_step)
