import dataclasses
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionflow.datasets.labelled import LabelledImages, read_labelled_images
from lesionflow.datasets.split import Split, split_by_lesion
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import ReportError
from lesionflow.profile import copies as copies_module
from lesionflow.profile import description as describe_module
from lesionflow.profile.attributes import UNKNOWN, age_decades, crosstab, values_of, widest_gap
from lesionflow.profile.copies import NEARLY, SAME_BYTES, SAME_PIXELS, Copy
from lesionflow.profile.description import Description, describe_images
from lesionflow.profile.page import JSON_FILE, PAGE_FILE, description_page, write_description
from tests.conftest import REAL_DATA

ROWS = """lesion_id,image_id,dx,dx_type,age,sex,localization
L1,I1,nv,histo,40.0,male,back
L1,I2,nv,histo,40.0,male,chest
L2,I3,nv,follow_up,,female,unknown
L3,I4,mel,histo,0.0,NA,back
L4,I5,bcc,histo,forty,male,face
L5,I6,nv,,130,female,back
"""


def read(folder: Path, rows: str = ROWS) -> LabelledImages:
    """A hand-written set; its images are noise of a fixed seed each, of two sizes."""
    folder.mkdir(exist_ok=True)
    (folder / "HAM10000_metadata.csv").write_text(rows, encoding="utf-8")
    for number, row in enumerate(rows.splitlines()[1:]):
        file, size = folder / f"{row.split(',')[1]}.png", (40, 30) if number % 3 else (60, 60)
        coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        if not file.exists():
            Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(file)
    return read_labelled_images(folder)


@pytest.fixture
def planted(demo_folder: Path, tmp_path: Path) -> Path:
    """The demo set with copies of three images under other lesions' names, and one file that breaks off."""
    folder = Path(shutil.copytree(demo_folder, tmp_path / "planted"))
    files = {path.stem: path for path in folder.rglob("*.jpg")}
    table = pd.read_csv(folder / "HAM10000_metadata.csv", dtype=str, keep_default_na=False)
    nevi = table[table["dx"] == "nv"].drop_duplicates("lesion_id")["image_id"].tolist()
    shutil.copy(files[nevi[0]], files[nevi[1]])
    with Image.open(files[nevi[2]]) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(files[nevi[3]], quality=80)
    melanoma = table["image_id"][table["dx"] == "mel"].iloc[0]
    with Image.open(files[melanoma]) as image:
        files[nevi[4]].unlink()
        image.save(files[nevi[4]].with_suffix(".png"))  # other bytes, the same pixels
    files[nevi[5]].write_bytes(files[nevi[5]].read_bytes()[:300])
    (folder / "planted.json").write_text(json.dumps({"nevi": nevi[:6], "melanoma": melanoma}))
    return folder


def default_split(images: LabelledImages) -> Split:
    return split_by_lesion(images.table["image_id"], images.table["lesion_id"], images.labels)


def kinds(description: Description) -> list[str]:
    return [finding.kind for finding in description.findings if finding.warning]


def test_a_small_set_is_counted_as_by_hand(tmp_path: Path) -> None:
    description = describe_images(read(tmp_path / "set"), None)
    told = json.loads(json.dumps(description.as_json()))
    assert (told["images"], told["lesions"], told["split"], told["demo"]) == (6, 5, None, False)
    assert told["diagnoses"]["nv"] == {"images": 4, "lesions": 3}
    assert told["diagnoses"]["df"] == {"images": 0, "lesions": 0}
    assert told["images_a_lesion"]["nv"] == {"1": 2, "2": 1} and told["images_a_lesion"]["df"] == {}
    assert told["missing"] == {"dx_type": 1, "age": 1, "sex": 1, "localization": 1}
    back = dict.fromkeys(told["diagnoses"], 0) | {"nv": 2, "mel": 1}
    assert told["columns"]["localization"]["back"] == back
    assert list(told["columns"]["sex"]) == ["male", "female", UNKNOWN]
    assert list(told["columns"]["age"]) == ["0-9", "40-49", UNKNOWN]
    assert told["ages"] == {
        "quartiles": {"nv": [40.0] * 5, "mel": [0.0] * 5},
        "not_numbers": ["I5"],
        "impossible": ["I6"],
        "zero": ["I4"],
    }
    assert told["contradictions"] == [{"lesion_id": "L1", "column": "localization", "values": ["back", "chest"]}]
    assert told["sizes"] == {"40 x 30": 4, "60 x 60": 2}
    assert told["aspect_ratios"] == {"1.33": 4, "1.00": 2} and told["formats"] == {"PNG": 6}
    assert told["copies"] == [] and told["unreadable"] == {} and told["blank"] == []
    assert kinds(description) == ["split", "contradiction", "missing", "age", "files"]
    assert description.findings[0].text.startswith(
        "there are too few lesions of bcc (1), mel (1) to split these images"
    )
    assert len(repr(description)) < 2000 and "of age 0" in repr(description)  # as a notebook shows it
    assert str(tmp_path) not in json.dumps(told)


