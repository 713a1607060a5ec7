# Follows the control flow of: DSPy documentation, tutorial "Extracting Information from Emails" (dspy.ai)
from enum import Enum
from typing import Any

from pydantic import BaseModel, Field

import treadle
from treadle.modules import ChainOfThought


class EmailType(str, Enum):
    ORDER = "order"
    SUPPORT = "support"
    MEETING = "meeting"
    OTHER = "other"


class Classification(BaseModel):
    email_type: EmailType
    urgency: int = Field(ge=1, le=5)


class Entity(BaseModel):
    kind: str
    value: str
    confidence: float


class EmailInsight(BaseModel):
    email_type: EmailType
    urgency: int
    summary: str
    entities: list[Entity]
    actions: list[str] = []
    needs_reply: bool = False


@treadle.predict(ChainOfThought())
def classify(subject: str, body: str, sender: str) -> Classification:
    """Tell what kind of email this is and how urgent."""
    ...


@treadle.predict(ChainOfThought())
def extract_entities(content: str, email_type: EmailType) -> list[Entity]:
    """Extract names, amounts and dates, each with a confidence."""
    ...


@treadle.predict
def summarize(subject: str, body: str, entities: list[Entity]) -> str:
    """Summarize the email in one sentence."""
    ...


@treadle.predict(ChainOfThought())
def plan_actions(email_type: EmailType, urgency: int, summary: str) -> list[str]:
    """List what the reader has to do."""
    ...


class EmailProcessor:
    def __init__(self, threshold: float = 0.5) -> None:
        self.classifier = classify
        self.entity_extractor = extract_entities
        self.summarizer = summarize
        self.action_generator = plan_actions
        self.threshold = threshold

    @treadle.program
    def forward(self, subject: str, body: str, sender: str = "") -> EmailInsight:
        kind = self.classifier(subject=subject, body=body, sender=sender)
        content = f"Subject: {subject}\n\nFrom: {sender}\n\n{body}"
        found = self.entity_extractor(content=content, email_type=kind.email_type)
        entities = [entity for entity in found if entity.confidence >= self.threshold]
        summary = self.summarizer(subject=subject, body=body, entities=entities)
        actions = self.action_generator(email_type=kind.email_type, urgency=kind.urgency, summary=summary)
        return EmailInsight(
            email_type=kind.email_type,
            urgency=kind.urgency,
            summary=summary,
            entities=entities,
            actions=actions,
            needs_reply=kind.email_type == EmailType.SUPPORT and len(actions) > 0,
        )


PROGRAM = EmailProcessor(threshold=0.6).forward
EXAMPLES = [
    {"subject": "Printer on fire", "body": "Please help, room 12.", "sender": "kim@example.org"},
    {"subject": "Your order", "body": "Two lamps, 40 euros."},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    if request_step == "classify":
        support = "help" in inputs["body"]
        return {"email_type": "support" if support else "order", "urgency": 5 if support else 1}
    if request_step == "extract_entities":
        last = inputs["content"].split()[-1].rstrip(".")
        return [{"kind": "tail", "value": last, "confidence": 0.9}, {"kind": "guess", "value": "?", "confidence": 0.2}]
    if request_step == "summarize":
        return f"{inputs['subject']}: {len(inputs['entities'])} entity"
    if request_step == "plan_actions":
        return ["call back"] if inputs["urgency"] > 3 else []
    raise KeyError(request_step)
