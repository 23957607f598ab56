"""`import lesionflow` and what it offers: the api of the command line, imported when they are used."""

import ast
import contextlib
import dataclasses
import importlib
import inspect
import io
import operator
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lesionflow
from lesionflow.api import overrides
from lesionflow.cli import main
from lesionflow.model.files import is_shipped
from lesionflow.training.config import TrainingConfig
from tests.scoring.conftest import draw_images

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how_to" / "use_from_python.md").read_text()
ELSEWHERE = {"demo", "completion"}  # commands that are no verb: they write a file, or are for shells


def test_importing_lesionflow_brings_nothing_heavy() -> None:
    program = (
        "import sys, lesionflow; assert 'score' in dir(lesionflow)\n"
        "brought = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "heavy = {'keras', 'tensorflow', 'mlflow', 'pandas', 'onnxruntime', 'numpy', 'PIL', 'click', 'rich'}\n"
        "print(sorted(name for name in sys.modules if name.startswith('lesionflow')), sorted(brought & heavy))\n"
        "lesionflow.TrainingConfig(epochs=3), lesionflow.score, lesionflow.load\n"
        "print(sorted({'keras', 'tensorflow', 'mlflow', 'pandas', 'onnxruntime', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['lesionflow', 'lesionflow.usage_data', 'lesionflow.version'] []", "[]"]


