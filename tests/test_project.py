"""What is said in several places says the same."""

import dataclasses
import importlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from lesionflow.evaluation.model_card import metrics_told
from lesionflow.model.card import read_card
from lesionflow.model.files import is_shipped, pretrained_folder
from lesionflow.training.config import TrainingConfig
from lesionflow.version import __version__

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
MLPROJECT = yaml.safe_load((ROOT / "MLproject").read_text())


def test_mlproject_has_the_defaults_of_training() -> None:
    main = MLPROJECT["entry_points"]["main"]
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
    defaults |= {"registered_model": "lesionflow"}
    assert main["parameters"] == {name: {"type": "string", "default": defaults[name]} for name in main["parameters"]}


@pytest.mark.parametrize("entry_point", ["main", "config", "evaluate", "score"])
def test_mlproject_hands_every_parameter_to_the_command_line(entry_point: str) -> None:
    from lesionflow.cli import main

    entry = MLPROJECT["entry_points"][entry_point]
    assert set(re.findall(r"{(\w+)}", entry["command"])) == set(entry["parameters"])
    command = main.commands[entry["command"].split()[3]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", entry["command"])) <= known


def test_the_one_environment_file_holds_what_scoring_and_training_need() -> None:
    pip = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"][-1]["pip"]
    extras = PYPROJECT["optional-dependencies"]
    assert pip == PYPROJECT["dependencies"] + extras["train"] + extras["imagenet"]
    assert not [line for line in pip if line.startswith((".", "-e"))]


def test_the_readme_says_what_each_dependency_is_for() -> None:
    extras = PYPROJECT["optional-dependencies"]
    listed = PYPROJECT["dependencies"] + [line for extra in extras.values() for line in extra]
    names = {re.split(r"[<>=!\[]", line)[0] for line in listed} - {"lesionflow"}
    in_table = {name for row in re.findall(r"^\| (`.+?`) \|", README, re.M) for name in re.findall(r"`([\w.-]+)`", row)}
    assert names <= in_table


def test_every_file_of_the_package_is_packed() -> None:
    package = ROOT / "lesionflow"
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {file for pattern in setuptools["package-data"]["lesionflow"] for file in package.glob(pattern)}
    others = {file for file in package.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert others == packed
    assert {"pretrained/model.onnx", "pretrained/card.json", "pretrained/trained_on.npz"} <= set(
        setuptools["package-data"]["lesionflow"]
    )


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda script: script.name)
def test_what_a_shell_script_imports_is_there(script: Path) -> None:
    """Nothing else reads the programs in them, and the longest of them takes hours before its last."""
    imported = re.findall(r"^from (lesionflow[\w.]*) import (.+)$", script.read_text(), re.M)
    assert imported
    for module, names in imported:
        assert all(hasattr(importlib.import_module(module), name) for name in names.split(", ")), (module, names)


def test_numbers_of_things_in_messages_may_be_one() -> None:
    """By `errors.counted`, but for those that are several by their nature, and those of aligned tables."""
    things = (
        "images|rows|files|lesions|words|columns|shards|nights|models|versions|folders|tables|ids|lists|pairs|copies"
    )
    several = {
        "len(found)", "how.stability", "MAXIMUM_IMAGES:,", "names[row]", "matrix.sum()", "malignant.sum()",
        "missing[order[0]]:,", "shift.validation_images", "len(attributes)", "total:,", "counts", "images",
        "MANY_IMAGES",
    }  # fmt: skip
    for file in (ROOT / "lesionflow").rglob("*.py"):
        numbers = re.findall(
            rf"\{{([^{{}}]+)\}} (?:malignant |labelled |metadata |validation )?(?:{things})\b", file.read_text()
        )
        plain = [each for each in numbers if not re.search(r":[\d.]+[%f,]$", each) and "'" not in each]
        assert set(plain) <= several, file


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 130


def test_ci_runs_the_readmes_test_command() -> None:
    (command,) = re.findall(r'^pip install -e "\.\[dev\]" && pytest$', README, re.M)
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.match(r"# Changelog\n\n## Unreleased\n", changelog)
    assert re.findall(r"^## (.*)$", changelog, re.M)[1] == __version__


def test_the_changelog_tells_what_is_unreleased_once_and_by_subject() -> None:
    """Merges of branches have put hundreds of lines back that were told shorter before."""
    told = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1].splitlines()
    assert not {"### Added", "### Changed", "### Fixed"} & {*told} and len(told) < 300
    assert [line for line in told if line and told.count(line) > 1] == []


@pytest.mark.skipif(not is_shipped(), reason="no bundle ships with this checkout")
def test_the_readme_gives_licence_and_figures_of_the_shipped_bundle() -> None:
    card = read_card(pretrained_folder())
    text = " ".join(README.split())
    assert card.licence in text and metrics_told(card) in text and f"`{card.network}` trained on" in text


def test_every_column_of_the_report_is_explained() -> None:
    from lesionflow.model.columns import report_columns

    contract = (ROOT / "batch" / "README.md").read_text()
    for column in report_columns():
        assert f"`{column}`" in contract or (column.startswith("p_") and "`p_akiec` … `p_vasc`" in contract)


def test_every_word_for_a_failure_is_in_the_contract() -> None:
    from lesionflow.errors import IMAGE_FAILURES

    contract = (ROOT / "batch" / "README.md").read_text()
    for word, meaning in IMAGE_FAILURES.items():
        assert f"| `{word}` | {meaning} |" in contract
