"""The rooms of the package, from its imports: a graph of modules, and a picture of the rooms for the documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lesionflow"
WIDTH, HEIGHT, GAP_X, GAP_Y = 118, 34, 16, 34  # of a room in the picture, and between two, in pixels


def module_files(package: Path = PACKAGE) -> dict[str, Path]:
    """Name of a module, such as `lesionflow.images.decode`, -> its file; a package has the name of its folder."""
    names = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those of `if TYPE_CHECKING:`."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        yield node
        todo += ast.iter_child_nodes(node)


def module_graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """A module -> the modules of the package that it imports when it runs, inside of functions too."""
    files, graph = module_files(package), {}
    for name, file in files.items():
        imported = set()
        for node in run_time_nodes(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{each.name}" for each in node.names}
                imported |= {each if each in files else str(node.module) for each in full}
                imported |= {str(node.module)} if not full <= files.keys() else set()
        graph[name] = (imported & files.keys()) - {name, package.name}
    return graph


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Sets of modules each of which imports, by way of others, itself."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
        return seen

    reach = {name: reached(name) for name in graph}
    return {frozenset(other for other in reach[name] if name in reach[other]) for name in graph if name in reach[name]}


def room_of(module: str) -> str:
    """The room of a module: the folder or file directly below the package."""
    return (module.split(".") + ["__init__"])[1]


def room_graph(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """A room -> the rooms that it imports."""
    rooms: dict[str, set[str]] = {room_of(name): set() for name in graph if name != PACKAGE.name}
    for name, imported in graph.items():
        if name != PACKAGE.name:
            rooms[room_of(name)] |= {room_of(each) for each in imported} - {room_of(name)}
    rooms.pop("__main__", None)
    return rooms


def rooms_on_page(page: Path = ROOT / "docs" / "architecture.md") -> list[list[str]]:
    """The rooms on each line of the table on the page, which stand below those that they import."""
    table = page.read_text().split("| room |")[1].split("\n\n")[0]
    return [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()[2:]]


def levels(rooms: dict[str, set[str]]) -> list[list[str]]:
    """The rooms in rows, each of which imports only from those before it."""
    level: dict[str, int] = {}
    while len(level) < len(rooms):
        for room, imported in rooms.items():
            if room not in level and imported <= level.keys():
                level[room] = 1 + max((level[each] for each in imported), default=-1)
    return [sorted(room for room in rooms if level[room] == row) for row in range(max(level.values()) + 1)]


def nearest(rooms: dict[str, set[str]]) -> dict[str, set[str]]:
    """The imports that do not follow from others: what a room's imports import need no arrow of its own."""

    def beyond(room: str) -> set[str]:
        return set().union(*(rooms[each] | beyond(each) for each in rooms[room])) if rooms[room] else set()

    return {room: imported - set().union(*(beyond(each) | rooms[each] for each in imported)) if imported else set()
            for room, imported in rooms.items()}  # fmt: skip


def picture(graph: dict[str, set[str]]) -> str:
    """An SVG of the rooms: each row imports only from rows above it; arrows lead from a room to what it imports."""
    rooms = room_graph(graph)
    rows = levels(rooms)
    counts = {room: sum(room_of(name) == room for name in graph if name != PACKAGE.name) for room in rooms}
    width = max(map(len, rows)) * (WIDTH + GAP_X) + GAP_X
    corner = {}
    for y, row in enumerate(rows):
        left = (width - len(row) * (WIDTH + GAP_X) + GAP_X) / 2
        for x, room in enumerate(row):
            corner[room] = (left + x * (WIDTH + GAP_X), GAP_Y / 2 + y * (HEIGHT + GAP_Y))
    height = len(rows) * (HEIGHT + GAP_Y)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" '
        'font-size="13"><title>The rooms of lesionflow and what they import</title>',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for room, imported in nearest(rooms).items():
        for other in sorted(imported):
            (x, y), (to_x, to_y) = corner[room], corner[other]
            lines.append(
                f'<line x1="{x + WIDTH / 2:.0f}" y1="{y:.0f}" x2="{to_x + WIDTH / 2:.0f}" y2="{to_y + HEIGHT:.0f}" '
                'stroke="#bbb" marker-end="url(#head)"/>'
            )
    for room, (x, y) in corner.items():
        told = f"{room} ({counts[room]})" if (PACKAGE / room).is_dir() else room
        lines += [
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="#eef3fa" stroke="#46c"/>',
            f'<text x="{x + WIDTH / 2:.0f}" y="{y + HEIGHT / 2 + 5:.0f}" text-anchor="middle">{told}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    print(picture(module_graph()))
