import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lesionflow.datasets.isic import HIERARCHY
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.raw_labels import NO_LESIONS
from lesionflow.diagnoses import BINARY
from lesionflow.errors import DataError

# The archive's words for the seven, now (levels 1 to 3) and before; what of them HAM10000's images have.
NOW = {
    "akiec": ("Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"),
    "bcc": ("Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma"),
    "bkl": ("Benign", "Benign epidermal proliferations", "Pigmented benign keratosis"),
    "df": ("Benign", "Benign soft tissue proliferations - Fibro-histiocytic", "Dermatofibroma"),
    "mel": ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma, NOS"),
    "nv": ("Benign", "Benign melanocytic proliferations", "Nevus"),
    "vasc": ("Benign", "Benign soft tissue proliferations - Vascular", ""),
}
BEFORE = {
    "akiec": "actinic keratosis", "bcc": "basal cell carcinoma", "bkl": "pigmented benign keratosis",
    "df": "dermatofibroma", "mel": "melanoma", "nv": "nevus", "vasc": "vascular lesion",
}  # fmt: skip
CONFIRMED = {"histo": "histopathology", "consensus": "single image expert consensus"}

MELANOMA = ("Malignant", "Malignant melanocytic proliferations (Melanoma)")

Edit = Callable[[pd.DataFrame], pd.DataFrame]


def lay_out(source: Path, folder: Path, edit: Edit = lambda rows: rows, now: bool = True) -> Path:
    """The images of a HAM10000 folder as isic-cli leaves them."""
    folder.mkdir()
    for file in source.glob("*/*.jpg"):
        shutil.copy(file, folder)
    rows = pd.read_csv(source / "HAM10000_metadata.csv", dtype=str, keep_default_na=False)
    rows["diagnosis_confirm_type"] = rows["dx_type"].map(CONFIRMED).fillna("")
    rows["anatom_site_general"] = rows["localization"].str.replace("unknown", "")
    rows = rows.rename(columns={"image_id": "isic_id", "age": "age_approx"}).assign(
        attribution="Drawn", copyright_license="CC-0", image_type="dermoscopic"
    )
    if now:
        levels = pd.DataFrame([NOW[dx] for dx in rows["dx"]], columns=["diagnosis_1", "diagnosis_2", "diagnosis_3"])
        rows = pd.concat([rows, levels], axis=1)
    else:
        rows["diagnosis"] = rows["dx"].map(BEFORE)
    edit(rows.drop(columns=["dx", "dx_type", "localization"])).to_csv(folder / "metadata.csv", index=False)
    (folder / "attribution.txt").write_text("Drawn")
    (folder / "licenses").mkdir()
    return folder


MILK10K = ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC")


@pytest.fixture
def milk10k(fifty_images: Path, tmp_path: Path) -> Path:
    """The images of a HAM10000 folder as MILK10k has them, beside a photograph of each lesion."""
    rows = pd.read_csv(fifty_images / "HAM10000_metadata.csv", dtype=str, keep_default_na=False)
    lesions = rows.drop_duplicates("lesion_id")
    start = tmp_path / "milk" / "MILK10k_Training_"
    start.parent.mkdir()
    for file in fifty_images.glob("*/*.jpg"):
        lesion = rows.set_index("image_id")["lesion_id"][file.stem]
        folder = Path(f"{start}Input") / lesion
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder)
        shutil.copy(file, folder / f"close_{lesion}.jpg")
    marks = [[lesion, *((name == dx.upper()) * 1.0 for name in MILK10K)] for lesion, dx in
             zip(lesions["lesion_id"], lesions["dx"], strict=True)]  # fmt: skip
    pd.DataFrame(marks, columns=["lesion_id", *MILK10K]).to_csv(f"{start}GroundTruth.csv", index=False)
    images = rows.assign(isic_id=rows["image_id"], image_type="dermoscopic", site=rows["localization"])
    close = lesions.assign(isic_id="close_" + lesions["lesion_id"], image_type="clinical: close-up", site="")
    both = pd.concat([images, close]).rename(columns={"age": "age_approx"})
    both[["lesion_id", "image_type", "isic_id", "age_approx", "sex", "site"]].to_csv(
        f"{start}Metadata.csv", index=False
    )
    full = both["dx"].map(BEFORE).replace("nevus", "Nevus of a kind that the archive alone knows")
    confirmed = both["dx_type"].map(CONFIRMED).fillna("")
    both.assign(diagnosis_full=full, diagnosis_confirm_type=confirmed)[
        ["isic_id", "diagnosis_full", "diagnosis_confirm_type"]
    ].to_csv(f"{start}Supplement.csv", index=False)
    return start.parent


