import os
import subprocess
import sys
from pathlib import Path

import pytest

from treadle.compiler.errors import ConfigurationError, StudyLocked
from treadle.compiler.study.lock import FolderLock

HOLD = """
import sys
from pathlib import Path
from treadle.compiler.study.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_fails_at_once_and_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        try:
            with pytest.raises(StudyLocked, match=f"process {other.pid} on {os.uname().nodename}"):
                FolderLock(tmp_path)
        finally:
            other.communicate()


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        other.kill()
        other.communicate()
    FolderLock(tmp_path).release()


def test_two_studies_of_one_process_cannot_share_a_folder(tmp_path: Path) -> None:
    with FolderLock(tmp_path), pytest.raises(StudyLocked, match=f"process {os.getpid()} on"):
        FolderLock(tmp_path)
    FolderLock(tmp_path).release()


def test_programs_started_by_the_holder_do_not_inherit_it(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        os.close(lock._file)  # as the holder's death does
        FolderLock(tmp_path).release()
        child.communicate(b"\n")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        FolderLock(tmp_path / "missing")


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "study.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        FolderLock(tmp_path)


def test_a_released_folder_is_free_although_a_forked_child_has_it_open(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    copy = os.dup(lock._file)  # what a fork makes
    lock.release()
    FolderLock(tmp_path).release()
    os.close(copy)
