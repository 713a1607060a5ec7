import enum
from typing import Annotated, Any, Literal

import pydantic
import pytest

from treadle.compiler.annotations import Annotation
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.capabilities import capabilities, require


class Colour(enum.Enum):
    RED = "red"


class Line(pydantic.BaseModel):
    what: Literal["pen", "book"]
    count: int


class Note(pydantic.BaseModel):
    text: str


@pytest.mark.parametrize(
    ("annotation", "has"),
    [
        (str, "compressible computable critiquable executable"),
        (Annotated[str, "in words"], "compressible computable critiquable executable"),
        (Annotated[str, pydantic.Field(description="words")], "compressible computable critiquable executable"),
        (Annotated[str, pydantic.Field(pattern="^[a-z]+$")], "computable critiquable"),
        (list[str], "compressible computable critiquable"),
        (int, "computable critiquable votable"),
        (bool, "computable critiquable enumerable votable"),
        (Literal["a", "b"], "computable critiquable enumerable votable"),
        (list[int], "computable critiquable votable"),
        (dict[str, float], "computable critiquable votable"),
        (int | None, "computable critiquable votable"),
        (Colour, "critiquable enumerable votable"),
        (Line, "critiquable votable"),
        (Note, "critiquable"),
        (Any, "computable critiquable"),
        (bytes, ""),
    ],
)
def test_what_values_of_a_type_are_good_for(annotation: Annotation, has: str) -> None:
    assert sorted(capabilities(annotation)) == has.split()


def test_a_refusal_says_who_why_and_what_to_do() -> None:
    with pytest.raises(SignatureError) as caught:
        require(int, "compressible", "Summarize cannot shorten 'year'", "a number has no shorter form", "Name another")
    assert str(caught.value) == (
        "Summarize cannot shorten 'year': int is not compressible: a number has no shorter form. Name another"
    )
    require(str, "compressible", "", "", "")
