"""Data sets of the field, laid out as they are published; the images are drawn."""

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionflow.datasets.labelled import LabelledImages, decided_words, read_labelled_images
from lesionflow.datasets.published import NOT_DERMOSCOPIC, PUBLISHED_TABLES
from lesionflow.diagnoses import BINARY
from lesionflow.errors import DataError
from lesionflow.images.decode import decode


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def save(folder: Path, names: list[str], first: int = 0) -> None:
    for number, name in enumerate(names, start=first):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number))


def found(images: LabelledImages) -> dict[str, str]:
    return dict(zip(images.table["image_id"], images.table["dx"], strict=True))


def test_isic_2019_with_its_metadata(tmp_path: Path) -> None:
    names = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    rows = [(f"ISIC_{number:07}", *(float(name == other) for other in names)) for number, name in enumerate(names)]
    truth = pd.DataFrame(rows, columns=["image", *names]).assign(score_weight=1.0)
    truth.to_csv(tmp_path / "ISIC_2019_Training_GroundTruth.csv", index=False)
    (tmp_path / "ISIC_2019_Training_Metadata.csv").write_text(
        "image,age_approx,anatom_site_general,lesion_id,sex\n"
        "ISIC_0000000,55.0,anterior torso,BCN_0000001,female\nISIC_0000001,30.0,,,male\n"
    )
    save(tmp_path / "ISIC_2019_Training_Input", [f"{row[0]}.jpg" for row in rows])
    images = read_labelled_images(tmp_path)
    assert [dx for _, dx in sorted(found(images).items())] == ["mel", "nv", "bcc", "akiec", "bkl", "df", "vasc"]
    first = images.table.iloc[0]
    assert (first["lesion_id"], first["age"], first["sex"]) == ("BCN_0000001", "55.0", "female")
    assert first["localization"] == "anterior torso"
    left_out, lesions = images.warnings
    assert (
        left_out.startswith("2 images have none of the seven") and "SCC (1)" in left_out and "unknown (1)" in left_out
    )
    assert lesions.startswith("6 of 7 images have no lesion_id")


@pytest.fixture
def isic_2019(tmp_path: Path) -> Path:
    """Its training part, with two diagnoses of one lesion."""
    names = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    rows = [(f"ISIC_{number:07}", *(float(name == other) for other in names)) for number, name in enumerate(names)]
    pd.DataFrame(rows, columns=["image", *names]).to_csv(tmp_path / "ISIC_2019_Training_GroundTruth.csv", index=False)
    lesions = pd.DataFrame({"image": [row[0] for row in rows], "lesion_id": ["L", "L", *map(str, range(7))]})
    lesions.to_csv(tmp_path / "ISIC_2019_Training_Metadata.csv", index=False)
    save(tmp_path / "ISIC_2019_Training_Input", [f"{row[0]}.jpg" for row in rows])
    return tmp_path


@pytest.mark.parametrize(("no", "yes"), [("False", "True"), ("0", "1"), ('"0,0"', '"1,0"')])
def test_ground_truth_may_mark_diagnoses_otherwise(isic_2019: Path, no: str, yes: str) -> None:
    truth = isic_2019 / "ISIC_2019_Training_GroundTruth.csv"
    expected = read_labelled_images(isic_2019).digest
    truth.write_text(truth.read_text().replace("0.0", no).replace("1.0", yes))
    assert read_labelled_images(isic_2019).digest == expected
    truth.write_text(truth.read_text().replace(f",{yes}", ",0.5", 1))
    with pytest.raises(DataError, match="1 row without exactly one 1 among 0s: ISIC_0000000"):
        read_labelled_images(isic_2019)


def test_a_lesion_with_two_diagnoses_in_isic_2019_is_left_out(isic_2019: Path) -> None:
    images = read_labelled_images(isic_2019)
    assert [dx for _, dx in sorted(found(images).items())] == ["bcc", "akiec", "bkl", "df", "vasc"]
    lesion = images.warnings[1]
    assert lesion == "1 lesion has several of the seven diagnoses; their 2 images are left out: L (mel and nv)"


def test_metadata_of_other_images_are_refused(isic_2019: Path) -> None:
    file = isic_2019 / "ISIC_2019_Training_Metadata.csv"
    file.write_text(file.read_text().replace("ISIC_", "isic_"))
    with pytest.raises(DataError, match=r"Metadata.csv: has none of .*ISIC_0000000 and 8 more\), but isic_0000000"):
        read_labelled_images(isic_2019)


