"""Every kind of event that is told stands in the table of ``events.py``."""

import ast
from collections.abc import Iterator
from pathlib import Path

from treadle.compiler.study import events

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / "compiler" / "study", ROOT / "optimizers", ROOT / "compiler" / "compile.py")


def told() -> Iterator[tuple[str, str]]:
    """The kinds that stand in calls of ``.log("kind", …)`` and ``.emit("kind", …)``, with the file."""
    for place in PLACES:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(attr="log" | "emit"), args=[ast.Constant(value=str(kind)), *_]):
                        yield kind, path.name


def documented() -> set[str]:
    text = events.__doc__ or ""
    return {row.split()[0] for row in text.splitlines() if row[:1].isalpha() and row[17:19] == "  "}


def test_every_kind_is_in_the_table() -> None:
    missing = sorted({(kind, file) for kind, file in told() if kind not in documented()})
    assert not missing, "add these kinds to the table in compiler/study/events.py"


def test_the_table_holds_no_kind_that_nobody_tells() -> None:
    assert documented() <= {kind for kind, _ in told()}
