"""The synthetic set has HAM10000's layout, is the same for the same seed, and is whole or absent."""

import csv
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from PIL import Image

from lesionflow.datasets import labelled
from lesionflow.datasets.demo import demo_set as demo
from lesionflow.datasets.ids import DEMO_PREFIX
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.diagnoses import BUILT_IN, LabelSet
from lesionflow.errors import DataError, UsageError

IMAGES = 150


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw one set for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("demo") / "set"
    demo.draw_demo_set(folder, images=IMAGES, seed=3)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Read the metadata of a drawn set."""
    with (folder / "HAM10000_metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file of a drawn set, by its path inside the set."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_metadata_has_the_columns_of_ham10000(drawn: Path) -> None:
    header = (drawn / "HAM10000_metadata.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "lesion_id,image_id,dx,dx_type,age,sex,localization"
    rows = rows_of(drawn)
    assert len({row["image_id"] for row in rows}) == len(rows) == IMAGES
    assert all(row["lesion_id"].startswith(DEMO_PREFIX) for row in rows)
    assert all(row["image_id"].startswith("DEMO_I_") for row in rows)


def test_every_kind_has_lesions_for_every_split(drawn: Path) -> None:
    rows = rows_of(drawn)
    images = Counter(row["dx"] for row in rows)
    lesions = Counter(kind for _, kind in {(row["lesion_id"], row["dx"]) for row in rows})
    assert set(images) == {"akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"}
    assert min(images.values()) >= 6
    assert min(lesions.values()) >= 4


def test_kinds_are_as_frequent_as_in_ham10000_and_lesions_have_up_to_three_images() -> None:
    lesions = list(demo.plan_lesions(10_000, seed=0).values())
    images = Counter(kind for kind, numbers in lesions for _ in numbers)
    assert images == pytest.approx({kind: 10_000 * share for kind, share in demo.SHARES.items()}, abs=10)
    assert {len(numbers) for _, numbers in lesions} == {1, 2, 3}
    assert 10_000 / len(lesions) == pytest.approx(1.3, abs=0.01)


def test_images_of_a_lesion_share_the_patient_but_are_not_copies(drawn: Path) -> None:
    files = {Path(name).stem: content for name, content in files_of(drawn).items()}
    patients, pictures = defaultdict(set), defaultdict(list)
    for row in rows_of(drawn):
        lesion = row["lesion_id"]
        patients[lesion].add((row["dx"], row["dx_type"], row["age"], row["sex"], row["localization"]))
        pictures[lesion].append(files[row["image_id"]])
    assert max(map(len, pictures.values())) > 1
    assert all(len(of_lesion) == 1 for of_lesion in patients.values())
    assert all(len(set(of_lesion)) == len(of_lesion) for of_lesion in pictures.values())


def test_patients_are_plausible(drawn: Path) -> None:
    for row in rows_of(drawn):
        assert row["age"] == "" or float(row["age"]) % 5 == 0
        assert row["sex"] in {"male", "female", "unknown"}
        assert row["localization"] in demo.SITES
        assert row["dx_type"] in {"histo", "follow_up", "consensus", "confocal"}
        assert row["dx_type"] == "histo" or row["dx"] not in {"akiec", "bcc", "mel"}
        assert row["dx_type"] != "follow_up" or row["dx"] == "nv"


def test_images_lie_half_in_each_part_and_can_be_read(drawn: Path) -> None:
    parts = [sorted((drawn / f"HAM10000_images_part_{part}").glob("*.jpg")) for part in (1, 2)]
    assert [len(part) for part in parts] == [IMAGES // 2, IMAGES // 2]
    assert {path.stem for part in parts for path in part} == {row["image_id"] for row in rows_of(drawn)}
    for path in parts[0] + parts[1]:
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (200, 150))


def test_the_seed_decides_every_byte(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "usable_cores", lambda: 1)  # nor does the number of threads matter
    demo.draw_demo_set(tmp_path / "again", images=IMAGES, seed=3)
    assert files_of(tmp_path / "again") == files_of(drawn)
    demo.draw_demo_set(tmp_path / "other", images=50, seed=4)
    demo.draw_demo_set(tmp_path / "another", images=50, seed=5)
    other, another = files_of(tmp_path / "other"), files_of(tmp_path / "another")
    assert len(other) == len(another) and not set(other.values()) & set(another.values())
    ids = [{row["lesion_id"] for row in rows_of(tmp_path / name)} for name in ("other", "another")]
    assert not ids[0] & ids[1]  # other lesions, which no leak may be seen between


def test_an_interrupted_draw_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "photograph", interrupt)
    with pytest.raises(KeyboardInterrupt):
        demo.draw_demo_set(tmp_path / "set", images=60)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(FileExistsError):
        demo.draw_demo_set(tmp_path, images=60)
    assert files_of(tmp_path) == {"mine.txt": b"precious"}


def test_an_empty_folder_is_drawn_into(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    demo.draw_demo_set(tmp_path / "set", images=50)
    assert len(rows_of(tmp_path / "set")) == 50
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too few"):
        demo.draw_demo_set(tmp_path / "set", images=41)
    assert list(tmp_path.iterdir()) == []


def test_the_looks_of_the_seven_stand_for_names_of_other_sets() -> None:
    looks = {name: demo.looks_of(label_set) for name, label_set in BUILT_IN.items()}
    assert all(look == (demo.Look(kind, kind, demo.SHARES[kind]),) for kind, look in looks["ham10000"].items())
    assert [look.body for look in looks["binary"]["benign"]] == ["bkl", "df", "nv", "vasc"]
    assert {look.body for look in looks["binary"]["malignant"]} == {"akiec", "bcc", "mel"}
    assert looks["isic2019"]["ak"][0].body == "akiec" and looks["pad-ufes-20"]["sek"][0].body == "bkl"
    (scc,) = looks["isic2019"]["scc"]
    assert scc.body != scc.marks and scc.body in ("akiec", "bcc", "mel")
    for each in looks.values():
        pairs = [(look.body, look.marks) for of_name in each.values() for look in of_name]
        assert len(pairs) == len(set(pairs))


def test_a_set_of_ones_own_is_drawn_and_read(tmp_path: Path) -> None:
    names = ("wart", "mole", "melanoma_thin", "melanoma_thick")
    own = LabelSet(
        "our clinic", names, {name: name.replace("_", " ") for name in names},
        malignant=names[2:], aliases={"mole": ("naevus",)},
    )  # fmt: skip
    demo.draw_demo_set(tmp_path / "set", images=60, seed=1, label_set=own)
    images = read_labelled_images(tmp_path / "set", label_set=own)
    assert images.demo and images.label_set is own and Counter(images.table["dx"]).keys() == set(names)
    assert images.table["lesion_id"].str.startswith("DEMO_OUR_CLINIC_").all()
    assert [names[label] for label in images.labels] == images.table["dx"].tolist()
    with pytest.raises(UsageError, match="too few for 6 of 4 diagnoses each"):
        demo.draw_demo_set(tmp_path / "other", images=23, label_set=own)


def test_a_folder_named_demo_beside_the_built_in_set_is_told(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled, "DEMO_IMAGES", 120)
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    before = read_labelled_images("demo", cache)
    shutil.copytree(drawn, "demo")
    built_in, own = read_labelled_images("demo", cache), read_labelled_images("./demo", cache)
    assert [len(images.table) for images in (before, built_in, own)] == [120, 120, IMAGES]
    told = "'demo' is the set that lesionflow draws; demo in this folder is read as ./demo"
    assert [told in images.warnings for images in (before, built_in, own)] == [False, True, False]


def test_where_the_built_in_set_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cache in tmp_path / "file", str(tmp_path / "file"), tmp_path / "file" / "below":
        with pytest.raises(DataError, match=r"the demo set cannot be kept there.*another folder with --cache"):
            read_labelled_images("demo", cache)  # type: ignore[arg-type]