def test_isic_2019_with_other_capitals_and_its_lesions_in_one_table(tmp_path: Path) -> None:
    names = ["mel", "nv", "bcc", "ak", "bkl", "df", "vasc", "scc", "unk"]
    rows = [
        (f"ISIC_{number:07}", *(int(name == other) for other in names), "L") for number, name in enumerate(names[:2])
    ]
    truth = pd.DataFrame(rows, columns=["image_id", *names, "lesion_id"])
    truth.assign(lesion_id=["L1", "L2"], sex="male", age="40").to_csv(tmp_path / "truth.csv", index=False)
    save(tmp_path, [f"{row[0]}.jpg" for row in rows])
    images = read_labelled_images(tmp_path)
    assert images.table["dx"].tolist() == ["mel", "nv"] and images.table["lesion_id"].tolist() == ["L1", "L2"]
    assert set(images.table["sex"]) == {"male"} and set(images.table["age"]) == {"40"}
    truth.assign(dx=["nv", "nv"]).to_csv(tmp_path / "truth.csv", index=False)  # which is what the user says
    assert read_labelled_images(tmp_path).table["dx"].tolist() == ["nv", "nv"]


@pytest.mark.parametrize(
    "columns", [["target"], ["benign_malignant"], ["patient_id", "benign_malignant"], ["diagnosis", "target"]]
)
def test_isic_2020_with_some_of_its_columns(tmp_path: Path, columns: list[str]) -> None:
    rows = pd.DataFrame({
        "image_name": ["ISIC_1", "ISIC_2"], "patient_id": ["IP_1", "IP_2"], "diagnosis": ["unknown", "melanoma"],
        "benign_malignant": ["benign", "malignant"], "target": [0, 1],
    })  # fmt: skip
    rows[["image_name", *columns]].to_csv(tmp_path / "train.csv", index=False)
    save(tmp_path, ["ISIC_1.jpg", "ISIC_2.jpg"])
    images = read_labelled_images(tmp_path, label_set=BINARY)
    assert found(images) == {"ISIC_1": "benign", "ISIC_2": "malignant"}
    assert images.table["patient_id"].tolist() == (["IP_1", "IP_2"] if "patient_id" in columns else ["", ""])


