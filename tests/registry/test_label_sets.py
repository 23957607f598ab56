"""A registered model of other diagnoses than the seven: its signature, its answers, its explanations, comparisons."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import mlflow
import numpy as np
import pandas as pd
import pytest

import lesionflow
from lesionflow.datasets import labelled
from lesionflow.datasets.combined import read_data_sets, split_data_sets
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.diagnoses import BINARY, HAM10000, ISIC2019, LabelSet
from lesionflow.errors import UsageError
from lesionflow.evaluation.label_mapping import in_common, onto_common
from lesionflow.evaluation.leaks import digests_of_model, trained_on
from lesionflow.evaluation.measure import metric_values
from lesionflow.model.card import TRAINED_ON_FILE, Calibration, Estimate, read_card
from lesionflow.model.columns import report_columns
from lesionflow.model.files import write_arrays
from lesionflow.model.prediction import LabelledPredictions, Row
from lesionflow.model.pyfunc import output_columns
from lesionflow.registry.compared_model import ComparedModel
from lesionflow.registry.gates import reach_verdict
from lesionflow.scoring.report import ReportLayout
from tests.conftest import invoke, working_in
from tests.contenders import NAME, answers, card_of, register, write_bundle
from tests.scoring.conftest import draw_images, write_small_bundle
from tests.scoring.write_report import write_report

METRICS = {"validation": {"balanced_accuracy": Estimate(0.7, 0.6, 0.8), "ece": Estimate(0.01, 0.0, 0.02)}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of images and of a bundle for each of two sets."""
    folder = tmp_path_factory.mktemp("sets")
    draw_images(folder / "images", 5)
    for labels in (ISIC2019, BINARY, HAM10000):
        write_small_bundle(folder / labels.name, labels=labels, metrics=METRICS)
    return folder


@pytest.mark.parametrize("labels", [ISIC2019, BINARY], ids=lambda labels: str(labels.name))
def test_the_registered_model_answers_with_its_own_diagnoses(labels: LabelSet, folder: Path, tmp_path: Path) -> None:
    files = sorted((folder / "images").iterdir())
    with working_in(tmp_path):
        version = lesionflow.register(folder / labels.name, registered_model="moles").version
        assert version.card.labels == labels
        scored = invoke("score", str(folder / "images"), "--out", "a.csv", "--model", "models:/moles/1")
        assert scored.exit_code == 0 and f"\n  {labels.names[0]:6}" in scored.stdout, scored.output
        model = mlflow.pyfunc.load_model("models:/moles/1")
        answers = model.predict(pd.DataFrame({"image": [file.read_bytes() for file in files]}))
        (loaded, *_) = lesionflow.load("models:/moles/1").predict(files[0])
        rows = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    kinds = output_columns(labels)
    assert [(each.name, each.type.name) for each in model.metadata.signature.outputs] == list(kinds.items())
    assert list(answers.columns) == list(kinds) and set(kinds) == {*report_columns(labels)} - {"path"}
    numbers = [name for name, kind in kinds.items() if kind == "double"]
    reported = np.array([[float(row[name]) for name in numbers] for row in rows])
    np.testing.assert_allclose(answers[numbers].to_numpy(), reported, atol=2e-6)
    np.testing.assert_allclose(answers[[f"p_{name}" for name in labels.names]].sum(axis=1), 1)
    assert answers["diagnosis"].tolist() == [row["diagnosis"] for row in rows]
    assert answers["p_malignant"][0] == loaded.p_malignant


def test_any_of_its_diagnoses_is_explained(folder: Path, tmp_path: Path) -> None:
    image, bundle = folder / "images" / "image0000.jpg", folder / "isic2019"
    (scc,) = lesionflow.explain([image], tmp_path / "scc", bundle, target="scc")
    assert scc.picture is not None and scc.picture.read_bytes().startswith(b"\x89PNG")
    assert scc.said is not None and scc.said.labels == ISIC2019
    with pytest.raises(UsageError, match="--target akiec: 'akiec' is not a diagnosis of isic2019, which has ak, bcc"):
        lesionflow.explain([image], tmp_path / "akiec", bundle, target="akiec")
    assert not (tmp_path / "akiec").exists()


