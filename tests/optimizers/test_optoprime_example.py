"""The example runs, and prompt and code are tuned together."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "optoprime_math.py"


def test_the_example_tunes_an_instruction_and_a_parser(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLE)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, env={"PATH": "", "PYTHONHASHSEED": "0"}
    )
    assert "skipped: problems of GSM8K, for want of TREADLE_LM and --data" in done.stdout
    assert "verdict: better" in done.stdout
    assert "code of parse" in done.stdout
    assert "step by step" in done.stdout
