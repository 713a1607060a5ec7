"""The commands, as someone types them: results to standard output, the rest to standard error, exit codes as said."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.test_escape import HOSTILE
from treadle.cli import main

ROOT = Path(__file__).resolve().parents[2]

APP = '''
"""An app as a user writes it."""

from typing import Literal

import treadle

POLICIES = {"billing": ["Refunds take five days."], "shipping": ["We trace parcels."]}
SENT = []


@treadle.predict
def triage(ticket: str) -> Literal["billing", "shipping"]:
    """Choose the team."""
    ...


@treadle.predict
def reply(ticket: str, policies: list[str]) -> str:
    """Answer with one item of `policies`, copied exactly."""
    ...


@treadle.op
def policies_of(team: str) -> list[str]:
    return POLICIES[team]


@treadle.op(effects=True)
def send(text: str) -> str:
    SENT.append(text)
    return text


@treadle.program
def support(ticket: str) -> str:
    return reply(ticket, POLICIES[triage(ticket)])


@treadle.program
def with_op(ticket: str) -> str:
    return reply(ticket, policies_of(triage(ticket)))


@treadle.program
def sending(ticket: str) -> str:
    return send(reply(ticket, policies_of(triage(ticket))))


@treadle.program
def hosted(ticket: str) -> str:
    while True:
        return triage(ticket)


def metric(example, prediction):
    return example["answer"] == prediction


lm = treadle.LM("offline", temperature=0.0)
a_number = 7


def fake_send(text: str) -> str:
    return text
'''

TICKETS = [
    ("I was charged twice on my card", "billing"),
    ("The invoice is wrong, refund my money", "billing"),
    ("My parcel is late", "shipping"),
    ("The delivery never came, where is it", "shipping"),
]


@pytest.fixture(autouse=True)
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an app and data, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "app.py").write_text(APP)
    answers = {"billing": "Refunds take five days.", "shipping": "We trace parcels."}
    rows = [
        {"ticket": f"{text}, order {number}", "triage": team, "answer": answers[team]}
        for number, (text, team) in enumerate(TICKETS * 10)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    yield tmp_path
    for name in [
        name for name, module in sys.modules.items() if getattr(module, "__file__", "") == str(tmp_path / "app.py")
    ]:
        del sys.modules[name]


class Ran:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return command


COMPILE = ("compile", "app.py:support", "--data", "train.jsonl", "--metric", "app.py:metric", "--lm", "offline")
LABELED = (*COMPILE, "--optimizer", "labeled")


# --- compile, estimate, eval -----------------------------------------------------------------------------------------


def test_compile_writes_the_program_and_tells_the_verdict(run: Run, app: Path) -> None:
    ran = run(*LABELED, "--no-study", "--gate", "report")
    assert ran.code == 0, ran.err
    assert "before and after, on" in ran.out
    assert "verdict:" in ran.out
    assert "about" in ran.err, "the estimate comes before the search"
    assert ran.err.endswith("wrote support.json\n")
    assert json.loads((app / "support.json").read_text())["provenance"]["optimizer"] == "labeled"
    assert not (app / "studies").exists()


def test_the_same_command_again_resumes_and_gives_the_same_file(run: Run, app: Path) -> None:
    first = run(*LABELED, "--study", "studies/a", "--out", "a.json", "--json")
    again = run(*LABELED, "--study", "studies/a", "--out", "b.json", "--json")
    assert (first.code, again.code) == (0, 0), again.err
    assert (app / "a.json").read_bytes() == (app / "b.json").read_bytes()
    told = json.loads(again.out)
    assert told["spend"]["search"] == json.loads(first.out)["spend"]["search"]
    assert told["spend"]["sent"] == json.loads(first.out)["spend"]["sent"], "nothing is sent twice"


def test_settings_of_the_search_arrive(run: Run, app: Path) -> None:
    ran = run(
        *COMPILE, "--optimizer", "labeled", "--set", "max_labeled=2", "--seed", "5", "--no-study", "--out", "x.json"
    )
    assert ran.code in (0, 1)
    if ran.code == 0:
        document = json.loads((app / "x.json").read_text())
        assert document["provenance"]["seed"] == 5


def test_a_budget_that_does_not_reach_is_said(run: Run, app: Path) -> None:
    ran = run(*LABELED, "--max-calls", "3", "--no-study")
    assert ran.code == 1
    assert "budget" in ran.err
    assert "Traceback" not in ran.err
    assert not (app / "support.json").exists()


def test_estimate_says_what_it_would_cost(run: Run) -> None:
    ran = run("estimate", *COMPILE[1:])
    assert ran.code == 0, ran.err
    assert "Compiling support with mipro: about" in ran.out
    told = json.loads(run("estimate", *COMPILE[1:], "--json").out)
    assert told["calls_per_run"] == 2.0


def test_eval_and_its_exit_code(run: Run) -> None:
    arguments = ("eval", "app.py:support", "--data", "train.jsonl", "--metric", "app.py:metric", "--lm", "offline")
    ran = run(*arguments)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("support on 40 examples by metric:")
    assert run(*arguments, "--min-score", "0").code == 0
    assert run(*arguments, "--min-score", "1.1").code == 3
    assert json.loads(run(*arguments, "--json").out)["examples"] == 40
    named = run("eval", "app.py:hosted", "--data", "train.jsonl", "--metric", "exact_match=triage", "--lm", "offline")
    assert named.code == 0, named.err


def test_ops_that_change_the_world_need_a_stub(run: Run) -> None:
    arguments = ("eval", "app.py:sending", "--data", "train.jsonl", "--metric", "app.py:metric", "--lm", "offline")
    refused = run(*arguments)
    assert refused.code == 1
    assert "send" in refused.err
    assert run(*arguments, "--stub", "send=app.py:fake_send").code == 0


# --- run, show, diff, graph, schema ----------------------------------------------------------------------------------


def test_run_one_input(run: Run, app: Path) -> None:
    (app / "letter.txt").write_text("My parcel is late, where is the delivery?")
    for value in ("ticket=My parcel is late", "ticket=@letter.txt"):
        ran = run("run", "app.py:support", "--lm", "app.py:lm", "--input", value)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out in ("We trace parcels.\n", "Refunds take five days.\n")
    as_json = run("run", "app.py:support", "--lm", "offline", "--input", "ticket=late", "--json")
    assert isinstance(json.loads(as_json.out), str)


def test_run_a_file_of_inputs(run: Run) -> None:
    ran = run("run", "app.py:support", "--lm", "offline", "--data", "train.jsonl")
    assert ran.code == 0
    assert len([json.loads(line) for line in ran.out.splitlines()]) == 40


def test_a_compiled_file_runs_alone_with_ops_or_with_its_program(run: Run, app: Path) -> None:
    for name in ("support", "with_op", "hosted"):
        metric = "exact_match=triage" if name == "hosted" else "app.py:metric"
        ran = run(
            "compile", f"app.py:{name}", *COMPILE[2:5], metric, *COMPILE[6:], "--optimizer", "labeled", "--no-study"
        )
        assert ran.code == 0, ran.err
    question = ("--lm", "offline", "--input", "ticket=My parcel is late")
    alone = run("run", "support.json", *question)
    assert alone.code == 0, alone.err
    assert run("run", "with_op.json", *question).code == 1
    assert run("run", "with_op.json", "--op", "app.py:policies_of", *question).out == alone.out
    refused = run("run", "hosted.json", *question)
    assert "program=hosted" in refused.err
    assert run("run", "hosted.json", "--program", "app.py:hosted", *question).out == "shipping\n"


def test_show_diff_and_prompts(run: Run, app: Path) -> None:
    assert run(*LABELED, "--no-study", "--gate", "report").code == 0
    shown = run("show", "support.json")
    assert "triage = triage(ticket=ticket)" in shown.out
    assert "compiled by labeled, seed 0, with offline" in shown.out
    assert json.loads(run("show", "support.json", "--json").out) == json.loads((app / "support.json").read_text())
    difference = run("diff", "app.py:support", "support.json")
    assert "demos:" in difference.out
    assert json.loads(run("diff", "app.py:support", "support.json", "--json").out)
    assert run("diff", "support.json", "support.json").out == "no differences\n"
    prompt = run("show", "app.py:support", "--prompt", "triage", "--input", "ticket=late")
    assert "<ticket>\nlate\n</ticket>" in prompt.out
    messages = json.loads(run("show", "app.py:support", "--prompt", "triage", "--input", "ticket=late", "--json").out)
    assert [role for role, _ in messages] == ["system", "user"]


def test_graph_and_schema(run: Run, app: Path) -> None:
    ElementTree.fromstring(run("graph", "app.py:support").out)
    assert run("graph", "app.py:support", "--format", "mermaid").out.startswith("flowchart")
    ran = run("graph", "app.py:support", "--out", "support.svg")
    assert (ran.out, ran.err) == ("", "wrote support.svg\n")
    ElementTree.parse(app / "support.svg")
    refused = run("graph", "app.py:hosted")
    assert refused.code == 1
    assert "host mode" in refused.err
    assert "line " in refused.err
    assert json.loads(run("schema").out)["title"] == "treadle/program version 1"


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["compile"], 2, "Missing argument"),
        (["frobnicate"], 2, "No such command"),
        (["run", "app.py:support"], 2, "give the inputs either as --input NAME=VALUE or as --data FILE"),
        (["run", "app.py:support", "--input", "ticket"], 2, "--input takes NAME=VALUE"),
        (["run", "app.py:support", "--input", "body=x"], 1, "support has no input 'body'; it has ticket"),
        (["run", "app.py:suport", "--input", "ticket=x"], 1, "app.py has no 'suport'; it has POLICIES"),
        (["run", "app.py:a_number", "--input", "ticket=x"], 1, "app.py:a_number is int, not a program"),
        (["run", "missing.json", "--input", "ticket=x"], 1, "cannot read missing.json"),
        (["run", "train.jsonl", "--input", "ticket=x"], 1, "write file.py:name"),
        (["run", "app.py:support", "--input", "ticket=x"], 1, "no LM for step 'triage'"),
        (["run", "app.py:support", "--input", "ticket=x", "--lm", "nonsense"], 1, "nonsense"),
        (["run", "app.py:support", "--input", "ticket=x", "--temperature", "1"], 1, "settings of --lm; give it"),
        (["run", "app.py:support", "--input", "ticket=x", "--op", "app.py:send"], 1, "what a .json file needs"),
        (["run", "app.py:support", "--input", "ticket=@missing.txt", "--lm", "offline"], 1, "cannot read missing.txt"),
        (["eval", "app.py:support", "--data", "missing.jsonl", "--metric", "app.py:metric"], 1, "missing.jsonl"),
        (
            ["eval", "app.py:support", "--data", "train.jsonl", "--metric", "app.py:a_number"],
            1,
            "a metric is a function",
        ),
        ([*COMPILE, "--optimizer", "magic"], 1, "no optimizer is called 'magic'"),
        ([*COMPILE, "--set", "magic=1"], 1, "its settings are"),
        ([*COMPILE, "--max-calls", "-1"], 1, "a cap is above 0"),
        ([*COMPILE, "--out", "missing/x.json"], 1, "there is no folder"),
        ([*COMPILE, "--out", "."], 1, "it is a folder; nothing was begun"),
        (["demo", "--out", "missing/x.json"], 1, "nothing was begun"),
        (
            ["show", "app.py:support", "--prompt", "answer"],
            1,
            "support has no predictor 'answer'; it has reply, triage",
        ),
        (["graph", "app.py:support", "--out", "missing/x.svg"], 1, "cannot write missing/x.svg"),
    ],
)
def test_errors_are_one_clear_message(run: Run, arguments: list[str], code: int, says: str) -> None:
    ran = run(*arguments)
    assert ran.code == code
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_a_traceback_is_shown_when_asked_for(run: Run) -> None:
    with pytest.raises(ValueError, match="no 'suport'"):
        run("run", "app.py:suport", "--input", "ticket=x", "--traceback")


def test_an_error_in_user_code_names_its_line(run: Run, app: Path) -> None:
    (app / "broken.py").write_text("import treadle\nraise KeyError('oops')\n")
    ran = run("run", "broken.py:support", "--input", "ticket=x")
    assert ran.code == 1
    assert "broken.py line 2: KeyError: 'oops'" in ran.err


# --- sinks -----------------------------------------------------------------------------------------------------------


def test_a_hostile_text_does_nothing_in_any_output(run: Run, app: Path) -> None:
    text = HOSTILE.replace("\ud800", "").replace("\x00", "").replace("\ufffe", "")
    (app / "hostile.py").write_text(
        "import treadle\n"
        f"TEXT = {text!r}\n"
        "lm = treadle.Scripted(lambda request: TEXT)\n"
        "@treadle.predict\n"
        "def say(question: str) -> str:\n    ...\n"
        "@treadle.program\n"
        "def talk(question: str) -> str:\n    return say(question)\n"
        "def metric(example, prediction):\n    raise ValueError(prediction)\n"
    )
    (app / "rows.jsonl").write_text(json.dumps({"question": text}) + "\n")
    asked = ("--lm", "hostile.py:lm")
    for arguments in (
        ("run", "hostile.py:talk", *asked, "--input", f"question={text}"),
        ("run", "hostile.py:talk", *asked, "--data", "rows.jsonl"),
        ("run", f"hostile.py:{text}", *asked, "--input", "question=x"),
        ("eval", "hostile.py:talk", *asked, "--data", "rows.jsonl", "--metric", "hostile.py:metric"),
        ("show", "hostile.py:talk", "--prompt", "say", "--input", f"question={text}"),
        ("graph", "hostile.py:talk"),
        ("graph", "hostile.py:talk", "--format", "mermaid"),
    ):
        ran = run(*arguments)
        for shown in (ran.out, ran.err):
            assert not any(character in shown for character in "\x1b\x07\x9b\r\u202e\u2028"), arguments


# --- the process -----------------------------------------------------------------------------------------------------


def process(*arguments: str, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "import sys; from treadle.cli import main; sys.exit(main())", *arguments],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **how,
    )


def test_help_has_examples_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from treadle.cli import main\n"
        "codes = [main([*command, '--help']) for command in ([], ['compile'], ['run'], ['show'], ['demo'])]\n"
        "names = ('litellm', 'optuna', 'aiohttp', 'networkx', 'rich', 'jinja2', 'numpy')\n"
        "heavy = [name for name in names if name in sys.modules]\n"
        "print(codes, heavy)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0] []"
    assert "treadle compile app.py:support --data train.jsonl" in run.stdout
    assert "130  interrupted" in run.stdout


def test_a_closed_pipe_ends_quietly(app: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        run = subprocess.run(
            [sys.executable, "-c", "import sys; from treadle.cli import main; sys.exit(main())", "schema"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
    assert run.stderr == ""


WAITING = """
import os
import treadle