def as_binary(said: LabelledPredictions) -> LabelledPredictions:
    """What a model of two diagnoses says as often rightly: of all images but actinic keratoses, and of 30 fewer."""
    some = said.take((said.labels != 0) & (np.arange(len(said)) >= 30))
    probabilities = np.stack([1 - some.malignant_probability, some.malignant_probability], axis=1)
    called = np.isin(some.called, HAM10000.malignant_indices).astype(np.int64)
    return dataclasses.replace(
        some, probabilities=probabilities, called=called, labels=some.is_malignant.astype(np.int64), label_set=BINARY
    )


def test_a_model_of_coarser_diagnoses_is_compared_on_the_images_of_both(tmp_path: Path) -> None:
    write_bundle(tmp_path / "seven", answers(0.6))
    fresh: dict[str, Any] = {"prior": (), "calibrations": {"single": Calibration()}}
    changes = fresh | {"labels": BINARY, "data_digest": "other", "split_digest": "other"}
    write_bundle(tmp_path / "two", as_binary(answers(0.9)), **changes)
    found = lesionflow.compare([str(tmp_path / "seven"), str(tmp_path / "two")])
    assert not found.not_comparable
    ((label, ground),) = found.common_grounds.items()
    assert ground.labels == BINARY and ground.mapping == "benign = bkl, df, nv, vasc; malignant = akiec, bcc, mel"
    assert ground.images == sum(index % 7 != 0 for index in range(30, 420))
    gain = found.differences[label]["malignant_auc"]
    assert gain.value > 0.1 and gain.probability_better == 1
    told = invoke("compare", str(tmp_path / "two"), str(tmp_path / "seven"))
    assert f"validation, as binary on {ground.images} images of both" in " ".join(told.stdout.split()), told.output
    assert json.loads(invoke("compare", "--json", *(str(tmp_path / name) for name in ("two", "seven"))).stdout)[
        "common_grounds"
    ]


def test_a_model_of_some_of_the_diagnoses_is_compared_among_these(tmp_path: Path) -> None:
    """The further trained one: on the images that both know, the start may not lose by diagnoses that are not there."""
    part, seven = HAM10000.part(("bkl", "mel", "nv")), answers(0.6)
    write_bundle(tmp_path / "seven", seven)
    start, calibration = read_card(tmp_path / "seven"), Calibration()
    said = in_common(seven, start, onto_common(HAM10000, part)[0])
    fresh: dict[str, Any] = {"prior": (), "calibrations": {"single": calibration}, "labels": part}
    write_bundle(tmp_path / "three", said, **fresh, data_digest="other", split_digest="other")
    found = lesionflow.compare([str(tmp_path / "seven"), str(tmp_path / "three")])
    ((label, ground),) = found.common_grounds.items()
    assert (ground.labels.name, ground.images, ground.left_out, ground.mapping) == ("bkl,mel,nv", 180, 240, "")
    assert all(each.value == 0 for each in found.differences[label].values())  # it says what the start says of these
    assert ground.values[label]["balanced_accuracy"] > metric_values(seven)["balanced_accuracy"]  # no way out to df
    assert "is asked among bkl, mel, nv alone: without its probabilities of akiec, bcc, df, vasc" in ground.told[0]
    told = " ".join(invoke("compare", str(tmp_path / "seven"), str(tmp_path / "three")).stdout.split())
    assert "as bkl,mel,nv on 180 images of both; 240 images of other diagnoses are left out" in told
    write_bundle(tmp_path / "flattered", said, **fresh, training={"warnings": ["LEAK: seen"]})
    (why,) = lesionflow.compare([str(tmp_path / "seven"), str(tmp_path / "flattered")]).not_comparable.values()
    assert "LEAK: seen; compare them on other labelled images" in why


