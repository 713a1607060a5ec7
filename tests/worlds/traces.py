"""Worlds for optimizers that learn from traces: each has one cause of failure, and an optimizer's LM that can find it.

The LM reads the problem's text and nothing else. What it needs is there only if the problem shows what ran; where it is
hidden, the LM does what one does then: it guesses. It misreads now and then, by the seed and the call and not by the
problem's words, so that both sides of a comparison have the same luck. Prompts are lists of ``{"role", "content"}``;
nothing here knows the library under test.

==============  ==============================  =================================  ============================
world           program                         what is wrong                      what the LM needs to find it
==============  ==============================  =================================  ============================
``Target``      two numbers                     they are far from the target       the direction in the feedback
``PlantedBug``  text -> parse -> number         one line of the parser raises      the line that is marked
``FiveSteps``   s1 … s5, each tidies one field  one step spoils its field          which step wrote the value
``Router``      route, then one of three desks  one topic goes to a wrong desk     what decided the branch
==============  ==============================  =================================  ============================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tests.worlds.problems import chances, field, instruction, reply, said, section, table, variables

Messages = Sequence[Mapping[str, str]]

MISREADS = 0.1
"""How often the LM gets a thing wrong that it could have read."""


class Target:
    """Two numbers from 0 to 100; the feedback says of each whether it is too low or too high, the score how far off.

    The LM halves its step with every round that stands under Past.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = chances("target", seed)
        self.target = {"a": rng.uniform(5, 95), "b": rng.uniform(5, 95)}

    def score(self, a: float, b: float) -> float:
        """1 at the target, less by the mean distance over the range."""
        return 1 - (abs(a - self.target["a"]) + abs(b - self.target["b"])) / 200

    def feedback(self, a: float, b: float) -> str:
        """Which way to go."""
        ways = {name: "low" if value < self.target[name] else "high" for name, value in (("a", a), ("b", b))}
        return "; ".join(f"{name} is too {way}" for name, way in ways.items())

    def answer(self, messages: Messages, sample: str = "") -> str:
        """The optimizer's LM."""
        problem = field(messages, "problem") or ""
        rounds = len(re.findall(r"^round \d+:", section(problem, "Past"), re.MULTILINE))
        step = 25 / 2 ** (rounds * 0.8)
        change: dict[str, float] = {}
        for name in ("a", "b"):
            way = re.search(rf"{name} is too (low|high)", section(problem, "Feedback"))
            if way is not None:
                misread = chances("way", self.seed, name, rounds, sample).random() < MISREADS
                up = (way.group(1) == "low") != misread
                change[name] = min(100.0, max(0.0, float(variables(problem)[name]) + (step if up else -step)))
        return reply([change])


class PlantedBug:
    """``parse`` takes a number out of a text; one of six lines has been spoilt, and raises on three texts of four.

    The LM knows what each line should be. Where a line is marked it puts that one right; otherwise any one of the six.
    """

    LINES = (
        'head, _, tail = text.partition("=")',
        "body = tail.strip()",
        'digits = body.replace(",", "")',
        'number = digits.split(" ")[0]',
        "value = float(number)",
        "return round(value, 2)",
    )
    SPOILT = (
        'head, tail = text.split("#")',
        'body = tail.strip()[text.index("#") :]',
        'digits = body.replace(",", 0)',
        'number = digits.split(" ")[99]',
        "value = int(number)",
        'return round(value, "2")',
    )

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.bug = seed % len(self.LINES)
        rng = chances("bug", seed)
        numbers = [rng.randrange(1_000, 9_000_000) / 100 for _ in range(40)]
        plain = [{"text": str(round(number)), "total": round(number)} for number in numbers[::4]]
        self.rows = [{"text": f"total = {number:,.2f} EUR", "total": number} for number in numbers[:30]] + plain
        rng.shuffle(self.rows)

    @property
    def code(self) -> str:
        """The parser with its bug."""
        return self._code({self.bug})

    def _code(self, spoilt: set[int]) -> str:
        lines = [self.SPOILT[n] if n in spoilt else line for n, line in enumerate(self.LINES)]
        head = ["def parse(text: str) -> float:", "    if text.isdigit():", "        return float(text)"]
        return "\n".join([*head, *(f"    {line}" for line in lines), ""])

    def answer(self, messages: Messages, sample: str = "") -> str:
        """The optimizer's LM."""
        problem = field(messages, "problem") or ""
        marked = re.search(r"^> *\d+ \|(.*)$", section(problem, "Feedback"), re.MULTILINE)
        rng = chances("line", self.seed, section(problem, "Past"), sample)
        guess = rng.randrange(len(self.LINES))
        seen = self.SPOILT.index(marked.group(1).strip()) if marked else guess
        line = guess if rng.random() < MISREADS else seen
        code = variables(problem)["parse"]
        return reply([{"parse": code.replace(self.SPOILT[line], self.LINES[line])}])