def test_diagnoses_without_an_image_and_those_that_no_part_measures_are_said(demo_folder: Path, tmp_path: Path) -> None:
    images = read_labelled_images(demo_folder)
    kept = images.table[images.table["dx"] != "vasc"].reset_index(drop=True)
    lacking = dataclasses.replace(images, table=kept)
    (told,) = (
        each.text
        for each in describe_images(lacking, default_split(lacking)).findings
        if each.kind == "split" and each.warning
    )
    assert "no image of vasc" in told and "--diagnoses akiec,bcc,bkl,df,mel,nv" in told and "in test" not in told
    split = default_split(images)
    without = split.test[images.labels[split.test] != images.label_set.names.index("mel")]
    unmeasured = describe_images(images, dataclasses.replace(split, test=without))
    told = next(each.text for each in unmeasured.findings if each.kind == "split")
    assert told.startswith("no image of mel in test:")


def test_colour_is_that_of_the_pixels(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for image_id, level in (("I1", 100), ("I2", 120), ("I3", 100), ("I6", 120)):  # the nevi
        Image.new("RGB", (50, 40), (level, 0, level // 2)).save(tmp_path / "set" / f"{image_id}.png")
    description = describe_images(read(tmp_path / "set"), None)
    colour = description.colour["nv"]
    assert (colour.red, colour.green, colour.blue) == (110, 0, 55)
    assert colour.brightness == pytest.approx(0.299 * 110 + 0.114 * 55, abs=0.01)
    assert colour.brightness_deviation == pytest.approx(0.299 * 10 + 0.114 * 5, abs=0.01)
    assert description.blank == ("I1", "I2", "I3", "I6") and "blank" in kinds(description)
    assert "df" not in description.colour
    # Those of the same bytes are copies nevertheless.
    assert {copy.image_ids for copy in description.copies} == {("I1", "I3"), ("I2", "I6")}


def test_the_demo_set_has_no_copies(demo_folder: Path) -> None:
    images = read_labelled_images(demo_folder)
    description = describe_images(images, default_split(images))
    assert not [copy for copy in description.copies if copy.duplicate] and not description.unreadable
    assert set(kinds(description)) <= {"missing", "age"}
    assert sum(counts["images"] for counts in description.diagnoses.values()) == 150
    assert sum(description.columns["sex"]["male"].values()) == (images.table["sex"] == "male").sum()
    parts = description.as_json()["split"]["images"]
    assert sum(sum(counts.values()) for counts in parts.values()) == 150


def test_planted_copies_are_found_and_named_with_where_they_leak(planted: Path) -> None:
    told = json.loads((planted / "planted.json").read_text())
    nevi, melanoma = told["nevi"], told["melanoma"]
    images = read_labelled_images(planted)
    split = default_split(images)
    description = describe_images(images, split)
    assert {frozenset(copy.image_ids): copy.kind for copy in description.duplicates_across} == {
        frozenset(nevi[:2]): SAME_BYTES,
        frozenset(nevi[2:4]): NEARLY,
        frozenset((nevi[4], melanoma)): SAME_PIXELS,
    }
    assert [copy for copy in description.copies if copy.duplicate] == list(description.duplicates_across)
    assert list(description.unreadable) == [nevi[5]] and description.unreadable[nevi[5]].startswith("damaged")
    part_of = {images.table["image_id"][place]: part for part in ("train", "validation", "test")
               for place in split.part(part)}  # fmt: skip
    leaking = Counter(len({part_of[image_id] for image_id in copy.image_ids}) for copy in description.duplicates_across)
    assert sum(description.as_json()["split"]["leaking_pairs"].values()) == leaking[2]
    assert ("leak" in kinds(description)) == (leaking[2] > 0)
    assert kinds(description)[:2] == ["duplicates", "diagnoses"] and "unreadable" in kinds(description)
    (mixed,) = (finding for finding in description.findings if finding.kind == "diagnoses")
    assert melanoma in mixed.text and nevi[4] in mixed.text


@pytest.mark.parametrize(("parts", "leak"), [(("train", "test"), True), (("test", "test"), False), (None, False)])
def test_a_leak_is_a_copy_on_two_sides(parts: tuple[str, str] | None, leak: bool) -> None:
    copy = Copy(("a", "b"), ("1", "2"), ("nv", "nv"), parts, SAME_BYTES, 1.0, "as it is")
    assert copy.leak == leak


def test_a_leak_across_the_split_is_a_warning(planted: Path) -> None:
    images = read_labelled_images(planted)
    nevi = json.loads((planted / "planted.json").read_text())["nevi"]
    places = {image_id: place for place, image_id in enumerate(images.table["image_id"])}
    everything = set(range(len(places)))
    test, validation = {places[nevi[0]], places[nevi[2]]}, {places[nevi[3]]}
    train, *others = (np.array(sorted(part)) for part in (everything - test - validation, validation, test))
    description = describe_images(images, Split(train, others[0], others[1], 7, (0.7, 0.15, 0.15), "digest"))
    (leak,) = (finding for finding in description.findings if finding.kind == "leak")
    assert leak.warning and "seed 7" in leak.text
    assert "1 in train and test" in leak.text and "1 in validation and test" in leak.text
    assert description.as_json()["split"]["leaking_pairs"] == {"train and test": 1, "validation and test": 1}


def test_copies_among_what_only_trains_are_told_only_where_their_diagnoses_differ(planted: Path) -> None:
    images = read_labelled_images(planted)
    told = json.loads((planted / "planted.json").read_text())
    split, extra = default_split(images), images.table["image_id"].isin([*told["nevi"], told["melanoma"]])
    for only_train, expected in ((extra, False), (extra & (images.table["image_id"] != told["nevi"][0]), True)):
        found = describe_images(dataclasses.replace(images, table=images.table.assign(extra=only_train)), split)
        texts = [finding.text for finding in found.findings if finding.kind == "duplicates"]
        assert bool(texts) is expected and "diagnoses" in kinds(found)
        if expected:
            pair = " and ".join(sorted(told["nevi"][:2]))
            assert texts[0].startswith(f"copies across lesions: 1 pair of images (1 same bytes): {pair};")


def test_a_set_of_nothing_but_copies_ends_early_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = read(tmp_path / "set")
    for image_id in ("I2", "I3", "I4", "I5", "I6"):
        shutil.copy(tmp_path / "set" / "I1.png", tmp_path / "set" / f"{image_id}.png")
    monkeypatch.setattr(copies_module, "MAXIMUM_PAIRS", 4)
    description = describe_images(images, None)
    assert not description.complete
    assert any("ended early" in finding.text for finding in description.findings)


def test_of_very_many_images_only_the_same_bytes_are_compared_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tmp_path / "set")  # makes it
    shutil.copy(tmp_path / "set" / "I1.png", tmp_path / "set" / "I2.png")
    with Image.open(tmp_path / "set" / "I1.png") as image:  # the same pixels in other bytes
        image.save(tmp_path / "set" / "I3.png", compress_level=0)
    images = read(tmp_path / "set")
    assert {copy.kind for copy in describe_images(images, None).copies} >= {SAME_BYTES, SAME_PIXELS}
    for module in (copies_module, describe_module):
        monkeypatch.setattr(module, "MAXIMUM_IMAGES", 5)
    description = describe_images(images, None)
    assert [copy.kind for copy in description.copies] == [SAME_BYTES] and not description.complete
    assert any("only files with the same bytes" in finding.text for finding in description.findings)
    assert "No two images of different lesions" not in description_page(description)


def test_absent_columns_are_values_that_are_missing(tmp_path: Path) -> None:
    rows = "\n".join(",".join(line.split(",")[:3]) for line in ROWS.splitlines())
    description = describe_images(read(tmp_path / "set", rows), None)
    assert description.missing == dict.fromkeys(("dx_type", "age", "sex", "localization"), 6)
    assert any("age of every image" in finding.text for finding in description.findings)
    assert description.ages.quartiles == {}
    page = description_page(description)
    assert "age by diagnosis" not in page and "Images by age" in page  # a table of unknowns, but no picture of nothing
    table = pd.DataFrame({"lesion_id": ["a"]})
    assert values_of(table, "sex").tolist() == [UNKNOWN]


def test_patients_are_counted_where_they_are_known(tmp_path: Path) -> None:
    images = read(tmp_path / "set")
    assert not [each for each in describe_images(images, None).findings if each.kind == "patients"]
    for patients, told in (
        (["A", "A", "B", "C", "C", "C"], "the images are of 3 patients"),
        (["A", "A", "", "B", "", ""], "3 of the images are of 2 patients"),
    ):
        known = dataclasses.replace(images, table=images.table.assign(patient_id=patients))
        (finding,) = (each for each in describe_images(known, None).findings if each.kind == "patients")
        assert finding.text == f"{told}: a split keeps all of a patient on one side" and not finding.warning


def test_files_that_cannot_be_decoded_at_all(tmp_path: Path) -> None:
    images = read(tmp_path / "set")
    for file in (tmp_path / "set").glob("*.png"):
        file.write_bytes(b"no image")
    (tmp_path / "set" / "I1.png").unlink()
    description = describe_images(images, None)
    assert len(description.unreadable) == 6 and description.unreadable["I1"].startswith("not_found")
    assert description.sizes == {} and description.colour == {} and description.blank == ()
    assert "not_an_image" in description_page(description)
    (told,) = (each.text for each in description.findings if each.kind == "unreadable")
    assert told.startswith("6 of 6 images cannot be decoded, and 'train' refuses them: I1 (not_found")


def test_writes_json_and_a_page_and_does_not_overwrite(tmp_path: Path) -> None:
    description = describe_images(read(tmp_path / "set"), None)
    out = tmp_path / "new" / "out"
    assert write_description(description, out) == [out / JSON_FILE, out / PAGE_FILE]
    assert json.loads((out / JSON_FILE).read_text()) == json.loads(json.dumps(description.as_json()))
    assert sorted(os.listdir(out)) == [PAGE_FILE, JSON_FILE]
    with pytest.raises(ReportError, match="overwrite"):
        write_description(description, out)
    write_description(description, out, overwrite=True)


def test_the_page_holds_everything_inside_and_takes_no_orders_from_the_data(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    rows = ROWS.replace("L1,", f"{hostile}$a_b$,").replace("face", "$\\frac$ & 顔 <img src=http://x>")
    images = read(tmp_path / "set", rows)
    shutil.copy(tmp_path / "set" / "I1.png", tmp_path / "set" / "I4.png")
    (tmp_path / "set" / "I5.png").write_bytes(b"")
    page = description_page(describe_images(images, None))
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page and "&lt;img src=http://x&gt;" in page
    assert "default-src 'none'" in page
    assert page.count("<img ") == page.count('src="data:image/') >= 5
    assert page.count("http") == page.count("http-equiv") + page.count("&lt;img src=http://x&gt;")
    assert "empty: the file has no bytes" in page


def test_the_page_of_the_planted_set_shows_what_matters_first(planted: Path) -> None:
    images = read_labelled_images(planted)
    page = description_page(describe_images(images, default_split(images)))
    assert page.index("3 pairs of images") < page.index("<h2>Diagnoses</h2>")
    assert "drawings, not photographs" in page and "same pixels" in page
    assert page.count("image/jpeg") == 2


def test_ages_become_decades() -> None:
    bands = age_decades(np.array(["0.0", "9", "10", "85.0", "-1", "111", "old", UNKNOWN], dtype=object))
    assert bands.tolist() == ["0-9", "0-9", "10-19", "80-89", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]


def test_the_widest_gap_is_between_diagnoses_with_known_values() -> None:
    values = np.array(["male", "male", "female", "male", UNKNOWN], dtype=object)
    diagnoses = np.array(["nv", "mel", "mel", "mel", "df"], dtype=object)
    assert widest_gap(crosstab(values, diagnoses, HAM10000.names)) == ("male", "nv", 1.0, "mel", pytest.approx(2 / 3))
    assert widest_gap(crosstab(values[:1], diagnoses[:1], HAM10000.names)) is None


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real HAM10000 does not lie beside the project")
def test_the_real_data_set() -> None:
    images = read_labelled_images(REAL_DATA)
    description = describe_images(images, default_split(images))
    assert len(description.duplicates_across) == 1 and not description.unreadable
    assert description.missing == {"dx_type": 0, "age": 57, "sex": 57, "localization": 234}
    assert len(description.contradictions) == 2 and len(description.ages.zero) == 39
    assert Counter(copy.kind for copy in description.copies)[SAME_BYTES] == 2