def test_models_are_compared_on_labelled_images(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = HAM10000.part(("bkl", "mel", "nv"))
    three = write_small_bundle(tmp_path / "three", seed=1, labels=part)
    images = sorted(draw_images(tmp_path / "images", 60).iterdir())
    names = [HAM10000.names[index % 7] for index in range(60)]
    rows = [
        f"{image},{name},{name}{index // 14}" for index, (image, name) in enumerate(zip(images, names, strict=True))
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["path,diagnosis,lesion_id", *rows]))
    seven, data = folder / "ham10000", tmp_path / "labels.csv"
    found = lesionflow.compare([seven, three], data=data, cache=tmp_path / "cache")
    assert not found.not_comparable and found.measured_on == "labels.csv"
    ((label, ground),) = found.common_grounds.items()
    assert (ground.images, ground.left_out) == (25, 35)
    assert len([note for note in found.notes if "does not say which lesions trained it" in note]) == 2
    alone = lesionflow.evaluate(three, data, cache=tmp_path / "cache", resamples=100).metrics
    for name in ("balanced_accuracy", "malignant_auc", "malignant_sensitivity", "ece"):
        assert ground.values[label][name] == pytest.approx(alone[name].value)
    (tmp_path / "twice.csv").write_text(f"{data.read_text()}\n{tmp_path / 'copy.jpg'},mel,copy")
    (tmp_path / "copy.jpg").write_bytes(images[5].read_bytes())
    twice, said = tmp_path / "twice.csv", "2 images with the same bytes as others have different diagnoses"
    again = lesionflow.compare([seven, three], data=twice, cache=tmp_path / "cache").notes
    assert any(said in note for note in again)
    assert any(
        said in note for note in lesionflow.evaluate(seven, twice, cache=tmp_path / "cache", resamples=100).warnings
    )
    mine = lesionflow.compare([seven, folder / "isic2019"], data=data, cache=tmp_path / "cache")
    assert [each.labels.name for each in mine.common_grounds.values()] == ["ak,bcc,bkl,df,mel,nv,vasc"]  # no scc
    read = Mock(side_effect=read_labelled_images)
    monkeypatch.setattr("lesionflow.api.evaluate.read_labelled_images", read)
    same = lesionflow.compare(
        [three, write_small_bundle(tmp_path / "two", seed=2, labels=part)], data=data, cache=tmp_path / "cache"
    )
    assert [each.left_out for each in same.common_grounds.values()] == [0] and read.call_count == 1
    told = invoke("compare", str(seven), str(three), "--data", str(data), "--cache", str(tmp_path / "cache"))
    assert "labels.csv, as bkl,mel,nv on 25 images of both; 35 images" in " ".join(told.stdout.split()), told.output
    assert "first" in told.stdout and max(map(len, told.stdout.splitlines())) <= 160
    assert (
        "--labels: says what words of --data or --truth mean"
        in invoke("compare", str(seven), str(three), "--labels", str(data)).stderr
    )


def test_models_of_other_diagnoses_are_compared_on_a_table_with_words_of_ones_own(folder: Path, tmp_path: Path) -> None:
    names = {"naevi": "mole", "melanomata": "melanoma", "keratoses": "keratosis"}
    own = LabelSet("three", tuple(names), names, ("melanomata",), aliases={"naevi": ("nv",), "keratoses": ("bkl",)})
    groups = LabelSet("two", ("bad", "good"), {"bad": "bad", "good": "good"}, ("bad",), aliases={
        "bad": ("akiec", "bcc", "mel"), "good": ("bkl", "df", "nv", "vasc"),
    })  # fmt: skip
    images = sorted(draw_images(tmp_path / "images", 28).iterdir())
    rows = [f"{image},w_{HAM10000.names[index % 7]},L{index}" for index, image in enumerate(images)]
    data, words = tmp_path / "labels.csv", tmp_path / "words.yaml"
    data.write_text("\n".join(["path,diagnosis,lesion_id", *rows]))
    models = {
        each.name: write_small_bundle(tmp_path / each.name, seed=1, labels=each)
        for each in (own, groups, HAM10000.part(("bkl", "mel", "nv")))
    }
    spelled = {"akiec": "ak", "bcc": "basal cell carcinoma", "bkl": "keratoses", "mel": "Melanoma", "nv": "naevi"}
    for meanings in ({}, spelled):
        meant = "\n".join(f"w_{name}: {meanings.get(name, name)}" for name in HAM10000.names)
        words.write_text(meant)
        for name, bundle in models.items():
            if name != "three" and meanings:
                continue  # naevi is a word of three alone
            for pair in ((folder / "ham10000", bundle), (bundle, folder / "ham10000")):
                found = lesionflow.compare(pair, data=data, labels=words, cache=tmp_path / "cache")
                assert not found.not_comparable
                (ground,) = found.common_grounds.values()
                assert (ground.images, ground.left_out) == ((28, 0) if name == "two" else (12, 16))
                assert any("16 images have none of the three" in note for note in found.notes) is (name != "two")
    words.write_text(meant.replace("Melanoma", "melanmoa"))
    with pytest.raises(UsageError, match=r"w_mel: 'melanmoa' is none of akiec, .* or .*did you mean 'mel'"):
        lesionflow.compare((folder / "ham10000", models["three"]), data=data, labels=words, cache=tmp_path / "cache")


