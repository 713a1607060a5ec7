"""HTML by hand: text is escaped unless it is ``Markup``, and what is made needs no other file and runs no script.

Used by reports and by what notebooks show. Colours follow the reader's light or dark scheme; a fragment brings its own
background, so that it can be read whatever the page around it looks like.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from treadle.compiler.escape import xml
from treadle.compiler.redact import redact


class Markup(str):
    """HTML that is safe as it stands. Made by the functions here; nothing else may call it on text of a user's."""

    __slots__ = ()


Content: TypeAlias = "str | Markup"
"""``Markup``, or text that is escaped where it is used."""

Attribute: TypeAlias = "str | int | float | bool | None"

_NARROW = 4
"""Columns of a table that fit a small screen; one with more scrolls there."""

_VOID = frozenset({"br", "hr", "img", "meta"})


def markup(content: Content) -> Markup:
    """The content as HTML: text with keys cut out, control characters written out and everything escaped.

    >>> markup('<b> & "c"')
    '&lt;b&gt; &amp; &quot;c&quot;'
    """
    return content if isinstance(content, Markup) else Markup(xml(redact(content)))


def joined(content: Iterable[Content], between: str = "") -> Markup:
    """Contents one after another."""
    return Markup(xml(between).join(markup(part) for part in content))


def element(tag: str, *content: Content, **attributes: Attribute) -> Markup:
    """An element. Attribute names lose a trailing ``_``, inner ones become ``-``; ``None`` and false are left out.

    >>> element("td", "a < b", class_="number", data_x=1.5)
    '<td class="number" data-x="1.5">a &lt; b</td>'
    """
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    return Markup(f"<{tag}{given}>" if tag in _VOID else f"<{tag}{given}>{joined(content)}</{tag}>")


def _attribute(name: str, value: Attribute) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        return f' {name}="{value:g}"'
    return f' {name}="{markup(value if isinstance(value, str) else str(value))}"'


def told(text: str, limit: int = 0) -> Markup:
    """Text of a user's or a model's on its own: in its own direction, cut to ``limit`` characters."""
    return element("bdi", text if not limit or len(text) <= limit else text[: limit - 1] + "…")


def table(
    caption: Content,
    headers: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    *,
    numbers: Sequence[int] = (),
    ids: Sequence[str] = (),
) -> Markup:
    """A table with a caption, column headers, and row headers in the first column; it scrolls where it is too wide.

    Args:
        caption: What it shows.
        headers: One for each column.
        rows: Cells of each row.
        numbers: Columns of numbers, aligned to the right.
        ids: An anchor for each row, or none.
    """

    def cell(column: int, content: Content) -> Markup:
        style = "number" if column in numbers else None
        return element("td", content, class_=style) if column else element("th", content, scope="row", class_=style)

    heads = [
        element("th", header, scope="col", class_="number" if column in numbers else None)
        for column, header in enumerate(headers)
    ]
    body = [
        element("tr", *(cell(*pair) for pair in enumerate(row)), id=ids[number] if number < len(ids) else None)
        for number, row in enumerate(rows)
    ]
    parts = (element("caption", caption), element("thead", element("tr", *heads)), element("tbody", *body))
    whole = element("table", *parts, class_="broad" if len(headers) > _NARROW else None)
    return element("div", whole, class_="wide", role="region", tabindex=0, aria_label=_words(caption))


def _words(caption: Content) -> Content:
    return Markup("table") if isinstance(caption, Markup) else caption


def details(summary: Content, *content: Content, opened: bool = False) -> Markup:
    """What unfolds."""
    return element("details", element("summary", summary), *content, open=opened)


def figures(values: Mapping[str, str]) -> Markup:
    """A few large numbers with their names."""
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in values.items()]
    return element("dl", *pairs, class_="figures")


def picture(svg: str, words: str) -> Markup:
    """An SVG as an image: its style stays its own, and no script in it could run.

    Args:
        svg: The document.
        words: What it shows, for who cannot see it.
    """
    data = base64.b64encode(svg.encode("utf-8", "backslashreplace")).decode()
    return element("img", alt=words, src=Markup(f"data:image/svg+xml;base64,{data}"))


def section(title: str, *content: Content, note: Content = "") -> Markup:
    """A part of a page under a heading; nothing where there is no content."""
    if not any(content):
        return Markup("")
    explained = [element("p", note, class_="note")] if note else []
    return element("section", element("h2", title), *explained, *content)


def fragment(*content: Content) -> Markup:
    """What a notebook shows: a card with its own style."""
    return element("div", Markup(f"<style>{STYLE}</style>"), *content, class_="treadle card")


