import dataclasses
import re

import pytest

from lesionflow.datasets.licences import AUTHORS, AUTHORS_OF, LICENCE
from lesionflow.diagnoses import LabelSet
from lesionflow.evaluation.metrics import metrics_of
from lesionflow.evaluation.model_card import (
    LONGEST,
    data_licence,
    fitting,
    licence_of,
    limits,
    model_card,
    sources_of,
    terms_and_metrics,
)
from lesionflow.evaluation.slices import Gap
from lesionflow.evaluation.stability import CHANGES, Moved, Stability
from lesionflow.model.card import CROSS_VALIDATION, SINGLE, Calibration, Estimate, read_card
from lesionflow.model.files import pretrained_folder
from tests.evaluation.evaluations import answers, by_sex, card, full_labels, not_all_known

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


def test_the_harmless_change_that_moves_most_is_named_and_the_images_that_were_changed() -> None:
    shares = {change.name: Estimate(0.01 + 0.001 * index, 0.0, 0.1) for index, change in enumerate(CHANGES)}
    shares["cropped_6"] = Estimate(0.09, 0.05, 0.14)
    moved = [Moved(change.name, change.display_name, shares[change.name], Estimate(0, 0, 0)) for change in CHANGES]
    found = Stability(100, 92, 0, Estimate(0.031, 0.02, 0.04), Estimate(0.012, 0.01, 0.02), tuple(moved)).metrics()
    text = model_card(card(metrics=card().metrics | {"stability": found}))
    assert "\n\nHarmless changes (mirrored, " in text and "0.031 (0.020 to 0.040) of the calls and 0.012 (" in text
    assert "most, cropped by 6% of width and height, 0.090 (0.050 to 0.140) of the calls.\n" in text
    training = card().training | {"stability_images": 100, "stability_lesions": 92}
    text = model_card(card(metrics=card().metrics | {"stability": found}, training=training))
    assert "\n\nOf 100 images of 92 lesions of the validation part, harmless changes (mirrored, " in text
    nothing = dict.fromkeys(found, Estimate(0.0, 0.0, 0.04))
    assert "the one that moves most" not in model_card(card(metrics=card().metrics | {"stability": nothing}))


def test_what_the_card_does_not_know_is_not_said() -> None:
    bare = card(metrics={}, training={}, versions={}, calibrations={SINGLE: Calibration()})
    text = model_card(bare)
    assert "None were kept." in text and "an unknown version" in text
    for words in ("None,", "nan ", "## Groups", "Sizes:", "--tta", "ECE", "reach", "unfamiliar"):
        assert words not in text, words


@pytest.mark.parametrize("by", ["lesion", "patient"])
def test_what_the_split_keeps_on_one_side(by: str) -> None:
    text = model_card(card(training={"split_by": by} if by == "patient" else {}))  # as of earlier versions
    assert f"split by {by}, so that no {by} is in two parts:" in text
    text = model_card(card(training={"split_by": by, "sources": [not_all_known(**{f"{by}_id": 110})]}))
    assert f"no {by} is in two parts as far as known (of 110 images the {by} is not):" in text


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


def own(name: str, licence: str = "", **changes: object) -> dict[str, object]:
    images = {"train": 70, "validation": 15, "test": 15}
    return {"name": name, "licence": licence, "training_only": False, "images": images, **changes}


def test_shares_of_diagnoses_are_those_of_what_calibration_counts() -> None:
    for only, told in ((True, ", without what only trains (`--extra`)"), (False, "")):
        sources = [own("clinic"), own("other", training_only=only)]
        assert f"Diagnoses of the training part{told}: akiec" in model_card(card(training={"sources": sources}))


def test_the_readme_of_the_shipped_bundle_is_what_its_card_says() -> None:
    written = (pretrained_folder() / "README.md").read_text()
    without_sizes = re.sub(r" Sizes: .*? lesions\.", "", written)
    assert set(model_card(read_card(pretrained_folder())).splitlines()) <= set(without_sizes.splitlines())
    assert "training part, without what only trains (`--extra`): akiec 3.3%" in written


