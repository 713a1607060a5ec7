"""Limits, not a security boundary: generated code runs in a child process, so that its mistakes stay there.

What the child gets: an empty environment, a temporary folder of its own, no network (a namespace of its own), and
limits on processor time, memory, file size and processes. It is killed as a group. Arguments go in and the value comes
out as JSON. That keeps a loop, a full memory or a stray file from harming the process that searches; it does not hold
somebody who means harm. For that give ``executor=``: a container or virtual machine of your own.

An executor is a function from the request's JSON text to the reply's, both described in ``isolated.py``, which is what
a container runs: it is one file and needs nothing but Python. Hand on the reply as it came, its first empty line too.

>>> import subprocess
>>> def container(request: str) -> str:
...     run = ["docker", "run", "--rm", "-i", "--network=none", "python:3.11-slim"]
...     command = [*run, "python", "-c", CHILD.read_text()]
...     return subprocess.run(command, input=request, capture_output=True, text=True, check=True).stdout
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, cast

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import CodeError, ConfigurationError
from treadle.compiler.runtime.blame import annotated
from treadle.compiler.runtime.code_check import imports_of

CHILD = Path(__file__).with_name("isolated.py")
"""What the child process runs."""

Executor: TypeAlias = Callable[[str], str]
"""From a request's JSON text to the reply's; it may wait, and is called from many threads at once."""

Isolation = Literal["network", "limits"]

_MIB = 1 << 20
_LONGEST = 2_000  # characters of what generated code says of its failure
_AT_ONCE = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Isolated:
    """The executor that ships: limits, not a security boundary.

    Needs a POSIX system, and Linux for ``isolation="network"``.

    Attributes:
        isolation: ``"network"``: the code has no network, or it does not run. ``"limits"``: it has what you have.
        cpu: Seconds of processor time, whole ones.
        patience: Seconds until the value must be there, whatever the code waits for.
        memory: Bytes of address space.
        file_size: Bytes of the largest file in its folder.
        reply_size: Bytes of the value as JSON.

    Raises:
        ConfigurationError: A limit is not positive, or ``isolation`` is something else.
    """

    isolation: Isolation = "network"
    cpu: int = 5
    patience: float = 30.0
    memory: int = 512 * _MIB
    file_size: int = _MIB
    reply_size: int = _MIB

    def __post_init__(self) -> None:
        if self.isolation not in ("network", "limits"):
            msg = f'isolation={self.isolation!r}: give "network" (none for the code) or "limits" (it keeps yours)'
            raise ConfigurationError(msg)
        for name in ("cpu", "patience", "memory", "file_size", "reply_size"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                msg = f"{name}={getattr(self, name)!r} of Isolated must be above 0"
                raise ConfigurationError(msg)

    def __call__(self, request: str) -> str:
        """Run the request in a child process.

        Raises:
            CodeError: It used up a limit.
            ConfigurationError: This machine cannot set the limits, or the process ended before it ran any code.
        """
        if os.name != "posix":
            msg = "generated code is isolated by POSIX limits, which this system does not have: give executor="
            raise ConfigurationError(msg)
        with _AT_ONCE, tempfile.TemporaryDirectory(prefix="treadle-code-") as folder, tempfile.TemporaryFile() as given:
            limits = {
                "folder": folder,
                "network": self.isolation == "limits",
                "cpu": self.cpu,
                "memory": self.memory,
                "file_size": self.file_size,
            }
            given.write(json.dumps({**json.loads(request), "limits": limits}).encode())
            given.seek(0)
            return self._reply(_started(folder, given))

    def _reply(self, child: subprocess.Popen[bytes]) -> str:
        try:
            data = self._read(child)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            assert child.stdout is not None  # it was asked for
            child.stdout.close()
            child.wait()
        if not data:
            raise ConfigurationError(
                f"the process for generated code {self._fate(child.returncode)}, before it ran any"
            )
        if not data.strip():
            raise CodeError(self._fate(child.returncode))
        return data.decode("utf-8", "replace")

    def _read(self, child: subprocess.Popen[bytes]) -> bytes:
        """All the child writes before it ends."""
        assert child.stdout is not None  # it was asked for
        until = time.monotonic() + self.patience
        data = b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise CodeError(f"did not return within {self.patience:g} s")
                part = os.read(child.stdout.fileno(), 1 << 16)
                if not part:
                    break
                data += part
                if len(data) > self.reply_size:
                    raise CodeError(f"returned more than {self.reply_size} bytes of JSON")
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.1, until - time.monotonic()))  # its status says why it wrote nothing
        return data

    def _fate(self, status: int) -> str:
        if status in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"used more than {self.cpu} s of processor time, or was killed"
        if status == -signal.SIGXFSZ:
            return f"wrote a file of more than {self.file_size} bytes"
        if status == 0:
            return "ended its process without a value"
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return f"ended its process {how}; it may have used more than {self.memory // _MIB} MiB of memory"


def _started(folder: str, given: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-s", "-P", "-S", "-B", str(CHILD)],
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={"PYTHONHASHSEED": "0"},  # the order of a set is the same each time; the child empties it
        start_new_session=True,
    )


DEFAULT: Executor = Isolated()
"""What runs generated code where nobody gives another executor."""


def call_code(
    code: str, function: str, args: Sequence[JSON], named: Mapping[str, JSON], executor: Executor = DEFAULT
) -> JSON:
    """What ``function`` of ``code`` returns for these arguments, found by the executor.

    Args:
        code: The text, checked by ``check_code``.
        function: Name of a function in it.
        args: Arguments by position, as JSON.
        named: Arguments by name, as JSON.
        executor: Where it runs.

    Raises:
        CodeError: It raised, broke a limit, or returned what JSON cannot hold; ``where`` marks the line.
        ConfigurationError: The executor cannot do its work.
    """
    request: dict[str, JSON] = {
        "code": code,
        "function": function,
        "args": list(args),
        "named": dict(named),
        "imports": list(imports_of(code)),
    }
    try:
        reply = _document(_text(executor, canonical(request)))
    except CodeError as error:
        raise CodeError(f"the code of {function!r} {error}") from None
    if "value" in reply:
        return cast(JSON, reply["value"])
    if "unconfined" in reply:
        msg = (
            f"generated code cannot be isolated here: {reply['unconfined']}. Give executor= (a container of yours), or "
            'executor=treadle.Isolated(isolation="limits") to let it have your network'
        )
        raise ConfigurationError(msg)
    raise _failure(code, function, reply["error"])


def _text(executor: Executor, request: str) -> str:
    """What the executor makes of a request. One that fails does so because of the code, for all we know."""
    try:
        return executor(request)
    except (CodeError, ConfigurationError):
        raise
    except Exception as error:  # a user's executor may raise anything
        raise CodeError(f"got no reply from its executor: {type(error).__name__}: {error}") from error


def _failure(code: str, function: str, error: Mapping[str, Any]) -> CodeError:
    kind, message, line = error.get("type"), str(error.get("message") or "")[:_LONGEST], error.get("line")
    said = f"{kind}: {message}"[:_LONGEST] if message else str(kind)[:_LONGEST]
    if kind == "_NotJson":
        return CodeError(f"the code of {function!r} {message}")
    if not isinstance(line, int):
        return CodeError(f"the code of {function!r} raised {said}")
    return CodeError(f"line {line} of the code of {function!r} raised {said}", where=annotated(code, line, said))


def _document(text: str) -> dict[str, Any]:
    """The reply, which generated code may have written.

    Raises:
        CodeError: It is none.
    """
    try:
        reply = json.loads(text, parse_constant=_no_constant)
        canonical(reply)
    except (ValueError, TypeError, RecursionError) as error:
        raise CodeError(f"wrote a reply that is not JSON: {error}") from None
    forms = {"value", "error"} | (
        {"unconfined"} if not text.startswith("\n") else set()
    )  # the code may write that, too
    known = isinstance(reply, dict) and len(reply) == 1 and set(reply) <= forms
    if not known or ("error" in reply and not isinstance(reply["error"], dict)):
        raise CodeError("wrote a reply of another form")
    return dict(reply)


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")
