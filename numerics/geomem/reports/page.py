"""The page itself: pieces of HTML whose texts are escaped, and the document around them, which loads nothing."""

import base64
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.figure import Figure

_DPI = 130
_NOTHING = Markup("")
_LONG = 24  # letters of a cell that is not broken


class Section(NamedTuple):
    """A part of the page: its title, what is in it, and the numbers that its sentences use, by name."""

    title: str
    body: Markup
    numbers: Mapping[str, object]


def paragraph(text: object, kind: str = "") -> Markup:
    """A paragraph, of a class if that is given."""
    return Markup('<p class="{}">{}</p>').format(kind, text) if kind else Markup("<p>{}</p>").format(text)


def listed(items: Iterable[object]) -> Markup:
    """A list of sentences."""
    return Markup("<ul>{}</ul>").format(joined(Markup("<li>{}</li>").format(one) for one in items))


def joined(parts: Iterable[Markup]) -> Markup:
    """Pieces one after the other."""
    return _NOTHING.join(parts)


def heading(text: str) -> Markup:
    """A heading inside of a section."""
    return Markup("<h3>{}</h3>").format(text)


def code(text: str) -> Markup:
    """Lines of a command or a program."""
    return Markup("<pre><code>{}</code></pre>").format(text)


def table(caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], name: str = "") -> Markup:
    """A table, whose first column names its rows."""
    titles = joined(Markup('<th scope="col">{}</th>').format(one) for one in head)
    lines = joined(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(first, joined(_cell(one) for one in others))
        for first, *others in rows
    )
    return Markup(
        '<div class="wide" tabindex="0" role="region" aria-label="{}"><table{}><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption, Markup(' id="{}"').format(name) if name else "", caption, titles, lines)


def _cell(one: object) -> Markup:
    """A cell; text of several words may be broken."""
    broken = isinstance(one, str) and len(one) > _LONG
    return Markup('<td class="text">{}</td>' if broken else "<td>{}</td>").format(one)


def picture(figure: Figure, alt: str, caption: object = "", kind: str = "") -> Markup:
    """A figure as an image in the page; `alt` says what it shows to those who do not see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    told = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
    wide, high = (round(one * 96) for one in figure.get_size_inches())
    return Markup(
        '<figure class="{}"><img src="data:image/png;base64,{}" alt="{}" width="{}" height="{}">{}</figure>'
    ).format(kind, data, alt, wide, high, told)


def embedded(name: str, document: object) -> Markup:
    """A JSON document in the page: no text in it can end its element."""
    text = json.dumps(_plain(document), allow_nan=False, sort_keys=True).replace("<", "\\u003c").replace("&", "\\u0026")
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, Markup(text))


def _plain(value: object) -> object:
    """The same with nothing for what is no number: JSON knows neither NaN nor infinity."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def document(title: str, lead: Markup, sections: Sequence[Section], record: Mapping[str, object], scripts: str) -> str:
    """The whole page; `scripts` is the library that draws what moves, empty where nothing does."""
    folder = files("geomem.reports")
    places = [(f"part-{number}", one) for number, one in enumerate(sections, 1)]
    links = joined(Markup('<li><a href="#{}">{}</a></li>').format(name, one.title) for name, one in places)
    parts = joined(
        Markup('<section aria-labelledby="{}"><h2 id="{}">{}</h2>{}</section>').format(name, name, one.title, one.body)
        for name, one in places
    )
    run = (folder / "page.js").read_text() if scripts else ""
    return Markup((folder / "page.html").read_text()).format(
        title=title,
        style=Markup((folder / "page.css").read_text()),
        lead=lead,
        links=links,
        parts=parts,
        version=version("geomem"),
        record=embedded("provenance", record),
        scripts=Markup("<script>{}</script><script>{}</script>").format(Markup(scripts), Markup(run)) if run else "",
    )
