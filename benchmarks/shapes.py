"""Programs by shape, every step one LM call with text in and text out: one step, a chain of three, four and a join."""

import treadle


@treadle.predict
def first(text: str) -> str:
    """Say what the text is about."""


@treadle.predict
def second(text: str) -> str:
    """Say it in one word."""


@treadle.predict
def third(text: str) -> str:
    """Say it in French."""


@treadle.predict
def fourth(text: str) -> str:
    """Say the opposite."""


@treadle.predict
def join(a: str, b: str, c: str, d: str) -> str:
    """Choose the best of four."""


@treadle.program
def one(text: str) -> str:
    """One step."""
    return first(text=text)


@treadle.program
def chain(text: str) -> str:
    """Three steps, each of the one before."""
    return third(text=second(text=first(text=text)))


@treadle.program
def fan(text: str) -> str:
    """Four steps that do not depend on one another, written one after another, and one of all four."""
    a = first(text=text)
    b = second(text=text)
    c = third(text=text)
    d = fourth(text=text)
    return join(a=a, b=b, c=c, d=d)


SHAPES = {"one": one, "chain": chain, "fan": fan}
CALLS = {"one": 1, "chain": 3, "fan": 5}
DEPTH = {"one": 1, "chain": 3, "fan": 2}


def rows(count: int, *, tag: str = "") -> list[dict[str, str]]:
    """Examples no two of which ask the same."""
    return [
        {"text": f"Ticket {tag}{number}: the printer on the second floor is on fire, again.", "label": "ok"}
        for number in range(count)
    ]


def metric(example: dict[str, str], prediction: str) -> bool:
    """Whether the answer begins with the label."""
    return prediction.startswith(example["label"])
