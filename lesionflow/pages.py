"""Web pages that need no network: what reports of every kind are built from."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import string
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.atomic import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src '$HASH'">
<title>$TITLE</title>
<style>$STYLE</style>
</head>
<body class="text">
<header>
<h1>$TITLE</h1>
$HEAD
</header>
<main>
$BODY
</main>
</body>
</html>
""")


def page(title: str, head: Iterable[str], sections: Iterable[str]) -> str:
    """A page of parts that the functions below made; head stands above the sections."""
    style = base_style()
    return _PAGE.substitute(
        TITLE=html.escape(title), STYLE=style, HASH=content_hash(style), HEAD="\n".join(head), BODY="\n".join(sections)
    )


def write_page(out: Path, text: str, overwrite: bool) -> None:
    """Write a page, whole or not at all. Raises `ReportError` where it cannot be written."""
    with atomic_file(out, overwrite) as file:
        file.write(text.encode())


def base_style() -> str:
    """The style that all pages share."""
    return resources.files("lesionflow").joinpath("pages.css").read_text(encoding="utf-8")


def content_hash(content: str) -> str:
    """What a page's security policy knows a part by: nothing else may run, whatever is in a file's name."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def section(heading: str, *parts: str) -> str:
    """A heading and what stands below it."""
    return f"<section>\n<h2>{html.escape(heading)}</h2>\n" + "\n".join(parts) + "\n</section>"


def paragraph(text: str) -> str:
    """Plain text."""
    return f"<p>{html.escape(text)}</p>"


def warning(text: str) -> str:
    """Text that nobody may miss."""
    return f'<p class="warning"><strong>{html.escape(text)}</strong></p>'


def bullets(texts: Iterable[str]) -> str:
    """A list of plain texts."""
    return "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in texts) + "</ul>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what each is; long texts wrap."""
    rows = (f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd></div>" for name, text in pairs)
    return '<dl class="facts">' + "".join(rows) + "</dl>"


def headline(tiles: Iterable[tuple[str, str, str]]) -> str:
    """The few figures that matter most, large: of each its name, its value, and what belongs beside it."""
    parts = (
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}<small>{html.escape(beside)}</small></dd></div>"
        for name, value, beside in tiles
    )
    return '<dl class="headline">' + "".join(parts) + "</dl>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table of texts; all columns but the first are numbers, a line break in a text stays one.

    It scrolls sideways where it is too wide, its first column stays.
    """
    parts = [f"<caption>{html.escape(caption)}</caption>"] if caption else []
    parts.append("<thead><tr>" + "".join(f"<th>{html.escape(name)}</th>" for name in header) + "</tr></thead><tbody>")
    parts += ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return '<div class="wide"><table>' + "".join(parts) + "</tbody></table></div>"


def picture(figure: Figure, alternative: str, caption: str = "") -> str:
    """A Matplotlib figure, with a text for those who cannot see it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return image(stream.getvalue(), "png", alternative, caption)


def image(content: bytes, kind: str, alternative: str, caption: str = "", width: int | None = None) -> str:
    """An image file's bytes within the page; kind: `png` or `jpeg`; width: at most, in the page's pixels."""
    data = base64.b64encode(content).decode()
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    wide = "" if width is None else f' width="{width}"'
    return (
        f'<figure><img{wide} alt="{html.escape(alternative, quote=True)}" src="data:image/{kind};base64,{data}">'
        f"{below}</figure>"
    )
