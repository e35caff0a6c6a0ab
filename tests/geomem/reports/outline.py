"""What a page of HTML is made of, for tests."""

from html.parser import HTMLParser


class Outline(HTMLParser):
    """Headings, pictures, addresses, tables and what would run, of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.titles: list[str] = []
        self.alts: list[str | None] = []
        self.addresses: list[str] = []
        self.scripts = 0
        self.handlers: list[str] = []
        self.headless: int = 0  # tables without a title or without heads
        self.texts: list[str] = []
        self._inside: list[str] = []
        self._table: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("h1", "h2", "h3", "h4"):
            self.levels.append(int(tag[1]))
            self.titles.append("")
            self._inside.append(tag)
        if tag == "img":
            self.alts.append(found.get("alt"))
        self.scripts += tag == "script"
        self.addresses += [found[name] for name in ("src", "href", "action", "data", "poster") if name in found]
        self.handlers += [name for name in found if name.startswith("on")]
        if tag == "table":
            self._table = set()
        self._table.add(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()
        if tag == "table":
            self.headless += not {"caption", "thead", "th"} <= self._table

    def handle_data(self, data):
        if self._inside:
            self.titles[-1] += data
        self.texts.append(data)
