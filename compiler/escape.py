r"""Text for a sink: what data, replies and prompts hold must not act where it is shown.

Each function makes any text safe for one sink and changes nothing else, so that plain text reads as it was written.
Control characters are never passed on: they steer terminals, reorder lines for the eye and break XML.
"""

from __future__ import annotations

import html as _html
import unicodedata

_VISIBLE = {"\t": "\t", "\n": "\n"}
_DANGEROUS = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories: control, format (reordering, invisible), surrogate, line and paragraph separator."""
_JOINERS = "\u200c\u200d"
"""Invisible characters that spell words in some scripts and join emoji: harmless, kept."""


def plain(text: str) -> str:
    r"""``text`` with control, reordering and invisible characters written out, for a terminal or a log.

    Tabs and line breaks stay; a carriage return does not, since it would overwrite the line.

    >>> plain("red \x1b[31m alert")
    'red \\x1b[31m alert'
    """
    if text.isascii() and text.isprintable():
        return text
    hidden = {ord(character): _written_out(character) for character in set(text) if not _shown(character)}
    return text.translate(hidden) if hidden else text


def line(text: str, limit: int = 0) -> str:
    r"""``text`` on one line: as ``plain``, line breaks and runs of spaces as one space, cut to ``limit`` characters.

    >>> line("one\n  two", limit=6)
    'one t…'
    """
    joined = plain(" ".join(text.split()))
    return joined if not limit or len(joined) <= limit else joined[: limit - 1] + "…"


def xml(text: str) -> str:
    """``text`` for HTML or SVG, as content or in a quoted attribute.

    >>> xml('<b onclick="x()">')
    '&lt;b onclick=&quot;x()&quot;&gt;'
    """
    return _html.escape(plain(text), quote=True)


def _shown(character: str) -> bool:
    return (
        character in _VISIBLE or character in _JOINERS or unicodedata.category(character) not in _DANGEROUS
    ) and not _is_noncharacter(character)


def _is_noncharacter(character: str) -> bool:
    """U+FFFE, U+FFFF and their like in every plane: no document may hold them."""
    return ord(character) & 0xFFFE == 0xFFFE


def _written_out(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
