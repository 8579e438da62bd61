"""Reading an extension page: what it loads, and what its content security policy would drop."""

from dataclasses import dataclass
from html.parser import HTMLParser

_LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
}


@dataclass(frozen=True, slots=True)
class Page:
    """`links` are addresses that the page loads, `inline` the code and styles inside it."""

    links: tuple[str, ...]
    inline: tuple[str, ...]


def read_page(text: str) -> Page:
    """Parse one HTML file."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return Page(tuple(reader.links), tuple(reader.inline))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(_LOADED.get(tag, ""))
        if address and not address.startswith(("data:", "#")):
            self.links.append(address)
        if tag == "style" or (tag == "script" and not values.get("src")):
            self.inline.append(f"<{tag}>")
        for name in values:
            if name.startswith("on") or name == "style":
                self.inline.append(f"{name}= in <{tag}>")
