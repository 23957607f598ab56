import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionflow.datasets import image_files
from lesionflow.datasets.label_columns import is_report
from lesionflow.datasets.labelled import decided_words, read_labelled_images, same_bytes
from lesionflow.datasets.raw_labels import NO_LESIONS
from lesionflow.errors import DataError
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.model.columns import report_columns
from lesionflow.profile import copies
from tests.images.test_dicom import dicom

ALIKE = "differ only in capitals, blanks, dashes or letters that look alike"


@pytest.fixture
def table(demo_folder: Path, tmp_path: Path) -> Path:
    """A CSV of paths and diagnoses, relative to its own folder."""
    images = read_labelled_images(demo_folder)
    (tmp_path / "images").mkdir()
    for path in images.table["path"]:
        shutil.copy(path, tmp_path / "images")
    rows = images.table.assign(path=["images/" + Path(path).name for path in images.table["path"]])
    rows = rows.rename(columns={"dx": "diagnosis"})[["path", "diagnosis", "lesion_id", "age", "sex"]]
    rows.sample(frac=1, random_state=0).to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path / "labels.csv"


@pytest.fixture
def folders(demo_folder: Path, tmp_path: Path) -> Path:
    """A folder for each diagnosis."""
    images = read_labelled_images(demo_folder)
    for path, dx in zip(images.table["path"], images.table["dx"], strict=True):
        (tmp_path / "set" / dx.upper()).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "set" / dx.upper())
    return tmp_path / "set"


def test_a_table_says_what_the_ham10000_folder_says(table: Path, demo_folder: Path) -> None:
    found, expected = read_labelled_images(table), read_labelled_images(demo_folder)
    assert found.digest == expected.digest and found.demo and not found.warnings
    columns = ["image_id", "lesion_id", "dx", "age", "sex", "content"]
    pd.testing.assert_frame_equal(found.table[columns], expected.table[columns])
    assert set(found.table["localization"]) == {"unknown"}


def test_folders_say_the_diagnosis_and_not_the_lesion(folders: Path, demo_folder: Path) -> None:
    found, expected = read_labelled_images(folders), read_labelled_images(demo_folder)
    assert found.table["dx"].tolist() == expected.table["dx"].tolist()
    assert found.table["image_id"].tolist() == expected.table["image_id"].tolist()
    assert found.table["lesion_id"].nunique() == len(found.table)
    (warning,) = found.warnings
    assert "lesion" in warning and "intervals" in warning


def test_what_is_left_out_is_counted_beside_the_folders_too(folders: Path) -> None:
    for name in ("NV/.hidden", ".other", "Thumbs.db", "NV/notes.txt"):
        (folders / name).write_bytes(b"none")
    left_out = "files that are not images are left out: 1 .txt, 2 hidden, 1 of the system"
    assert left_out in read_labelled_images(folders).warnings


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (("set/NV", "set/MEL"), ["mel", "nv"]), (("melanoma/NV", "melanoma/BCC"), ["bcc", "nv"]),
        (("NV/patient1",), ["nv"]),
    ],
)  # fmt: skip
def test_a_folder_of_one_folder_is_that_one_unless_its_name_is_the_diagnosis(
    folders: Path, tmp_path: Path, places: tuple[str, ...], expected: list[str]
) -> None:
    for number, place in enumerate(places):
        (tmp_path / "outer" / place).mkdir(parents=True)
        shutil.copy(sorted(folders.glob("*/*.jpg"))[number], tmp_path / "outer" / place / f"{number}.jpg")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "outer")
    for source in (tmp_path / "outer", packed):
        assert sorted(read_labelled_images(source).table["dx"]) == expected


def test_relative_paths_are_read_as_others(folders: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_folder, by_table = read_labelled_images(folders).digest, read_labelled_images(table).digest
    monkeypatch.chdir(folders.parent)
    assert read_labelled_images("set").digest == by_folder and read_labelled_images(table.name).digest == by_table
    names = [file.relative_to(folders).as_posix() for file in sorted(folders.rglob("*.*"))]
    (folders / "metadata.csv").write_text("\n".join(["file_name", *names]))  # a Hugging Face image folder
    assert read_labelled_images("set").digest == by_folder


def test_masks_and_thumbnails_of_images_are_no_images(folders: Path) -> None:
    expected = read_labelled_images(folders)
    image = min(folders.glob("MEL/*.jpg"))
    made = ["MEL/{}_segmentation.png", "MEL/{}_Superpixels.PNG", "MEL/{}_attribute_globules.png", "MEL/masks/{}.png"]
    made += ["MEL/thumbnails/small/{}.jpg", "MEL/segmentations/{}_mask.png"]
    for name in made:
        file = folders / name.format(image.stem)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16)).convert("RGB").save(file)
    found = read_labelled_images(folders)
    assert found.digest == expected.digest
    told = "6 images without a label, or masks or thumbnails of another image, left out: "
    assert found.warnings[1].startswith(f"{told}{folders}/MEL/{image.stem}_Superpixels.PNG, ")
    image.unlink()  # without it they may be anything
    assert len(read_labelled_images(folders).table) == len(expected.table) - 1 + 6


