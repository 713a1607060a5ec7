"""One process per study folder: a lock the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from treadle.compiler.errors import ConfigurationError, StudyLocked

NAME = "study.lock"


class FolderLock:
    """Holds a folder from construction to ``release``.

    There is no waiting and no stale lock: ``flock`` ends with the process. Programs it starts do not inherit it.

    Args:
        folder: An existing folder.

    Raises:
        StudyLocked: Another process, or another study of this one, holds the folder; names pid and host.
        ConfigurationError: The folder cannot be written, or its file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            msg = f"the study folder {folder} cannot be written: {error.strerror}; give another with study="
            raise ConfigurationError(msg) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise self._refusal(error) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()} {os.uname().nodename}\n".encode(), 0)

    def _refusal(self, error: OSError) -> StudyLocked | ConfigurationError:
        holder = os.pread(self._file, 300, 0).decode(errors="replace").split()
        os.close(self._file)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            return ConfigurationError(
                f"the file system of the study folder {self._folder} has no file locks ({error.strerror}); "
                "give a folder on a local disk with study="
            )
        pid, host = (*holder, "unknown", "unknown")[:2]
        return StudyLocked(
            f"the study folder {self._folder} is in use by process {pid} on {host}; "
            "wait for it to end, or give another folder with study="
        )

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # also for a child that was forked and has not yet become a program
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()