def page(title: str, *content: Content) -> str:
    """A whole document. A policy in it forbids scripts and everything from elsewhere."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        Markup(f"<style>{STYLE}{_PAGE}</style>"),
    )
    body = element("body", element("main", *content), class_="treadle")
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


_LIGHT = (
    "--bg:#ffffff;--card:#f8fafc;--fg:#0f172a;--muted:#475569;--line:#cbd5e1;--accent:#1d4ed8;--good:#15803d;"
    "--bad:#b91c1c;--warn:#92400e;--good-bg:#dcfce7;--bad-bg:#fee2e2;--warn-bg:#fef3c7"
)
_DARK = (
    "--bg:#0b1120;--card:#111a2e;--fg:#e2e8f0;--muted:#a3b1c6;--line:#334155;--accent:#7cb3ff;--good:#4ade80;"
    "--bad:#f98080;--warn:#fbbf24;--good-bg:#12351f;--bad-bg:#431a1d;--warn-bg:#3b2c0c"
)

STYLE = f"""\
.treadle{{{_LIGHT};color-scheme:light dark;background:var(--bg);color:var(--fg);line-height:1.5;\
font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;text-align:left}}
@media(prefers-color-scheme:dark){{.treadle{{{_DARK}}}}}
.treadle.card{{padding:.8rem 1rem;border:1px solid var(--line);border-radius:8px;max-width:76rem;font-size:14px}}
.treadle h1{{font-size:1.6rem;margin:.2rem 0 .6rem;line-height:1.25}}
.treadle h2{{font-size:1.2rem;margin:2.2rem 0 .4rem;padding-top:.8rem;border-top:1px solid var(--line)}}
.treadle h3{{font-size:1rem;margin:1.2rem 0 .3rem}}
.treadle p{{margin:.4rem 0;max-width:60rem}}
.treadle a{{color:var(--accent)}}
.treadle :focus-visible{{outline:2px solid var(--accent);outline-offset:2px}}
.treadle .note,.treadle caption,.treadle .muted{{color:var(--muted);font-size:.9em}}
.treadle .wide{{overflow-x:auto;margin:.5rem 0}}
.treadle table{{border-collapse:collapse;min-width:50%;margin:0;font-size:.93em;background:transparent}}
.treadle table.broad{{min-width:46rem}}
.treadle caption{{text-align:left;padding:.3rem 0;caption-side:top}}
.treadle th,.treadle td{{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;background:transparent;\
border:0;border-bottom:1px solid var(--line);color:var(--fg);max-width:34rem;overflow-wrap:anywhere;\
white-space:normal;font-weight:400}}
.treadle th{{overflow-wrap:break-word}}
.treadle thead th{{font-weight:600;white-space:nowrap;vertical-align:bottom}}
.treadle tr:target th,.treadle tr:target td{{background:var(--warn-bg)}}
.treadle .number{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
.treadle code,.treadle pre{{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;\
font-size:.88em;background:transparent;color:inherit}}
.treadle pre{{margin:.3rem 0;padding:.6rem .8rem;background:var(--card);border:1px solid var(--line);\
border-radius:6px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}}
.treadle pre span{{display:block}}
.treadle .was{{background:var(--bad-bg)}}.treadle .now{{background:var(--good-bg)}}
.treadle .plain{{text-decoration:none;background:transparent;color:inherit}}
.treadle .good{{color:var(--good)}}.treadle .bad{{color:var(--bad)}}
.treadle .badge{{display:inline-block;padding:.1rem .6rem;border-radius:1rem;font-weight:600;\
background:var(--warn-bg);color:var(--warn)}}
.treadle .badge.good{{background:var(--good-bg);color:var(--good)}}
.treadle .warning{{background:var(--warn-bg);color:var(--warn);padding:.4rem .8rem;border-radius:6px;margin:.4rem 0}}
.treadle bdi{{white-space:pre-line}}.treadle .id{{white-space:nowrap}}
.treadle details{{margin:.4rem 0}}.treadle summary{{cursor:pointer;color:var(--accent)}}
.treadle .figures{{display:flex;flex-wrap:wrap;gap:.4rem 2.4rem;margin:.6rem 0;padding:0}}
.treadle .figures div{{min-width:6rem}}.treadle .figures dt{{color:var(--muted);font-size:.9em;font-weight:400}}
.treadle .figures dd{{margin:0;font-size:1.45rem;font-weight:600;font-variant-numeric:tabular-nums;\
overflow-wrap:anywhere}}
.treadle figure{{margin:.6rem 0;overflow-x:auto}}
.treadle svg.chart{{display:block;width:100%;min-width:33rem;max-width:60rem;height:auto}}
.treadle svg.small{{min-width:0;max-width:36rem}}
.treadle svg.chart text{{fill:var(--muted);font-size:12px;paint-order:stroke;stroke:var(--bg);stroke-width:3px;\
stroke-linejoin:round}}
.treadle svg.chart .strong{{fill:var(--fg)}}
.treadle svg.chart .axis{{stroke:var(--line);stroke-width:1;fill:none}}
.treadle svg.chart .zero{{stroke:var(--muted);stroke-width:1;stroke-dasharray:4 3}}
.treadle svg.chart .best{{stroke:var(--accent);stroke-width:2;fill:none}}
.treadle svg.chart .dot{{fill:var(--muted);fill-opacity:.55}}
.treadle svg.chart .mark{{fill:var(--accent)}}
.treadle svg.chart .up{{fill:var(--good)}}.treadle svg.chart .down{{fill:var(--bad)}}
.treadle svg.chart .span{{stroke:var(--accent);stroke-width:3}}
.treadle img{{max-width:100%;height:auto}}
@media(max-width:640px){{.treadle svg.chart text{{font-size:14px}}}}
"""
"""The style of everything here, bound to the class ``treadle`` so that it changes nothing else on a page."""

_PAGE = """\
html,body{margin:0}body.treadle{min-height:100vh}
main{max-width:76rem;margin:0 auto;padding:1.4rem clamp(.9rem,3vw,2rem) 4rem}
@media print{.treadle .wide,.treadle figure{overflow:visible}}
"""