def test_importing_any_of_it_changes_no_warning_filter_and_no_logger() -> None:
    """Of the process, which is the user's. What Keras does when it is imported is Keras's."""
    program = """
import logging, pkgutil, importlib, sys, warnings
import matplotlib, mlflow, numpy, onnxruntime, pandas, PIL.Image, pooch, requests, rich, scipy, sklearn, yaml, click
import lesionflow
import lesionflow.images.decode, lesionflow.images.dicom  # which still add filters of their own

def state():
    loggers = [logging.root, *(logging.getLogger(name) for name in sorted(logging.root.manager.loggerDict))]
    return list(warnings.filters), {each.name: (each.level, each.handlers[:], each.filters[:]) for each in loggers}

filters, loggers = state()
for module in pkgutil.walk_packages(lesionflow.__path__, "lesionflow."):
    source = open(importlib.util.find_spec(module.name).origin).read()
    if "import keras" not in source and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        filters_now, loggers_now = state()
        assert filters_now == filters, (module.name, [x for x in filters_now if x not in filters])
        assert {name: loggers_now[name] for name in loggers} == loggers, module.name
print(sum(name.startswith("lesionflow.") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80


def test_every_command_is_a_function_of_its_name() -> None:
    assert {name.replace("-", "_") for name in main.commands} - ELSEWHERE <= set(lesionflow.__all__)
    for name in lesionflow.__all__:
        found = getattr(lesionflow, name)
        assert inspect.isfunction(found) or inspect.isclass(found), name
        assert found.__doc__ and found.__name__ == name and name in dir(lesionflow)
    assert lesionflow.TrainingConfig is TrainingConfig


def test_what_is_imported_lazily_is_what_types_are_checked_with() -> None:
    tree = ast.parse(Path(lesionflow.__file__).read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    typed: dict[str, str] = {}
    for node in guarded.body:
        assert isinstance(node, ast.ImportFrom) and node.module
        typed |= {name.name: node.module for name in node.names}
    assert sorted(typed) == lesionflow.__all__
    for name, module in typed.items():
        assert getattr(lesionflow, name) is getattr(importlib.import_module(module), name)


def test_what_public_results_hold_is_public_too() -> None:
    for name in lesionflow.__all__:
        offered = getattr(lesionflow, name)
        if not dataclasses.is_dataclass(offered) or name == "LoadedModel":  # which is asked, not read
            continue
        known = vars(importlib.import_module(offered.__module__))
        for field in dataclasses.fields(offered):
            for word in re.findall(r"\w+", str(field.type)):
                held = known.get(word)
                if inspect.isclass(held) and held.__module__.startswith("lesionflow."):
                    assert getattr(lesionflow, word, None) is held, f"{name}.{field.name}"


@pytest.mark.parametrize("name", [*(name for name in lesionflow.__all__ if name[0].islower()), "LoadedModel.predict"])
def test_every_public_function_says_what_it_takes_gives_and_raises(name: str) -> None:
    function = operator.attrgetter(name)(lesionflow)
    told = inspect.cleandoc(function.__doc__)
    sections = dict(zip(*[iter(re.split(r"^(\w+)\n-+\n", told, flags=re.M)[1:])] * 2, strict=True))
    listed = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$", sections["Parameters"], re.M)
    taken = [each.name for each in inspect.signature(function).parameters.values() if each.kind != each.VAR_KEYWORD]
    assert [each for line in listed for each in line.split(", ")] == [each for each in taken if each != "self"]
    assert "Returns" in sections and ("Raises" in sections or name == "doctor")


def test_typed_keywords_are_the_fields_of_the_configurations() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    import typed_keywords  # type: ignore[import-not-found]

    text = Path(overrides.__file__).read_text()
    assert text == typed_keywords.written(text), "run python scripts/typed_keywords.py"
    for kind in typed_keywords.KINDS:
        assert getattr(lesionflow, kind.__name__) is kind


def test_a_typed_program_runs(tmp_path: Path) -> None:
    """The program that CI checks with `mypy --strict`."""
    from tests import user_program

    draw_images(tmp_path / "images", 3)
    assert user_program.main(tmp_path / "images", tmp_path / "results.csv") == 3


def test_a_misspelt_keyword_is_one_line_and_a_configuration_is_taken(tmp_path: Path) -> None:
    with pytest.raises(lesionflow.LesionflowError, match=r"ScoringConfig has no option 'bach_size' \(did you mean"):
        lesionflow.score("images", tmp_path / "results.csv", bach_size=3)  # type: ignore[call-arg]
    with pytest.raises(lesionflow.LesionflowError, match="--top-k 0: must be from 1 to 1000"):
        lesionflow.score("images", tmp_path / "results.csv", lesionflow.ScoringConfig(quiet=True), top_k=0)


@pytest.mark.parametrize("name", [name for name in dir(lesionflow) if name.endswith("Config")])
def test_a_value_of_another_kind_is_one_line_that_names_its_option(name: str) -> None:
    config = getattr(lesionflow, name)
    for field in dataclasses.fields(config):
        with pytest.raises(lesionflow.LesionflowError, match=f"^{field.name}=.*: must be "):
            config(**{field.name: {}})


@pytest.mark.parametrize("given", [None, ["mole.jpg"], b"mole.jpg", "", "a\0b", 3])
def test_what_is_no_path_is_one_line_that_names_its_argument(given: Any, tmp_path: Path) -> None:
    calls: dict[str, list[Callable[[], object]]] = {
        "model": [lambda: lesionflow.load(given), lambda: lesionflow.evaluate(given, "demo")],
        "source": [lambda: lesionflow.score(given, tmp_path / "results.csv")],
        "out": [lambda: lesionflow.score("images", given)],
        "data": [lambda: lesionflow.describe(given)],
        "bundle": [lambda: lesionflow.register(given)],
        "images": [lambda: lesionflow.explain([given], tmp_path / "out")],
        "models": [lambda: lesionflow.compare([given])],
        "old": [lambda: lesionflow.move_store(given, tmp_path)],
        "--diagnoses": [lambda: lesionflow.describe("images", diagnoses=given)],
    }
    for name, asked in calls.items():
        for call in asked:
            with pytest.raises(lesionflow.LesionflowError, match=f"^{name}: is (of type|an? ).*; give"):
                call()


def test_a_result_is_shown_in_a_few_lines(tmp_path: Path) -> None:
    """A notebook shows the result of a cell: a card holds thirty thousand characters, and its metrics are asked for."""
    model = lesionflow.load("pretrained")
    shown = [repr(model), repr(model.card), repr(lesionflow.compare(["pretrained"] * 2))]
    shown.append(repr(lesionflow.score(draw_images(tmp_path, 1), tmp_path / "r.csv", model="pretrained", quiet=True)))
    assert max(map(len, shown)) < 2000 and all(model.card.network in each for each in shown)


def test_what_is_no_text_is_one_line_that_names_its_argument(tmp_path: Path) -> None:
    for call, name in (
        (lambda: lesionflow.rollback("moles", reason=None), "reason"),  # type: ignore[arg-type]
        (lambda: lesionflow.promote("moles", 1, reason=3), "reason"),  # type: ignore[arg-type]
        (lambda: lesionflow.train(registered_model=tmp_path), "registered_model"),  # type: ignore[arg-type]
    ):
        with pytest.raises(lesionflow.LesionflowError, match=f"^{name}=.*: must be a text"):
            call()


def test_paths_and_whole_numbers_may_stand_for_texts_and_numbers(tmp_path: Path) -> None:
    assert lesionflow.TrainingConfig(data=tmp_path, learning_rate=1).data == str(tmp_path)  # type: ignore[arg-type]
    config = lesionflow.ScoringConfig(html="page.html", max_failures=3)  # type: ignore[arg-type]
    assert (config.html, config.max_failures) == (Path("page.html"), "3")


def test_numbers_of_numpy_are_kept_as_pythons_which_files_can_hold(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "epochs": np.int64(2), "learning_rate": np.float32(0.5), "mirrored": np.bool_(True), "keep": np.str_("last"),
    }  # fmt: skip
    config = lesionflow.TrainingConfig(**given)
    assert {name: (type(value), value) for name, value in vars(config).items() if name in given} == {
        "epochs": (int, 2), "learning_rate": (float, 0.5), "mirrored": (bool, True), "keep": (str, "last"),
    }  # fmt: skip
    draw_images(tmp_path / "images", 2)
    numbers: dict[str, Any] = {"top_k": np.int64(2), "shard_size": np.uint8(1)}
    summary = lesionflow.score(tmp_path / "images", tmp_path / "results.csv", model="pretrained", **numbers)
    assert summary.scored == 2 and '"top_k": 2' in summary.provenance["options"]
    with pytest.raises(lesionflow.LesionflowError, match=r"epochs=.*2\.5.*: must be a whole number"):
        lesionflow.TrainingConfig(epochs=np.float64(2.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "meant"), [("modl", "model"), ("consol", "console"), ("top_kk", "top_k")])
def test_of_a_misspelt_keyword_the_nearest_is_named(given: str, meant: str) -> None:
    with pytest.raises(lesionflow.LesionflowError, match=rf"has no option '{given}' \(did you mean '{meant}'"):
        lesionflow.score("images", "results.csv", **{given: "x"})  # type: ignore[arg-type]


def test_one_path_where_several_may_be_given_is_one(tmp_path: Path) -> None:
    picture = draw_images(tmp_path / "images", 1) / "image0000.jpg"
    for one in picture, str(picture):
        (explained,) = lesionflow.explain(one, tmp_path / "out", model="pretrained", overwrite=True)
        assert explained.path == str(picture)
    with pytest.raises(lesionflow.LesionflowError, match="there is none at"):  # one alone is compared with a champion
        lesionflow.compare("pretrained", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    for one in tmp_path / "none.csv", str(tmp_path / "none.csv"):
        with pytest.raises(lesionflow.LesionflowError, match=r"none\.csv"):
            lesionflow.monitor(one)


def test_what_the_parts_of_a_report_are_and_where_it_goes_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(lesionflow.LesionflowError, match="to= writes the report elsewhere"):
        lesionflow.merge(tmp_path / "parts.csv", out=tmp_path / "merged.csv")


def test_modules_do_not_take_the_place_of_functions() -> None:
    program = (
        "import lesionflow.api.train, lesionflow.api.score, lesionflow.training.config, lesionflow.model.prediction\n"
        "import lesionflow, inspect\n"
        "assert all(inspect.isfunction(each) for each in (lesionflow.train, lesionflow.score, lesionflow.evaluate))\n"
        "assert inspect.ismodule(lesionflow.training) and inspect.ismodule(lesionflow.api.score)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_another_name_is_none() -> None:
    with pytest.raises(AttributeError, match="module 'lesionflow' has no attribute 'predict'"):
        getattr(lesionflow, "predict")  # noqa: B009 (mypy would find it)
    assert not hasattr(lesionflow, "verb")


def python_of(text: str) -> str:
    """The Python that a text shows, indented or as a block."""
    if blocks := re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        return "\n".join(blocks)
    return inspect.cleandoc(text.partition("Example:\n")[2].replace("\n\n", "\n"))


@pytest.mark.skipif(not is_shipped(), reason="no bundle ships with this checkout")
@pytest.mark.parametrize("where", ["page", "lesionflow", "load"])
def test_what_the_documentation_shows_runs(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {"page": PAGE, "lesionflow": lesionflow.__doc__, "load": lesionflow.load.__doc__}[where]
    monkeypatch.chdir(tmp_path)
    (file,) = draw_images(tmp_path / "images", 1).iterdir()
    shutil.copy(file, tmp_path / "mole.jpg")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(python_of(shown or ""), where, "exec"), {"lesionflow": lesionflow})
    if where == "page":
        assert (tmp_path / "results.csv").exists() and "not_found: no such file" in printed.getvalue()