class FiveSteps:
    """A record of five fields goes through five steps; each makes one field upper case. One step makes it nonsense.

    Which step has which field is drawn anew for every seed, and the steps' names say nothing. The feedback names the
    field that is wrong. The LM looks for the step whose value first has it wrong, and tells that step to be strict.
    """

    STEPS = ("s1", "s2", "s3", "s4", "s5")
    FIELDS = ("amount", "city", "date", "name", "unit")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = chances("five", seed)
        self.fields = dict(zip(self.STEPS, rng.sample(self.FIELDS, 5), strict=True))
        self.fault = rng.choice(self.STEPS)
        self.rows = [
            {"record": "; ".join(f"{f}={rng.randrange(10, 99)}{f[0]}" for f in self.FIELDS)} for _ in range(40)
        ]

    def instruction_of(self, step: str) -> str:
        """What a step is told at first."""
        return "Tidy one field." if step == self.fault else "Tidy one field; be strict."

    def expected(self, record: str) -> str:
        """The record as it should come out."""
        return "; ".join(f"{f}={v.upper()}" for f, v in _fields(record).items())

    def score(self, record: str, result: str) -> float:
        """Whether all fields are right."""
        return float(result == self.expected(record))

    def feedback(self, record: str, result: str) -> str:
        """The field that is wrong."""
        got, want = _fields(result), _fields(self.expected(record))
        return "; ".join(f"{f} is wrong: {got.get(f)} should be {want[f]}" for f in want if got.get(f) != want[f])

    def answer(self, messages: Messages, sample: str = "") -> str:
        """Both LMs."""
        problem = field(messages, "problem")
        return self._step(messages) if problem is None else self._suggest(problem, sample)

    def _step(self, messages: Messages) -> str:
        step = next(s for s in self.STEPS if f"`{s}`" in messages[0]["content"])
        values = _fields(field(messages, "record") or "")
        mine = self.fields[step]
        values[mine] = values[mine].upper() if "strict" in instruction(messages) else "?" + values[mine][::-1]
        return "; ".join(f"{f}={v}" for f, v in values.items())

    def _suggest(self, problem: str, sample: str) -> str:
        rng = chances("blame", self.seed, sample)
        known = [name for name in variables(problem) if name.endswith("_instruction")]
        blamed = self._blamed(problem)
        if blamed not in known or rng.random() < MISREADS:
            blamed = rng.choice(known)
        return reply([{blamed: variables(problem)[blamed] + " Be strict."}])

    def _blamed(self, problem: str) -> str:
        """The variable of the step whose value first has the wrong field as the result has it."""
        for number, lines in said(problem).items():
            wrong = re.search(r"(\w+) is wrong: (\S+) should be", " ".join(lines))
            values = table(problem, "Intermediates").get(number, {})
            if wrong:
                for name, value in values.items():
                    if name != "run" and _fields(str(value)).get(wrong.group(1)) == wrong.group(2):
                        return f"{name}_instruction"
        return ""


def _fields(record: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in record.split("; ") if "=" in part)


class Router:
    """Tickets on six topics; ``route`` sends each to one of three desks, and one topic to a wrong one.

    The feedback names the desk it should have been. The LM must see that a step decides where a ticket goes; if it does
    not it tells one of the four steps, whichever.
    """

    TOPICS = ("refund", "invoice", "parcel", "delay", "login", "password")
    DESKS = ("billing", "shipping", "account")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = chances("router", seed)
        self.wrong = rng.choice(self.TOPICS)
        self.rows = [
            {"ticket": f"my {topic} number {rng.randrange(1000)}", "desk": self.right(topic)}
            for topic in [rng.choice([*self.TOPICS, self.wrong, self.wrong]) for _ in range(40)]
        ]

    def right(self, topic: str) -> str:
        """The desk of a topic."""
        return self.DESKS[self.TOPICS.index(topic) // 2]

    def answer(self, messages: Messages, sample: str = "") -> str:
        """Both LMs."""
        problem = field(messages, "problem")
        if problem is not None:
            return self._suggest(problem, sample)
        ticket = field(messages, "ticket") or ""
        topic = next(topic for topic in self.TOPICS if topic in ticket)
        if "`route`" not in messages[0]["content"]:
            return "done"
        told = re.search(rf"{topic}: (\w+)", instruction(messages))
        right = self.right(topic)
        desk = told.group(1) if told else self.DESKS[self.DESKS.index(right) - 1] if topic == self.wrong else right
        return f'{{"route": "{desk}"}}'

    def _suggest(self, problem: str, sample: str) -> str:
        rng = chances("route", self.seed, sample)
        decided = re.search(r"decided by (\w+)", section(problem, "Program"))
        known = [name for name in variables(problem) if name.endswith("_instruction")]
        blamed = f"{decided.group(1)}_instruction" if decided else ""
        if blamed not in known or rng.random() < MISREADS:
            blamed = rng.choice(known)
        lines = [variables(problem)[blamed]]
        for number, texts in said(problem).items():
            desk = re.search(r"belongs to (\w+)", " ".join(texts))
            ticket = table(problem, "Inputs").get(number, {}).get("ticket", "")
            topic = next((topic for topic in self.TOPICS if topic in ticket), None)
            if desk and topic:
                lines.append(f"{topic}: {desk.group(1)}")
        return reply([{blamed: "\n".join(dict.fromkeys(lines))}])
