# Follows the control flow of: Pydantic AI repository, examples/pydantic_ai_examples/medical_agent_delegation.py
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

import treadle
from treadle.modules import ChainOfThought, Vote


class Specialty(StrEnum):
    general = "general"
    cardiology = "cardiology"
    neurology = "neurology"


@dataclass(frozen=True)
class Patient:
    patient_id: str
    age: int
    known_conditions: list[str] = field(default_factory=list)


class Triage(BaseModel):
    specialty: Specialty
    escalate: bool


class MedicalReport(BaseModel):
    diagnosis: list[str]
    minutes: int


class Outcome(BaseModel):
    status: str
    report: MedicalReport
    plan: str | None = None


@treadle.predict(Vote(ChainOfThought(), n=3))
def triage_agent(complaint: str, age: int) -> Triage:
    """Choose the specialty; escalate sudden weakness, fainting and anything life-threatening."""
    ...


@treadle.predict
def general_practitioner(case: str) -> MedicalReport:
    """Examine the case as a family doctor would."""
    ...


@treadle.predict
def cardiologist(case: str) -> MedicalReport:
    """Examine the case for trouble of heart and vessels."""
    ...


@treadle.predict
def neurologist(case: str) -> MedicalReport:
    """Examine the case for trouble of brain and nerves."""
    ...


@treadle.predict(ChainOfThought())
def senior_doctor(case: str, report: MedicalReport) -> str:
    """Turn the findings into a treatment plan."""
    ...


@treadle.program
def consult_specialist(specialty: Specialty, case: str) -> MedicalReport:
    match specialty:
        case Specialty.cardiology:
            return cardiologist(case)
        case Specialty.neurology:
            return neurologist(case)
        case _:
            return general_practitioner(case)


@treadle.program
def medical_triage(complaint: str, patient: Patient) -> Outcome:
    triage = triage_agent(complaint, patient.age)
    known = ", ".join(patient.known_conditions) or "none"
    case = f"{complaint} (age {patient.age}, known conditions: {known})"
    report = consult_specialist(triage.specialty, case)
    if triage.escalate:
        return Outcome(status="escalated", report=report, plan=senior_doctor(case, report))
    return Outcome(status="resolved_by_specialist", report=report)


PROGRAM = medical_triage
EXAMPLES = [
    {"complaint": "A running nose", "patient": Patient("p1", 31)},
    {"complaint": "Sudden numbness in one arm", "patient": Patient("p2", 70, ["diabetes"])},
    {"complaint": "A stitch near the heart after sport", "patient": Patient("p3", 19)},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    match request_step:
        case "triage_agent":
            words = {"numbness": "neurology", "heart": "cardiology"}
            specialty = next((kind for word, kind in words.items() if word in inputs["complaint"]), "general")
            return {"specialty": specialty, "escalate": "Sudden" in inputs["complaint"] and inputs["age"] > 50}
        case "senior_doctor":
            return f"Admit at once: {inputs['case']}"
    return {"diagnosis": [f"{request_step} on {inputs['case']}"], "minutes": 10 * len(request_step)}
