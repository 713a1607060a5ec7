"""Progress: plain lines where nobody watches, a live display on a terminal; hostile texts do nothing to either."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from tests.test_escape import HOSTILE
from treadle.cli.progress import Live, Plain, State, _rows, shown
from treadle.cli.sayings import said
from treadle.compiler.redact import register
from treadle.compiler.study.events import Event


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def events() -> Iterator[Event]:
    told: list[tuple[str, dict[str, Any]]] = [
        ("opened", {"folder": "studies/a", "mode": "write", "budget": {"calls": 1000, "usd": 2.0}, "run": 1}),
        ("estimate", {"text": "Compiling support with mipro: about 900 LM calls\n  3 calls a run"}),
        ("asked", {"number": 1, "what": '{"ask":"evaluate","candidates":["0"]}'}),
        ("cell", {"candidate": "0", "example": "a", "score": 0.5, "failure": "", "calls": 3, "stored": False}),
        (
            "cell",
            {"candidate": "0", "example": "b", "score": None, "failure": "ValueError: no", "calls": 2, "stored": True},
        ),
        ("settled", {"done": 2, "of": 2, "search": [5, 100, 0.01], "by_role": {}, "sent": [6, 120, 0.02]}),
        ("stage", {"name": "instructions"}),
        ("asked", {"number": 2, "what": '{"ask":"propose","contexts":["x"]}'}),
        ("cell", {"candidate": "1", "example": "a", "score": 1.0, "failure": "", "calls": 3, "stored": False}),
        ("cell", {"candidate": "1", "example": "b", "score": 0.5, "failure": "", "calls": 3, "stored": False}),
        ("warning", {"text": f"odd: {HOSTILE}"}),
        ("done", {"text": "the report"}),
    ]
    for seconds, (kind, fields) in enumerate(told):
        yield Event(kind=kind, fields=fields, seconds=float(seconds))


def test_plain_is_one_line_an_event_and_silent_on_good_cells() -> None:
    out = io.StringIO()
    listen = Plain(out)
    for event in events():
        listen(event)
    lines = out.getvalue().splitlines()
    assert lines[0] == "0.0s opened the study in studies/a"
    assert lines[1:3] == ["Compiling support with mipro: about 900 LM calls", "  3 calls a run"]
    assert [line.split()[1] for line in lines[3:]] == ["a", "settled", "stage:", "warning:"]
    assert lines[3] == "4.0s a run failed: ValueError: no (example b)"
    assert "\x1b" not in out.getvalue()
    assert all(len(line) <= 200 for line in lines)


TOLD: list[tuple[str, dict[str, Any], str]] = [
    ("stage", {"name": "trials"}, "stage: trials"),
    (
        "demos",
        {"predictor": "reply", "labelled": 75, "bootstrapped": 19, "passed": 19, "runs": 48},
        "demos for reply: 75 labelled, 19 bootstrapped from 19 of 48 runs that passed",
    ),
    (
        "verdict",
        {"verdict": "better", "probability": 1.0, "start": 0.3, "winner": 0.75, "difference": 0.45, "low": 0.3,
         "high": 0.6, "n": 114},
        "verdict better (P = 1.000): 0.300 before, 0.750 after, difference +0.450 (+0.300 to +0.600) on 114 examples",
    ),
    ("finding", {"text": "urgency matters most", "share": 0.5}, "found: urgency matters most"),
    ("stopped", {"reason": "StudyError", "text": "interrupted"}, "stopped: interrupted"),
    ("part", {"name": "both", "score": 0.123456, "n": 9}, "part name=both score=0.1235 n=9"),
    ("demos", {"odd": [1, 2]}, "demos odd=[1, 2]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "words"), TOLD, ids=[words for _, _, words in TOLD])
def test_events_in_words(kind: str, fields: dict[str, Any], words: str) -> None:
    assert said(Event(kind=kind, fields=fields, seconds=0.0)) == words


def test_many_failures_are_counted_and_not_listed() -> None:
    out = io.StringIO()
    listen = Plain(out)
    for number in range(300):
        listen(Event(kind="cell", fields={"example": str(number), "failure": "ValueError: no"}, seconds=1.0))
    listen(Event(kind="settled", fields={"done": 300, "of": 300}, seconds=2.0))
    lines = out.getvalue().splitlines()
    assert len(lines) == 7
    assert lines[-2:] == ["2.0s … and 295 more runs failed", "2.0s settled 300 of 300 runs"]


def test_the_live_display_says_where_the_search_stands() -> None:
    state = State()
    for event in events():
        state.take(event)
    rows = dict(_rows(state))
    assert rows["score"].startswith("start 0.250, best 0.750")
    assert rows["spent"] == "6 of 1,000 calls, 120 tokens, $0.0200 of $2"
    assert rows["now"] == "instructions: writing proposals (batch 2)"
    assert "4 runs" in rows["pace"]
    assert "2 calls from the store" in rows["pace"]
    assert "1 failed runs" in rows["pace"]
    assert "1 calls sent again" in rows["pace"]


def test_the_best_is_the_largest_gain_on_shared_examples_however_often_they_are_told() -> None:
    state = State()

    def cells(candidate: str, scores: str, *, stored: bool = False) -> None:
        for example, score in enumerate(scores):
            fields: dict[str, Any] = {"candidate": candidate, "example": f"e{example}", "score": float(score)}
            state.take(Event(kind="cell", fields={**fields, "calls": 1, "stored": stored}, seconds=0.0))

    state.take(Event(kind="stage", fields={"name": "trials"}, seconds=0.0))
    cells("start", "0010100000")
    for _ in range(5):
        cells("start", "0010100000", stored=True)
    cells("few", "1111")
    assert dict(_rows(state))["score"].startswith("start 0.200, best 0.200")
    cells("half", "00111")
    assert dict(_rows(state))["score"].startswith("start 0.200, best 0.400")
    assert dict(_rows(state))["now"].startswith("trials: ")


def test_a_terminal_gets_the_live_display_and_nothing_else_gets_it() -> None:
    out = Terminal()
    with shown(out) as listen:
        assert isinstance(listen, Live)
        for event in events():
            listen(event)
    text = out.getvalue()
    assert "about 900 LM calls" in text
    assert "best 0.750" in text
    assert "\x1b]0;title" not in text
    assert "\u202e" not in text
    with shown(io.StringIO()) as listen:
        assert isinstance(listen, Plain)
    with shown(out, display="none") as listen:
        assert listen is None


def test_no_key_is_shown() -> None:
    register("canary-77aa88bb99")
    out, terminal = io.StringIO(), Terminal()
    told = Event(kind="warning", fields={"text": "refused: canary-77aa88bb99"}, seconds=0.0)
    with shown(out, display="plain") as listen, shown(terminal, display="live") as live:
        assert listen is not None
        assert live is not None
        listen(told)
        live(told)
    assert "canary" not in out.getvalue() + terminal.getvalue()


def test_a_closed_stream_stops_nothing() -> None:
    out = io.StringIO()
    listen = Plain(out)
    out.close()
    for event in events():
        listen(event)


@pytest.mark.parametrize(
    "event", [Event(kind=kind, fields={}, seconds=0.0) for kind in ("opened", "cell", "settled", "trial")]
)
def test_an_event_without_fields_is_no_error(event: Event) -> None:
    State().take(event)
    Plain(io.StringIO())(event)