def test_milk10k_has_the_diagnoses_of_lesions(milk10k: Path, fifty_images: Path) -> None:
    expected = read_labelled_images(fifty_images)
    for name in ("", "MILK10k_Training_GroundTruth.csv", "MILK10k_Training_Metadata.csv"):
        found = read_labelled_images(milk10k / name)
        assert found.digest == expected.digest
        columns = ["lesion_id", "dx", "sex", "age", "localization"]
        pd.testing.assert_frame_equal(found.table[columns], expected.table[columns])
        (told,) = found.warnings
        assert "not dermoscopic, or altered, and left out: close_" in told
    assert {"histo", "consensus"} <= set(found.table["dx_type"])
    (milk10k / "MILK10k_Training_Supplement.csv").unlink()
    assert read_labelled_images(milk10k).digest == expected.digest


def test_lesions_of_milk10k_have_one_class_each(milk10k: Path) -> None:
    (milk10k / "MILK10k_Training_Supplement.csv").unlink()
    file = milk10k / "MILK10k_Training_GroundTruth.csv"
    truth = pd.read_csv(file)
    truth.assign(MEL=0.0, NV=0.0, BEN_OTH=truth["NV"], MAL_OTH=truth["MEL"]).to_csv(file, index=False)
    found = read_labelled_images(milk10k)
    assert not {"nv", "mel"} & set(found.table["dx"])
    assert any("of the seven diagnoses and are left out: BEN_OTH (" in warning for warning in found.warnings)
    binary = read_labelled_images(milk10k, label_set=BINARY).table.groupby("dx")["lesion_id"].nunique()
    counts = truth.set_index("lesion_id").sum()
    assert binary["malignant"] == counts["MEL"] + counts["BCC"]
    truth.assign(DF=1.0).to_csv(file, index=False)
    with pytest.raises(DataError, match=r"GroundTruth.csv: \d+ rows without exactly one 1 among 0s: "):
        read_labelled_images(milk10k)


def test_metadata_of_the_archive_without_diagnoses_names_its_columns(milk10k: Path) -> None:
    (milk10k / "MILK10k_Training_GroundTruth.csv").unlink()
    told = r"no column diagnosis or diagnosis_1; the columns are isic_id, diagnosis_full, .*or name your column with"
    with pytest.raises(DataError, match=told):
        read_labelled_images(milk10k / "MILK10k_Training_Supplement.csv")
    (milk10k / "m.yaml").write_text(
        "columns: {diagnosis: diagnosis_full}\nlabels: {Nevus of a kind that the archive alone knows: nv}"
    )
    assert len(read_labelled_images(milk10k / "MILK10k_Training_Supplement.csv", labels=milk10k / "m.yaml").table) > 50


@pytest.mark.parametrize("now", [True, False])
def test_a_download_of_isic_cli_says_what_the_ham10000_folder_says(
    fifty_images: Path, tmp_path: Path, now: bool
) -> None:
    found, expected = (
        read_labelled_images(lay_out(fifty_images, tmp_path / "isic", now=now)),
        read_labelled_images(fifty_images),
    )
    assert found.digest == expected.digest and not found.warnings
    columns = ["image_id", "lesion_id", "dx", "age", "sex", "localization"]
    pd.testing.assert_frame_equal(found.table[columns], expected.table[columns])
    assert set(found.table["dx_type"]) == {"histo", "consensus", "unknown"}


