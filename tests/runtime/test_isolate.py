"""Generated code does what it can and harms nobody: every kind of mistake is a clear error, and the parent goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import CodeError, ConfigurationError
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


def test_files_outside_its_folder_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    said = failure("def f(path):\n    return open(path).read()", str(secret))
    assert "may not open files" in said
    failure("def f(path):\n    open(path, 'w')", str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == [secret]


def test_its_own_folder_is_small_and_gone_afterwards() -> None:
    code = "def f(size):\n    with open('a', 'w') as out:\n        out.write('x' * size)\n    return open('a').read(3)"
    assert run(code, 5) == "xxx"
    assert "File too large" in failure(code, 3 << 20)


def test_a_full_memory_is_an_error() -> None:
    assert "MemoryError" in failure("def f():\n    return len('x' * (1 << 33))")


def test_what_it_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("import sys\ndef f():\n    print('out')\n    print('err', file=sys.stderr)\n    return 5") == 5
    assert capfd.readouterr() == ("", "")


def test_it_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code = "import os\ndef f():\n    return [dict(os.environ), os.listdir is not None, len(os.getcwd()) > 1]"
    assert run(code) == [{}, True, True]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {1, 2}", "returned set, which JSON cannot hold"),
        ("return {1: 2}", "a dict whose keys are not all text"),
        ("return float('nan')", "returned float"),
        ("x = []\n    for _ in range(200): x = [x]\n    return x", "nested more than 100 deep"),
        ("return '\\ud800'", "UnicodeEncodeError"),
        ("return 'x' * (1 << 21)", "returned more than 1048576 bytes"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("import os; os._exit(3)", "with status 3"),
        ("return f()", "RecursionError"),
        ("import os; os.write(3, b'junk'); os._exit(0)", "not JSON"),
        ("import os; os.write(3, b'[1]'); os._exit(0)", "of another form"),
    ],
)
def test_what_is_no_value_is_an_error(body: str, said: str) -> None:
    assert said in failure(f"def f():\n    {body}")


def test_an_error_at_import_is_an_error() -> None:
    assert "line 1 of the code of 'f' raised ZeroDivisionError" in failure("1 / 0\ndef f():\n    return 1")
    assert "AttributeError" in failure("def g():\n    return 1")


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