def test_isic_2020_as_kaggle_has_it(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(ISIC_2020)
    (tmp_path / "sample_submission.csv").write_text("image_name,target\nISIC_0052060,0\n")
    assert [word for word, _ in decided_words(tmp_path)] == [word for word, _ in decided_words(tmp_path / "train.csv")]


def test_columns_that_disagree_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(
        "image_name,diagnosis,benign_malignant\nI_1,nevus,malignant\nI_2,nevus,benign\n"
    )
    save(tmp_path, ["I_1.jpg", "I_2.jpg"])
    images = read_labelled_images(tmp_path)
    assert found(images) == {"I_1": "nv", "I_2": "nv"}
    assert images.warnings[0].startswith("1 image is benign by one column and malignant by another")
    assert images.warnings[0].endswith("nevus and malignant")


def test_numbers_of_other_classes_are_neither_benign_nor_malignant(tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    save(tmp_path, ["I_1.jpg", "I_2.jpg", "I_3.jpg"])
    table.write_text("image_name,target\nI_1,0\nI_2,1\nI_3,2\n")
    with pytest.raises(DataError, match=r"train.csv: the column target has numbers besides 0 \(benign\) and 1 .*: 2;"):
        read_labelled_images(tmp_path, label_set=BINARY)
    table.write_text("image_name,target\nI_1,0.0\nI_2,1.0\nI_3,\n")
    assert found(read_labelled_images(tmp_path, label_set=BINARY)) == {"I_1": "benign", "I_2": "malignant"}


def test_ph2_with_numbers_in_place_of_crosses(tmp_path: Path) -> None:
    rows = [("IMD1", "1", "0", "0"), ("IMD2", "0", "0", "1"), ("IMD3", "0", "1", "0")]
    table = pd.DataFrame(rows, columns=["Image Name", "Common Nevus", "Atypical Nevus", "Melanoma"])
    table.to_csv(tmp_path / "PH2.csv", index=False)
    save(tmp_path, [f"{row[0]}.jpg" for row in rows])
    assert found(read_labelled_images(tmp_path)) == {"IMD1": "nv", "IMD2": "mel", "IMD3": "nv"}


@pytest.mark.parametrize("words", [("benign", "malignant"), ("0.0", "1.0"), ("0", "1")])
def test_isic_2016_whose_ground_truth_has_no_header(tmp_path: Path, words: tuple[str, str]) -> None:
    truth = tmp_path / "ISBI2016_ISIC_Part3_Training_GroundTruth.csv"
    rows = [(f"ISIC_{number:07}", words[number % 2]) for number in range(6)]
    truth.write_bytes("".join(f"{image},{word}\r\n" for image, word in rows).encode())
    save(tmp_path / "ISBI2016_ISIC_Part3_Training_Data", [f"{image}.jpg" for image, _ in rows])
    for data in (tmp_path, truth):
        images = read_labelled_images(data, label_set=BINARY)
        assert found(images) == {image: BINARY.names[number % 2] for number, (image, _) in enumerate(rows)}
    with pytest.raises(DataError, match=r"malignant \(3\).*--diagnoses"):
        read_labelled_images(tmp_path)


def test_isic_2017_with_its_metadata(tmp_path: Path) -> None:
    truth = tmp_path / "ISIC-2017_Training_Part3_GroundTruth.csv"
    truth.write_text(
        "image_id,melanoma,seborrheic_keratosis\nISIC_0000000,0.0,0.0\nISIC_0000002,1.0,0.0\nISIC_0000004,0.0,1.0\n"
        "ISIC_0000006,1.0,1.0\nISIC_0000008,1.0,\n"
    )
    images = tmp_path / "ISIC-2017_Training_Data"
    save(images, [f"ISIC_000000{number}.jpg" for number in range(0, 10, 2)] + ["ISIC_0000000_superpixels.png"])
    (images / "ISIC-2017_Training_Data_metadata.csv").write_text(
        "image_id,age_approximate,sex\nISIC_0000000,55,female\nISIC_0000002,unknown,male\n"
    )
    for source in (tmp_path, truth):
        read = read_labelled_images(source)
        assert found(read) == {"ISIC_0000000": "nv", "ISIC_0000002": "mel", "ISIC_0000004": "bkl"}
        assert read.table.iloc[0][["age", "sex"]].tolist() == ["55", "female"]
        assert "left out: marks 1.0 and 1.0 (1), marks 1.0 and nothing (1)" in read.warnings[0]


def test_bcn20000(tmp_path: Path) -> None:
    words = ("MEL", "SCC", "AK", "BKL")
    rows = [f"{i}.jpg,55.0,head/neck,{word},BCN_{i},2012-05-16,male,train" for i, word in enumerate(words)]
    header = "bcn_filename,age_approx,anatom_site_general,diagnosis,lesion_id,capture_date,sex,split"
    (tmp_path / "bcn_20k_train.csv").write_text("\n".join([header, *rows]))
    save(tmp_path / "BCN_20k_train" / "bcn_20k_train", [f"{i}.jpg" for i in range(4)])
    images = read_labelled_images(tmp_path)
    assert found(images) == {"0": "mel", "2": "akiec", "3": "bkl"} and "SCC (1)" in images.warnings[0]
    assert images.table.iloc[0][["lesion_id", "age", "localization"]].tolist() == ["BCN_0", "55.0", "head/neck"]


ISIC_2020 = """image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge,diagnosis,\
benign_malignant,target
ISIC_0000001,IP_1,IL_1,male,45,torso,nevus,benign,0
ISIC_0000002,IP_1,IL_2,male,45,head/neck,melanoma,malignant,1
ISIC_0000003,IP_2,IL_3,female,,,unknown,benign,0
ISIC_0000004,IP_2,IL_4,female,,,lentigo NOS,benign,0
ISIC_0000005,IP_3,IL_5,,,,seborrheic keratosis,benign,0
"""


def test_isic_2020_has_patients(tmp_path: Path) -> None:
    (tmp_path / "ISIC_2020_Training_GroundTruth_v2.csv").write_text(ISIC_2020)
    save(tmp_path / "train", [f"ISIC_000000{number}.jpg" for number in range(1, 6)])
    images = read_labelled_images(tmp_path)
    assert found(images) == {"ISIC_0000001": "nv", "ISIC_0000002": "mel", "ISIC_0000005": "bkl"}
    assert images.table["patient_id"].tolist() == ["IP_1", "IP_1", "IP_3"]
    assert images.table["lesion_id"].tolist() == ["IL_1", "IL_2", "IL_5"]
    (warning,) = images.warnings
    assert warning.startswith("2 images have none") and "lentigo NOS (1)" in warning and "benign (1)" in warning
    assert read_labelled_images(tmp_path / "ISIC_2020_Training_GroundTruth_v2.csv").digest == images.digest


def test_isic_2024_from_its_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "train-metadata.csv").write_text(
        "isic_id,target,patient_id,age_approx,sex,anatom_site_general,image_type,tbp_lv_A,lesion_id,iddx_full,iddx_1,"
        "iddx_2,iddx_3\n"
        "ISIC_0015670,0,IP_1,60,male,lower extremity,TBP tile: close-up,20.2,,Benign,Benign,,\n"
        "ISIC_0015845,1,IP_2,60,male,head/neck,TBP tile: close-up,31.7,IL_6,Malignant::x::Melanoma in situ,Malignant,"
        "Malignant melanocytic proliferations (Melanoma),Melanoma in situ\n"
        "ISIC_0015864,1,IP_3,60,male,posterior torso,TBP tile: close-up,22.5,,Malignant::y,Malignant,"
        "Malignant epidermal proliferations,Squamous cell carcinoma in situ\n"
    )
    with h5py.File(tmp_path / "train-image.hdf5", "w") as file:
        for number, name in enumerate(("ISIC_0015670", "ISIC_0015845", "ISIC_0015864")):
            file[name] = np.void(picture(number))
    images = read_labelled_images(tmp_path)
    assert found(images) == {"ISIC_0015845": "mel", "ISIC_0015864": "akiec"}
    assert images.table["patient_id"].tolist() == ["IP_2", "IP_3"]
    assert NOT_DERMOSCOPIC in images.warnings[0] and "Benign (1)" in images.warnings[1]
    np.testing.assert_array_equal(decode(images.table["path"][0], 12, 16), decode(picture(1), 12, 16))
    with h5py.File(tmp_path / "test-image.hdf5", "w") as file:  # which may repeat some
        file["ISIC_0015670"] = np.void(picture(0))
    assert read_labelled_images(tmp_path).digest == images.digest
    (tmp_path / "test-image.hdf5").unlink()
    (tmp_path / "train-image.hdf5").rename(tmp_path / "tiles.h5")
    with h5py.File(tmp_path / "model.h5", "w") as file:  # such as weights of a network
        file["layer"] = np.zeros(3)
    assert read_labelled_images(tmp_path).digest == images.digest
    (tmp_path / "part").mkdir()
    shutil.copy(tmp_path / "train-metadata.csv", tmp_path / "part")
    with h5py.File(tmp_path / "part" / "train-image.hdf5", "w") as file:
        file["ISIC_0015864"] = np.void(picture(2))
    with pytest.raises(DataError, match=r"1 of 2 images is not there: .*train-image.hdf5 holds no ISIC_0015845"):
        read_labelled_images(tmp_path / "part")
    (tmp_path / "cut").mkdir()
    shutil.copy(tmp_path / "train-metadata.csv", tmp_path / "cut")
    (tmp_path / "cut" / "train-image.hdf5").write_bytes((tmp_path / "tiles.h5").read_bytes()[:900])
    with pytest.raises(DataError, match=r"2 of 2 images are not there: .*truncated.*; download it again"):
        read_labelled_images(tmp_path / "cut")
    (tmp_path / "hole").mkdir()
    shutil.copy(tmp_path / "train-metadata.csv", tmp_path / "hole")
    content = bytearray((tmp_path / "tiles.h5").read_bytes())
    content[400:800] = bytes(400)  # of the index
    (tmp_path / "hole" / "train-image.hdf5").write_bytes(content)
    with pytest.raises(DataError, match=r"2 of 2 images are not there: .*; download it again"):
        read_labelled_images(tmp_path / "hole")


def test_isic_2024_as_in_the_archive_of_the_challenge(tmp_path: Path) -> None:
    start = tmp_path / "ISIC_2024_Permissive_Training"
    truth = Path(f"{start}_GroundTruth.csv")
    truth.write_text("isic_id,malignant\nISIC_0015670,0.0\nISIC_0015845,1.0\nISIC_0015864,1.0\n")
    Path(f"{start}_Supplement.csv").write_text(
        "isic_id,lesion_id,iddx_full,iddx_1,iddx_2,iddx_3,iddx_4,iddx_5,mel_mitotic_index,mel_thick_mm,"
        "tbp_lv_dnn_lesion_confidence\n"
        "ISIC_0015864,,x,Malignant,Malignant epidermal proliferations,Squamous cell carcinoma in situ,,,,,9\n"
        "ISIC_0015845,IL_6,x,Malignant,Malignant melanocytic proliferations (Melanoma),Melanoma in situ,,,,,9\n"
        "ISIC_0015670,,Benign,Benign,,,,,,,97.5\n"
    )
    save(Path(f"{start}_Input"), [f"ISIC_00{number}.jpg" for number in (15670, 15845, 15864)])
    Path(f"{start}_Input", "metadata.csv").write_text(
        "isic_id,patient_id,age_approx,sex,anatom_site_general,clin_size_long_diam_mm,image_type,attribution\n"
        "ISIC_0015670,IP_1,60.0,male,lower extremity,3.04,TBP tile: close-up,X\n"
        "ISIC_0015845,IP_2,60.0,male,head/neck,1.1,TBP tile: close-up,X\n"
        "ISIC_0015864,IP_3,,,,3.4,TBP tile: close-up,X\n"
    )
    images = read_labelled_images(tmp_path)
    assert found(images) == {"ISIC_0015845": "mel", "ISIC_0015864": "akiec"}
    assert images.table["patient_id"].tolist() == ["IP_2", "IP_3"]
    assert images.table[["lesion_id", "age", "localization"]].iloc[0].tolist() == ["IL_6", "60.0", "head/neck"]
    assert read_labelled_images(truth).digest == images.digest
    two = read_labelled_images(tmp_path, label_set=BINARY)
    assert found(two) == {"ISIC_0015670": "benign", "ISIC_0015845": "malignant", "ISIC_0015864": "malignant"}


def test_pad_ufes_20(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text(
        "patient_id,lesion_id,smoke,age,gender,fitspatrick,region,diameter_1,diagnostic,itch,img_id,biopsed\n"
        "PAT_1516,1765,,8,,,ARM,,NEV,FALSE,PAT_1516_1765_530.png,FALSE\n"
        "PAT_46,881,FALSE,55,FEMALE,3.0,NECK,6.0,BCC,TRUE,PAT_46_881_939.png,TRUE\n"
        "PAT_46,882,FALSE,55,FEMALE,3.0,FACE,6.0,SCC,TRUE,PAT_46_882_111.png,TRUE\n"
        "PAT_47,883,FALSE,70,MALE,2.0,FACE,6.0,ACK,TRUE,PAT_47_883_222.png,FALSE\n"
    )
    save(tmp_path / "imgs_part_1", ["PAT_1516_1765_530.png", "PAT_46_881_939.png"])
    save(tmp_path / "imgs_part_2", ["PAT_46_882_111.png", "PAT_47_883_222.png"])
    names = [tmp_path / "imgs_part_1", tmp_path / "imgs_part_2"]
    unpacked = read_labelled_images(tmp_path)
    for folder in names:  # as it is downloaded
        shutil.make_archive(str(folder), "zip", tmp_path, folder.name)
        shutil.rmtree(folder)
    images = read_labelled_images(tmp_path)
    assert images.digest == unpacked.digest and images.warnings == unpacked.warnings
    np.testing.assert_array_equal(decode(images.table["path"][0], 12, 16), decode(picture(0), 12, 16))
    packed = shutil.make_archive(str(tmp_path.parent / f"{tmp_path.name}-all"), "zip", tmp_path)
    with pytest.raises(DataError, match=r"images in imgs_part_1.zip, imgs_part_2.zip are read where the archive is un"):
        read_labelled_images(packed)
    assert found(images) == {"PAT_1516_1765_530": "nv", "PAT_46_881_939": "bcc", "PAT_47_883_222": "akiec"}
    second = images.table.iloc[1]
    assert (second["patient_id"], second["lesion_id"]) == ("PAT_46", "PAT_46_881")
    assert (second["sex"], second["localization"], second["dx_type"]) == ("female", "neck", "histo")
    assert "SCC (1)" in images.warnings[1]


def test_derm7pt(tmp_path: Path) -> None:
    folder = tmp_path / "release_v0"
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "meta.csv").write_text(
        "case_num,diagnosis,seven_point_score,pigment_network,level_of_diagnostic_difficulty,elevation,location,sex,"
        "management,clinic,derm,case_id,notes\n"
        "1,basal cell carcinoma,0,absent,medium,palpable,abdomen,male,excision,NEL/NEL025.jpg,NEL/Nel026.jpg,,\n"
        "3,melanoma (less than 0.76 mm),5,atypical,low,flat,back,female,excision,NEL/NEL033.jpg,NEL/Nel034.jpg,,\n"
        "4,melanoma metastasis,5,atypical,low,flat,back,female,excision,NFL/NFL033.jpg,NFL/Nfl034.jpg,,\n"
        '5,reed or spitz nevus,2,typical,low,flat,back,female,"excision",NGL/NGL033.jpg,NGL/Ngl034.jpg,,\n'
    )
    names = ("NEL/NEL025", "NEL/Nel026", "NEL/NEL033", "NEL/Nel034", "NFL/Nfl034", "NGL/Ngl034")
    save(folder / "images", [f"{name}.jpg" for name in names])
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, folder.name))
    shutil.copytree(folder, tmp_path / "outer" / "inner" / "release_v0")
    for source in (folder, folder / "meta" / "meta.csv", tmp_path / "outer", packed):
        images = read_labelled_images(source)
        assert found(images) == {"Nel026": "bcc", "Nel034": "mel", "Ngl034": "nv"}
        assert [Path(path).name for path in images.table["path"]] == ["Nel026.jpg", "Nel034.jpg", "Ngl034.jpg"]
        assert images.warnings[0] == "1 image has none of the seven diagnoses and is left out: melanoma metastasis (1)"
        photographs = "2 images of the column clinic, taken without a dermatoscope, left out: "
        assert [warning.startswith(photographs) for warning in images.warnings[1:]] == [True] * (
            source.suffix != ".csv"
        )