def test_records_of_the_archives_interface_are_read(fifty_images: Path, tmp_path: Path) -> None:
    folder = lay_out(fifty_images, tmp_path / "isic", now=True)
    file = folder / "metadata.csv"
    rows = pd.read_csv(file, dtype=str, keep_default_na=False).to_dict("records")
    expected = read_labelled_images(folder).table
    file.unlink()
    records = [{"isic_id": row.pop("isic_id"), "metadata": {"clinical": row}} for row in rows]
    (folder / "images.jsonl").write_text("\n".join(map(json.dumps, records)))
    pd.testing.assert_frame_equal(read_labelled_images(folder).table, expected)


def test_metadata_of_isic_cli_is_known_in_other_capitals_and_under_another_name(
    fifty_images: Path, tmp_path: Path
) -> None:
    folder = lay_out(fifty_images, tmp_path / "isic", lambda rows: rows.rename(columns=str.upper))
    expected = read_labelled_images(fifty_images).digest
    assert read_labelled_images(folder).digest == expected
    (folder / "metadata.csv").rename(folder / "challenge_metadata.csv")
    assert read_labelled_images(folder).digest == expected


@pytest.mark.parametrize("now", [True, False])
def test_a_further_column_malignant_makes_it_no_other_data_set(fifty_images: Path, tmp_path: Path, now: bool) -> None:
    folder = lay_out(fifty_images, tmp_path / "isic", lambda rows: rows.assign(malignant="0"), now)
    assert read_labelled_images(folder).digest == read_labelled_images(fifty_images).digest


def test_columns_of_ones_own_beside_those_of_isic_cli_do_not_count(fifty_images: Path, tmp_path: Path) -> None:
    folder = lay_out(fifty_images, tmp_path / "isic", lambda rows: rows.assign(image_id=range(50), age="7"))
    found, expected = read_labelled_images(folder), read_labelled_images(fifty_images)
    assert found.digest == expected.digest and found.table["age"].equals(expected.table["age"])


def with_diagnosis(isic_id: str, *levels: str, **others: str) -> Edit:
    """Give the first image another id and diagnosis."""

    def edit(rows: pd.DataFrame) -> pd.DataFrame:
        first = {f"diagnosis_{level}": levels[level - 1] if level <= len(levels) else "" for level in range(1, 6)}
        rows = rows.reindex(columns=[*rows.columns, "diagnosis_4", "diagnosis_5", *others], fill_value="")
        rows.loc[0, list(first)] = list(first.values())
        rows.loc[0, ["isic_id", "lesion_id", *others]] = [isic_id, "IL_1", *others.values()]
        return rows

    return edit