def test_a_report_has_the_words_and_the_diagnosis_not_to_miss_of_its_models_card(tmp_path: Path) -> None:
    part, names = HAM10000.part(("bkl", "df", "mel", "nv")), ("sk", "other", "mel", "nev")
    full = {"sk": "seborrheic keratosis", "other": "other", "mel": "melanoma", "nev": "nevus"}
    own = LabelSet("clinic", names, full, ("mel",), "mel", aliases={"nev": ("harmless mole",)})
    fresh: dict[str, Any] = {"prior": (), "calibrations": {"single": Calibration()}, "labels": own}
    with working_in(tmp_path):
        said = []
        for share in (0.6, 0.9):
            card = card_of(answers(share))
            some = in_common(answers(share), card, onto_common(HAM10000, part)[0])
            said.append(dataclasses.replace(some, label_set=own))
            register(tmp_path / str(share), said[-1], **fresh)
        pairs = zip(said[0].image_ids, said[0].one_by_one(), said[1].one_by_one(), strict=True)
        rows = [Row(f"{name}.jpg", first, also=second) for name, first, second in pairs]
        layout = ReportLayout(f"{NAME}/1", labels=own, also=f"{NAME}/2")
        write_report(rows, tmp_path / "night.csv", layout, False)
        words = [full[names[label]].replace("nevus", "harmless mole") for label in said[0].labels]
        truth = zip(said[0].image_ids, words, said[0].lesion_ids, strict=True)
        lines = [f"{image}.jpg,{word},{lesion}" for image, word, lesion in truth]
        Path("labels.csv").write_text("\n".join(["path,diagnosis,lesion_id", *lines]))
        night = ("--report", "night.csv", "--truth", "labels.csv")
        shown = invoke("compare", *night)
        measured = lesionflow.evaluate_report("night.csv", "labels.csv")
    assert shown.stdout.count("\nmelanoma sensitivity") == 2, shown.output
    assert measured.truth.predictions.label_set == own and "sensitivity_mel" in measured.metrics


def test_where_two_sets_have_no_common_ground_how_to_measure_both_is_said(folder: Path, tmp_path: Path) -> None:
    seven = tmp_path / "seven"
    write_bundle(seven, answers(0.6))
    fresh: dict[str, Any] = {"prior": (), "calibrations": {"single": Calibration()}}
    write_bundle(tmp_path / "elsewhere", as_binary(answers(0.6)), **fresh, labels=BINARY, split_seed=1)
    found = lesionflow.compare([str(seven), str(folder / "isic2019"), str(tmp_path / "elsewhere")])
    eight, elsewhere = found.not_comparable.values()
    assert not found.differences and "came without validation.npz" in eight and "lesionflow compare --data" in eight
    assert "no images in common; compare them on other labelled images with 'lesionflow compare --data'" in elsewhere
    unlike = LabelSet("warts", ("wart", "scar"), {"wart": "wart", "scar": "scar"}, ("scar",))
    write_bundle(tmp_path / "warts", as_binary(answers(0.6)), **fresh, labels=unlike)
    (why,) = lesionflow.compare([str(seven), str(tmp_path / "warts")]).not_comparable.values()
    assert "cannot be mapped to a diagnosis of" in why and "--mapping FILE" in why