PH2 = """|| Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Pigment Network || Colors  ||
|| IMD003 ||                      || 0                       || 0         | T  | A        ||  4       ||
|| IMD009 ||                      || 1                       || 0         | T  | A        ||  3       ||
|| IMD058 ||  Superficial spreading melanoma || 2            || 0         | T  | A        ||  3       ||

Legends:
Clinical Diagnosis: 0 - Common Nevus; 1 - Atypical Nevus; 2 - Melanoma.
"""


def test_ph2_whose_text_and_workbook_differ(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "PH2_dataset.txt").write_text("|| IMD001 ||  || 0 ||\n|| IMD002 ||  || 2 ||\n")
    rows = {"Image Name": ["IMD001", "IMD002"], "Common Nevus": ["X", ""], "Atypical Nevus": "", "Melanoma": ["", "X"]}
    pd.DataFrame(rows).to_excel(tmp_path / "PH2_dataset.xlsx", index=False)
    save(tmp_path, ["IMD001.bmp", "IMD002.bmp"])
    assert found(read_labelled_images(tmp_path)) == {"IMD001": "nv", "IMD002": "mel"}
    pd.DataFrame(rows | {"Melanoma": "", "Common Nevus": "X"}).to_excel(tmp_path / "PH2_dataset.xlsx", index=False)
    with pytest.raises(DataError, match=r"differs from PH2_dataset.xlsx beside it in 1 image: IMD002; correct or"):
        read_labelled_images(tmp_path)