def test_masks_beside_images_of_a_table_are_no_images(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)[:9]
    names = rows.pop("path").str.removeprefix("images/").str.removesuffix(".jpg")
    rows.assign(image_id=names).to_csv(table, index=False)
    for file in set((table.parent / "images").iterdir()) - {table.parent / "images" / f"{name}.jpg" for name in names}:
        file.unlink()
    expected = read_labelled_images(table)
    (table.parent / "masks").mkdir()
    for name in (f"masks/{names[0]}.png", f"masks/{names[1]}_segmentation.png"):
        Image.new("L", (16, 16)).convert("RGB").save(table.parent / name)
    found = read_labelled_images(table)
    assert found.digest == expected.digest
    (told,) = found.warnings
    made = sorted((f"{names[0]}.png", f"{names[1]}_segmentation"))
    assert told == f"2 images have no metadata row and are left out: {', '.join(made)}"
    rows.assign(image_id=[names[0], f"{names[1]}_segmentation", *names[2:]]).to_csv(table, index=False)
    found = read_labelled_images(table).table  # an image, since the table says so
    assert f"{table.parent}/masks/{names[1]}_segmentation.png" in found["path"].tolist()


def test_parts_below_the_folders_of_diagnoses_are_no_split(folders: Path) -> None:
    expected = read_labelled_images(folders)
    for index, file in enumerate(sorted(folders.rglob("*.jpg"))):
        part = file.parent / ("Train", "test")[index % 2]
        part.mkdir(exist_ok=True)
        file.rename(part / file.name)
    found = read_labelled_images(folders)
    anew = "training splits anew: to keep a part apart, give it on its own"
    assert found.digest == expected.digest
    assert found.warnings[0] == f"{folders}: not read: the folders Train, test; {anew}"


def test_a_folder_within_one_of_another_diagnosis_is_refused(folders: Path) -> None:
    expected = read_labelled_images(folders)
    (folders / "MEL" / "clinic").mkdir()
    (folders / "NV").rename(folders / "naevi")
    (folders / "NV").mkdir()
    (folders / "naevi").rename(folders / "NV" / "naevi")
    assert read_labelled_images(folders).digest == expected.digest
    (folders / "MEL" / "clinic" / "nevus").mkdir()
    next((folders / "MEL").glob("*.jpg")).rename(folders / "MEL" / "clinic" / "nevus" / "a.jpg")
    with pytest.raises(
        DataError, match="1 folder within one of another diagnosis: MEL/clinic/nevus; move them, or say"
    ):
        read_labelled_images(folders)
    (folders.parent / "labels.yaml").write_text("nevus: null\n")
    assert len(read_labelled_images(folders, labels=folders.parent / "labels.yaml").table) == len(expected.table)


def test_equal_names_in_several_folders_are_several_images(folders: Path) -> None:
    for number, folder in enumerate(sorted(folders.iterdir())):
        next(folder.iterdir()).rename(folder / "1.jpg")
        assert number < 7
    found = read_labelled_images(folders)
    assert found.table["image_id"].is_unique and "NV/1.jpg" in set(found.table["image_id"])
    shutil.move(folders, folders.parent / "elsewhere")
    assert read_labelled_images(folders.parent / "elsewhere").digest == found.digest


