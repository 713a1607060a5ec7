"""The demo, as a newcomer runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import treadle

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_says_all_it_promises_and_leaves_one_file(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from treadle.cli import main; sys.exit(main())", "demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Compiling support with mipro: about" in run.stderr
    for part in (
        "on 114 examples the search never saw",
        "95 % interval",
        "verdict: better",
        "What changed:",
        "instruction",
        "demos: ",
        "Spent: ",
        "before  ",
        "after   ",
        "wrote support.json",
    ):
        assert part in run.stdout
    assert os.listdir(tmp_path) == ["support.json"]
    loaded = treadle.load(tmp_path / "support.json", lm="offline")
    assert set(loaded(ticket="My parcel is lost.")) == {"team", "urgency", "reply"}
    assert json.loads((tmp_path / "support.json").read_text())["provenance"]["scores"]["verdict"] == "better"
