# Follows the control flow of: Pydantic AI documentation, example "Slack Lead Qualifier with Modal" (ai.pydantic.dev)
import asyncio
from typing import Annotated, Any

from pydantic import BaseModel, Field

import treadle
from treadle.modules import ChainOfThought

TOP = 2


class Profile(BaseModel):
    name: str
    email: str
    title: str | None = None


class Analysis(BaseModel):
    who: str
    organization: str
    relevance: Annotated[int, Field(ge=1, le=5)]


@treadle.op
async def look_up(domain: str) -> str:
    """Would ask a search engine about the organisation."""
    return {"acme.test": "Acme makes developer tools", "bank.test": "A bank"}.get(domain, "")


@treadle.predict(ChainOfThought())
async def analyze(profile: Profile, background: str) -> Analysis | None:
    """Judge how relevant this new member is to us; nothing if there is nothing to say."""
    ...


@treadle.program
async def analyze_profile(profile: Profile) -> Analysis | None:
    _, domain = profile.email.split("@")
    background = await look_up(domain)
    return await analyze(profile, background)


@treadle.program
async def daily_summary(profiles: list[Profile], minimum: int = 3) -> list[str]:
    analyses = await asyncio.gather(*[analyze_profile(profile) for profile in profiles])
    leads = [lead for lead in analyses if lead is not None and lead.relevance >= minimum]
    if len(leads) == 0:
        return ["No new leads."]

    best = sorted(leads, key=lambda lead: lead.relevance, reverse=True)[:TOP]
    blocks = [f"Top {len(best)} of {len(profiles)} new members"]
    for rank, lead in enumerate(best, start=1):
        blocks.append(f"{rank}. {lead.who}, {lead.organization} ({lead.relevance}/5)")
    return blocks


PROGRAM = daily_summary
EXAMPLES = [
    {
        "profiles": [
            Profile(name="Lu", email="lu@bank.test", title="CTO"),
            Profile(name="Max", email="max@acme.test"),
            Profile(name="Sam", email="sam@nowhere.test"),
            Profile(name="Eli", email="eli@acme.test", title="CTO"),
        ]
    },
    {"profiles": [Profile(name="Sam", email="sam@nowhere.test")]},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    assert request_step == "analyze"
    profile = Profile.model_validate(inputs["profile"])
    if not inputs["background"]:
        return None
    relevance = (3 if "developer" in inputs["background"] else 2) + (2 if profile.title else 0)
    return {"who": profile.name, "organization": inputs["background"].split()[0], "relevance": relevance}
