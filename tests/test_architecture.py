"""Data flows one way: a module imports only from rooms before its own, and heavy packages stay in theirs."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "site"))

import architecture  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lesionflow"
# In the order of the table on the page; rooms on one line are siblings and do not import each other.
ORDER = [*architecture.rooms_on_page(), ["__init__"], ["__main__"]]
SIBLINGS = [{"evaluation", "monitoring", "scoring", "webapp"}, {"dataverse", "profile"}, {"cli", "__init__"}]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
FACADE = {"__version__"}  # what rooms take from `lesionflow/__init__.py`; its functions are for users
MODULES = sorted(PACKAGE.rglob("*.py"))
ALLOWED = {
    "mlflow": {"tracking", "registry"},
    "keras": {"training"},
    "tensorflow": set(),  # no call of TensorFlow's own, so that every backend of Keras trains, but for
    "click": {"cli"},
    "fsspec": {"storage"},
    "pooch": {"dataverse", "webapp"},
}
EXCEPT = {
    ("tensorflow", "training/devices.py"),
    ("tensorflow", "training/export/onnx.py"),
    ("tensorflow", "training/export/whole_network.py"),
    ("tensorflow", "training/optimizer.py"),
}  # what is asked of each backend in its own way
LAZY = {
    "keras", "mlflow", "pandas", "sklearn", "scipy", "onnx", "onnxruntime", "matplotlib", "tensorflow", "torch",
    "requests", "pooch", "fsspec", "s3fs", "gcsfs", "ray",
}  # fmt: skip


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when a module is imported: all but the bodies of its functions and what is for type checkers."""
    nodes = list(architecture.run_time_nodes(tree))
    lazy = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    return (node for node in nodes if id(node) not in lazy)


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are absolute"
            yield node, node.module
            yield from ((node, f"{node.module}.{name.name}") for name in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_only_from_rooms_before_its_own(module: Path) -> None:
    here = room(module)
    for _, name in imports(ast.parse(module.read_text())):
        parts = name.split(".")
        if parts[0] == "lesionflow" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != here:
            assert LEVEL[parts[1]] < LEVEL[here], f"{here} imports {name}"
            assert not any({here, parts[1]} <= siblings for siblings in SIBLINGS), f"{here} imports {name}"
        if parts[0] == "lesionflow" and len(parts) == 2 and parts[1] not in LEVEL:
            assert parts[1] in FACADE, f"{here} imports {name}"
        if parts[0] in ALLOWED and (parts[0], str(module.relative_to(PACKAGE))) not in EXCEPT:
            assert here in ALLOWED[parts[0]], f"{here} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_where_they_are_used(module: Path) -> None:
    tree = ast.parse(module.read_text())
    eager = {id(node) for node in at_import(tree)}
    for node, name in imports(tree):
        # training's own modules define Keras classes, and nothing imports them before a training begins
        if id(node) in eager and name.split(".")[0] in LAZY:
            assert room(module) == "training" and name.split(".")[0] == "keras", (
                f"{module.name} imports {name} at the top"
            )


def test_a_module_is_imported_by_name_only_where_that_is_what_it_is_for() -> None:
    """`import_module` would hide from the tests here what is imported."""
    by_name = {str(each.relative_to(PACKAGE)) for each in MODULES if "import_module(" in each.read_text()}
    assert by_name == {"__init__.py", "tracking/client.py"}  # the functions for users, and MLflow


def test_every_module_is_in_a_known_room() -> None:
    assert {room(module) for module in MODULES} == set(LEVEL)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions count: one that is there to hide a circle is a circle."""
    assert architecture.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {frozenset("abc")}
    found = [sorted(circle) for circle in architecture.circles(architecture.module_graph())]
    assert not found


def test_no_two_classes_have_the_same_name() -> None:
    trees = [ast.parse(module.read_text()) for module in MODULES]
    names = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert not {name for name in names if names.count(name) > 1}