def test_images_beside_the_folders_are_a_warning_and_other_folders_an_error(folders: Path) -> None:
    shutil.copy(next(folders.glob("*/*.jpg")), folders / "loose.jpg")
    assert any("loose.jpg" in warning for warning in read_labelled_images(folders).warnings)
    (folders / "warts").mkdir()
    shutil.move(folders / "loose.jpg", folders / "warts")
    with pytest.raises(DataError, match="1 image with an unknown diagnosis: warts"):
        read_labelled_images(folders)
    assert ("warts", None) in decided_words(folders)  # which a file for --labels is made of
    (folders.parent / "labels.yaml").write_text("warts: null")
    warnings = read_labelled_images(folders, labels=folders.parent / "labels.yaml").warnings
    assert "1 image has none of the seven diagnoses and is left out: warts (1)" in warnings


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: rows.drop(columns="diagnosis"), "no column dx"),
        (
            lambda rows: rows.assign(diagnosis="melanomma"),
            r"150 rows with an unknown diagnosis: melanomma \(did you mean 'mel'\?\)",
        ),
        (lambda rows: rows.assign(path=["gone.jpg", *rows["path"][1:]]), "1 of 150 images is not there: .*gone.jpg"),
        (
            lambda rows: rows.assign(path=["", *rows["path"][1:]]),
            "1 row with an empty path: row 2, where the header is row 1",
        ),
        (
            lambda rows: pd.concat([rows, rows[:1].assign(diagnosis="vasc"), rows[:1]]),
            "1 image in more than one row, 1 of them with different diagnoses: ",
        ),
        (lambda rows: rows.assign(lesion_id="one"), "1 lesion has several diagnoses"),
        (lambda rows: rows[:0], "no rows"),
    ],
)
def test_a_table_that_says_nonsense_is_refused(
    table: Path, edit: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    edit(pd.read_csv(table, dtype=str, keep_default_na=False)).to_csv(table, index=False)
    with pytest.raises(DataError, match=message):
        read_labelled_images(table)


def test_a_column_that_is_named_counts_before_the_usual_ones_of_the_same(table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(photo=rows["path"], path="elsewhere/" + rows["path"]).to_csv(table, index=False)
    (tmp_path / "m.yaml").write_text("columns: {file_name: photo}\n")
    found = read_labelled_images(table, labels=tmp_path / "m.yaml").table["path"].tolist()
    assert sorted(found) == sorted(str(table.parent / path) for path in rows["path"])


def of_demo(table: Path, **columns: list[str]) -> pd.DataFrame:
    """The table with other columns; `files` are the names of its files."""
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    return rows.assign(files=rows["path"].str.removeprefix("images/"), **columns)


def test_of_path_and_file_name_the_one_of_files_that_are_there_counts(table: Path) -> None:
    expected = read_labelled_images(table).digest
    rows = of_demo(table)
    for path, file_name in ((rows["path"], rows["files"]), ("/elsewhere/" + rows["path"], rows["path"])):
        for source in (table, table.parent / "metadata.csv", table.parent):
            for old in table.parent.glob("*.csv"):
                old.unlink()
            file = source if source.suffix else source / "metadata.csv"
            rows.assign(path=path, file_name=file_name).drop(columns="files").to_csv(file, index=False)
            assert read_labelled_images(source).digest == expected


def test_a_running_number_beside_the_names_of_files_is_no_name(table: Path) -> None:
    expected = read_labelled_images(table).table
    rows = of_demo(table).drop(columns="path").rename(columns={"diagnosis": "dx"})
    numbered = rows.assign(image_id=range(1, len(rows) + 1), filename=rows.pop("files"))
    for name, source in (("filename", table), ("filename", table.parent), ("File Name", table.parent)):
        numbered.rename(columns={"filename": name}).to_csv(table, index=False)
        found = read_labelled_images(source).table
        assert found["dx"].tolist() == expected["dx"].tolist() and found["content"].equals(expected["content"])
    numbered.assign(filename=["1.jpg", *numbered["filename"][1:]]).to_csv(table, index=False)
    with pytest.raises(DataError, match="1 of 150 metadata rows has no image file: 1;"):
        read_labelled_images(table)
    images = sorted((table.parent / "images").iterdir())
    for number, name in enumerate(numbered["filename"][:3], start=2):
        (table.parent / "images" / name).rename(images[0].with_name(f"{number}.jpg"))
    numbered.assign(filename=["3.jpg", "4.jpg", "2.jpg", *numbered["filename"][3:]]).to_csv(table, index=False)
    with pytest.raises(DataError, match=r"3 rows name two images in two columns: 4 and 2, 2 and 3, DEMO"):
        read_labelled_images(table)


@pytest.mark.parametrize("name", ["Lesion ID", "lesion-id", "LesionId", "LESION_ID", "Lesion.ID"])
def test_columns_of_ids_may_be_spelled_otherwise(table: Path, name: str) -> None:
    expected = read_labelled_images(table)
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.rename(columns={"lesion_id": name}).to_csv(table, index=False)
    assert read_labelled_images(table).digest == expected.digest
    (table.parent / "m.yaml").write_text(f"columns: {{patient_id: {name}}}\n")
    named = read_labelled_images(table, labels=table.parent / "m.yaml").table
    assert named["patient_id"].nunique() == expected.table["lesion_id"].nunique()


def test_umlauts_in_names_of_columns_are_the_same_however_a_system_writes_them(table: Path) -> None:
    expected = read_labelled_images(table).digest
    rows = pd.read_csv(table, dtype=str, keep_default_na=False).rename(columns={"lesion_id": "Läsion"})
    for forms in (("NFC", "NFD"), ("NFD", "NFC")):
        of_table, of_file = (unicodedata.normalize(form, "Läsion") for form in forms)
        rows.set_axis([of_table if name == "Läsion" else name for name in rows], axis=1).to_csv(table, index=False)
        (table.parent / "m.yaml").write_text(f"columns: {{lesion_id: {of_file}}}\n")
        assert read_labelled_images(table, labels=table.parent / "m.yaml").digest == expected


def test_columns_of_files_and_ages_may_be_spelled_otherwise(table: Path) -> None:
    expected = read_labelled_images(table).table
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    for image, age in (("Image Name", "Age (years)"), ("file.name", "age_in_years"), ("Image-ID", "Age [yrs]")):
        rows.rename(columns={"path": image, "age": age}).to_csv(table, index=False)
        found = read_labelled_images(table).table
        pd.testing.assert_frame_equal(found, expected)
    rows.rename(columns={"age": "age (months)"}).to_csv(table, index=False)
    found = read_labelled_images(table)
    assert set(found.table["age"]) == {""}
    assert "not read: age (months); for metrics by age in years" in found.warnings[0]


@pytest.mark.parametrize(
    "name",
    ["id_patient", "Patienten-Nr.", "PatientenID", "anon_patient_id", "Patient (anonymised)", "paciente", "MRN",
     "Paziente ID", "pid", "Läsions-ID", "lesion.hash", "lesión", "Lésion n°", "tumor_id", "Pat.-Nr.", "user_id",
     "Muttermal-Nr"],
)  # fmt: skip
def test_columns_that_seem_to_tell_lesions_or_patients_are_named_in_other_forms(table: Path, name: str) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.rename(columns={"lesion_id": name}).to_csv(table, index=False)
    (told, _) = read_labelled_images(table).warnings
    assert told.startswith(f"{table}: not read: {name.lower()}; if they say which images are of one lesion or patient")


def test_columns_about_lesions_and_patients_are_no_ids(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    names = ["patient_age", "lesion_size_mm", "number of lesions", "lesions per patient", "caseness", "id", "Name"]
    rows.drop(columns="lesion_id").assign(**dict.fromkeys(names, "1"), group="case").to_csv(table, index=False)
    assert read_labelled_images(table).warnings == (NO_LESIONS,)


def test_images_without_a_patient_where_others_have_one_are_counted(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(patient_id=["", "unknown", *rows["lesion_id"][2:]]).to_csv(table, index=False)
    (told,) = read_labelled_images(table).warnings
    assert told == "2 of 150 images have no patient_id, so one patient's may stand on two sides of a split"
    rows.assign(patient_id="").to_csv(table, index=False)
    assert not read_labelled_images(table).warnings


def test_columns_that_seem_to_tell_lesions_or_patients_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(patient=rows["lesion_id"], case_nr="1", patient_age="40").to_csv(table, index=False)
    (told,) = read_labelled_images(table).warnings
    assert told.startswith(f"{table}: not read: patient, case_nr; if they say which images are of one lesion or")
    rows.assign(patient_id=rows["lesion_id"], case="1", lesion_no="1").to_csv(table, index=False)
    assert not read_labelled_images(table).warnings


def test_columns_that_seem_to_tell_age_or_sex_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.rename(columns={"age": "Alter", "sex": "Gender"}).assign(age_limit="", sexton="").to_csv(table, index=False)
    advice = "for metrics by age in years or by sex, name them with --labels FILE ('columns: {sex: YOURS}')"
    assert read_labelled_images(table).warnings == (f"{table}: not read: alter, gender; {advice}",)


def test_columns_that_seem_to_tell_which_rows_count_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(exclude=["yes"] * 9 + ["no"] * (len(rows) - 9), sample_weight="1", weight_kg="70").to_csv(
        table, index=False
    )
    told = f"{table}: not read: exclude; each row counts as one: leave out those that should not"
    assert read_labelled_images(table).warnings == (told,)


def test_columns_of_further_images_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    names = {"path_2": "2.jpg", "image2": "2.jpg", "image_2_path": "2.jpg", "file_name_3": ""}
    rows.assign(**names, image_2_quality="1", images_2="5", **{"2": "7"}).to_csv(table, index=False)
    told = "not read: the images in path_2, image2, image_2_path; write a row for each, with one lesion_id"
    assert read_labelled_images(table).warnings == (f"{table}: {told}",)


def test_lesions_that_are_counted_within_a_source_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False).drop_duplicates("lesion_id")
    rest = rows["lesion_id"].tolist()[2:]
    same = rows.assign(lesion_id=["1", "1", *rest], source=["A", "B", *["A"] * len(rest)])
    same.assign(diagnosis=["mel", "mel", *rows["diagnosis"][2:]]).to_csv(table, index=False)
    within = "if they are counted within a source, write the source before each lesion_id"
    assert read_labelled_images(table).warnings == (f"1 lesion has several sources: 1; {within}",)
    same.assign(diagnosis=["mel", "nv", *rows["diagnosis"][2:]]).to_csv(table, index=False)
    with pytest.raises(DataError, match=rf"1 lesion has several diagnoses: 1 \(mel and nv\); {within}, or correct"):
        read_labelled_images(table)


def test_lesions_that_are_counted_within_a_patient_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False).drop_duplicates("lesion_id")
    patients = ["P1", "P2", *rows["lesion_id"][2:]]
    same = rows.assign(lesion_id=["1", "1", *rows["lesion_id"][2:]], patient_id=patients)
    same.assign(diagnosis=["mel", "mel", *rows["diagnosis"][2:]]).to_csv(table, index=False)
    (told,) = [text for text in read_labelled_images(table).warnings if "patients" in text]
    assert told.startswith("1 lesion has several patients: 1; if they are counted within a patient, write the patient")
    same.assign(diagnosis=["mel", "nv", *same["diagnosis"][2:]]).to_csv(table, index=False)
    with pytest.raises(DataError, match=r"several diagnoses: 1 \(mel and nv\); if they are counted within a patient"):
        read_labelled_images(table)


def test_ids_that_are_spelled_in_two_ways_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(patient_id=["P 1", "p-1", *rows["lesion_id"][2:]]).to_csv(table, index=False)
    (told,) = [text for text in read_labelled_images(table).warnings if "capitals" in text]
    assert told.startswith(f"the column patient_id has ids that {ALIKE}: P 1 and p-1;")
    for ids, expected in (
        (["1", "1.0", "02", "2", "10"], "are the same number: 02 and 2, 1 and 1.0;"),
        (
            ["L1", "L1\u200b", "\uff2c2", "L2"],
            f"{ALIKE}: L1 and L1\u200b, L2 and \uff2c2;",
        ),
        (["L-1", "L\u20131", "'L2", "L2"], f"{ALIKE}: 'L2 and L2, L-1 and L\u20131;"),
        (["Stra\u00dfe", "STRASSE", "L\u00ad3", "L3"], f"{ALIKE}: L3 and L\u00ad3, STRASSE and Stra\u00dfe;"),
        (["AB1", "\u0410\u03921", "A1", "\u04141"], f"{ALIKE}: AB1 and \u0410\u03921;"),
        (["1", "10", "100", "1.5", "0", "1e1", "1.01"], ""),
    ):
        rows.assign(patient_id=[*ids, *rows["lesion_id"][len(ids) :]]).to_csv(table, index=False)
        found = [
            text for text in read_labelled_images(table).warnings if text.startswith("the column patient_id has ids")
        ]
        assert found == (
            [f"the column patient_id has ids that {expected} write them alike if they are the same"] if expected else []
        )


def test_a_table_without_labels_beside_folders_of_diagnoses_is_named(folders: Path) -> None:
    expected = read_labelled_images(folders)
    (folders / "patients.csv").write_text("patient,image,age\n1,1.jpg,40\n")
    found = read_labelled_images(folders)
    assert found.digest == expected.digest
    assert any("tables beside them are not read: patients.csv (patient, image, age)" in text for text in found.warnings)


def test_of_several_broken_tables_the_first_is_named_with_what_to_do(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_bytes(b"path,diagnosis\n1.jpg,nv\n" + bytes(100))
    with pytest.raises(
        DataError, match=r"; 2 other tables are unreadable, too; .*a\.csv: ends in .*restore it from a copy$"
    ):
        read_labelled_images(tmp_path)


def test_of_several_tables_beside_archives_the_one_with_labels_is_named(table: Path) -> None:
    (table.parent / "patients.csv").write_text("patient,age\n1,40\n")
    shutil.make_archive(str(table.parent / "images"), "zip", table.parent / "images")
    shutil.rmtree(table.parent / "images")
    with pytest.raises(DataError, match=r"no data set of a layout that is read; give the table itself: .*labels.csv$"):
        read_labelled_images(table.parent)


def test_a_report_of_scoring_tells_no_diagnoses(table: Path, folders: Path) -> None:
    """Its model would be right about every image."""
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    assert is_report(report_columns())
    report = table.with_name("results.csv")
    called = dict.fromkeys(report_columns()[2:], "") | {"diagnosis": "nv"}
    rows.rename(columns={"diagnosis": "known"}).assign(**called).to_csv(report, index=False)
    for source in (report, shutil.copy(report, folders.parent / "alone.csv")):
        with pytest.raises(DataError, match="a report of scoring, whose column diagnosis is what a model called; give"):
            read_labelled_images(source)
    (table.parent / "m.yaml").write_text("columns: {diagnosis: known}\n")  # which the report carries
    expected = read_labelled_images(table)
    assert read_labelled_images(report, labels=table.parent / "m.yaml").digest == expected.digest
    assert read_labelled_images(table.parent).digest == expected.digest  # as before a report was written there
    by_folders = read_labelled_images(folders).digest
    shutil.copy(report, folders)
    assert read_labelled_images(folders).digest == by_folders


def test_further_tables_of_labels_are_named_if_they_differ(table: Path) -> None:
    expected = read_labelled_images(table)
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.to_csv(table.with_name("labels.tsv"), sep="\t", index=False)
    rows.to_json(table.with_name("all.jsonl"), orient="records", lines=True)
    rows[["lesion_id", "age"]].to_csv(table.with_name("ages.tab"), sep="\t", index=False)
    assert read_labelled_images(table.parent).warnings == ()
    rows.assign(diagnosis="nv").to_csv(table.with_name("labels.tsv"), sep="\t", index=False)
    table.with_name("all.jsonl").write_text('{"path": "a.jpg", "dx": "nv"}\nno JSON\n')
    found = read_labelled_images(table.parent)
    assert found.digest == expected.digest
    assert found.warnings == (f"2 further tables of labels beside {table} not read: all.jsonl, labels.tsv",)


def test_lesions_and_patients_of_a_table_that_is_not_read_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows[["path", "diagnosis"]].to_csv(table, index=False)
    (table.parent / "more").mkdir()
    beside = table.parent / "more" / "lesions.csv"
    pd.DataFrame({"Image": ["other", "another"], "Lesion ID": ["1", "2"]}).to_csv(beside, index=False)
    assert read_labelled_images(table).warnings == (NO_LESIONS,)
    names = [Path(path).stem for path in rows["path"]]
    pd.DataFrame({"Image": names, "Lesion ID": rows["lesion_id"], "Patient-ID": "1"}).to_csv(beside, index=False)
    assert read_labelled_images(table).warnings == (
        NO_LESIONS,
        *(
            f"{table}: has no {name}, and that of {beside} is not read: put it into the same table"
            for name in ("lesion_id", "patient_id")
        ),
    )
    for number in range(5):
        shutil.copy(beside, beside.with_name(f"more{number}.csv"))
    several = read_labelled_images(table).warnings[1:]
    assert len(several) == 2 and all(f"that of {beside}, " in text and "and 3 more is not" in text for text in several)


def test_a_label_that_says_another_diagnosis_is_refused(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    other = "nv" if rows["diagnosis"][0] != "nv" else "mel"
    for label in ("", "0", "benign", "melanoma or not", rows["diagnosis"][0].upper()):  # numbers, kinds and notes
        rows.assign(label=[label, *rows["diagnosis"][1:]]).to_csv(table, index=False)
        assert len(read_labelled_images(table).table) == len(rows)
    rows.assign(label=[other, *rows["diagnosis"][1:]]).to_csv(table, index=False)
    with pytest.raises(DataError, match=rf"the columns diagnosis and label differ in 1 row: .* and {other}; keep one"):
        read_labelled_images(table)
    (table.parent / "m.yaml").write_text("columns: {diagnosis: label}\n")
    assert read_labelled_images(table, labels=table.parent / "m.yaml").table["dx"].value_counts()[other]


def test_a_table_may_lie_in_a_folder_beside_that_of_the_images(table: Path, tmp_path: Path) -> None:
    expected = read_labelled_images(table)
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    folder = table.parent / "tables"
    folder.mkdir()
    (table.parent / "README.md").write_text("read me")
    for columns in (
        {"path": "../" + rows["path"]},
        {"image_id": rows["path"].str.removeprefix("images/").str.removesuffix(".jpg")},
    ):
        table.unlink(missing_ok=True)
        rows.drop(columns="path").assign(**columns).to_csv(folder / "labels.csv", index=False)
        packed = shutil.make_archive(str(tmp_path.parent / f"{tmp_path.name}-packed"), "zip", table.parent)
        for source in (table.parent, packed):
            assert read_labelled_images(source).digest == expected.digest
    with pytest.raises(DataError, match=r"no image files .*; give the folder that holds both labels.csv and images$"):
        read_labelled_images(folder)


def test_a_split_of_ones_own_is_not_read_and_that_is_said(table: Path, folders: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(split="train").to_csv(table, index=False)
    anew = "training splits anew: to keep a part apart, give it on its own"
    assert read_labelled_images(table).warnings == (f"{table}: not read: split; {anew}",)
    for source, told in (("rosendahl", ()), ("Train", (f"{table}: not read: dataset; {anew}",))):
        rows.assign(dataset=source).to_csv(table, index=False)
        assert read_labelled_images(table).warnings == told
    for part in ("train", "test"):
        shutil.copytree(folders / "NV", folders.parent / "hf" / part)
        names = [file.name for file in (folders / "NV").iterdir()]
        names = [f"{name},nv" for name in names]
        (folders.parent / "hf" / part / "metadata.csv").write_text("\n".join(["file_name,label", *names]))
    parts = folders.parent / "hf"
    assert f"{parts}: 2 tables of parts are read as one; {anew}" in read_labelled_images(parts).warnings


@pytest.mark.parametrize("column", ["image", "filename", "image_id"])
def test_names_with_folders_are_paths_where_all_are_there(table: Path, column: str) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)[:40]
    rows.to_csv(table, index=False)
    expected = read_labelled_images(table).table
    for index, path in enumerate(rows["path"]):  # two images of each name
        (table.parent / f"p{index % 2}").mkdir(exist_ok=True)
        (table.parent / path).rename(table.parent / f"p{index % 2}" / f"{index // 2}.jpg")
    names = [f"p{index % 2}/{index // 2}.jpg" for index in range(len(rows))]
    rows.drop(columns="path").assign(**{column: names}).to_csv(table, index=False)
    found = read_labelled_images(table).table
    assert sorted(zip(found["content"], found["dx"], strict=True)) == sorted(
        zip(expected["content"], expected["dx"], strict=True)
    )
    (table.parent / "p1" / "0.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 40 images is not there: .*p1/0.jpg; paths count"):
        read_labelled_images(table)


def test_a_path_without_its_ending_is_told_what_there_is(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(path=rows["path"].str.removesuffix(".jpg")).to_csv(table, index=False)
    with pytest.raises(
        DataError, match=r"150 of 150 images are not there: .*\.jpg: write the paths with the endings of"
    ):
        read_labelled_images(table)


def test_a_path_with_another_ending_is_told_what_there_is(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)[:3]
    name = Path(rows["path"][0]).name
    rows.assign(path=[rows["path"][0].replace(".jpg", ".png"), *rows["path"][1:]]).to_csv(table, index=False)
    told = rf"1 of 3 images is not there: .*; there is {name}: write the paths with the endings of the files"
    with pytest.raises(DataError, match=told):
        read_labelled_images(table)


def test_the_same_bytes_with_other_diagnoses_or_lesions_are_named(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    (table.parent / "copy.jpg").write_bytes((table.parent / rows["path"][0]).read_bytes())
    name, other = Path(rows["path"][0]).stem, "nv" if rows["diagnosis"][0] != "nv" else "mel"
    for diagnosis, lesion, told in (
        (other, "L", "different diagnoses: correct one of each"),
        (
            rows["diagnosis"][0],
            "L",
            "different lesions, so intervals are too narrow: give them one lesion_id, or keep one",
        ),
        (rows["diagnosis"][0], rows["lesion_id"][0], ""),
    ):
        copy = rows[:1].assign(path="copy.jpg", diagnosis=diagnosis, lesion_id=lesion)
        pd.concat([rows, copy]).to_csv(table, index=False)
        images = read_labelled_images(table)
        warnings = same_bytes(images.table)
        assert len(warnings) == bool(told) and not images.warnings  # training tells it of all copies, once
        for warning in warnings:
            assert warning.startswith(f"2 images with the same bytes as others have {told}")
            assert warning.endswith(f": {', '.join(sorted([name, 'copy']))}")


def test_a_path_that_is_escaped_as_in_a_url_is_that_of_its_file(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)[:40]
    names = [f"a{index} 100%25 é.jpg" for index in range(len(rows))]
    for path, name in zip(rows["path"], names, strict=True):
        (table.parent / path).rename(table.parent / name)
    found = {}
    for written in (names, [quote(name) for name in names]):
        rows.assign(path=written).to_csv(table, index=False)
        images = read_labelled_images(table.parent)
        read = images.table
        assert {Path(path).name for path in read["path"]} == set(names)
        assert [told.partition(",")[0] for told in images.warnings] == ["110 images without a label"]
        found[written[0]] = dict(zip(read["content"], read["dx"], strict=True))
    assert found[names[0]] == found[quote(names[0])]


def test_a_path_that_is_a_url_is_refused_with_its_table(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(path="https://example.org/" + rows["path"]).to_csv(table, index=False)
    with pytest.raises(DataError, match=r"labels.csv: path https://example.org/.*: has to be on this machine"):
        read_labelled_images(table)


def test_words_of_sex_that_are_a_group_of_their_own_are_said(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.assign(sex=["D", "", "unknown", *["female"] * (len(rows) - 3)]).to_csv(table, index=False)
    (told,) = [warning for warning in read_labelled_images(table).warnings if "sex" in warning]
    assert told == "sex has words besides female and male, each a group of its own: D"


def test_the_letter_of_a_woman_in_spanish_is_no_man(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    for letters, expected in ((("H", "M", "F"), {"H", "M", "female"}), (("W", "M", "F"), {"male", "female"})):
        rows.assign(sex=[letters[row % 3] for row in range(len(rows))]).to_csv(table, index=False)
        assert set(read_labelled_images(table).table["sex"]) == expected


def test_words_of_sex_in_other_languages_are_female_and_male(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    women, men = ["w", "Weiblich", "Femme", "MUJER", "feminino"], ["m", "ma\u0308nnlich", "Homme", "Varón", "Maschile"]
    words = dict(zip(rows["path"], [*women, *men], strict=False))
    rows[:10].assign(sex=list(words.values())).to_csv(table, index=False)
    images = read_labelled_images(table)
    found = images.table.set_index("path").loc[[str(table.parent / path) for path in words]]
    assert found["sex"].tolist() == ["female"] * 5 + ["male"] * 5
    assert not [warning for warning in images.warnings if "sex" in warning]


def test_words_for_nothing_and_letters_for_a_sex_are_what_they_stand_for(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    few = rows[:4].assign(
        sex=["F", "Male", "m", "NA"], age=["NaN", "n/a", "45", ""], localization=["nan", "NA", "", "x"]
    )
    few.to_csv(table, index=False)
    found = read_labelled_images(table).table.set_index("path").loc[[str(table.parent / path) for path in few["path"]]]
    assert found["sex"].tolist() == ["female", "male", "male", "unknown"]
    assert found["age"].tolist() == ["", "", "45", ""]
    assert found["localization"].tolist() == ["unknown", "unknown", "unknown", "x"]


def test_a_frame_is_named_as_reports_do(tmp_path: Path) -> None:
    frames = np.stack([np.full((16, 16, 3), shade, np.uint8) for shade in (20, 200)])
    (tmp_path / "two.dcm").write_bytes(dicom(frames, "RGB", frames=2))
    (tmp_path / "all.csv").write_text("path,diagnosis\ntwo.dcm#1,nv\ntwo.dcm#2,mel\n")
    images = read_labelled_images(tmp_path / "all.csv")
    assert images.table["image_id"].tolist() == ["two.dcm#1", "two.dcm#2"] and images.warnings == (NO_LESIONS,)
    assert images.table["content"].nunique() == 2
    pixels = decoded_pixels(*images.files, 8, 8, tmp_path / "cache")
    assert pixels.mean(axis=(1, 2, 3)).tolist() == [20, 200]


def test_the_first_frame_is_the_file_itself(tmp_path: Path) -> None:
    for name in ("x", "y"):
        Image.new("RGB", (16, 16), "red" if name == "x" else "blue").save(tmp_path / f"{name}.png")
    table = tmp_path / "all.csv"
    contents = []
    for name in ("x.png", "x.png#1"):
        table.write_text(f"path,diagnosis\n{name},nv\ny.png,mel\n")
        contents.append(read_labelled_images(table).table["content"].tolist())
    assert contents[0] == contents[1]
    table.write_text("path,diagnosis\nx.png,nv\nx.png#1,mel\ny.png,mel\n")
    with pytest.raises(
        DataError, match=r"1 image in more than one row, 1 of them with different diagnoses: .*x\.png#1;"
    ):
        read_labelled_images(table)


@pytest.mark.parametrize(
    ("name", "why"),
    [("two.dcm#7", "the file has 2 frames"), ("one.png#2", "of PNG, frame 1"), ("two.tif#2", "of TIFF, page 1")],
)
def test_a_frame_that_is_not_read_is_named(tmp_path: Path, name: str, why: str) -> None:
    one = Image.new("RGB", (16, 16))
    one.save(tmp_path / "one.png")
    one.save(tmp_path / "two.tif", save_all=True, append_images=[one])
    (tmp_path / "two.dcm").write_bytes(dicom(np.zeros((2, 16, 16, 3), np.uint8), "RGB", frames=2))
    (tmp_path / "all.csv").write_text(f"path,diagnosis\ntwo.dcm#2,nv\n{name},mel\n")
    with pytest.raises(DataError, match=rf"1 path names a frame that is not read: .*{name} \({why}"):
        read_labelled_images(tmp_path / "all.csv")


def test_a_file_is_read_once_for_all_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.stack([np.full((16, 16, 3), shade, np.uint8) for shade in (20, 90, 200)])
    (tmp_path / "three.dcm").write_bytes(dicom(frames, "RGB", frames=3))
    (tmp_path / "all.csv").write_text("path,diagnosis\nthree.dcm#3,nv\nthree.dcm#1,mel\nthree.dcm#2,mel\n")
    spies = []
    for module, name in ((image_files, "count_frames"), (copies, "read_image_bytes")):
        spies.append(Mock(wraps=getattr(module, name)))
        monkeypatch.setattr(module, name, spies[-1])
    images = read_labelled_images(tmp_path / "all.csv")
    assert images.table["image_id"].tolist() == ["three.dcm#1", "three.dcm#2", "three.dcm#3"]
    inspected, views = copies.inspect_images(images.table["path"].tolist())
    assert [spy.call_count for spy in spies] == [1, 1]
    assert views.mean(axis=(1, 2, 3)).tolist() == [20, 90, 200] and not any(each.failure for each in inspected)


def test_files_of_several_frames_are_counted_and_the_first_taken(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "one.tif")
    (tmp_path / "two.dcm").write_bytes(dicom(np.zeros((2, 16, 16, 3), np.uint8), "RGB", frames=2))
    (tmp_path / "all.csv").write_text("path,diagnosis\ntwo.tif,nv\none.tif,nv\ntwo.dcm,mel\n")
    found = read_labelled_images(tmp_path / "all.csv")
    told, _, names = found.warnings[-1].partition("; only the first is used: ")
    assert told == "2 files have several frames" and sorted(names.split(", ")) == ["two.dcm", "two.tif"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("two.tif", "one.tif", "two.dcm", "all.csv"):
            archive.write(tmp_path / name, name)
    assert read_labelled_images(tmp_path / "all.zip").warnings == found.warnings
