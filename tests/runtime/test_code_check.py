from __future__ import annotations

import pytest

from treadle.compiler.errors import CodeRefused
from treadle.compiler.runtime.code_check import LONGEST, check_code, imports_of

ORIGINAL = "import re\n\ndef extract(text: str, sep: str = ',') -> list[str]:\n    return re.split(sep, text)\n"


def test_the_same_function_with_another_body_may_run() -> None:
    check_code(ORIGINAL, ORIGINAL, "extract")
    code = (
        '"""Better."""\nimport math\nfrom collections import Counter\nLIMIT = 3\n\n'
        "def clean(text):\n    return text.strip()\n\n"
        "def extract(text, sep=','):\n    return [clean(part) for part in text.split(sep)][:LIMIT]\n"
    )
    check_code(code, ORIGINAL, "extract")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def extract(text:", "line 1: "),
        ("def other(text, sep=','):\n    return []", "does not define the function 'extract'"),
        ("def extract(text):\n    return []", r"takes \(text\); it must take \(text: str, sep: str=','\)"),
        ("def extract(text, sep=';'):\n    return []", "it must take"),
        ("def extract(sep, text=','):\n    return []", "it must take"),
        ("def extract(text, *, sep=','):\n    return []", "it must take"),
        ("async def extract(text, sep=','):\n    return []", "stands outside the function"),
        ("@cache\ndef extract(text, sep=','):\n    return []", "decorates the function"),
        ("import os\ndef extract(text, sep=','):\n    return []", "line 1: 'import os' imports 'os'"),
        ("def extract(text, sep=','):\n    import socket\n    return []", "line 2: 'import socket'"),
        ("from os.path import join\ndef extract(text, sep=','):\n    return []", "imports 'os.path'"),
        ("from . import secrets\ndef extract(text, sep=','):\n    return []", "relative import"),
        ("def extract(text, sep=','):\n    return open(text).read()", "line 2: 'open' may not be used"),
        ("def extract(text, sep=','):\n    print(text)\n    return []", "'print' may not be used"),
        ("def extract(text, sep=','):\n    return eval(text)", "'eval' may not be used"),
        ("def extract(text, sep=','):\n    return __import__('os')", "'__import__' may not be used"),
        ("def extract(text, sep=','):\n    return ().__class__.__base__", "reaches into Python itself"),
        ("while True: pass\ndef extract(text, sep=','):\n    return []", "stands outside the function"),
        ("x" * (LONGEST + 1), "20000 are the most"),
        ("(" * 500 + ")" * 500, "line|cannot be parsed"),
        ("a\x00b", "line|cannot be parsed"),
    ],
)
def test_other_code_is_refused_with_the_rule(code: str, said: str) -> None:
    with pytest.raises(CodeRefused, match=said):
        check_code(code, ORIGINAL, "extract")


def test_what_the_original_imports_is_allowed() -> None:
    original = "import os\ndef f(x):\n    return os.sep"
    check_code("import os\ndef f(x):\n    return os.curdir", original, "f")


def test_imports_are_found_anywhere() -> None:
    code = "import re\ndef f(x):\n    from collections.abc import Mapping\n    return re, Mapping"
    assert imports_of(code) == ("collections.abc", "re")
    assert imports_of("def (") == ()