@pytest.mark.parametrize(
    ("isic_id", "levels", "dx"),
    [
        ("ISIC_1", [*MELANOMA, "Melanoma in situ", "Mucosal"], "mel"),
        ("ISIC_1", [*MELANOMA], "mel"),
        ("ISIC_1", [*MELANOMA, "Melanoma metastasis"], ""),
        ("ISIC_1", ["Benign", "Benign melanocytic proliferations", "Nevus", "Blue nevus", "Blue nevus, Common"], "nv"),
        ("ISIC_1", ["Benign", "Benign adnexal epithelial proliferations - Sebaceous", "Nevus sebaceus"], ""),
        ("ISIC_1", ["Benign", "Benign soft tissue proliferations - Vascular", "Hemangioma", "Cherry"], "vasc"),
        ("ISIC_1", ["Malignant", "Malignant soft tissue proliferations - Vascular", "Kaposi sarcoma"], ""),
        ("ISIC_1", ["Benign", "Benign epidermal proliferations", "Solar lentigo"], "bkl"),
        ("ISIC_1", ["Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma in situ"], "akiec"),
        ("ISIC_0070000", ["Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma, NOS"], ""),
        ("ISIC_0024329", ["Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma, NOS"], "akiec"),
        ("ISIC_1", [], ""),
    ],
)  # fmt: skip
def test_the_archives_hierarchy_is_read_by_ham10000s_definitions(
    fifty_images: Path, tmp_path: Path, isic_id: str, levels: list[str], dx: str
) -> None:
    folder = lay_out(fifty_images, tmp_path / "isic", with_diagnosis(isic_id, *levels))
    first = pd.read_csv(fifty_images / "HAM10000_metadata.csv")["image_id"][0]
    (folder / f"{first}.jpg").rename(folder / f"{isic_id}.jpg")
    found = read_labelled_images(folder)
    if dx:
        assert found.table.set_index("image_id")["dx"][isic_id] == dx and not found.warnings
    else:
        (warning,) = found.warnings
        name = levels[-1] if levels else "unknown"
        assert warning == f"1 image has none of the seven diagnoses and is left out: {name} (1)"
        assert len(found.table) == 49


@pytest.mark.parametrize(
    ("edit", "warning", "left"),
    [
        (lambda rows: rows.assign(image_type=["clinical: overview", *rows["image_type"][1:]]), "1 image is not", 49),
        (lambda rows: rows.assign(image_manipulation=["synthetic"] + ["instrument only"] * 49), "1 image is not", 49),
        (lambda rows: rows.drop(columns="lesion_id"), NO_LESIONS, 50),
        (lambda rows: rows.assign(lesion_id=""), NO_LESIONS, 50),
        (lambda rows: rows.assign(lesion_id=["", *rows["lesion_id"][1:]]), "1 of 50 images has no lesion_id", 50),
        (lambda rows: rows[:40], "10 images have no metadata row", 40),
    ],
)  # fmt: skip
def test_what_does_not_count_is_counted_and_named(
    fifty_images: Path, tmp_path: Path, edit: Edit, warning: str, left: int
) -> None:
    found = read_labelled_images(lay_out(fifty_images, tmp_path / "isic", edit))
    assert len(found.warnings) == 1 and found.warnings[0].startswith(warning) and len(found.table) == left


def test_a_lesion_with_several_of_the_seven_is_left_out(fifty_images: Path, tmp_path: Path) -> None:
    def edit(rows: pd.DataFrame) -> pd.DataFrame:
        two = [rows.index[rows["diagnosis_3"] == name][0] for name in ("Nevus", "Melanoma, NOS")]
        return rows.assign(lesion_id=[f"IL_{0 if row in two else row + 1}" for row in rows.index])

    found = read_labelled_images(lay_out(fifty_images, tmp_path / "isic", edit))
    (warning,) = found.warnings
    assert warning == "1 lesion has several of the seven diagnoses; their 2 images are left out: IL_0 (mel and nv)"
    assert len(found.table) == 48


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: rows.drop(columns=["diagnosis_1", "diagnosis_2", "diagnosis_3"]), "no column diagnosis"),
        (
            lambda rows: rows.assign(diagnosis_2="", diagnosis_3=""),
            "no image of the seven .* 50 images.* with --diagnoses",
        ),
        (lambda rows: rows.assign(isic_id=["gone", *rows["isic_id"][1:]]), "1 of 50 metadata rows has no image file"),
        (lambda rows: pd.concat([rows, rows[:1]]), "1 image in more than one row: "),
    ],
)
def test_a_download_that_says_nonsense_is_refused(fifty_images: Path, tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labelled_images(lay_out(fifty_images, tmp_path / "isic", edit))


def test_every_name_of_the_table_is_looked_for_as_it_is_written() -> None:
    assert all(name == name.lower().strip() for name in HIERARCHY)