def answer(request):
    if not os.path.exists("go"):
        open("asked", "a").write("x")
        while not os.path.exists("go") and not os.path.exists("stop"):
            pass
    return {"triage": "billing"}

lm = treadle.Scripted(answer)
"""


def test_ctrl_c_saves_and_says_how_to_resume(app: Path) -> None:
    (app / "slow.py").write_text(WAITING.replace("pass", "__import__('time').sleep(0.01)"))
    arguments = (
        "eval",
        "app.py:hosted",
        "--data",
        "train.jsonl",
        "--metric",
        "exact_match=triage",
        "--lm",
        "slow.py:lm",
    )
    started = process(*arguments, "--study", "studies/x", cwd=app)
    while not (app / "asked").exists():
        assert started.poll() is None, started.communicate()
    started.send_signal(signal.SIGINT)
    (app / "stop").touch()
    _, err = started.communicate(timeout=120)
    assert started.returncode == 130, err
    assert "stopping: calls in flight are finished and saved" in err
    assert "resume: treadle eval app.py:hosted" in err
    assert "Traceback" not in err
    (app / "go").touch()
    resumed = process(*arguments, "--study", "studies/x", cwd=app)
    out, err = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, err
    assert out.startswith("hosted on 40 examples")


def test_show_tells_of_a_studys_folder(run: Run, app: Path) -> None:
    run(*LABELED, "--study", "study")
    assert "before and after" in run("show", "study").out
    assert json.loads(run("show", "study", "--json").out)["format"] == "treadle/report"
    (app / "nothing").mkdir()
    assert "no study" in run("show", "nothing").err
