"""A second model: one decode, both models' words in the report and on the page, and what the truth says of the two."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from lesionflow.images.decode import decode, decode_frames_in_sizes
from lesionflow.images.pillow_formats import open_with_pillow
from lesionflow.model.card import read_card, write_card
from tests.conftest import error_line, invoke
from tests.scoring.test_page import data_of

SIZES = ((24, 24), (96, 128), (24, 24), (225, 300))


def read(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


def test_a_file_decoded_to_several_sizes_has_the_pixels_of_each_and_is_decoded_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    opened = Mock(side_effect=open_with_pillow)
    monkeypatch.setattr("lesionflow.images.decode.open_with_pillow", opened)
    first = Image.open(sorted(images.iterdir())[0]).resize((600, 450))
    clear = first.convert("RGBA")
    clear.putalpha(first.convert("L"))
    turned = Image.Exif()
    turned[0x0112] = 6  # on its side
    files = {
        "a.jpg": first, "b.jpg": first, "c.png": first, "d.tif": first, "e.jp2": first, "f.webp": clear, "g.gif": first,
        "h.png": clear, "i.png": first.quantize(),
    }  # fmt: skip
    for name, image in files.items():
        image.save(tmp_path / name, exif=turned if name == "b.jpg" else Image.Exif())
        opened.reset_mock()
        ((frame, found),) = decode_frames_in_sizes(tmp_path / name, SIZES)
        assert frame == 0 and isinstance(found, list)
        # JPEG 2000 is decoded in as much detail as each size needs
        expected = 0 if name[-3:] in ("jpg", "tif") else len({*SIZES}) if name == "e.jp2" else 1
        assert opened.call_count == expected, name
        for decoded, size in zip(found, SIZES, strict=True):
            assert (decoded.pixels == decode(tmp_path / name, *size)).all(), (name, size)


def test_both_models_say_what_each_says_alone_and_disagreement_comes_first(
    images: Path, deciding_bundle: Path, other_small_bundle: Path, tmp_path: Path
) -> None:
    asked = ("score", str(images), "--shard-size", "16")
    for name, bundle in (("first", deciding_bundle), ("second", other_small_bundle)):
        assert invoke(*asked, "--model", str(bundle), "--out", str(tmp_path / f"{name}.csv")).exit_code == 0
    both = (*asked, "--model", str(deciding_bundle), "--also", str(other_small_bundle))
    result = invoke(
        *both,
        "--out",
        str(tmp_path / "both.csv"),
        "--html",
        str(tmp_path / "both.html"),
        "--summary",
        str(tmp_path / "both.json"),
    )
    assert result.exit_code == 0, result.output
    rows = read(tmp_path / "both.csv")
    for row, first, second in zip(rows, read(tmp_path / "first.csv"), read(tmp_path / "second.csv"), strict=True):
        assert {name: row[name] for name in first} == first
        own = {name: value for name, value in second.items() if name not in ("path", "status", "error")}
        assert {name: row[f"also_{name}"] for name in own} == own
    assert len(rows[0]) == len(first) + len(own)

    shown = data_of((tmp_path / "both.html").read_text())
    differ = [row[2:4] != row[6][1:3] for row in shown["rows"]]
    assert 0 < shown["disagree"] == sum(differ) < len(differ) and differ == sorted(differ, reverse=True)
    told = f"the two models disagree on {sum(differ)} of {len(differ)} ({sum(differ) / len(differ):.1%})"
    assert told in result.output and json.loads((tmp_path / "both.json").read_text())["disagreed"] == sum(differ)

    for part in ("1/2", "2/2"):
        assert invoke(*both, "--out", str(tmp_path / "parts.csv"), "--shard", part).exit_code == 0
    assert invoke("merge", str(tmp_path / "parts.csv")).exit_code == 0
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "both.csv").read_bytes()
    assert invoke(*both, "--out", str(tmp_path / "both.parquet")).exit_code == 0
    import pandas as pd

    frame = pd.read_parquet(tmp_path / "both.parquet")
    assert frame["also_p_mel"].dtype == np.float64 and frame["also_malignant"].isin(["yes", "no"]).all()


def test_models_of_other_diagnoses_are_refused(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(small_bundle, tmp_path / "other"))
    card = read_card(other)
    write_card(
        other, dataclasses.replace(card, labels=dataclasses.replace(card.labels, name="mine", malignant=("mel",)))
    )
    arguments = ("--model", str(small_bundle), "--also", str(other), "--out", str(tmp_path / "a.csv"))
    result = invoke("score", str(images), *arguments)
    assert result.exit_code == 2 and "give a model with the same ones" in error_line(result)
