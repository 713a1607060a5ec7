# Follows the control flow of: Pydantic AI documentation, example "Flight booking" (ai.pydantic.dev)
from typing import Any, Literal

from pydantic import BaseModel

import treadle


class Flight(BaseModel):
    flight_number: str
    price: int
    origin: str
    destination: str


class Seat(BaseModel):
    row: int
    seat: Literal["A", "B", "C", "D", "E", "F"]


class Booking(BaseModel):
    flight: Flight | None
    seat: Seat | None = None
    problems: list[str] = []


@treadle.predict
def extract_flights(page: str) -> list[Flight]:
    """List every flight on the page."""
    ...


@treadle.predict
def choose_flight(origin: str, destination: str, flights: list[Flight], problems: list[str]) -> Flight | None:
    """Choose the cheapest flight that suits the user, or none; mind the problems with earlier choices."""
    ...


@treadle.predict
def seat_preference(wish: str) -> Seat:
    """Which seat suits the wish? Columns A and F are at the window, C and D on the aisle."""
    ...


@treadle.program
def book_flight(page: str, origin: str, destination: str, wish: str = "a window seat in front") -> Booking:
    flights = sorted(extract_flights(page), key=lambda flight: flight.price)
    problems: list[str] = []
    for _ in range(4):
        flight = choose_flight(origin, destination, flights, problems)
        if flight is None:
            return Booking(flight=None, problems=problems)

        errors = []
        if flight.origin != origin:
            errors.append(f"{flight.flight_number} leaves from {flight.origin}, not from {origin}")
        if flight.destination != destination:
            errors.append(f"{flight.flight_number} lands in {flight.destination}, not in {destination}")
        if not errors:
            return Booking(flight=flight, seat=seat_preference(wish), problems=problems)
        problems += errors
    return Booking(flight=None, problems=problems)


PAGE = """AK123 350 SFO ANC
AK456 120 SFO FAI
BO303 99 BOS ANC"""

PROGRAM = book_flight
EXAMPLES = [
    {"page": PAGE, "origin": "SFO", "destination": "ANC"},
    {"page": PAGE, "origin": "SFO", "destination": "JNU", "wish": "row 20, aisle"},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    match request_step:
        case "extract_flights":
            fields = ("flight_number", "price", "origin", "destination")
            return [dict(zip(fields, line.split(), strict=True)) for line in inputs["page"].splitlines()]
        case "choose_flight":
            refused = "\n".join(inputs["problems"])
            numbers = ["BO303", "AK456", "AK123"]
            fresh = [number for number in numbers if number not in refused and number in str(inputs["flights"])]
            rows = dict(line.split(" ", 1) for line in PAGE.splitlines())
            if not fresh:
                return None
            price, origin, destination = rows[fresh[0]].split()
            return {"flight_number": fresh[0], "price": int(price), "origin": origin, "destination": destination}
        case "seat_preference":
            return {"row": 20, "seat": "C"} if "aisle" in inputs["wish"] else {"row": 1, "seat": "A"}
    raise KeyError(request_step)
