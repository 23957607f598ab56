"""What the tutorial and the how-to pages tell people to do works."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest

from lesionflow.cli import main
from lesionflow.model.columns import report_columns
from lesionflow.registry.versions import resolve
from lesionflow.webapp.runtime import ONNX, RUNTIMES
from tests.conftest import PLAIN, invoke, light_networks, without_pictures, working_in
from tests.webapp.conftest import archive_of

ROOT = Path(__file__).parents[1]
DOCS, EXAMPLE = ROOT / "docs", ROOT / "batch" / "example"
PAGES = sorted([*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "batch/README.md")), *DOCS.rglob("*.md")])
STEP = re.compile(r"^```bash\n(.*?)^```\n\n```text\n(.*?)^```$", re.M | re.S)  # of the tutorial


def blocks(page: str, language: str = "bash") -> list[str]:
    """The blocks of a language on a page of `docs`."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)
    return [text for name, text in found if name == language]


def commands_of(text: str, program: str = "lesionflow") -> Iterator[list[str]]:
    """Every command of a program among lines for a shell: its words, the first of which names it."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s(?:&&|\|\|?)\s", line):
            if re.match(rf"\s*{program} [a-z]", part):
                yield shlex.split(part, comments=True)[1:]


def follow(text: str, folder: Path, changed: Callable[[list[str]], list[str]] = list) -> str:
    """Do what lines for a shell say, lesionflow's commands in this process; returns what they said.

    changed: what becomes of a command's words. A command fails the test unless its line says what to do then.
    """
    said = ""
    for line in text.splitlines():
        commands = [*commands_of(line)]
        if not commands:
            said += subprocess.run(
                ["bash", "-c", line], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            continue
        (words,) = commands
        done = invoke(*changed(words))
        said += done.stdout
        _, otherwise, instead = line.partition(" || ")
        if otherwise:
            assert done.exit_code and instead == 'echo "exit code $?"'
            said += f"exit code {done.exit_code}\n"
        else:
            assert done.exit_code == 0, done.output
    return said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_is_one_that_the_command_line_takes(page: Path) -> None:
    text = page.read_text()
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)
    inline = [" ".join(each.split()) for each in re.findall(r"`((?:lesionflow|mlflow) [a-z][^`]*)`", text)]
    for words in commands_of("\n".join([*fenced, *inline]), "mlflow"):
        import mlflow.cli  # as long as MLflow itself, and a server's modules: not in each process of the tests

        theirs: click.Command | None = mlflow.cli.cli
        while isinstance(theirs, click.Group) and words:
            theirs = theirs.get_command(click.Context(theirs), words.pop(0))
        assert theirs is not None
        if words:
            assert isinstance(theirs.make_context(theirs.name, words), click.Context)
    found = [*commands_of("\n".join([*fenced, *inline]))]
    assert found or "lesionflow " not in " ".join(fenced)
    for name, *words in found:
        command = main.commands[name]
        if not words:
            continue  # it is only named
        if name == "score" and "--out" not in words:  # told about one option
            words += ["--out", "results.csv"]
        context = command.make_context(name, [word.replace("$SLURM_ARRAY_TASK_ID", "1") for word in words])
        assert isinstance(context, click.Context)


def test_the_tutorial(store: Path) -> None:
    """Its training is the one of the store: as many networks, on fewer images and for fewer epochs."""
    page, asked = (DOCS / "tutorial.md").read_text(), []

    def changed(words: list[str]) -> list[str]:
        asked.append(words)
        if words[0] == "demo":
            return [*words[:-1], "150"]
        if words[0] == "train":
            options = main.commands["train"].make_context("train", words[1:]).params
            assert (options["data"], options["model"]) == ("moles", "cnn,vgg")
            return ["history", "lesionflow"]
        return words

    steps = STEP.findall(page)
    assert len(steps) == page.count("```text") > 7
    for commands, told in steps:
        said = follow(commands, store, changed)
        assert bool(said.strip()) == bool(told.strip()) or "lesionflow demo" in commands
        if commands.startswith("head"):
            assert told.splitlines()[0] == said.splitlines()[0] == ",".join(report_columns())
        if "exit code" in told:
            assert told.splitlines()[-2:-1] == said.splitlines()[-2:-1] == ["exit code 3"]
            row, as_told = (text.splitlines()[-1].rpartition(",")[0] for text in (said, told))
            assert row == as_told and "broken.jpg,error," in row
    assert {words[0] for words in asked} == {"demo", "describe", "train", "history", "score", "compare"}
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", page):
        assert (DOCS / picture).stat().st_size < 150_000


def test_your_own_diagnoses(contenders: Path) -> None:
    """On fewer images, smaller ones, for one epoch, with a network that costs little."""
    page, smaller = "how_to/your_own_diagnoses.md", {"--images": "100", "--epochs": "1", "--image-size": "16"}

    def changed(words: list[str]) -> list[str]:
        plain = PLAIN if words[0] == "train" else ()
        return [*(smaller.get(before, word) for before, word in zip(["", *words], words, strict=False)), *plain]

    (own,) = blocks(page, "yaml")
    (contenders / "clinic.yaml").write_text(own)
    with without_pictures(), light_networks("cnn"):
        said = [follow(commands, contenders, changed) for commands in blocks(page)]
    assert "naevus: nev" in said[0] and "lesionflow/1 (demo data) (cnn) is the champion now" in said[1]
    assert (
        (contenders / "results.csv")
        .read_text()
        .startswith(
            "path,status,error,diagnosis,probability,p_mel,p_nev,p_sk,p_other,p_malignant,malignant,refer,model\n"
        )
    )
    assert "  sensitivity_sk " in said[1] and "  sensitivity_other " in said[1]
    assert "  malignant_auc " in said[2] and "  sensitivity_malignant " in said[2] and "sensitivity_sk" not in said[2]
    assert "benign = nev, sk, other; malignant = mel" in (contenders / "on-others" / "report.html").read_text()


def test_promote_safely(contenders: Path) -> None:
    assert invoke("promote", "lesions", "1").exit_code == 0

    def changed(words: list[str]) -> list[str]:
        return [re.sub(r"^(models:/)?lesionflow\b", r"\1lesions", word) for word in words]

    for commands in blocks("how_to/promote_safely.md"):
        said = follow(commands, contenders, changed)
    assert said == "lesions/3 is the champion again, instead of lesions/2\n"
    history = invoke("history", "lesions").stdout
    assert history.count("lesions/") >= 4 and "better on 400 of our own lesions" in history


def test_watch_the_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few drawn images, of which an earlier night had the same."""
    monkeypatch.chdir(tmp_path)
    images = sorted(map(str, (EXAMPLE / "images" / "clinic 2").iterdir()))
    (tmp_path / "night.csv").write_text("path,lesion_id\n" + "".join(f"{path},{path}\n" for path in images))
    (tmp_path / "labels.csv").write_text("path,diagnosis\n" + "".join(f"{path},nv\n" for path in images))
    (tmp_path / "reports").mkdir()
    earlier = tmp_path / "reports" / "2026-02-28.csv"
    assert invoke("score", "night.csv", "--out", str(earlier), "--model", str(EXAMPLE / "bundle")).exit_code == 0

    def changed(words: list[str]) -> list[str]:
        words = [str(EXAMPLE / "bundle") if word == "pretrained" else word for word in words]
        return [name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]

    page = "how_to/watch_the_nights.md"
    (limits,) = blocks(page, "yaml")
    (tmp_path / "limits.yaml").write_text(limits)
    said = [follow(commands, tmp_path, changed) for commands in blocks(page)]
    assert "2 nights, 0 with an alarm" in said[0] and "scored images have truth (100.0%)" in said[2]
    assert "What waits for review" in (tmp_path / "monitor" / "nights.html").read_text()


