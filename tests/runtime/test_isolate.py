"""Generated code does what it can and harms nobody: every kind of mistake is a clear error, and the parent goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import CodeError, ConfigurationError
from treadle.compiler.runtime import isolate
from treadle.compiler.runtime.isolate import CHILD, Executor, Isolated, call_code

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")


def no_network() -> bool:
    """Whether this kernel lets a process give up its network."""
    try:
        return call_code("def f():\n    return True", "f", [], {}) is True
    except ConfigurationError:
        return False


NETWORK = no_network()
needs_namespace = pytest.mark.skipif(not NETWORK, reason="this kernel gives processes no network of their own")
QUICK = Isolated(isolation="network" if NETWORK else "limits", cpu=1, patience=60)


def run(code: str, *args: JSON, executor: Executor = QUICK) -> JSON:
    return call_code(code, "f", args, {}, executor)


def failure(code: str, *args: JSON, executor: Executor = QUICK) -> str:
    with pytest.raises(CodeError) as caught:
        run(code, *args, executor=executor)
    return str(caught.value)


def test_values_go_in_and_come_out_as_json() -> None:
    value: JSON = {"a": [1, 2.5, None, True, "é\n"]}
    assert run("def f(x):\n    return x", value) == value
    assert call_code("def f(a, b=1):\n    return a, b", "f", [1], {"b": 2}, QUICK) == [1, 2]


def test_an_exception_is_told_with_its_line_marked() -> None:
    with pytest.raises(CodeError, match="line 3 of the code of 'f' raised ValueError: invalid literal") as caught:
        run("import re\ndef f(x):\n    return int(x)", "many")
    assert "> 3 |     return int(x)\n    ^ ValueError: invalid literal" in caught.value.where


def test_a_loop_is_ended() -> None:
    assert "used more than 1 s of processor time" in failure("def f():\n    while True:\n        pass")


def test_waiting_is_ended() -> None:
    impatient = Isolated(isolation=QUICK.isolation, patience=0.3)
    assert "did not return within 0.3 s" in failure("import time\ndef f():\n    time.sleep(600)", executor=impatient)


def test_a_fork_is_refused() -> None:
    assert "generated code may not use os.fork" in failure("import os\ndef f():\n    return os.fork()")


def test_processes_are_limited_by_the_kernel_too() -> None:
    said = failure("import threading\ndef f():\n    threading.Thread(target=len).start()")
    assert "can't start new thread" in said


def test_another_program_is_refused() -> None:
    assert "may not use subprocess.Popen" in failure("import subprocess\ndef f():\n    subprocess.run(['true'])")


def test_a_socket_is_refused() -> None:
    code = "import socket\ndef f(port):\n    socket.socket().connect(('127.0.0.1', port))"
    assert "may not use socket." in failure(code, 1)


@needs_namespace
def test_the_network_is_taken_away_unless_it_is_left_on() -> None:
    code = "import os\ndef f():\n    return os.readlink('/proc/self/ns/net')"
    mine = os.readlink("/proc/self/ns/net")
    assert call_code(code, "f", [], {}) != mine  # by default
    assert run(code, executor=Isolated()) != mine
    assert run(code, executor=Isolated(isolation="limits")) == mine


@needs_namespace
def test_there_is_no_network_to_reach(tmp_path: Path) -> None:
    """Below Python: a connection made in C does not reach a listener of the parent's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        script = (
            f"import socket, sys; sys.path.insert(0, {str(CHILD.parent)!r}); import isolated; "
            "isolated._confine({'folder': '.', 'network': False, 'cpu': 5, 'memory': 1 << 30, 'file_size': 1}); "
            f"print(socket.socket().connect_ex(('127.0.0.1', {port})))"
        )
        command = [sys.executable, "-S", "-P", "-c", script]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) != 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's")
