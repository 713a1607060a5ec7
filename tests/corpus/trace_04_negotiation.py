# Follows the control flow of: microsoft/Trace, example "Negotiation Arena" (docs/examples/game/negotiation_arena.ipynb)
from typing import Any, Literal

from pydantic import BaseModel

import treadle

PLAYERS = ["Alice", "Bob"]
VALUES = [0, 1, 2, 4, 7, 12, 20, 33]
conversation: list[str] = []


class Move(BaseModel):
    action: Literal["TRADE", "ACCEPT", "REJECT", "END"]
    sell: str = ""
    buy: str = ""
    quantity: int = 0


class Score(BaseModel):
    alice: int
    bob: int
    turns: int


@treadle.op
def settle(own: dict[str, int], gives: str, takes: str, quantity: int) -> dict[str, int]:
    return {**own, gives: own[gives] - quantity, takes: own[takes] + quantity}


@treadle.predict
def negotiate(player: str, inventory: dict[str, int], transcript: list[str]) -> Move:
    """Your turn at the market: offer a swap, take or refuse the one on the table, or leave."""
    ...


def value(inventory: dict[str, int]) -> int:
    return sum(VALUES[min(count, 7)] for count in inventory.values())


@treadle.program
def negotiation(alice: dict[str, int], bob: dict[str, int], max_turns: int = 6) -> Score:
    conversation.clear()  # host: global
    offer: Move | None = None
    turns = 0
    for turn in range(max_turns):
        player = PLAYERS[turn % 2]
        move = negotiate(player, alice if player == "Alice" else bob, conversation)
        conversation.append(f"{player}: {move.action} {move.sell} {move.buy}".strip())  # host: global
        turns += 1
        match move.action:
            case "TRADE":
                offer = move
            case "ACCEPT" if offer is not None:
                seller, taker = (offer.sell, offer.buy) if player == "Bob" else (offer.buy, offer.sell)
                alice = settle(alice, seller, taker, offer.quantity)
                bob = settle(bob, taker, seller, offer.quantity)
                offer = None
            case "REJECT":
                offer = None
            case "END":
                break
    return Score(alice=value(alice), bob=value(bob), turns=turns)


PROGRAM = negotiation
EXAMPLES = [
    {"alice": {"WOOD": 4, "GOLD": 1}, "bob": {"WOOD": 1, "GOLD": 4}},
    {"alice": {"WOOD": 2, "GOLD": 2}, "bob": {"WOOD": 0, "GOLD": 5}, "max_turns": 2},
]
EXPECT = "host"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    assert request_step == "negotiate"
    said, own = inputs["transcript"], inputs["inventory"]
    if not said:
        return {"action": "TRADE", "sell": "GOLD", "buy": "WOOD", "quantity": 1}
    if "TRADE" in said[-1]:
        return {"action": "ACCEPT" if own["WOOD"] > 0 else "REJECT"}
    return {"action": "END"}