@pytest.mark.parametrize("demo", [False, True])
def test_sources_and_licences_of_models_that_training_built_on_are_told(demo: bool) -> None:
    of_shipped = [each | {"model": "pretrained"} for each in sources_of(read_card(pretrained_folder()))]
    training = {"sources": [own("clinic.csv")], "ham10000": False, "inherited_sources": of_shipped}
    further = card(training=training, licence=LICENCE, demo=demo)
    of = {name: f"({authors}, {LICENCE})" for name, authors in AUTHORS_OF.items()}
    told = data_licence(further)
    own_part = "The training images are synthetic" if demo else "Ask the owner of clinic what may be done"
    assert told.startswith(own_part) and licence_of(further) == LICENCE
    assert told.endswith(
        f"It is built on pretrained, which was trained on HAM10000 ({AUTHORS}, {LICENCE}), "
        f"ISIC 2017 {of['ISIC 2017']}, MSK {of['MSK']}, BCN\\_20000 {of['BCN_20000']}. Their licences bind the use of "
        "this model, too: name the authors of the data, no commercial use."
    )
    assert told in model_card(further) and told.replace("\\_", "_") in terms_and_metrics(further)  # for a terminal
    # and so does what builds on that:
    again = [each | {"model": "ham/2"} for each in sources_of(further)]
    last = card(training={"sources": [own("ward", "ODbL")], "ham10000": False, "inherited_sources": again})
    assert data_licence(last).startswith("The training images are under ODbL, which binds the use of this model. It is")
    clinic = "free to use" if demo else "licence not known"
    assert f"built on ham/2, which was trained on clinic.csv ({clinic}), HAM10000 ({AUTHORS}" in data_licence(last)


def test_sources_of_one_name_are_apart_where_their_licences_are() -> None:
    before = [{"name": "labels.csv", "licence": "ODbL", "model": "first/1"}]
    second = card(training={"sources": [own("labels.csv")], "ham10000": False, "inherited_sources": before})
    again = [each | {"model": "second/1"} for each in sources_of(second)]
    third = card(training={"sources": [own("labels.csv")], "ham10000": False, "inherited_sources": again})
    assert "second/1, which was trained on labels.csv (licence not known), labels.csv (ODbL)." in data_licence(third)
    ham10000 = card(training={"sources": [own("ham10000_256")], "ham10000": True}, licence=LICENCE)
    assert sources_of(ham10000) == [{"name": "HAM10000", "licence": LICENCE}]


def test_drawn_images_do_not_make_others_free_to_use() -> None:
    mixed = card(demo=True, training={"sources": [own("demo", "free to use"), own("clinic")], "ham10000": False})
    assert licence_of(mixed) == "" and data_licence(mixed).startswith("Ask the owner of demo, clinic what may be done")
    assert sources_of(mixed)[1] == {"name": "clinic", "licence": ""}


def test_a_model_built_on_demo_data_alone_is_bound_by_nothing() -> None:
    before = [each | {"model": "moles/1"} for each in sources_of(card(demo=True, data_name="demo"))]
    told = data_licence(card(demo=True, training={"sources": [own("demo")], "inherited_sources": before}))
    assert told.endswith("It is built on moles/1, which was trained on demo (free to use).")


def test_with_several_licences_authors_are_named_all_the_same() -> None:
    mixed = card(licence=f"{LICENCE}, ODbL", training={"sources": [own("HAM10000", LICENCE)], "ham10000": True})
    assert f"under {LICENCE}, ODbL, which binds the use of this model: name the authors of HAM10000 ({AUTHORS})." in (
        data_licence(mixed)
    )


