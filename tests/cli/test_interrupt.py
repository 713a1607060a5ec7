"""Ctrl-C in two stages, in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from treadle.cli.interrupt import INTERRUPTED, two_stages

ROOT = Path(__file__).resolve().parents[2]

WAITING = """
import signal, sys, time
from treadle.cli.interrupt import two_stages

def say(text):
    print(text, flush=True)

try:
    with two_stages(say):
        try:
            print("ready", flush=True)
            signal.pause()
        finally:
            print("saving", flush=True)
            while sys.argv[1] == "slow":
                signal.pause()
except KeyboardInterrupt:
    print("saved", flush=True)
    sys.exit(130)
"""


def start(how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, how],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_lets_the_program_save(number: signal.Signals) -> None:
    process = start("quick")
    process.send_signal(number)
    told, _ = process.communicate(timeout=60)
    assert told.splitlines()[0].startswith("stopping: calls in flight are finished")
    assert told.splitlines()[1:] == ["saving", "saved"]
    assert process.returncode == INTERRUPTED


def test_the_second_stops_at_once() -> None:
    process = start("slow")
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    while process.stdout.readline() != "saving\n":
        pass
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert "saved" not in told
    assert process.returncode == INTERRUPTED


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with two_stages(lambda _: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def inside() -> None:
        with two_stages(lambda _: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]