def test_scale_out_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(EXAMPLE / "images" / "clinic 2", tmp_path / "images")

    def changed(words: list[str]) -> list[str]:
        return [*words, "--model", str(EXAMPLE / "bundle"), "--shard-size", "1"] if words[0] == "score" else words

    (commands,) = blocks("how_to/scale_out.md")
    follow(commands, tmp_path, changed)
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 4


def test_score_only_what_is_new(tmp_path: Path) -> None:
    for name in ("images", "reports"):
        (tmp_path / name).mkdir()
    old, new = tmp_path / "images" / "old.jpg", tmp_path / "images" / "new.jpg"
    shutil.copyfile(EXAMPLE / "images" / "clinic 2" / "nv.jpg", old)
    os.utime(old, (1, 1))
    (tmp_path / "last-night").touch()
    os.utime(tmp_path / "last-night", (2, 2))
    shutil.copyfile(old, new)
    (script,) = [text for text in blocks("how_to/score_every_night.md", "") if text.startswith("find ")]
    script = script.replace("/data/", f"{tmp_path}/").replace("--resume", f"--resume --model '{EXAMPLE / 'bundle'}'")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=os.environ | {"PATH": path}, check=True)
    (report,) = (tmp_path / "reports").iterdir()
    assert re.findall(r"\w+\.jpg,ok", report.read_text()) == ["new.jpg,ok"]