def test_a_model_of_other_diagnoses_becomes_no_champion_by_itself(folder: Path) -> None:
    seven, eight = (ComparedModel(name, read_card(folder / name), None) for name in ("ham10000", "isic2019"))
    verdict = reach_verdict(eight, seven)
    assert not verdict.promote and "not comparable: isic2019 has the diagnoses of isic2019 (ak" in verdict.reason


def test_to_force_a_model_of_other_diagnoses_is_warned_of(folder: Path, tmp_path: Path) -> None:
    with working_in(tmp_path):
        for labels in (HAM10000, ISIC2019):
            assert invoke("register", str(folder / labels.name), "--registered-model", "two").exit_code == 0
        forced = invoke("promote", "two", "2", "--force", "--reason", "eight diagnoses from now on")
        assert "the champion until now, has other diagnoses" in forced.stderr


def test_of_data_that_trained_a_model_its_test_part_counts_and_images_that_trained_either_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, cache = HAM10000.part(("bkl", "mel", "nv")), tmp_path / "cache"
    drawn = sorted(draw_images(tmp_path / "images", 120).iterdir())
    rows = [f"{image},{HAM10000.names[index % 7]},L{index}" for index, image in enumerate(drawn)]
    data = tmp_path / "labels.csv"
    data.write_text("\n".join(["path,diagnosis,lesion_id", *rows]))
    images = read_data_sets([str(data)], label_set=part)
    split = split_data_sets(images)
    three = write_small_bundle(tmp_path / "three", seed=1, labels=part)
    card = dataclasses.replace(read_card(three), data_digest=images.digest, split_digest=split.digest)
    write_arrays(three, card, TRAINED_ON_FILE, digests_of_model(images.table, split, []))
    seven = write_small_bundle(tmp_path / "seven")
    write_arrays(seven, read_card(seven), TRAINED_ON_FILE, trained_on(images.table, split.test[:2]))
    found = lesionflow.compare([seven, three], data=data, cache=cache)
    (ground,) = found.common_grounds.values()
    assert ground.images == len(split.test) and ground.left_out == 120 - len(images.table)
    leak, trained = found.notes[0], found.notes[-1]
    assert leak.startswith("LEAK") and f"in 2 of these {len(split.test)} images" in leak
    assert trained.endswith("was trained on these data: only the images of its test part count")
    every = read_data_sets([str(data)])
    fractions = (0.5, 0.2, 0.3)
    whole = split_data_sets(every, fractions, seed=1)
    card = dataclasses.replace(
        read_card(seven), data_digest=every.digest, split_digest=whole.digest, split_seed=1, split_fractions=fractions
    )
    write_arrays(seven, card, TRAINED_ON_FILE, digests_of_model(every.table, whole, []))
    tests = [{*of.table["image_id"].iloc[parts.test]} for of, parts in ((images, split), (every, whole))]
    known = {*images.table["image_id"]}
    for pair in ((three, seven), (seven, three)):
        (ground,) = lesionflow.compare(pair, data=data, cache=cache).common_grounds.values()
        assert ground.images == len(set.intersection(*tests)) and ground.left_out == len(tests[1] - known)
        parts_told = [f"has {len(tests[0])}", f"has {len(tests[1] & known)}", f"the {ground.images} in both count"]
        assert 0 < ground.images < len(tests[0]) and all(text in ground.told[0] for text in parts_told)
    monkeypatch.setattr(labelled, "DEMO_IMAGES", 100)
    # The demo set has other images under the same ids for other diagnoses.
    (why,) = lesionflow.compare([seven, three], data="demo", cache=cache).not_comparable.values()
    assert "no image of bkl, mel, nv is there for both" in why