def test_the_dermoscopic_images_of_mra_midas(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    words = ["malignant- ak", "malignant- sccis", "malignant- scc", "benign-seborrheic keratosis", "benign-other",
             "melanocytic tumor, possible re-excision (severe, spitz, aimp)", "malignant- melanoma", ""]  # fmt: skip
    rows = {
        "midas_record_id": ["1", "1", "2", "2", "3", "3", "4", "4"],
        "midas_distance": ["dscope"] * 6 + ["1ft", "dscope"],
        "midas_path": words,
        "midas_age": "50",
        "midas_gender": "female",
        "midas_file_name": [f"{number}.jpeg" for number in range(8)],
    }
    pd.DataFrame(rows).to_excel(tmp_path / "release_midas.xlsx", index=False)
    save(tmp_path / "images", [f"{number}.jpg" for number in range(8)])
    images = read_labelled_images(tmp_path)
    assert found(images) == {"0": "akiec", "1": "akiec", "3": "bkl"}
    assert images.table["patient_id"].tolist() == ["1", "1", "2"] and set(images.table["sex"]) == {"female"}
    left_out = "5 images have none of the seven diagnoses and are left out: scc (1), other (1)"
    assert images.warnings[0].startswith(left_out) and "photograph, 1ft (1)" in images.warnings[0]
    of_two = read_labelled_images(tmp_path, label_set=BINARY)
    assert found(of_two) == {"1": "malignant", "2": "malignant", "3": "benign", "4": "benign"}


@pytest.mark.parametrize("workbook", [False, True])
def test_ph2_without_its_masks(tmp_path: Path, workbook: bool) -> None:
    if workbook:
        pytest.importorskip("openpyxl")
        rows = [["PH2 Database", "", "", ""], ["", "", "", ""],
                ["Image Name", "Common Nevus", "Atypical Nevus", "Melanoma"],
                ["IMD003", "X", "", ""], ["IMD009", "", "X", ""], ["IMD058", "", "", "X"]]  # fmt: skip
        pd.DataFrame(rows).to_excel(tmp_path / "PH2_dataset.xlsx", header=False, index=False)
    else:
        (tmp_path / "PH2_dataset.txt").write_text(PH2)
    for number, name in enumerate(("IMD003", "IMD009", "IMD058")):
        folder = tmp_path / "PH2 Dataset images" / name
        save(folder, [f"{name}_Dermoscopic_Image/{name}.bmp", f"{name}_lesion/{name}_lesion.bmp",
                      f"{name}_roi/{name}_R1_Label4.bmp"], number * 3)  # fmt: skip
    images = read_labelled_images(tmp_path)
    assert found(images) == {"IMD003": "nv", "IMD009": "nv", "IMD058": "mel"}
    assert all("Dermoscopic_Image" in path for path in images.table["path"]) and len(images.warnings) == 1


def test_med_node(tmp_path: Path) -> None:
    save(tmp_path / "melanoma", ["1000021.jpg", "1000022.jpg"])
    save(tmp_path / "naevus", ["2000021.jpg"])
    assert found(read_labelled_images(tmp_path)) == {"1000021": "mel", "1000022": "mel", "2000021": "nv"}


def test_ddi(tmp_path: Path) -> None:
    (tmp_path / "ddi_metadata.csv").write_text(
        ",DDI_ID,DDI_file,skin_tone,malignant,disease\n"
        "0,1,000001.png,56,True,melanoma-in-situ\n1,2,000002.png,56,True,mycosis-fungoides\n"
        "2,3,000003.png,56,False,seborrheic-keratosis\n3,4,000004.png,12,True,basal-cell-carcinoma-nodular\n"
        "4,5,000005.png,12,True,squamous-cell-carcinoma\n"
    )
    save(tmp_path, [f"00000{number}.png" for number in range(1, 6)])
    images = read_labelled_images(tmp_path)
    assert found(images) == {"000001": "mel", "000003": "bkl", "000004": "bcc"}
    assert "mycosis-fungoides (1)" in images.warnings[1] and "squamous-cell-carcinoma (1)" in images.warnings[1]


def test_fitzpatrick17k_of_which_everybody_has_other_images(tmp_path: Path) -> None:
    (tmp_path / "fitzpatrick17k.csv").write_text(
        "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,three_partition_label,qc,url,url_alphanum\n"
        "5e82,3,3,drug induced pigmentary changes,inflammatory,non-neoplastic,,http://x/1.jpg,x1jpg\n"
        "fa2a,1,1,superficial spreading melanoma ssm,malignant melanoma,malignant,,http://x/2.jpg,x2jpg\n"
        "d2bc,1,1,malignant melanoma,malignant melanoma,malignant,,http://x/3.jpg,x3jpg\n"
    )
    save(tmp_path / "data", ["fa2a.jpg"])
    images = read_labelled_images(tmp_path)
    assert found(images) == {"fa2a": "mel"}
    assert any(warning.startswith("1 of 2 metadata rows has no image file, left out") for warning in images.warnings)
    assert "drug induced pigmentary changes (1)" in images.warnings[1]
    save(tmp_path / "data", ["x1jpg.jpg"])
    (tmp_path / "data" / "fa2a.jpg").rename(tmp_path / "data" / "x2jpg.jpg")  # as some fetch them
    renamed = read_labelled_images(tmp_path)
    assert found(renamed) == {"x2jpg": "mel"}
    assert not any("x1jpg" in warning for warning in renamed.warnings)  # which is left out by its diagnosis
    shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    assert read_labelled_images(tmp_path).digest == renamed.digest


def test_of_several_tables_one_has_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ISIC_2020)
    (tmp_path / "b.csv").write_text(ISIC_2020)
    with pytest.raises(DataError, match=r"2 tables of labels; give one of them: .*a.csv \(ISIC 2020\)"):
        read_labelled_images(tmp_path)


