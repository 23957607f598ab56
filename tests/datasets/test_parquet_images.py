"""Data sets that Hugging Face packs into Parquet files: the images in them are read where they lie."""

import base64
import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from lesionflow.datasets.labelled import LabelledImages, read_labelled_images
from lesionflow.errors import DataError, ImageError
from lesionflow.images import containers
from lesionflow.images.decode import decode
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.images.read_bytes import read_image_bytes
from lesionflow.profile.copies import inspect_images
from tests.conftest import error_line, invoke

COLUMNS = ["image_id", "lesion_id", "dx", "age", "sex", "localization"]


def packed(table: pd.DataFrame, file: Path, rows_in_group: int = 7, features: dict[str, object] | None = None) -> Path:
    """Write rows of paths and further columns as `datasets` does: each image as a record of its bytes and its name."""
    images = [{"bytes": Path(path).read_bytes(), "path": Path(path).name} for path in table["path"]]
    written = pyarrow.Table.from_pandas(table.drop(columns="path").assign(image=images), preserve_index=False)
    if features:
        written = written.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(written, file, row_group_size=rows_in_group)
    return file


@pytest.fixture
def expected(fifty_images: Path) -> LabelledImages:
    return read_labelled_images(fifty_images)


@pytest.fixture
def shards(expected: LabelledImages, tmp_path: Path) -> Path:
    """A data set as it is downloaded from the hub: two parts of it in the folder `data`, beside a card."""
    table = expected.table[["path", *COLUMNS]]
    packed(table[:31], tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    packed(table[31:], tmp_path / "set" / "data" / "test-00000-of-00001.parquet")
    (tmp_path / "set" / "README.md").write_text("a card")
    return tmp_path / "set"


def test_a_data_set_of_parquet_files_is_the_same_as_its_images(expected: LabelledImages, shards: Path) -> None:
    found = read_labelled_images(shards)
    assert found.digest == expected.digest
    order = found.table.set_index("image_id").loc[expected.table["image_id"]].reset_index()
    pd.testing.assert_frame_equal(order[[*COLUMNS, "content"]], expected.table[[*COLUMNS, "content"]])
    for row in (0, 30, 31, 49):
        here, there = decode(order["path"][row], 32, 32), decode(expected.table["path"][row], 32, 32)
        np.testing.assert_array_equal(here, there)
    assert order["path"][37] == f"{shards}/data/test-00000-of-00001.parquet/6"
    assert any("2 tables of parts are read as one" in told for told in found.warnings)
    one = read_labelled_images(shards / "data" / "train-00000-of-00001.parquet")
    assert one.table["image_id"].tolist() == sorted(expected.table["image_id"][:31]) and not one.warnings


def test_names_of_images_are_their_ids_and_numbers_of_classes_have_names(
    expected: LabelledImages, tmp_path: Path
) -> None:
    names = sorted({*expected.table["dx"]})
    numbers = expected.table["dx"].map(names.index)
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    file = packed(expected.table[["path"]].assign(label=numbers), tmp_path / "train.parquet", features=features)
    found = read_labelled_images(file)
    assert dict(zip(found.table["image_id"], found.table["dx"], strict=True)) == dict(
        zip(expected.table["image_id"], expected.table["dx"], strict=True)
    )
    unnamed = packed(expected.table[["path"]].assign(label=numbers), tmp_path / "unnamed.parquet")
    with pytest.raises(DataError, match="unnamed"):
        read_labelled_images(unnamed)  # numbers are never guessed


def test_a_part_that_cannot_be_read_is_told(shards: Path) -> None:
    broken = shards / "data" / "test-00000-of-00001.parquet"
    broken.write_bytes(broken.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"test-00000-of-00001.parquet: cannot be read as Parquet .*; restore it"):
        read_labelled_images(shards)


def test_what_a_parquet_file_does_not_hold_or_is_damaged_is_told(
    expected: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packed(expected.table[["path", "dx"]], tmp_path / "a.parquet")
    for name in ("50", "-1", "007", "x", "0/1"):
        with pytest.raises(ImageError, match="holds no image") as refused:
            read_image_bytes(f"{file}/{name}")
        assert refused.value.reason == "not_found"
    rows = pyarrow.table({"image": [{"bytes": b"1", "path": "1.jpg"}, {"bytes": None, "path": "2.jpg"}, None]})
    pyarrow.parquet.write_table(rows, tmp_path / "b.parquet")
    assert read_image_bytes(f"{tmp_path}/b.parquet/0") == b"1"
    for row in (1, 2):
        with pytest.raises(ImageError, match=f"holds no bytes of an image in row {row}"):
            read_image_bytes(f"{tmp_path}/b.parquet/{row}")
    content = bytearray(file.read_bytes())
    content[4:4000] = bytes(3996)  # the first pages
    (tmp_path / "c.parquet").write_bytes(content)
    with pytest.raises(ImageError) as damaged:
        read_image_bytes(f"{tmp_path}/c.parquet/0")
    assert damaged.value.reason == "damaged" and damaged.value.detail.startswith("c.parquet: ")
    monkeypatch.setattr(containers, "MAXIMUM_GROUP_BYTES", 1000)
    monkeypatch.setattr(containers, "_first_bytes", Mock(side_effect=MemoryError))  # a page may be as large
    (tmp_path / "d.parquet").write_bytes(file.read_bytes())  # not in the cache
    with pytest.raises(ImageError, match="row_group_size=100") as large:
        read_image_bytes(f"{tmp_path}/d.parquet/0")
    assert large.value.reason == "too_large"


def test_a_page_of_images_is_read_once_to_find_their_column(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Mock(wraps=containers._first_bytes)
    monkeypatch.setattr(containers, "_first_bytes", read)
    read_labelled_images(shards)
    assert read.call_count == len(list(shards.rglob("*.parquet"))) == 2


def test_paths_count_where_images_are_not_embedded(expected: LabelledImages, tmp_path: Path) -> None:
    images = [{"bytes": None, "path": path} for path in expected.table["path"]]
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    columns = {"image": pyarrow.array(images, kind), "dx": expected.table["dx"].tolist()}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "typed.parquet")
    with pytest.raises(DataError, match="holds images or lists"):
        read_labelled_images(tmp_path / "typed.parquet")
    expected.table[["dx"]].assign(image=images).to_parquet(tmp_path / "plain.parquet")
    assert read_labelled_images(tmp_path / "plain.parquet").table["path"].tolist() == expected.table["path"].tolist()


def test_the_column_named_image_counts_and_of_others_none_is_guessed(expected: LabelledImages, tmp_path: Path) -> None:
    masks = [{"bytes": b"a mask", "path": "mask.png"}] * 50
    file = packed(expected.table[["path", "dx", "image_id"]].assign(mask=masks), tmp_path / "a" / "masks.parquet")
    assert pyarrow.parquet.ParquetFile(file).schema_arrow.names.index("mask") == 2  # in front of the images
    found = read_labelled_images(file)
    assert found.digest == read_labelled_images(packed(expected.table[["path", "dx", "image_id"]], file)).digest
    assert any("not read: the images in mask; to use others" in told for told in found.warnings)
    written = pyarrow.table({"clinical": masks, "dermoscopic": masks, "dx": expected.table["dx"].tolist()})
    pyarrow.parquet.write_table(written, tmp_path / "b.parquet")
    with pytest.raises(
        DataError, match="the columns clinical, dermoscopic hold images; call the one that counts image"
    ):
        read_labelled_images(tmp_path / "b.parquet")
    assert not containers.is_member(f"{tmp_path}/b.parquet/0")


def test_images_have_the_first_ids_that_tell_them_apart(expected: LabelledImages, tmp_path: Path) -> None:
    table, ids = expected.table[["path", "dx"]], expected.table["image_id"].tolist()
    for number, (columns, right) in enumerate((
        ({"isic_id": ids}, ids),
        ({"Image Name": [f"{name}.jpg" for name in ids]}, ids),
        ({"file_name": [f"train/{name}.jpg" for name in ids]}, ids),
        ({"filename": ["image.jpg"] * 50}, ids),  # those beside the images
    )):  # fmt: skip
        found = read_labelled_images(packed(table.assign(**columns), tmp_path / f"{number}.parquet"))
        assert found.table["image_id"].tolist() == right, columns
    names = [{"bytes": Path(path).read_bytes(), "path": "image.jpg"} for path in table["path"]]
    pyarrow.parquet.write_table(pyarrow.table({"image": names, "dx": table["dx"].tolist()}), tmp_path / "same.parquet")
    assert {*read_labelled_images(tmp_path / "same.parquet").table["image_id"]} == {*map(str, range(50))}


def test_names_that_parts_share_are_of_several_images_and_ids_of_one(expected: LabelledImages, tmp_path: Path) -> None:
    table = expected.table[["path", "dx"]]
    for part, rows in (("test", table[:25]), ("train", table[25:])):
        for number, path in enumerate(rows["path"]):
            (tmp_path / part).mkdir(exist_ok=True)
            (tmp_path / part / f"{number}.jpg").write_bytes(Path(path).read_bytes())
        packed(
            rows.assign(path=[f"{tmp_path}/{part}/{n}.jpg" for n in range(25)]), tmp_path / "set" / f"{part}.parquet"
        )
    found = read_labelled_images(tmp_path / "set")
    assert sorted(found.table["content"]) == sorted(expected.table["content"])
    assert {"test.parquet/0", "train.parquet/24"} <= {*found.table["image_id"]}
    for name in ("small", "full"):
        packed(expected.table[["path", "image_id", "dx"]], tmp_path / "two" / name / "0.parquet")
    with pytest.raises(DataError, match=r"50 images in .*full/0.parquet and in .*small/0.parquet: .*on their own"):
        read_labelled_images(tmp_path / "two")


def test_diagnoses_may_lie_in_another_table(expected: LabelledImages, tmp_path: Path) -> None:
    table, folder = expected.table, tmp_path / "set"
    names = [f"images/{Path(path).name}" for path in table["path"]]
    for columns in ({"image_id": table["image_id"]}, {"Image ID": table["image_id"]}, {}):  # or the names beside them
        for part, rows in (("train", table[:31]), ("test", table[31:])):
            ids = pd.DataFrame({name: of[rows.index] for name, of in columns.items()})
            packed(rows[["path"]].join(ids), folder / "data" / f"{part}.parquet")
        for labels in (table[["image_id", "dx", "lesion_id"]], table[["dx", "lesion_id"]].assign(file_name=names)):
            labels.to_csv(folder / "labels.csv", index=False)
            for source in (folder, folder / "labels.csv"):
                found = read_labelled_images(source)
                assert found.digest == expected.digest and not [told for told in found.warnings if "left out" in told]
    table[["image_id", "dx", "lesion_id"]][5:].to_csv(folder / "labels.csv", index=False)
    told = read_labelled_images(folder).warnings
    assert f"5 images have no metadata row and are left out: {', '.join(table['image_id'][:3])} and 2 more" in told
    packed(table[["path", "image_id"]], folder / "data" / "again.parquet")
    assert any("lie there more than once" in told for told in read_labelled_images(folder).warnings)
    packed(table.assign(path=table["path"][::-1].to_list())[["path", "image_id"]], folder / "data" / "again.parquet")
    with pytest.raises(DataError, match="several files that differ"):
        read_labelled_images(folder)


def test_an_image_of_another_folder_is_not_taken_for_one_that_is_missing(
    expected: LabelledImages, tmp_path: Path
) -> None:
    table = expected.table
    packed(table[:9].assign(image_id=[str(row) for row in range(9)]), tmp_path / "first" / "data.parquet")
    (tmp_path / "second").mkdir()
    for row in range(1, 9):
        (tmp_path / "second" / f"{row}.jpg").write_bytes(Path(table["path"][row + 9]).read_bytes())
    paths = [f"second/{row}.jpg" for row in range(9)]
    table[9:18][["dx", "lesion_id"]].assign(path=paths).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DataError, match=r"1 of 9 images is not there: .*second.0\.jpg"):
        read_labelled_images(tmp_path / "labels.csv")
    packed(table[9:10].assign(image_id="0"), tmp_path / "second" / "rest.parquet")
    found = read_labelled_images(tmp_path / "labels.csv").table
    assert sorted(found["content"]) == sorted(table["content"][9:18])


def test_images_may_be_bytes_or_records_of_other_fields(expected: LabelledImages, tmp_path: Path) -> None:
    columns = {name: expected.table[name].tolist() for name in ("image_id", "dx", "lesion_id")}
    content = [Path(path).read_bytes() for path in expected.table["path"]]
    for number, images in enumerate((
        pyarrow.array(content, pyarrow.binary()),
        pyarrow.array([None, *content[1:]], pyarrow.large_binary()),
        pyarrow.array([{"bytes": each} for each in content]),
        pyarrow.array([{"bytes": each, "path": "image.jpg", "height": 4} for each in content]),
    )):  # fmt: skip
        file = tmp_path / f"{number}.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"picture": images, **columns}), file, row_group_size=9)
        assert [read_image_bytes(f"{file}/{row}") for row in range(1, 50)] == content[1:]
        if number != 1:
            assert read_labelled_images(file).digest == expected.digest
    features = pyarrow.array([each[-20:] for each in content], pyarrow.binary())  # bytes that are no images
    (tmp_path / "other").mkdir()
    file = tmp_path / "other" / "features.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"features": features, **columns}), file)
    with pytest.raises(DataError, match="no image files in this folder"):
        read_labelled_images(file)


def test_an_encrypted_file_is_named_and_ends_no_process(expected: LabelledImages, tmp_path: Path) -> None:
    encryption: Any = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(encryption.KmsClient):
        def __init__(self, _: object) -> None:
            super().__init__()

        def wrap_key(self, key: bytes, _: str) -> str:
            return base64.b64encode(key).decode()

    rows = pyarrow.table({"image": [{"bytes": b"\xff\xd8\xff", "path": "1.jpg"}], "dx": ["nv"], "image_id": ["1"]})
    for plaintext in (True, False):
        config = encryption.EncryptionConfiguration(
            footer_key="key", column_keys={"key": ["image.bytes", "dx"]}, plaintext_footer=plaintext
        )
        factory = encryption.CryptoFactory(Keys)
        properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), config)
        folder = tmp_path / str(plaintext)
        folder.mkdir()
        pyarrow.parquet.write_table(rows, folder / "a.parquet", encryption_properties=properties)
        packed(expected.table[["path", "dx"]], folder / "b.parquet")
        program = (
            "import sys; from pathlib import Path; from lesionflow.datasets.labelled import read_labelled_images\n"
            "from lesionflow.errors import DataError, ImageError; from lesionflow.images.decode import decode\n"
            "for read in (lambda: read_labelled_images(sys.argv[1]), lambda: decode(sys.argv[1] + '/0', 8, 8),\n"
            "             lambda: read_labelled_images(Path(sys.argv[1]).parent)):\n"
            "    try: read()\n"
            "    except (DataError, ImageError) as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder / "a.parquet")], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("write it again without encryption") == 3, done.stdout


def test_pages_with_a_wrong_checksum_are_damaged(tmp_path: Path) -> None:
    rows = pyarrow.table({"image": [{"bytes": bytes([255, 216, 255]) * 999, "path": "1.jpg"}]})
    file = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(rows, file, compression="none", write_page_checksum=True, write_statistics=False)
    content = bytearray(file.read_bytes())
    content[content.index(b"\xff\xd8\xff" * 9) + 50] ^= 1
    file.write_bytes(content)
    with pytest.raises(ImageError) as damaged:
        read_image_bytes(f"{file}/0")
    assert damaged.value.reason == "damaged"


def test_values_beside_lists_in_a_nested_column_are_read(expected: LabelledImages, tmp_path: Path) -> None:
    rows = zip(expected.table["lesion_id"], expected.table["dx"], strict=True)
    nested = [{"lesion_id": lesion, "tags": ["a", "b"], "seen": {"dx": dx, "raw": b"1"}} for lesion, dx in rows]
    file = packed(expected.table[["path", "image_id"]].assign(meta=nested), tmp_path / "a.parquet")
    assert read_labelled_images(file).digest == expected.digest


def test_rows_are_read_one_after_another_whatever_the_ids(expected: LabelledImages, tmp_path: Path) -> None:
    table = expected.table[["path", "image_id", "dx"]].sample(frac=1, random_state=0)
    file = packed(table, tmp_path / "a.parquet", rows_in_group=5)
    containers._row_group.cache_clear()
    found = read_labelled_images(file)
    paths = found.table["path"].tolist()
    inspect_images(paths)
    decoded_pixels(*found.files, 8, 8, tmp_path)
    # Ten groups for each of the three, and few again for threads that fall behind; by ids it is about 120.
    assert containers._row_group.cache_info().misses < 75


def test_where_images_of_parquet_are_not_read_that_is_told(
    expected: LabelledImages, shards: Path, tmp_path: Path
) -> None:
    part = packed(expected.table[["path", "dx"]][:7], shards / "data" / "more" / "0.parquet")
    told = f"1 table with images not read: {part}"
    assert told in read_labelled_images(shards).warnings
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(shards / "data" / "train-00000-of-00001.parquet", "train.parquet")
    with pytest.raises(DataError, match=r"set.zip/train.parquet: the images in it are read .* unpack it"):
        read_labelled_images(tmp_path / "set.zip")
    refused = invoke("score", str(shards), "--out", str(tmp_path / "out.csv"), "--model", "pretrained")
    assert "; of Parquet files that hold images, give one at a time" in error_line(refused)


def test_a_report_has_a_row_for_each_image_of_a_parquet_file(
    shards: Path, expected: LabelledImages, trained_bundle: Path, tmp_path: Path
) -> None:
    file, out = shards / "data" / "train-00000-of-00001.parquet", tmp_path / "out.csv"
    done = invoke("score", str(file), "--out", str(out), "--model", str(trained_bundle))
    assert done.exit_code == 0, done.output
    files = tmp_path / "files.txt"
    files.write_text("".join(f"{path}\n" for path in expected.table["path"][:31]))
    invoke("score", f"@{files}", "--out", str(tmp_path / "files.csv"), "--model", str(trained_bundle))
    rows, of_files = (list(csv.DictReader(each.open(newline=""))) for each in (out, tmp_path / "files.csv"))
    assert len(rows) == 31 and rows[30]["path"] == f"{file}/30"
    assert [(row["status"], row["p_mel"]) for row in rows] == [(row["status"], row["p_mel"]) for row in of_files]
