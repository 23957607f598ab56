"""Hugging Face's class labels: numbers get the names that the data set has for them, and are never guessed."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from lesionflow.datasets.labelled import LabelledImages, read_labelled_images
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError

NAMES = ("vasc", "nv", "mel", "df", "bkl", "bcc", "akiec")  # in another order than the label set's


def card(names: object, more: str = "") -> str:
    info = {
        "features": [{"name": "image", "dtype": "image"}, {"name": "label", "dtype": {"class_label": {"names": names}}}]
    }
    return f"---\nlicense: cc-by-nc-4.0\ndataset_info: {json.dumps(info)}\n{more}---\n# Lesions\n---\n"


@pytest.fixture
def numbered(fifty_images: Path, tmp_path: Path) -> tuple[Path, LabelledImages]:
    """A data set of Hugging Face's whose two parts have numbers as labels, and the same images with their diagnoses."""
    expected = read_labelled_images(fifty_images)
    for part, rows in (("train", expected.table[:30]), ("test", expected.table[30:])):
        folder = tmp_path / "hf" / "data" / part
        folder.mkdir(parents=True)
        for path in rows["path"]:
            shutil.copy(path, folder)
        table = pd.DataFrame({
            "file_name": [Path(path).name for path in rows["path"]],
            "label": [NAMES.index(dx) for dx in rows["dx"]], "lesion_id": rows["lesion_id"],
        })  # fmt: skip
        table.to_csv(folder / "metadata.csv", index=False)
    return tmp_path / "hf", expected


@pytest.mark.parametrize("names", [{str(number): name for number, name in enumerate(NAMES)}, [*NAMES]])
def test_numbers_have_the_names_of_the_card(numbered: tuple[Path, LabelledImages], names: object) -> None:
    folder, expected = numbered
    with pytest.raises(DataError, match=r"50 images with an unknown diagnosis: 0, 1, 2 and 4 more"):
        read_labelled_images(folder)
    (folder / "README.md").write_text(card(names))
    packed = shutil.make_archive(str(folder.parent / "packed"), "zip", folder)
    for source in (folder, folder / "data", packed):
        assert read_labelled_images(source).digest == expected.digest
    for file in sorted(folder.glob("data/*/metadata.csv")):
        assert set(read_labelled_images(file).table["image_id"]) < set(expected.table["image_id"])


@pytest.mark.parametrize("told", [
    "# Lesions\n", "---\n", "---\nlicense: [\n---\n", card([]), card({"0": "nv", "2": "mel"}),
    card([*NAMES]).replace("label", "labels"), "---\ndataset_info: 5\n---\n",
    card([*NAMES]).replace("dataset_info: {", "dataset_info: [{").replace("]}\n", "]}, "
    + json.dumps({"features": [{"name": "label", "dtype": {"class_label": {"names": [*HAM10000.names]}}}]}) + "]\n"),
])  # fmt: skip
def test_a_card_without_names_leaves_numbers_unknown(numbered: tuple[Path, LabelledImages], told: str) -> None:
    (numbered[0] / "README.md").write_text(told)
    with pytest.raises(DataError, match=r"50 images with an unknown diagnosis: 0, 1, 2 and 4 more"):
        read_labelled_images(numbered[0])


def test_a_number_without_a_name_is_refused_and_words_stay(numbered: tuple[Path, LabelledImages]) -> None:
    folder, expected = numbered
    (folder / "README.md").write_text(card(NAMES[:6]))
    with pytest.raises(DataError, match=r"README.md: has no name for 6 in the column label, only for 0 to 5; add it"):
        read_labelled_images(folder)
    (folder / "README.md").write_text(card([*NAMES]))
    file = folder / "data" / "test" / "metadata.csv"
    rows = pd.read_csv(file, dtype=str)
    rows.assign(label=[NAMES[int(number)] for number in rows["label"]]).to_csv(file, index=False)
    assert read_labelled_images(folder).digest == expected.digest
    rows.assign(label=["-1", *rows["label"][1:]]).to_csv(file, index=False)  # as `datasets` writes that there is none
    with pytest.raises(DataError, match="1 row without a diagnosis"):
        read_labelled_images(folder)


def test_numbers_have_the_names_of_the_schema(numbered: tuple[Path, LabelledImages]) -> None:
    folder, expected = numbered
    features = {"file_name": {"dtype": "string", "_type": "Value"}, "label": {"names": [*NAMES], "_type": "ClassLabel"}}
    for file in sorted(folder.glob("data/*/metadata.csv")):
        table = pyarrow.Table.from_pandas(pd.read_csv(file), preserve_index=False)
        told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        pyarrow.parquet.write_table(table.replace_schema_metadata(told), file.with_suffix(".parquet"))
        file.unlink()
    assert read_labelled_images(folder).digest == expected.digest
