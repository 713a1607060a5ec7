# Follows the control flow of: microsoft/Trace, quick start 2 "Adaptive Agent" (Battleship: reason, then select)
from dataclasses import dataclass
from typing import Any

import treadle
from treadle.modules import ChainOfThought

SIZE = 3


@dataclass(frozen=True)
class Game:
    hits: int
    wasted: int
    board: str
    won: bool


@treadle.op
def draw(fleet: list[str], shots: list[str]) -> str:
    """The board as the player sees it: X a hit, O a miss, . unknown."""
    rows = []
    for row in range(SIZE):
        cells = [f"{'ABC'[column]}{row + 1}" for column in range(SIZE)]
        rows.append("".join("." if cell not in shots else "X" if cell in fleet else "O" for cell in cells))
    return "\n".join(rows)


@treadle.predict
def reason(board: str) -> str:
    """Look at the board (X a hit, O a miss, . not tried yet) and say where ships may lie."""
    ...


@treadle.predict(ChainOfThought())
def select_coordinate(board: str, plan: str) -> str:
    """Name the cell to fire at: the column's letter, then the row's digit."""
    ...


@treadle.program
def play(fleet: list[str], budget: int = 6) -> Game:
    shots: list[str] = []
    hits, wasted = 0, 0
    for _ in range(budget):
        board = draw(fleet, shots)
        plan = reason(board)
        cell = select_coordinate(board, plan).strip().upper()
        if cell in shots:
            wasted += 1
            continue
        shots.append(cell)
        if cell in fleet:
            hits += 1
        if hits == len(fleet):
            break
    return Game(hits=hits, wasted=wasted, board=draw(fleet, shots), won=hits == len(fleet))


PROGRAM = play
EXAMPLES = [
    {"fleet": ["A1", "B1"]},
    {"fleet": ["C2", "C3"], "budget": 4},
    {"fleet": ["A3"], "budget": 5},
]
EXPECT = "graph"


def answer(request_step: str, inputs: dict[str, Any]) -> object:
    rows = inputs["board"].splitlines()
    if request_step == "reason":
        return "follow the hit" if any("X" in row for row in rows) else "search the diagonal"
    if request_step == "select_coordinate":
        cells = [(column, row) for row in range(SIZE) for column in range(SIZE) if rows[row][column] == "."]
        if "diagonal" in inputs["plan"]:
            cells = [(column, row) for column, row in cells if column == row] or [(0, 0)]
        column, row = cells[0]
        return f" {'abc'[column]}{row + 1}"
    raise KeyError(request_step)
