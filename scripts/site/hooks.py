"""What MkDocs asks while it builds the site: pages made from the code, and files that lie outside `docs`."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import architecture  # type: ignore[import-not-found]  # MkDocs finds both beside this file
import reference  # type: ignore[import-not-found]
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OUTSIDE = {
    "jobs.md": "batch/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}  # page -> the file that it shows
PROJECT_FILES = "files"  # the folder of the site with what pages link to outside `docs`
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference, the pages of `OUTSIDE`, and every file of the project that a page links to."""
    for address, text in reference.pages(ROOT).items():
        files.append(File.generated(config, address, content=text))
    files.append(File.generated(config, "rooms.svg", content=architecture.picture(architecture.module_graph())))
    for address, source in OUTSIDE.items():
        files.append(File.generated(config, address, content=(ROOT / source).read_text()))
    for file in list(files.documentation_pages()):
        for _, target, _ in _LINK.findall(file.content_string):
            found = _outside(file.src_uri, target)
            address = f"{PROJECT_FILES}/{found}"
            if found and found not in OUTSIDE.values() and files.get_file_from_path(address) is None:
                files.append(File.generated(config, address, content=(ROOT / found).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links that leave `docs`, or name a page that only the site has, to where it has what they mean."""
    markdown = markdown.replace("<!-- rooms.svg -->", "![The rooms and what they import](rooms.svg)")
    markdown = re.sub(r"\]\(((?:\.\./)?reference/)README\.md#(\w+)\)", r"](\1\2.md)", markdown)
    if page.file.src_uri == "reference/README.md":
        markdown = re.sub(r"^## (\w+)$", r"## [\1](\1.md)", markdown, flags=re.M)
    here = posixpath.dirname(page.file.src_uri)

    def led(link: re.Match[str]) -> str:
        words, target, anchor = link.groups()
        found = _outside(page.file.src_uri, target)
        if found is None:
            return link.group()
        pages = {source: address for address, source in OUTSIDE.items()}
        address = pages.get(found, f"{PROJECT_FILES}/{found}")
        return f"[{words}]({posixpath.relpath(address, here or '.')}{anchor or ''})"

    return _LINK.sub(led, markdown)


def _outside(page: str, target: str) -> str | None:
    """The file of the project, outside `docs`, that a link on a page means; None where it means another."""
    source = OUTSIDE.get(page, f"docs/{page}")
    meant = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    inside = meant.startswith("docs/") or meant.startswith("..")
    return None if inside or not (ROOT / meant).is_file() else meant