def test_a_licence_of_some_images_is_not_that_of_others() -> None:
    sources = [own("h.csv", LICENCE), own("theirs"), own("demo", "free to use", not_known={"licence": 4})]
    some = card(licence=f"{LICENCE}, some not known", training={"sources": sources, "ham10000": True})
    assert data_licence(some).endswith(
        "no commercial use. Of 104 images the licence is not known: ask the owner of theirs, demo what may be done "
        "with them."
    )
    for some_drawn in (sources[2], own("mixed", "CC0, free to use")):
        mixed = card(demo=True, training={"sources": [some_drawn], "ham10000": False})
        assert data_licence(mixed) == "Ask the owner of clinic what may be done with what is trained on it."


def test_what_is_not_known_of_measured_images_is_a_limit() -> None:
    told = {"lesion_id": 100, "patient_id": 100, "sex": 100, "age": 7}
    one = "\n".join(limits(card(training={"sources": [own("a.csv", not_known=told)]})))
    assert "It is unknown which images show the same lesion: each counts as a lesion of its own" in one
    assert "It is unknown which images are of one patient: one patient's may stand on two sides of the split." in one
    assert one.endswith("\nNot known, so nothing is measured by it: sex.")
    only_training = own("c.csv", training_only=True, images={"train": 9, "validation": 0, "test": 0}, not_known=told)
    two = [own("a_b.csv", not_known=told), own("b.csv", not_known={"sex": 100}), only_training]
    several = "\n".join(limits(card(training={"sources": two})))
    assert "100 of 200 images have no lesion_id (a\\_b.csv): each counts as a lesion of its own" in several
    assert "100 of 200 images have no patient_id (a\\_b.csv), so one patient's may" in several
    assert several.endswith("measured by it: sex.") and "c.csv" not in several
    alone = own("b.csv", not_known={"age": 100})
    assert limits(card(training={"sources": [own("a.csv", not_known={}), alone]}))[-1].endswith("by it: age of b.csv.")
    assert len(limits(card(training={"sources": [own("a.csv")]}))) == 4  # an earlier card does not say


def test_one_source_has_its_licence_in_the_card() -> None:
    assert "Source: a.csv, 100 images, ODbL." in model_card(card(training={"sources": [own("a.csv", "ODbL")]}))


def test_metrics_are_told_with_their_images_and_their_leak() -> None:
    leak = "LEAK: ham/1, which training builds on, was TRAINED on lesions in 30 of the 30 images"
    sources = [own("clinic.csv"), own("ham10000", training_only=True, images={"train": 9, "validation": 0, "test": 0})]
    few = own("ward", images={"train": 9, "validation": 0, "test": 0})  # fewer than three lesions of each diagnosis
    told = terms_and_metrics(card(licence=LICENCE, training={"sources": [*sources, few], "warnings": [leak]}))
    assert "On its test part, 15 images of clinic.csv, with 95% intervals: balanced accuracy 0.712" in told
    assert told.endswith(f". {leak}.")
    told = terms_and_metrics(card(training={}))  # of earlier versions
    assert "On its test part, clinic, with 95%" in told and "LEAK" not in told


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"start_from": "a", "last_layer": "refitted"}, "ham/1 (`--start-from`, `--last-layer refitted`)."),
        ({"start_from": "a", "last_layer": "kept"}, "ham/1 (`--start-from`)."),
        ({"start_from": "imagenet", "last_layer": "refitted", "teacher": "a"}, "ham/1 (`--teacher`)."),
        ({"start_from": "a", "teacher": "a"}, "ham/1 (`--start-from`, `--teacher`)."),
        (
            {"start_from": "a", "teacher": "b", "learnt_from": ["ham/1", "ham/2"]},
            "ham/1 (`--start-from`) and ham/2 (`--teacher`).",
        ),
    ],
)
def test_how_training_built_on_a_model_is_told(training: dict[str, object], told: str) -> None:
    assert f"Training built on {told}" in model_card(card(training={"learnt_from": ["ham/1"]} | training))
