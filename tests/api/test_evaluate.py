import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from PIL import Image

from lesionflow.api.evaluate import evaluate
from lesionflow.datasets.demo.demo_set import draw_demo_set
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.split import PARTS, split_by_lesion
from lesionflow.errors import BundleError, DataError, UsageError
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.evaluation.evaluate import METRICS_FILE
from lesionflow.evaluation.stability import USUAL_IMAGES
from lesionflow.model.card import HASHES_FILE
from lesionflow.model.decision import POOLS
from lesionflow.model.files import check_whole
from lesionflow.registry.champion import find_champion
from tests.conftest import error_line, invoke, without_pictures

QUICK = 100  # resamples


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_card_holds_what_evaluation_finds(store: Path, demo_folder: Path, cache: Path, part: str) -> None:
    champion = find_champion("lesionflow")
    assert champion is not None
    report = evaluate("models:/lesionflow@champion", demo_folder, part=part, cache=cache, resamples=QUICK)
    found = {name: estimate.value for name, estimate in report.metrics.items()}
    # Networks say float32, whose last digit differs between batches on some processors.
    assert found == pytest.approx({name: it.value for name, it in champion.card.metrics[part].items()}, abs=1e-8)
    assert any("TRAINED" in warning for warning in report.warnings) == (part == "train")


