"""What words mean: built in, of a data set, and a user's own; shown, saved and given back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lesionflow.datasets.label_words import LabelWords, read_label_words
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError, MissingError, UsageError
from tests.conftest import error_line, invoke


@pytest.fixture
def table(fifty_images: Path, tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """A table of fifty images in which diagnoses are called otherwise."""

    def write(words: dict[str, str]) -> Path:
        rows = read_labelled_images(fifty_images).table[["path", "dx", "lesion_id"]]
        rows.assign(dx=rows["dx"].replace(words)).to_csv(tmp_path / "labels.csv", index=False)
        return tmp_path / "labels.csv"

    return write


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("Melanocytic Nevi",), ("Melanocytic Nevi", "nv")),
        (("basal_cell-carcinoma",), ("basal_cell-carcinoma", "bcc")),
        (
            ("Bowen\N{RIGHT SINGLE QUOTATION MARK}s disease",),
            ("Bowen\N{RIGHT SINGLE QUOTATION MARK}s disease", "akiec"),
        ),
        (("SCC",), ("SCC", "")),
        (("squamous cell carcinoma",), ("squamous cell carcinoma", "")),
        (("squamous cell carcinoma in situ",), ("squamous cell carcinoma in situ", "akiec")),
        (("dandruff",), ("dandruff", None)),
        (("dandruff", "nevus", "benign"), ("nevus", "nv")),  # from special to general
        (("", "unknown", "benign"), ("benign", "")),
        (("unknown",), ("unknown", "")),
    ],
)
def test_built_in_words(words: tuple[str, ...], expected: tuple[str, str | None]) -> None:
    assert LabelWords().decide([words]) == [expected]


def test_a_word_of_no_diagnosis_is_left_out_counted_and_named(table: Callable[[dict[str, str]], Path]) -> None:
    images = read_labelled_images(table({"bcc": "SCC"}))
    assert "bcc" not in set(images.table["dx"])
    (warning,) = images.warnings
    left = 50 - len(images.table)
    assert warning == f"{left} images have none of the seven diagnoses and are left out: SCC ({left})"


def test_words_of_a_file_are_those_that_are_written_there(tmp_path: Path) -> None:
    """YAML makes false of no, null of ~, 8 of 010 and 750 of 12:30: another word of the data would get the meaning."""
    file = tmp_path / "words.yaml"
    file.write_text("no: nv\n~: bkl\n010: mel\n12:30: bcc\n1.50: df\n2024-01-01: vasc\n")
    words = read_label_words(file)
    written = [("no",), ("~",), ("010",), ("12:30",), ("1.50",), ("2024-01-01",)]
    assert [name for _, name in words.decide(written)] == ["nv", "bkl", "mel", "bcc", "df", "vasc"]
    assert [name for _, name in words.decide([("8",), ("false",), ("750",), ("1.5",)])] == [None] * 4
    file.write_text("Dark spot: mel\ndark-spot: nv\n")
    with pytest.raises(UsageError, match="dark-spot is given with two meanings, in another spelling; leave one out"):
        read_label_words(file)


def test_an_unknown_word_is_an_error_that_names_the_way_out(table: Callable[[dict[str, str]], Path]) -> None:
    with pytest.raises(DataError, match=r"\d+ rows with an unknown diagnosis: Mutterm.l; choose from .*--labels FILE"):
        read_labelled_images(table({"nv": "Mutterm\u00e4l"}))


def test_words_are_shown_saved_changed_and_given_back(
    table: Callable[[dict[str, str]], Path], fifty_images: Path, tmp_path: Path
) -> None:
    file = table({"nv": "Mutterm\u00e4l", "bkl": "no", "mel": "Melanoma"})
    for command in (("describe", str(file), "--labels"), ("describe", "--labels", str(file))):
        result = invoke(*command)
        assert result.exit_code == 0 and result.stderr == "", result.output
    saved = result.stdout
    assert "Melanoma: mel  # " in saved and "UNKNOWN" in saved and '"no": null' in saved
    mapping = tmp_path / "labels.yaml"
    mapping.write_text(
        "".join(
            line.replace("null", "nv" if "Mutterm" in line else "bkl") + "\n"
            for line in saved.splitlines() if not line.startswith("#")
        ),
        encoding="utf-8",
    )  # fmt: skip
    assert read_labelled_images(file, labels=mapping).digest == read_labelled_images(fifty_images).digest
    described = invoke("describe", str(file), "--labels", str(mapping), "--out", str(tmp_path / "out"))
    assert described.exit_code == 0 and "50 images" in described.stdout


def test_ones_own_meaning_comes_before_the_built_in_one(
    table: Callable[[dict[str, str]], Path], tmp_path: Path
) -> None:
    (tmp_path / "m.yaml").write_text("mel: null\nnv: nv\n")
    images = read_labelled_images(table({}), labels=tmp_path / "m.yaml")
    assert "mel" not in set(images.table["dx"]) and "mel (" in images.warnings[0]


def test_columns_of_ones_own_are_named(fifty_images: Path, tmp_path: Path) -> None:
    rows = read_labelled_images(fifty_images).table[["path", "dx", "lesion_id"]]
    rows = rows.rename(columns={"path": "Bild", "dx": "Befund", "lesion_id": "Herd"})
    rows.to_csv(tmp_path / "labels.csv", index=False, sep=";")
    (tmp_path / "m.yaml").write_text("columns: {path: Bild, diagnosis: Befund, lesion_id: Herd}\n")
    images = read_labelled_images(tmp_path / "labels.csv", labels=tmp_path / "m.yaml")
    assert images.digest == read_labelled_images(fifty_images).digest
    for text, message in (
        ("columns: {path: Bidl, diagnosis: Befund}", "no column Bidl, which .*m.yaml names; its columns: bild, befund"),
        ("columns: {image: Bild}", "'image' is none of path, diagnosis, lesion_id"),
    ):
        (tmp_path / "m.yaml").write_text(text)
        with pytest.raises(DataError, match=message):
            read_labelled_images(tmp_path / "labels.csv", labels=tmp_path / "m.yaml")


def test_a_column_that_is_named_counts_in_place_of_those_of_the_usual_names(fifty_images: Path, tmp_path: Path) -> None:
    rows = read_labelled_images(fifty_images).table[["path", "image_id", "dx", "lesion_id"]]
    rows = rows.assign(expert=rows["dx"], dx="nv", diagnosis="mel", Mole=rows["lesion_id"], lesion_id="L")
    rows.to_csv(tmp_path / "HAM10000_metadata.csv", index=False)
    (tmp_path / "m.yaml").write_text("columns: {diagnosis: Expert, lesion_id: mole}\n")
    expected = read_labelled_images(fifty_images).digest
    for data in (tmp_path, tmp_path / "HAM10000_metadata.csv"):
        assert read_labelled_images(data, labels=tmp_path / "m.yaml").digest == expected


def test_a_column_that_is_named_of_a_published_data_set_is_refused(fifty_images: Path, tmp_path: Path) -> None:
    rows = read_labelled_images(fifty_images).table[["image_id", "dx", "lesion_id"]]
    rows = rows.rename(columns={"image_id": "img_id", "dx": "diagnostic"}).assign(patient_id="P", years=7)
    rows.to_csv(tmp_path / "PAD.csv", index=False)
    (tmp_path / "images").symlink_to(fifty_images)
    (tmp_path / "m.yaml").write_text("columns: {age: years}\n")
    with pytest.raises(DataError, match=r"no column years, which .* in any table of your own; their columns: img_id, "):
        read_labelled_images(tmp_path / "PAD.csv", labels=tmp_path / "m.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("naevus: nevsu", r"naevus: 'nevsu' is none of akiec, bcc.* \(did you mean 'nv'\?\)"),
        ("naevus: mal", r"naevus: 'mal' is none of akiec, bcc.* \(did you mean 'mel'\?\)"),
        ("naevus: yes", "naevus: True is none of akiec, bcc"),
        ("- a\n- b", "write a word and its diagnosis per line"),
        ("", "write a word and its diagnosis per line"),
        ("labels: {a: nv}\nrows: {b: nv}", "unknown key rows"),
        ("a: [", "not YAML"),
    ],
)
def test_a_file_of_words_that_says_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_label_words(tmp_path / "m.yaml")
    with pytest.raises(MissingError, match="cannot be read"):
        read_label_words(tmp_path / "none.yaml")


def test_words_of_the_other_diagnoses_of_a_set_leave_images_out_of_a_part_of_it(
    table: Callable[[dict[str, str]], Path], tmp_path: Path
) -> None:
    (tmp_path / "m.yaml").write_text(
        "nv: melanocytic nevus\nmel: Melanoma\nbkl: bkl\nbcc: bcc\nakiec: actinic keratosis\n"
    )
    part = HAM10000.part(("bkl", "mel", "nv"))
    images = read_labelled_images(table({}), labels=tmp_path / "m.yaml", label_set=part)
    assert set(images.table["dx"]) == {*part.names}
    assert any("none of the three diagnoses" in text and "bcc (" in text for text in images.warnings)
    (tmp_path / "m.yaml").write_text("bcc: bccc")
    with pytest.raises(UsageError, match="'bccc' is none of bkl, mel, nv"):
        read_labelled_images(table({}), labels=tmp_path / "m.yaml", label_set=part)


def test_the_built_in_words_are_shown_and_mean_themselves(tmp_path: Path) -> None:
    shown = invoke("describe", "--labels").stdout
    (tmp_path / "m.yaml").write_text(shown, encoding="utf-8")
    words = read_label_words(tmp_path / "m.yaml")
    assert words.own == LabelWords().labels.words and words.own["scc"] == ""


def test_one_image_is_no_images(demo_folder: Path, tmp_path: Path) -> None:
    rows = read_labelled_images(demo_folder).table
    few = [*rows.index[rows["dx"] == "nv"][:4], rows.index[rows["dx"] == "mel"][0]]
    rows.loc[few, ["path", "dx"]].to_csv(tmp_path / "few.csv", index=False)
    told = invoke("describe", str(tmp_path / "few.csv"), "--out", str(tmp_path / "out")).stdout.splitlines()
    assert "  nv           4 images   80.0%       4 lesions" in told
    assert "  mel          1 image    20.0%       1 lesion" in told


def test_describing_nothing_is_a_usage_error() -> None:
    assert "give a folder or a table" in error_line(invoke("describe"))


def test_words_of_a_column_that_a_file_names_are_shown_to_be_filled_in(
    table: Callable[[dict[str, str]], Path], tmp_path: Path
) -> None:
    labels, mole = table({"nv": "Mole: x"}), "Mole: x"
    labels.write_text(labels.read_text().replace("path,dx", "photo: y,word", 1))
    (tmp_path / "columns.yaml").write_text("columns: {path: 'photo: y', diagnosis: word}\n")
    shown = invoke("describe", str(labels), "--labels", str(tmp_path / "columns.yaml"))
    assert shown.exit_code == 1 and "fill in the words marked UNKNOWN" in error_line(shown)  # nothing was described
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "description.json").touch()
    again = ("describe", str(labels), "--out", str(tmp_path / "taken"), "--labels")
    assert invoke(*again, str(tmp_path / "columns.yaml")).stdout == shown.stdout
    filled = tmp_path / "filled.yaml"
    filled.write_text(shown.stdout.replace(f'"{mole}": null', f'"{mole}": nv'))
    assert invoke(*again, str(filled)).exit_code == 1  # nothing to fill in: the folder is what is wrong
    assert len(read_labelled_images(labels, labels=filled).table) == 50
