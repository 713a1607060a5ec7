"""From a CSV file to a compiled program: rename a column, let the labels make worked examples, ship one file.

python examples/csv_to_file.py
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Literal

import treadle
from treadle.demo.program import rows


@treadle.predict
def team(ticket: str) -> Literal["account", "payments", "shipping", "workshop"]:
    """Choose the team that owns the ticket."""
    ...


@treadle.program
def sort(ticket: str) -> str:
    """The team a ticket goes to."""
    return team(ticket)


def written(path: Path) -> Path:
    """A file as a help desk exports it: its columns are its own."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["Message", "Owner"])
        table.writeheader()
        table.writerows({"Message": row["ticket"], "Owner": row["team"]} for row in rows())
    return path


def main() -> None:
    """The label is called like the step, so its rows are worked examples for it."""
    columns = {"Message": "ticket", "Owner": "team"}
    with tempfile.TemporaryDirectory() as folder:
        data = written(Path(folder, "tickets.csv"))
        compiled = treadle.compile(
            sort, data, treadle.exact_match("team"), optimizer="labeled", fields=columns, lm="offline", study=None
        )
        print(compiled.report)
        compiled.save(Path(folder, "sort.json"))
        loaded = treadle.load(Path(folder, "sort.json"), lm="offline")
    print(loaded(ticket="My parcel was due nine days ago and the tracking has not moved."))


if __name__ == "__main__":
    main()
