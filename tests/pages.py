"""Reading HTML in tests: what a browser would do with it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "hr", "img", "meta"}
ACTIVE = {"script", "iframe", "object", "embed", "link", "base", "form", "input", "audio", "video", "source", "use"}


class Page(HTMLParser):
    """A page as tags and text. Fails where tags are not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.style = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"closed and never opened: {tag}"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text that is shown."""
        return "".join(self.words)

    def named(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.tags if name == tag]


def check_harmless(page: Page) -> None:
    """Nothing active, no handler, nothing from elsewhere."""
    assert not {tag for tag, _ in page.tags} & ACTIVE
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "action", "data", "xlink:href"):
                assert value.startswith(("#", "data:image/svg+xml;base64,")), (tag, name, value[:50])
    for foreign in ("@import", "url(", "expression("):
        assert foreign not in page.style


def check_accessible(page: Page) -> None:
    """Tables have captions and headers with a scope, pictures have words."""
    assert len(page.named("table")) == len(page.named("caption"))
    assert all(attributes.get("scope") in ("row", "col") for attributes in page.named("th"))
    pictures = page.named("svg")
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)
    assert len(page.named("title")) >= len(pictures)
    assert all(attributes["alt"] for attributes in page.named("img"))
