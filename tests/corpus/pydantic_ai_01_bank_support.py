# Follows the control flow of: Pydantic AI documentation, example "Bank support" (ai.pydantic.dev)
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

import treadle


@dataclass(frozen=True)
class Customer:
    name: str
    balance: float
    pending: float = 0.0


CUSTOMERS = {123: Customer("John", 123.45, 20.0), 7: Customer("Ines", 9.5)}


class SupportOutput(BaseModel):
    support_advice: str = Field(description="what to tell the customer")
    block_card: bool = Field(description="true if the card must not be used again")
    risk: int = Field(description="0 harmless, 10 a fraud under way", ge=0, le=10)


@treadle.op
def find_customer(customer_id: int) -> Customer | None:
    return CUSTOMERS.get(customer_id)


@treadle.op
async def block_card(customer_id: int) -> str:
    """Would call the card service."""
    return f"BLOCK-{customer_id}"


@treadle.predict
async def support_agent(query: str, customer_name: str, balance: str) -> SupportOutput:
    """Help a customer of the bank, whom you address by name, and judge how risky the matter is."""
    ...


@treadle.program
async def bank_support(customer_id: int, query: str, include_pending: bool = True) -> str:
    customer = find_customer(customer_id)
    if customer is None:
        return "We could not find your account."

    balance = customer.balance + customer.pending if include_pending else customer.balance
    output = await support_agent(
        query=query,
        customer_name=f"Name: {customer.name!r}",
        balance=f"${balance:.2f}",
    )
    if output.block_card or output.risk >= 8:
        ticket = await block_card(customer_id)
        return f"{output.support_advice} Your card is blocked ({ticket})."
    return output.support_advice


PROGRAM = bank_support
EXAMPLES = [
    {"customer_id": 123, "query": "What is my balance?"},
    {"customer_id": 7, "query": "I just lost my card!", "include_pending": False},
    {"customer_id": 99, "query": "Hello?"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    assert request_step == "support_agent"
    lost = "lost" in inputs["query"]
    return {
        "support_advice": f"{inputs['customer_name']}, and the balance is {inputs['balance']}.",
        "block_card": lost,
        "risk": 8 if lost else 1,
    }
