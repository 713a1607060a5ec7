# Follows the control flow of: Pydantic AI documentation, example "SQL Generation" (ai.pydantic.dev)
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

import treadle

SCHEMA = {"records": ["created_at", "level", "message", "service_name"]}


class Draft(BaseModel):
    sql_query: Annotated[str, Field(description="empty if the request is invalid")] = ""
    explanation: str = ""
    error_message: str | None = None


@dataclass
class Answer:
    sql_query: str
    note: str
    attempts: int


@treadle.op
def explain(sql: str) -> str:
    """A stand-in for EXPLAIN: knows tables and columns."""
    if not sql.upper().startswith("SELECT"):
        raise ValueError("only SELECT is allowed")
    named = re.findall(r"(\w+) =", sql)
    for column in named:
        if column not in SCHEMA["records"]:
            raise ValueError(f"column {column} does not exist")
    return f"scan on records, {len(named)} filters"


@treadle.predict
def write_sql(request: str, database_schema: dict[str, list[str]], feedback: str) -> Draft:
    """Turn the request into SQL for this database, or say why it cannot be done."""
    ...


@treadle.program
def sql_gen(request: str, retries: int = 3) -> Answer:
    feedback = ""
    for attempt in range(retries):
        draft = write_sql(request=request, database_schema=SCHEMA, feedback=feedback)
        if draft.error_message is not None:
            return Answer("", draft.error_message, attempt + 1)
        sql = draft.sql_query.replace("\\", "")
        try:  # host: try
            plan = explain(sql)
        except ValueError as error:
            feedback = f"Invalid query: {error}"
        else:
            return Answer(sql, plan, attempt + 1)
    return Answer("", feedback, retries)


PROGRAM = sql_gen
EXAMPLES = [
    {"request": "show me the errors"},
    {"request": "delete everything", "retries": 2},
    {"request": "sing a song"},
]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    assert request_step == "write_sql"
    request, feedback = inputs["request"], inputs["feedback"]
    if "song" in request:
        return {"error_message": "not a question about records"}
    if "delete" in request:
        return {"sql_query": "DELETE FROM records"}
    column = "level" if "severity" in feedback else "severity"
    return {"sql_query": f"SELECT * FROM records WHERE {column} = \\'error\\'", "explanation": "filters by level"}
