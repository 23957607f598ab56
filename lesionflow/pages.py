"""Building blocks of web pages that need no network."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from matplotlib.figure import Figure
    from PIL import Image


def render(template: str, **values: Any) -> str:
    """Fill a template of `templates/`; in HTML every value is escaped unless it is `Markup`.

    template: the name of its file; values: by the names that it has for them, one that is missing is an error.
    """
    return _environment().get_template(template).render(**values)


def page(title: str, head: Iterable[Markup], sections: Iterable[Markup]) -> str:
    """Make a page from the parts below; head stands above the sections."""
    return render("page.html", title=title, head=head, sections=sections, style=base_style())


def markdown_page(text: str) -> str:
    """Make a page from Markdown whose first line is its title; HTML in it is escaped."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    first, _, rest = text.partition("\n")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    title = re.sub(r"\\(.)", r"\1", first.removeprefix("# "))  # what Markdown escapes
    return page(title, [], [Markup(markdown.render(rest))])  # markdown-it escapes what it is given


def base_style() -> Markup:
    """Return the style that all pages share."""
    return packaged("lesionflow", "pages.css")


def packaged(package: str, name: str) -> Markup:
    """Return a style or a script that comes with lesionflow, as it is."""
    from markupsafe import Markup

    return Markup(resources.files(package).joinpath(name).read_text(encoding="utf-8"))  # our own file


def section(heading: str, *parts: Markup) -> Markup:
    """A heading with its content."""
    return _part("section", heading, parts)


def paragraph(text: str) -> Markup:
    """Plain text."""
    return _part("paragraph", text)


def warning(text: str) -> Markup:
    """A prominent warning."""
    return _part("warning", text)


def sentence(text: str) -> str:
    """A message as a sentence for a page; a name at its beginning, such as a file's, is kept as it is."""
    text = text.removesuffix(".")
    return f"{text[:1].upper() if text.partition(' ')[0].isalpha() else text[:1]}{text[1:]}."


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A list of names with descriptions; long texts wrap, a line break in one stays one."""
    return _part("facts", pairs)


def headline(tiles: Iterable[tuple[str, str, str]]) -> Markup:
    """The most important values in large type: name, value and note of each."""
    return _part("headline", tiles)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> Markup:
    """A table of texts; all columns but the first are numbers, a line break in a text stays one.

    It scrolls sideways where it is too wide, its first column stays.
    """
    return _part("table", header, rows, caption)


def picture(figure: Figure, alternative: str) -> Markup:
    """A Matplotlib figure, with a text for those who cannot see it."""
    return image(png(figure), "png", alternative)


def pixels_of(figure: Figure) -> Image.Image:
    """The pixels of a figure, as `savefig` writes them, which lays it out twice."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    agg = FigureCanvasAgg(figure)
    agg.draw()
    return Image.fromarray(np.asarray(agg.buffer_rgba()))


def png(figure: Figure) -> bytes:
    """A Matplotlib figure as the bytes of a file."""
    pixels, stream = pixels_of(figure), io.BytesIO()
    red, green, blue, opacity = pixels.split()
    if opacity.getextrema() == (255, 255):  # stored as what it is, a grey figure takes a third of the time
        pixels = red if red == green == blue else pixels.convert("RGB")
    # Level 6 takes twice the time for 4 % less.
    pixels.save(stream, "PNG", compress_level=3, dpi=(figure.dpi, figure.dpi))
    return stream.getvalue()


def image(content: bytes, kind: str, alternative: str, caption: str = "", width: int | None = None) -> Markup:
    """An image embedded in the page; kind: `png` or `jpeg`; width: maximum, in the page's pixels."""
    return _part("image", base64.b64encode(content).decode(), kind, alternative, caption, width)


def chart(drawn: object) -> Markup:
    """Draw a chart with tooltips; drawn: such as `monitoring.page.Chart`."""
    return _part("chart", drawn)


def _part(name: str, *values: Any) -> Markup:
    part: Markup = getattr(_environment().get_template("parts.html").module, name)(*values)
    return part


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lesionflow"), autoescape=lambda name: not (name or "").endswith(".md"),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["content_hash"] = _content_hash
    return environment


def _content_hash(content: str) -> str:
    """The hash of a script or style for a page's security policy: nothing else may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