def test_writes_a_page_metrics_figures_and_predictions(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "evaluation"
    command = (
        "evaluate",
        str(bundle),
        str(demo_folder),
        "--out",
        str(out),
        "--cache",
        str(cache),
        "--resamples",
        "100",
    )
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert ", test: " in result.stdout and "balanced_accuracy" in result.stdout and "report.html" in result.stdout
    written = json.loads((out / "metrics.json").read_text())
    assert written["part"] == "test" and 0 <= written["metrics"]["balanced_accuracy"]["low"] <= 1
    page = (out / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    pictures = {file.stem for file in out.glob("*.png")}
    assert {"confusion_matrix", "malignant_roc", "reliability", "coverage", "slices", "heatmaps"} <= pictures
    rows = (out / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + written["images"]

    again = invoke(*command)
    assert again.exit_code == 1 and "--overwrite" in error_line(again)
    with without_pictures():
        assert invoke(*command, "--overwrite").exit_code == 0


def test_a_folder_of_other_things_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the working directory, among whose files a dozen figures would lie."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thesis.docx").touch()
    for source in (("pretrained", "nowhere.csv"), ("--report", "thesis.docx", "--truth", "thesis.docx")):
        for overwrite in ((), ("--overwrite",)):
            told = error_line(invoke("evaluate", *source, "--out", ".", *overwrite))
            assert "holds something other than an evaluation (thesis.docx)" in told and "name a new or empty" in told
    (tmp_path / METRICS_FILE).touch()  # what was added to an evaluation may stay
    assert "--overwrite" in error_line(invoke("evaluate", "pretrained", "nowhere.csv", "--out", "."))
    assert "nowhere.csv" in error_line(invoke("evaluate", "pretrained", "nowhere.csv", "--out", ".", "--overwrite"))


def test_averaging_has_figures_of_its_own(bundle: Path, demo_folder: Path, cache: Path) -> None:
    single, averaged = (evaluate(bundle, demo_folder, tta=tta, cache=cache, resamples=QUICK) for tta in (False, True))
    assert averaged.averaged and averaged.calibration == averaged.card.calibrations["tta"]
    assert np.abs(averaged.predictions.probabilities - single.predictions.probabilities).max() > 1e-4


def test_a_lesion_of_the_training_part_is_a_leak_that_nobody_can_miss(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    """The same lesion in training and in the evaluated set, under other names and in another layout."""
    flattered = invoke("evaluate", str(bundle), str(demo_folder), "--part", "all", "--cache", str(cache))
    assert "LEAK" in flattered.stderr and "TRAINED" in flattered.stderr

    images = read_labelled_images(demo_folder)
    table = images.table
    split = split_by_lesion(table["image_id"], table["lesion_id"], images.labels)
    known, *unknown = [table.iloc[members[0]] for members in (split.train, split.test, split.validation)]
    for number, row in enumerate([known, *unknown]):
        folder = tmp_path / "set" / str(row["dx"])
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(row["path"], folder / f"renamed{number}.jpg")
    with without_pictures():
        report = evaluate(bundle, tmp_path / "set", tmp_path / "out", cache=cache, resamples=QUICK)
    assert report.part == "all" and len(report.predictions) == 3
    assert "LEAK" in report.warnings[0]
    assert "in 1 of these 3 images (found 1 by the file's bytes, 1 by sight)" in report.warnings[0]
    assert "LEAK" in (tmp_path / "out" / "report.html").read_text()
    assert "LEAK" in json.loads((tmp_path / "out" / "metrics.json").read_text())["warnings"][0]

    # An image of its own, in which only the lesion's id gives it away; and its copy.
    shutil.copy(unknown[0]["path"], tmp_path / "copy.jpg")
    (tmp_path / "labels.csv").write_text(
        f"path,diagnosis,lesion_id\n{unknown[0]['path']},{known['dx']},{known['lesion_id']}\ncopy.jpg,{known['dx']},L\n"
    )
    report = evaluate(bundle, tmp_path / "labels.csv", cache=cache, resamples=QUICK)
    assert "LEAK" in report.warnings[0] and "1 by lesion" in report.warnings[0]
    assert any("2 images with the same bytes as others have different lesions" in text for text in report.warnings)


def test_a_training_image_that_was_saved_again_under_another_name_is_a_leak(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    images = read_labelled_images(demo_folder)
    table = images.table
    split = split_by_lesion(table["image_id"], table["lesion_id"], images.labels)
    for number, row in enumerate(table.iloc[members[0]] for members in (split.train, split.test, split.validation)):
        (tmp_path / "set" / str(row["dx"])).mkdir(parents=True, exist_ok=True)
        with Image.open(row["path"]) as image:
            image.resize((300, 225)).save(tmp_path / "set" / str(row["dx"]) / f"{number}.jpg", quality=70)
    told = evaluate(bundle, tmp_path / "set", cache=cache, resamples=QUICK).warnings[0]
    assert "LEAK" in told and "in 1 of these 3 images (found 1 by sight)" in told
    # Whoever may not pass on what the hashes show removes them; nothing else needs them.
    (bundle / HASHES_FILE).unlink()
    check_whole(bundle)
    assert not any("LEAK" in told for told in evaluate(bundle, tmp_path / "set", cache=cache, resamples=QUICK).warnings)


def test_a_bundle_that_does_not_tell_its_lesions_says_so(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    (bundle / "trained_on.npz").unlink()
    image = next(demo_folder.rglob("*.jpg"))
    (tmp_path / "labels.csv").write_text(f"path,diagnosis,lesion_id\n{image},nv,1\n")
    assert "would go unnoticed" in evaluate(bundle, tmp_path / "labels.csv", cache=cache, resamples=QUICK).warnings[0]
    # On the data that it was trained on, the split tells.
    assert "LEAK" in evaluate(bundle, demo_folder, part="train", cache=cache, resamples=QUICK).warnings[0]


def test_data_with_damaged_images_says_where_they_are_listed(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "cut.jpg"
    damaged.write_bytes(next(demo_folder.rglob("*.jpg")).read_bytes()[:300])
    (tmp_path / "labels.csv").write_text(f"path,diagnosis,lesion_id\n{damaged},nv,1\n")
    with pytest.raises(DataError, match=r"1 of 1 image cannot be decoded: .*cut.jpg .* in description.json"):
        evaluate(bundle, tmp_path / "labels.csv", cache=cache, resamples=QUICK)


def test_other_data_counts_whole(bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(demo_folder, tmp_path / "other"))
    image = next(other.rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    result = invoke("evaluate", str(bundle), str(other), "--cache", str(cache), "--resamples", "100")
    assert result.exit_code == 0 and ", all: 150 images" in result.stdout and "LEAK" in result.stderr


def test_a_part_is_measured_of_whatever_was_in_it(bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path) -> None:
    """Of data that cannot be split as then: rows are missing, others came from another set and were renamed."""
    images = read_labelled_images(demo_folder)
    split = split_by_lesion(images.table["image_id"], images.table["lesion_id"], images.labels)
    draw_demo_set(tmp_path / "new", images=60, seed=4)
    some = images.table.iloc[[*split.test[:9], *split.train[:5], *split.validation[:2]]]
    rows = [f"{row.path},{row.dx},renamed {number}" for number, row in enumerate(some.itertuples())]
    new = [f"{path},nv,new {path.stem}" for path in sorted((tmp_path / "new").rglob("*.jpg"))[:3]]
    table, others = tmp_path / "mixed.csv", tmp_path / "new.csv"
    table.write_text("\n".join(["path,diagnosis,lesion_id", *rows, *new]))
    others.write_text("\n".join(["path,diagnosis,lesion_id", *new]))
    for part, count in (("train", 5), ("validation", 2), ("test", 9), ("all", 19), (None, 19)):
        found = evaluate(bundle, table, part=part, cache=cache, resamples=QUICK)
        assert (found.part, len(found.predictions)) == (part or "all", count)
        assert any("LEAK" in told for told in found.warnings) == (part not in ("validation", "test"))
        if part == "test":
            assert {*found.predictions.image_ids} <= {*images.table["image_id"].iloc[split.test[:9]]}
        told = f"{count} of 19 images were in the {part} part of the training, by the file's bytes, in any of its data"
        assert any(warning.startswith(told) for warning in found.warnings) == (part in PARTS)
    refused = invoke("evaluate", str(bundle), str(others), "--part", "test", "--cache", str(cache))
    told = "--part test: none of these images is known to be in that part of the training of cnn@"
    assert refused.exit_code == 2 and told in error_line(refused)


def test_logs_when_asked(store: Path, demo_folder: Path, cache: Path, tmp_path: Path) -> None:
    before = len(mlflow.search_runs(experiment_names=["lesionflow"]))
    evaluate("models:/lesionflow@champion", demo_folder, cache=cache, resamples=QUICK)
    assert len(mlflow.search_runs(experiment_names=["lesionflow"])) == before
    report = evaluate("models:/lesionflow@champion", demo_folder, log=True, cache=cache, resamples=QUICK)
    run = mlflow.search_runs(experiment_names=["lesionflow"], output_format="list")[0]
    assert run.info.run_name.startswith("evaluate lesionflow/") and run.info.status == "FINISHED"
    champion = find_champion("lesionflow")  # whatever the alias means later
    assert champion and run.data.params["model"] == f"models:/lesionflow/{champion.number}"
    assert run.data.tags["model"] == champion.label and run.data.tags["data_digest"] == report.data_digest
    expected = {"resamples": str(QUICK), "stability": str(USUAL_IMAGES), "tta": "False", "diagnoses": "ham10000"}
    assert expected | {"part": "test"} == {
        name: value
        for name, value in run.data.params.items()
        if name in {each.name for each in fields(EvaluationConfig)}
    }
    assert run.inputs
    (logged,) = run.inputs.dataset_inputs
    assert logged.dataset.digest == report.data_digest[:36] and logged.tags[0].value == "evaluation"
    assert run.data.metrics["test/balanced_accuracy"] == pytest.approx(report.metrics["balanced_accuracy"].value)
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path / "artifacts")))
    assert (folder / "evaluation" / "test" / "report.html").exists()
    (tmp_path / "words.yaml").write_text("naevus: nv")
    how: dict[str, Any] = {
        "group_by": "lesion_id",
        "pool": POOLS[-1],
        "labels": str(tmp_path / "words.yaml"),
        "stability": 0,
    }
    evaluate(
        "models:/lesionflow@champion", demo_folder, log=True, cache=cache, resamples=QUICK, diagnoses="binary", **how
    )
    params = mlflow.search_runs(experiment_names=["lesionflow"], output_format="list")[0].data.params
    assert {name: params[name] for name in how} == {name: str(value) for name, value in how.items()}
    assert params["diagnoses"] == "binary"


def test_nonsense_is_refused_before_work(bundle: Path, demo_folder: Path, tmp_path: Path) -> None:
    for model in (bundle, "pretrained", "models:/lesionflow@champion"):
        with pytest.raises(UsageError, match="give the model first, then the data"):
            evaluate(demo_folder, model)
    with pytest.raises(BundleError, match="a bundle needs it: name the folder of one"):
        evaluate(demo_folder, demo_folder)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(BundleError, match="a bundle needs it: this is an export of a model; name the folder"):
        evaluate(tmp_path, demo_folder)
    with pytest.raises(UsageError, match="--resamples"):
        evaluate(bundle, demo_folder, resamples=1)
    with pytest.raises(UsageError, match="--part"):
        evaluate(bundle, demo_folder, part="all of it")


def test_ids_are_no_formulas_to_a_spreadsheet(bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path) -> None:
    image = next(demo_folder.rglob("*.jpg"))
    (tmp_path / "labels.csv").write_text(f"path,diagnosis,image_id,lesion_id\n{image},nv,=cmd(),@there\n")
    with without_pictures():
        evaluate(bundle, tmp_path / "labels.csv", tmp_path / "out", cache=cache, resamples=QUICK)
    assert (tmp_path / "out" / "predictions.csv").read_text().splitlines()[1].startswith("'=cmd(),'@there,nv,")


def test_predictions_name_the_source_where_there_are_several(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    files = sorted(demo_folder.rglob("*.jpg"))[:4]
    for sources in ("aabb", "aaaa"):
        rows = [f"{file},nv,L{i // 2},{source}" for i, (file, source) in enumerate(zip(files, sources, strict=True))]
        (tmp_path / "labels.csv").write_text("\n".join(["path,diagnosis,lesion_id,source", *rows]))
        out = tmp_path / sources
        with without_pictures():
            evaluate(bundle, tmp_path / "labels.csv", out, cache=cache, resamples=QUICK, group_by="lesion_id")
        header, *told = [row.split(",") for row in (out / "predictions.csv").read_text().splitlines()]
        assert ("source" in header) is (sources == "aabb")
        if "source" in header:
            assert [(row[1], row[header.index("source")]) for row in told] == [("L0", "a"), ("L1", "b")]


def test_lesions_are_measured_in_place_of_images(bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path) -> None:
    import csv

    with open(demo_folder / "HAM10000_metadata.csv", newline="") as file:
        lesions = {row["lesion_id"] for row in csv.DictReader(file)}
    asked = ("--part", "all", "--cache", str(cache), "--resamples", "100", "--out", str(tmp_path / "out"))
    grouped = invoke("evaluate", str(bundle), str(demo_folder), *asked, "--group-by", "lesion_id")
    assert grouped.exit_code == 0, grouped.output
    values = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert values["images"] == values["lesions"] == len(lesions) < 150
    assert values["unit"] == "lesions" and values["images_pooled"] == 150
    assert values["shift"] is None  # from the training images, which these are
    assert f"{len(lesions)} lesions, 150 images pooled" in grouped.stdout
    assert not any("images of" in warning for warning in values["warnings"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"{len(lesions)} lesions, 150 images pooled" in page and "A lesion is called malignant" in page
    assert ">images</th>" not in page and f"{len(lesions)} lesions are referred" in page
    assert any("Each lesion counts once: its images, 150 in all" in warning for warning in values["warnings"])
    assert [each["strength"] for each in values["call_strengths"]] == [0, 0.25, 0.5, 0.75, 1]
    assert "What other calls would give" in (tmp_path / "out" / "report.html").read_text()


def test_pooled_lesions_are_compared_with_pooled_lesions_of_validation(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    """The validation images under another name are no other images, whether lesions or images are measured."""
    table = read_labelled_images(demo_folder, cache).table
    with np.load(bundle / "validation.npz") as validation:
        own = table[table["image_id"].isin(validation["image_ids"])]
    own[["path", "dx", "image_id", "lesion_id"]].to_csv(tmp_path / "labels.csv", index=False)
    lesions = own["lesion_id"].nunique()
    assert lesions < len(own)
    for group_by, measured in ("lesion_id", lesions), (None, len(own)):
        shift = evaluate(bundle, tmp_path / "labels.csv", cache=cache, group_by=group_by, resamples=QUICK).shift
        assert shift is not None and shift.validation_images == measured
        for score in shift.scores:  # networks say float32, whose last digit may part what is equal
            assert score.here == pytest.approx(score.validation, abs=1e-6), score.name
            assert score.distance <= 2 / measured, score.name