def test_every_layout_names_its_source_and_reads_what_it_needs() -> None:
    assert len({published.needs for published in PUBLISHED_TABLES}) == len(PUBLISHED_TABLES)
    for published in PUBLISHED_TABLES:
        assert any(sign in published.source for sign in ("doi:", "http", "arXiv"))
        assert published.needs <= published.columns and all(name == name.lower() for name in published.columns)


@pytest.fixture
def image_folder(fifty_images: Path, tmp_path: Path) -> Path:
    """A Hugging Face image folder with a part for training and one for testing."""
    table = read_labelled_images(fifty_images).table
    for part, rows in (("train", table[:30]), ("test", table[30:])):
        (tmp_path / "hf" / part).mkdir(parents=True)
        for path in rows["path"]:
            shutil.copy(path, tmp_path / "hf" / part)
        rows = rows.assign(file_name=[Path(path).name for path in rows["path"]])
        rows[["file_name", "dx", "lesion_id", "image_id"]].rename(columns={"dx": "label"}).to_csv(
            tmp_path / "hf" / part / "metadata.csv", index=False
        )
    return tmp_path / "hf"


def test_an_image_folder_as_csv_and_as_json_lines(image_folder: Path, fifty_images: Path) -> None:
    expected = read_labelled_images(fifty_images)
    assert read_labelled_images(image_folder).digest == expected.digest
    assert len(read_labelled_images(image_folder / "train" / "metadata.csv").table) == 30
    for file in image_folder.glob("*/metadata.csv"):
        pd.read_csv(file, dtype=str).to_json(file.with_suffix(".jsonl"), orient="records", lines=True)
        file.unlink()
    assert read_labelled_images(image_folder).digest == expected.digest