def test_score_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    archives = archive_of(RUNTIMES[ONNX][0]).parent
    (commands,) = blocks("how_to/score_in_a_browser.md")
    more = ["--runtime", ONNX, "--archives", str(archives)]
    follow(commands, tmp_path, lambda words: [*words[:1], str(EXAMPLE / "bundle"), *words[2:], *more])
    assert (tmp_path / "page" / "index.html").is_file()


def test_a_table_as_shown_is_read(demo_folder: Path, tmp_path: Path) -> None:
    from lesionflow.datasets.labelled import read_labelled_images

    (header, *_), *_ = (block.splitlines() for block in blocks("how_to/train_on_your_data.md", ""))
    drawn = read_labelled_images(demo_folder).table.rename(columns={"dx": "diagnosis"})
    table = drawn[header.split(",")].assign(path=[str(path) for path in drawn["path"]])
    table.to_csv(tmp_path / "my_images.csv", index=False)
    read = read_labelled_images(tmp_path / "my_images.csv")
    assert len(read.table) == 150 and read.warnings == ()
    assert read.table["lesion_id"].tolist() == drawn["lesion_id"].tolist()


def test_a_new_network_is_a_function_and_a_line_of_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lesionflow.training import config, fit, networks
    from lesionflow.training.export.onnx import write_bundle
    from tests.model.test_files import CARD
    from tests.training.test_fit import coloured

    layers, settings = blocks("how_to/write_a_network.md", "python")
    monkeypatch.setattr(networks, "BODIES", dict(networks.BODIES))
    for name in ("NEEDED", "PRESETS"):
        monkeypatch.setattr(config, name, {key: dict(value) for key, value in getattr(config, name).items()})
    monkeypatch.setattr(config, "NETWORKS", config.NETWORKS)
    exec(layers, vars(networks))
    exec(settings, vars(config))
    asked = config.TrainingConfig(
        model="separable", epochs=1, image_size=16, batch_size=16, augmentation=0, averaging=0
    )
    examples = fit.Examples(*coloured())
    fitted = fit.fit(asked.resolved("separable", "quick"), examples)
    assert len(fitted.history) == 1 and fitted.network.name == "separable"
    card = dataclasses.replace(CARD, network="separable")
    written = write_bundle(tmp_path / "bundle", fitted.network, card, examples)
    assert written.training["export_difference"] < 1e-4
    logits = np.asarray(networks.build_network("separable", 33, 57)(np.ones((2, 33, 57, 3))))
    assert logits.shape == (2, 7) and np.isfinite(logits).all()


def test_a_store_moves_with_its_folder(contender_store: Path, tmp_path: Path) -> None:
    (script,) = (block for block in blocks("how_to/other_systems.md") if "move-store" in block)
    shutil.copytree(contender_store, tmp_path / "experiments")
    with working_in(tmp_path / "experiments"):
        assert f"begin with {Path.cwd()} now" in invoke("move-store", str(contender_store), ".").stdout
        assert invoke("promote", "lesions", "1").exit_code == 0
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = script.replace("lesionflow history", "lesionflow history lesions")
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=os.environ | {"PATH": path}, check=True)
    with working_in(tmp_path / "moved"):
        assert resolve("models:/lesions/1", tmp_path / "unused").folder.is_relative_to(tmp_path / "moved")
