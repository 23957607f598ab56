import dataclasses

import pytest

from lesionflow.datasets.licences import AUTHORS, LICENCE
from lesionflow.diagnoses import LabelSet
from lesionflow.evaluation.metrics import metrics_of
from lesionflow.evaluation.model_card import LONGEST, fitting, model_card
from lesionflow.evaluation.slices import Gap
from lesionflow.model.card import CROSS_VALIDATION, SINGLE, Calibration, Estimate
from lesionflow.model.files import pretrained_folder
from tests.evaluation.evaluations import answers, by_sex, card, full_labels

SIZES = {"train": (7038, 5229), "validation": (1488, 1120), "test": (1489, 1121)}


@pytest.fixture(scope="module")
def gaps() -> list[Gap]:
    return by_sex(answers(full_labels())[1])[1]


def test_the_card_holds_the_figures_of_the_card(gaps: list[Gap]) -> None:
    text = model_card(card(), gaps, SIZES)
    for words in (
        "| metric | validation | test |",
        "| balanced accuracy of the calls | 0.712 (0.651 to 0.763) | 0.712 (0.651 to 0.763) |",
        "| accuracy of always answering nv | 0.667 (0.640 to 0.690) |",
        "| sensitivity of mel | 0.600 (0.500 to 0.700) |",
        "70% train, 15% validation, 15% test, seed 7",
        "train 7038 images of 5229 lesions",
        "epoch 19 of at most 24 was kept",
        "rare diagnoses: oversample",
        "ECE there 0.200 before, 0.010 after",
        "malignant probability of 0.25 on, which 95% of the malignant validation images reach",
        "Its cost on validation: 39% of benign images",
        "Its cost on test: 36% of benign images",
        "By sex, ",
        "lesionflow score",
        "lesionflow 0.9.1",
        "`dddddddddddd`",
        "Not a medical device",
        "64 x 64 pixels",
    ):
        assert words in text, words
    assert "train |" not in text  # figures of the training part would flatter


def test_what_validation_chose_is_told() -> None:
    kept = {keep: model_card(card(training=card().training | {"keep": keep})) for keep in ("best", "last")}
    assert "Validation chose the epoch and the thresholds;" in kept["best"]
    assert "Validation chose the thresholds;" in kept["last"]


@pytest.mark.parametrize(
    ("changes", "licence"),
    [
        ({"licence": LICENCE}, f"HAM10000 ({AUTHORS}), which is under CC BY-NC 4.0. That binds the use of this model"),
        ({"data_name": "HAM10000"}, "CC BY-NC 4.0"),  # a card of format 2
        (
            {"licence": LICENCE, "training": {"ham10000": False}},
            f"The training images are under {LICENCE}, which binds",
        ),
        ({"licence": "ODbL *1.0*"}, r"under ODbL \*1.0\*, which binds the use of this model"),
        ({"data_name": "demo", "demo": True}, "synthetic, drawn by lesionflow"),
        ({"data_name": "clinic"}, "Ask the owner of clinic"),
    ],
)
def test_the_licence_is_that_of_the_data(changes: dict[str, object], licence: str) -> None:
    text = model_card(card(**changes))
    assert licence in text
    assert ("of no medical value.**" in text) == ("demo" in changes)


def test_what_the_card_does_not_know_is_not_said() -> None:
    bare = card(metrics={}, training={}, versions={}, calibrations={SINGLE: Calibration()})
    text = model_card(bare)
    assert "None were kept." in text and "an unknown version" in text
    for words in ("None,", "nan ", "## Groups", "Sizes:", "--tta", "ECE", "reach", "unfamiliar"):
        assert words not in text, words


@pytest.mark.parametrize("by", ["lesion", "patient"])
def test_what_the_split_keeps_on_one_side(by: str) -> None:
    text = model_card(card(training={"split_by": by} if by == "patient" else {}))  # as of earlier versions
    assert f"split by {by}, so that no {by} is in two parts" in text


def test_names_stay_names() -> None:
    text = model_card(card(data_name="a|b\n# <script> *x*"))
    assert r"a\|b \# \<script\> \*x\*" in text
    assert "\n# <" not in text