def test_rows_of_an_image_folder_without_a_name_are_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.jpg", "label": "nv"}\n{"label": "nv"}\n')
    with pytest.raises(DataError, match=r"metadata.jsonl: 1 row with an empty path: row 3"):
        read_labelled_images(tmp_path)


def test_a_broken_table_of_one_part_is_refused(image_folder: Path) -> None:
    (image_folder / "test" / "metadata.csv").write_bytes(b"file_name,label\n1.jpg,nv" + b"\0" * 40)
    with pytest.raises(DataError, match=r"test/metadata.csv: ends in null characters"):
        read_labelled_images(image_folder)


def test_an_image_folder_without_labels_has_them_in_its_folders(tmp_path: Path) -> None:
    save(tmp_path, ["melanoma/1.jpg", "nevus/2.jpg"])
    (tmp_path / "metadata.csv").write_text("file_name,age\nmelanoma/1.jpg,50\nnevus/2.jpg,60\n")
    images = read_labelled_images(tmp_path)
    assert found(images) == {"1": "mel", "2": "nv"} and images.table["age"].tolist() == ["50", "60"]


def test_an_image_folder_with_columns_of_ones_own_names(tmp_path: Path) -> None:
    save(tmp_path, ["1.jpg", "2.jpg"])
    (tmp_path / "metadata.csv").write_text("file_name,disease,herd\n1.jpg,mel,L1\n2.jpg,mel,L1\n")
    with pytest.raises(DataError, match=r"no column dx or diagnosis; .* file_name, disease, herd.*--labels"):
        read_labelled_images(tmp_path)
    mapping = tmp_path / "m.yaml"
    mapping.write_text("columns: {diagnosis: disease, lesion_id: herd}")
    for source in (tmp_path, tmp_path / "metadata.csv"):
        assert read_labelled_images(source, labels=mapping).table["lesion_id"].tolist() == ["L1", "L1"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_image_folder_may_call_its_column_otherwise(image_folder: Path, ending: str) -> None:
    expected = read_labelled_images(image_folder).digest
    for file in image_folder.glob("*/metadata.csv"):
        table = pd.read_csv(file, dtype=str).rename(columns={"file_name": "image_file_name"})
        file.unlink()
        if ending == "parquet":
            table.to_parquet(file.with_suffix(".parquet"))
        elif ending == "jsonl":
            table.to_json(file.with_suffix(".jsonl"), orient="records", lines=True)
        else:
            table.to_csv(file, index=False)
    assert read_labelled_images(image_folder).digest == expected


def test_of_two_columns_of_files_the_one_that_is_named_counts(image_folder: Path, tmp_path: Path) -> None:
    for file in image_folder.glob("*/metadata.csv"):
        table = pd.read_csv(file, dtype=str).rename(columns={"file_name": "image_file_name"})
        table.assign(mask_file_name="mask.png").to_csv(file, index=False)
    with pytest.raises(DataError, match="no data set"):
        read_labelled_images(image_folder)
    (tmp_path / "m.yaml").write_text("columns: {path: image_file_name}")
    for file in image_folder.glob("*/metadata.csv"):
        assert len(read_labelled_images(file, labels=tmp_path / "m.yaml").table) in (20, 30)


def test_a_table_counts_before_folders_named_otherwise(tmp_path: Path) -> None:
    save(tmp_path / "part_1", ["jb/1.jpg", "mel/2.jpg"])
    for name in ("metadata_train.csv", "metadata_test.csv"):
        (tmp_path / name).write_text("image_id,label\n1,jb\n2,mel\n")
    with pytest.raises(
        DataError, match=r"give the table itself: .*metadata_test.csv, .*metadata_train.csv \('train' takes sev"
    ):
        read_labelled_images(tmp_path)


def test_the_words_of_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(ISIC_2020)
    words = decided_words(tmp_path / "truth.csv")
    assert words == [
        ("nevus", "nv"), ("melanoma", "mel"), ("benign", ""), ("lentigo NOS", ""), ("seborrheic keratosis", "bkl"),
    ]  # fmt: skip