def test_what_cannot_be_confined_is_not_run(tmp_path: Path) -> None:
    """A kernel that gives no network of its own: nothing is run, not even what the text does when it is imported."""
    limits = {"folder": str(tmp_path), "network": False, "cpu": 5, "memory": 1 << 30, "file_size": 1}
    code = "import os\nos.write(3, b'ran')\ndef f():\n    return 1"
    request = {"code": code, "function": "f", "args": [], "named": {}, "imports": ["os"], "limits": limits}
    script = (
        f"import sys; sys.path.insert(0, {str(CHILD.parent)!r}); import isolated; "
        "isolated._unshare = lambda *flags: False; isolated.main()"
    )
    command = [sys.executable, "-S", "-P", "-c", script]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    assert list(json.loads(done.stdout)) == ["unconfined"]
    assert not done.stdout.startswith("\n")  # a mark that code may have run


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's")
def test_it_ends_with_its_parent_and_gets_no_more_rights(tmp_path: Path) -> None:
    script = (
        f"import ctypes, sys; sys.path.insert(0, {str(CHILD.parent)!r}); import isolated; "
        "isolated._confine({'folder': '.', 'network': True, 'cpu': 5, 'memory': 1 << 30, 'file_size': 1}); "
        "libc, signal = ctypes.CDLL(None), ctypes.c_int(); libc.prctl(2, ctypes.byref(signal), 0, 0, 0); "
        "print(signal.value, libc.prctl(39, 0, 0, 0, 0))"
    )
    command = [sys.executable, "-S", "-P", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["9", "1"]


def test_open_files_and_core_dumps_are_limited() -> None:
    code = (
        "import resource as r\ndef f():\n"
        "    return [r.getrlimit(x) for x in (r.RLIMIT_NOFILE, r.RLIMIT_CORE, r.RLIMIT_NPROC)]"
    )
    assert run(code) == [[32, 32], [0, 0], [0, 0]]


def test_files_outside_its_folder_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    said = failure("def f(path):\n    return open(path).read()", str(secret))
    assert "may not open files" in said
    failure("def f(path):\n    open(path, 'w')", str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == [secret]
    assert "may not list folders" in failure("import os\ndef f(path):\n    return os.listdir(path)", str(tmp_path))


def test_its_own_folder_is_small_and_gone_afterwards() -> None:
    code = "def f(size):\n    with open('a', 'w') as out:\n        out.write('x' * size)\n    return open('a').read(3)"
    assert run(code, 5) == "xxx"
    assert "File too large" in failure(code, 3 << 20)
    found = run("import os\ndef f():\n    open('a', 'w').close()\n    return os.getcwd()")
    assert "treadle-code-" in str(found)
    assert not Path(str(found)).exists()


def test_it_writes_few_files() -> None:
    code = "def f(count):\n    for n in range(count):\n        open(f'f{n}', 'w').close()\n    return count"
    assert run(code, 16) == 16
    assert "may not write more than 16 files" in failure(code, 17)


def test_a_full_memory_is_an_error() -> None:
    assert "MemoryError" in failure("def f():\n    return len('x' * (1 << 33))")


def test_what_it_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys\ndef f():\n    print('out', flush=True)\n    print('err', file=sys.stderr)\n    return 5"
    assert run(code) == 5
    assert capfd.readouterr() == ("", "")
    assert run("import sys\ndef f():\n    return sys.stdin.read()") == ""


def test_what_it_leaves_for_the_end_is_not_run() -> None:
    code = "import atexit, os\ndef f():\n    atexit.register(os.write, 3, b'junk')\n    return 5"
    assert run(code) == 5


def test_hints_are_not_looked_up() -> None:
    assert run("def f(x: Unknown = None) -> list[Other]:\n    return 5") == 5


def test_what_python_imports_late_is_there() -> None:
    """Root's Python may be where nobody may read."""
    code = "import datetime\ndef f():\n    return datetime.datetime.strptime('2024', '%Y').year"
    assert run(code) == 2024


def test_it_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert run("import os\ndef f():\n    return dict(os.environ)") == {}


def test_the_process_gets_no_environment_no_input_and_no_files_of_the_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Seen by a child that confines nothing; what the kernel shows of a process is what it was started with."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    script = "sys.stderr.write('said'); value = [dict(os.environ), sorted(os.listdir('/dev/fd'))]"
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        monkeypatch.setattr(isolate, "CHILD", child(tmp_path, script))
        seen: Any = run("def f():\n    return 1")
    assert set(seen[0]) <= {"PYTHONHASHSEED", "LC_CTYPE"}
    assert len(seen[1]) == 4  # the three standard ones, and the listing itself
    assert capfd.readouterr() == ("", "")


def child(folder: Path, script: str) -> Path:
    """A child of the test's own in the place of the one that ships."""
    path = folder / "child.py"
    path.write_text(
        f"import json, os, subprocess, sys, time\n{script}\nprint(); print(json.dumps({{'value': value}}))\n"
    )
    return path


def test_it_is_killed_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a child could start processes they would end with it, whether it gave a value or did not."""
    for ends in (True, False):
        marker = tmp_path / f"pid {ends}"
        script = (
            "value = subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL).pid\n"
            f"open({str(marker)!r}, 'w').write(str(value))\n"
            + ("" if ends else "print('x' * (1 << 21), flush=True); time.sleep(600)")
        )
        monkeypatch.setattr(isolate, "CHILD", child(tmp_path, script))
        if ends:
            run("def f():\n    return 1")
        else:
            assert "returned more than" in failure("def f():\n    return 1")
        assert gone(int(marker.read_text()))


def gone(process: int) -> bool:
    """Whether a process ends; one that was killed may be listed a while."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_process_that_ends_before_it_runs_code_is_no_fault_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolate, "CHILD", child(tmp_path, "sys.exit(3)"))
    with pytest.raises(ConfigurationError, match=r"with status 3.* before it ran any"):
        run("def f():\n    return 1")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {1, 2}", "the code of 'f' returned set, which JSON cannot hold"),
        ("return {1: 2}", "a dict whose keys are not all text"),
        ("return float('nan')", "returned float"),
        ("x = []\n    for _ in range(200): x = [x]\n    return x", "nested more than 100 deep"),
        ("return '\\ud800'", "UnicodeEncodeError"),
        ("return 'x' * (1 << 21)", "returned more than 1048576 bytes"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("import os; os._exit(3)", "with status 3"),
        ("import os; os._exit(0)", "ended its process without a value"),
        ("return f()", "RecursionError"),
        ("return 10 ** 5000", "raised ValueError: Exceeds the limit"),
        ("import os; os.kill(os.getppid(), 15)", "may not use os.kill"),
        ("import signal; signal.raise_signal(9)", "or was killed"),
        ("import os; os.setsid(); return 1", "Operation not permitted"),
        ("import os; os.close(3)", "with status 1"),
        ("import os\n    while True: os.write(3, b'x' * 65536)", "returned more than 1048576 bytes"),
        ("raise type('E' * 10_000, (Exception,), {})('x' * 10_000)", "raised EEE"),
        ("import os; os.write(3, b'\\xff'); os._exit(0)", "not JSON"),
        ('import os; os.write(3, b\'{"unconfined": ""}\'); os._exit(0)', "of another form"),
        ("import json; json.dumps = None; raise ValueError", "with status 1"),
        ("import os; os.write(3, b'junk'); os._exit(0)", "not JSON"),
        ("import os; os.write(3, b'[1]'); os._exit(0)", "of another form"),
        ("import os; os.write(3, b'{\"error\": 1}'); os._exit(0)", "of another form"),
        ("import os; os.write(3, b'{\"value\": NaN}'); os._exit(0)", "NaN is not a JSON number"),
        ("import os; os.write(3, b'{\"value\": 1e999}'); os._exit(0)", "not JSON"),
    ],
)
def test_what_is_no_value_is_an_error(body: str, said: str) -> None:
    found = failure(f"def f():\n    {body}")
    assert said in found
    assert len(found) < 3_000


def test_code_that_changes_python_changes_it_for_one_call() -> None:
    code = 'import json\njson.dumps = lambda *a, **k: \'{"unconfined": "no network"}\'\ndef f():\n    return 1'
    assert "of another form" in failure(code)  # and not a reason to stop the study
    patched = "import builtins, math\ndef f():\n    builtins.len = math.sqrt = None\n    return 1"
    assert run(patched) == 1
    assert run("import math\ndef f():\n    return [len('ab'), math.sqrt(4)]") == [2, 2.0]
    assert len("ab") == 2


def test_an_error_at_import_is_an_error() -> None:
    assert "line 1 of the code of 'f' raised ZeroDivisionError" in failure("1 / 0\ndef f():\n    return 1")
    assert "AttributeError" in failure("def g():\n    return 1")
    assert "line 2 of the code of 'f' raised SyntaxError" in failure("def f():\n    return (")


def test_sets_have_one_order() -> None:
    code = "def f():\n    return list({str(n) for n in range(50)})"
    assert run(code) == run(code)


def test_many_at_once() -> None:
    found: list[JSON] = []
    threads = [threading.Thread(target=lambda n=n: found.append(run("def f(n):\n    return n", n))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == sorted(range(12), key=str)


def test_no_more_run_at_once_than_there_are_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    script = (
        f"path = {str(lock)!r}; value = not os.path.exists(path); os.close(os.open(path, os.O_CREAT)); "
        "time.sleep(0.05); os.path.exists(path) and os.remove(path)"
    )
    monkeypatch.setattr(isolate, "CHILD", child(tmp_path, script))
    monkeypatch.setattr(isolate, "_AT_ONCE", threading.BoundedSemaphore(1))
    alone: list[JSON] = []
    threads = [threading.Thread(target=lambda: alone.append(run("def f():\n    return 1"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone == [True] * 4


def test_an_executor_of_the_users_gets_the_request_and_gives_the_reply() -> None:
    seen: list[JSON] = []

    def container(request: str) -> str:
        seen.append(json.loads(request))
        return '{"value": 7}'

    assert run("import re\ndef f(x):\n    return x", 3, executor=container) == 7
    [request] = seen
    assert isinstance(request, dict)
    assert request == {
        "args": [3],
        "code": "import re\ndef f(x):\n    return x",
        "function": "f",
        "imports": ["re"],
        "named": {},
    }


def test_the_child_needs_nothing_but_python() -> None:
    """What a container runs: the child's text alone, without limits of ours."""

    def container(request: str) -> str:
        command = [sys.executable, "-I", "-S", "-c", CHILD.read_text(encoding="utf-8")]
        return subprocess.run(command, input=request, capture_output=True, text=True, check=True).stdout

    assert run("def f(x):\n    return x * 2", 21, executor=container) == 42
    assert "ZeroDivisionError" in failure("def f():\n    return 1 / 0", executor=container)


@pytest.mark.parametrize("error", [OSError("no docker"), subprocess.CalledProcessError(3, ["docker"]), TypeError()])
def test_an_executor_that_fails_is_an_error_of_the_call(error: Exception) -> None:
    def container(request: str) -> str:
        raise error

    assert f"got no reply from its executor: {type(error).__name__}" in failure(
        "def f():\n    pass", executor=container
    )
    assert "not JSON" in failure("def f():\n    pass", executor=lambda request: None)  # type: ignore[arg-type, return-value]


def test_where_the_network_cannot_be_taken_away_nothing_runs() -> None:
    reply = '{"unconfined": "the kernel gives this process no network of its own"}'
    with pytest.raises(ConfigurationError, match=r'Isolated\(isolation="limits"\)'):
        run("def f():\n    return 1", executor=lambda request: reply)


@pytest.mark.parametrize("settings", [{"cpu": 0}, {"memory": -1}, {"patience": float("nan")}, {"isolation": "none"}])
def test_impossible_limits_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Isolated(**settings)  # type: ignore[arg-type]  # wrong on purpose


def test_the_first_line_of_the_docs_says_what_it_is() -> None:
    import treadle.compiler.runtime.isolate as module

    assert module.__doc__
    assert module.__doc__.startswith("Limits, not a security boundary")