def test_a_description_that_mlflow_has_no_room_for_keeps_warnings_and_licence(gaps: list[Gap]) -> None:
    every = {name: Estimate(0.123456, 0.012345, 0.234567) for name in metrics_of()}
    sources = [
        {"name": f"clinic {i}", "licence": f"licence {i} of a clinic", "training_only": False, "images": {"train": 7}}
        for i in range(90)
    ]
    leak = f"LEAK: models:/skin/3 was TRAINED on some of the images for validation and test: {'x' * 400}"
    folds = {"folds": 3, "cross_validated_images": 90, "cross_validated_lesions": 60, "validation_fraction": 0.15}
    long = card(
        network="n" * 500, licence="; ".join(str(source["licence"]) for source in sources[:9]),
        metrics=dict.fromkeys(("validation", "test", CROSS_VALIDATION), every), versions={"lesionflow": "v" * 500},
        training={"sources": sources, "warnings": [leak], **folds},
    )  # fmt: skip
    whole = model_card(long, gaps, SIZES)
    assert len(whole) > 2 * LONGEST and "clinic 0, clinic 1, clinic 2" in whole and "clinic 89 (digest" in whole
    shown = fitting(whole)
    assert len(shown) <= LONGEST and set(shown.splitlines()[:-1]) <= set(whole.splitlines())
    for words in ("Not a medical device", f"**{leak}.**", "| sensitivity of mel | 0.123", "are off.", "score FOLDER"):
        assert words in shown, words
    assert "are under licence 0 of a clinic; licence 1" in shown and "licence 8 of a clinic, which binds" in shown
    assert "Left out, as MLflow keeps 5,000 characters: Data, What such a training comes to, Calibration" in shown


@pytest.mark.parametrize("diagnoses", [7, 60, 300])
def test_however_many_diagnoses_a_description_has_warnings_and_licence(diagnoses: int) -> None:
    names = tuple(f"d{i}" for i in range(diagnoses))
    labels = LabelSet("skin", names, {name: f"a disease called {name} for short" for name in names}, ("d0",))
    wide = card(labels=labels, prior=(), metrics={}, training={"warnings": ["LEAK: seen"]}, calibrations={}, demo=True)
    shown = fitting(model_card(dataclasses.replace(wide, calibrations={SINGLE: Calibration()})))
    assert len(shown) <= LONGEST and "**LEAK: seen.**" in shown and "## Licence of the data\n\nThe training" in shown
    assert ("some of the beginning" in shown) == (diagnoses == 300)


def test_the_description_of_the_shipped_bundle_has_its_licence() -> None:
    shown = fitting((pretrained_folder() / "README.md").read_text())
    assert len(shown) <= LONGEST and "which are under CC BY-NC 4.0. That binds" in shown


def test_models_that_training_built_on_are_named_and_their_leaks_stand_beside_the_metrics() -> None:
    changes = {
        "learnt_from": ["models:/skin/3"],
        "warnings": ["LEAK: models:/skin/3 was TRAINED on 4 of the images for validation and test"],
        "folds": 3, "cross_validated_images": 90, "cross_validated_lesions": 60, "validation_fraction": 0.15,
        "warnings_of_folds": ["LEAK: models:/skin/3 was TRAINED on 60 of the images of --data"],
    }  # fmt: skip
    metrics = card().metrics | {CROSS_VALIDATION: card().metrics["test"]}
    text = model_card(dataclasses.replace(card(), metrics=metrics, training=card().training | changes))
    assert "Training built on models:/skin/3." in text
    own, of_folds = text.split("## What such a training comes to")
    assert "\n\n**LEAK: models:/skin/3 was TRAINED on 4 of the images for validation and test.**\n\n" in own
    assert "\n\n**LEAK: models:/skin/3 was TRAINED on 60 of the images of --data.**\n\n" in of_folds
    assert "60 of the images" not in own and "4 of the images" not in of_folds
    assert "LEAK" not in model_card(card()) and "built on" not in model_card(card())


def test_every_source_is_named_with_its_licence_and_its_authors(gaps: list[Gap]) -> None:
    def source(name: str, licence: str, training_only: bool) -> dict[str, object]:
        return {"name": name, "licence": licence, "training_only": training_only, "images": {"train": 70, "test": 9}}

    sources = [source("ham10000", LICENCE, False), source("BCN_20000", "", True), source("clinic", "", True)]
    changed = dataclasses.replace(card(), licence=LICENCE, training=card().training | {"sources": sources})
    text = model_card(changed, gaps, SIZES)
    of_bcn = "BCN\\_20000 (Combalia et al. 2019, arXiv:1908.02288), 79 images, training only, CC BY-NC 4.0"
    assert f"Sources: HAM10000, 79 images, CC BY-NC 4.0; {of_bcn}; clinic" in text
    assert "\n\nHAM10000, BCN\\_20000, clinic (digest" in text and "as frequent as in HAM10000; elsewhere" in text
    assert "clinic, 79 images, training only, licence not known." in text
    assert "and its authors" not in text and "all of which are under CC BY-NC 4.0" in text
    assert len(text) <= LONGEST
