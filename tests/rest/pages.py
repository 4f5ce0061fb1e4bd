"""What the tests of pages share: how a browser asks, and what it would find in a page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}
"""The Accept header that browsers send for a page."""

_VOID = frozenset({"meta", "link", "br", "img", "hr", "input"})

_APART = frozenset({"td", "th", "li", "dd", "dt", "p"})
"""Elements whose text does not run on from what stands before them."""


@dataclass
class Element:
    """An element with its attributes and all the text in it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Seen(HTMLParser):
    """A page as a browser reads it: its elements, and whether each that was opened was closed."""

    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag in _APART:
            self.handle_data(" ")
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1].name == tag, f"</{tag}> closes nothing that is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, name: str) -> list[Element]:
        return [element for element in self.elements if element.name == name]

    def links(self) -> dict[str, str]:
        """The target of each link by its text."""
        return {element.text.strip(): element.attributes["href"] for element in self.all("a")}


def seen(response: httpx.Response) -> Seen:
    """The page of a response; fails where it is none, or not well-formed."""
    assert response.headers["content-type"] == "text/html; charset=utf-8", response.text[:500]
    page = Seen()
    page.feed(response.text)
    page.close()
    assert page.open == [], f"never closed: {[each.name for each in page.open]}"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    return page
