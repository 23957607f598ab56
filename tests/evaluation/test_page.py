import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lesionflow.datasets.raw_labels import NO_LESIONS
from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.calibration import coverage_curve
from lesionflow.evaluation.measure import confusion_matrix
from lesionflow.evaluation.metrics import INTERVAL_RULE, in_words, metrics_of
from lesionflow.evaluation.page import evaluation_page
from lesionflow.evaluation.pictures import (
    contact_sheet,
    numeric_pictures,
    picture_of,
    slices_picture,
    worst_mistakes,
)
from lesionflow.evaluation.plots import Picture
from lesionflow.evaluation.result import Evaluation, evaluation_json
from lesionflow.evaluation.shift import Shift
from lesionflow.evaluation.stability import Stability
from lesionflow.model.card import Estimate
from lesionflow.model.decision import rule_of_call
from lesionflow.model.prediction import UNFAMILIAR
from tests.evaluation.evaluations import answers, by_sex, card, full_labels, made_evaluation, not_all_known

HOSTILE = "</style><script>alert(1)</script><img src=http://example.org/x onerror=alert(2)>&\"'$x$"
NV = HAM10000.names.index("nv")


class Elements(HTMLParser):
    """The page as a browser reads it: its elements, and the text of its paragraphs and headings."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def drawn_once(picture: Picture) -> Picture:
    return dataclasses.replace(picture, content=picture.png())


def full_report() -> Evaluation:
    found = made_evaluation()
    slices, gaps = by_sex(found.predictions)
    found = dataclasses.replace(found, slices=slices, gaps=gaps)
    mistakes = worst_mistakes(found.predictions, 4)
    thumbnails = [np.full((8, 8, 3), 90, np.uint8)] * len(mistakes)
    pictures = (
        *numeric_pictures(found),
        picture_of("worst_mistakes", contact_sheet(found.about, found.predictions, mistakes, thumbnails)),
    )
    return dataclasses.replace(found, pictures=tuple(drawn_once(each) for each in pictures))


@pytest.fixture(scope="module")
def full() -> Evaluation:
    return full_report()


def test_the_page_holds_everything_inside(full: Evaluation) -> None:
    page = Elements(evaluation_page(full))
    assert len([tag for tag, _ in page.tags if tag == "img"]) == len(full.pictures) == 7
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "form")
        assert (attributes.get("src") or "data:").startswith("data:") and "href" not in attributes
        if tag == "img":
            assert attributes["alt"]
    policy = next(attributes["content"] or "" for _, attributes in page.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'")


def test_headline_figures_come_first_with_intervals_and_always_nv(full: Evaluation) -> None:
    text = " ".join(Elements(evaluation_page(full)).text.split())
    start = text.index("In short")
    for name in ("balanced_accuracy", "macro_auc", "malignant_sensitivity", "malignant_specificity", "ece", "accuracy"):
        value, low, high = full.metrics[name]
        assert start < text.index(f"{value:.3f} {low:.3f} to {high:.3f}", start) < text.index("What was evaluated")
    assert f"always nv: {full.metrics['accuracy_of_always_nv'].value:.3f}" in text
    assert "always answering nv would reach 14%" in text
    for picture in full.pictures:
        assert picture.how_to_read in text
    assert full.card.digest in text and full.data_digest in text
    assert INTERVAL_RULE in text
    assert (
        "280 images of 140 lesions" in text
        and "50 bootstrap resamples of lesions, 1000 for those of bins, groups," in text
    )
    assert "0.200 before and 0.010 after" in text
    assert "so chosen on the validation part that 95% of its malignant images reach it" in text


def test_how_often_the_network_looks_at_an_image_is_told() -> None:
    for mirrored, averaged, told in (
        (False, False, "pixels, each image once"),
        (True, False, "pixels, the average over each image and its mirror image"),
        (True, True, "pixels, the average over flips and quarter turns of each image"),
    ):
        found = made_evaluation(averaged=averaged, card=card(training={"mirrored": mirrored}))
        assert told in evaluation_page(found)


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_the_rule_of_the_call_is_that_of_the_model(strength: float) -> None:
    found = made_evaluation()
    calibration = dataclasses.replace(found.calibration, call_strength=strength)
    page = evaluation_page(dataclasses.replace(found, calibration=calibration))
    assert f"the diagnosis called is {rule_of_call(strength)}" in page


def test_the_cost_of_the_operating_point_is_counted(full: Evaluation) -> None:
    malignant = np.isin(full.predictions.labels, [0, 1, 4])
    found = full.predictions.malignant[malignant].sum()
    flagged = full.predictions.malignant[~malignant].sum()
    assert (
        f"finds {found} of 120 malignant images, and flags {flagged} of 160 benign ones with them: "
        f"{flagged / found:.1f} false alarms"
    ) in evaluation_page(full)


def test_warnings_stand_at_the_top_the_gravest_first() -> None:
    page = evaluation_page(
        made_evaluation(full_labels(14), part="validation", demo=True, warnings=("TRAINED on 3 of these lesions",))
    )
    found = re.findall(r'<p class="warning"><strong>(.*?)</strong>', page)
    assert page.index("In short") > page.rindex('class="warning"')
    starts = (
        "For research", "TRAINED on 3", "The evaluated images are synthetic", "The epoch, the calibration",
        "Only 7 lesions", "Fewer than 10 images of akiec (2), bcc (2)",
    )  # fmt: skip
    assert len(found) == len(starts)
    assert all(text.startswith(start) for text, start in zip(found, starts, strict=True))
    assert "Not a medical device" in found[0]
    demo_model = evaluation_page(made_evaluation(card=card(demo=True)))
    assert "The model was trained on synthetic demo data" in demo_model


@pytest.mark.parametrize(
    "labels",
    [np.array([NV]), np.array([0]), np.full(9, NV), np.arange(60) % 3 + 4, full_labels(7)],
    ids=["one image", "one malignant", "one diagnosis", "diagnoses missing", "one each"],
)
def test_pages_and_json_of_few_images(labels: np.ndarray) -> None:
    found = made_evaluation(labels)
    assert ("not defined" in evaluation_page(found)) == (len(np.unique(labels)) == 1)
    json.dumps(evaluation_json(found), allow_nan=False)


def test_a_page_where_everything_is_referred() -> None:
    predictions = dataclasses.replace(answers(full_labels())[1], refer=np.full(280, UNFAMILIAR))
    metrics = {name: figure for name, figure in made_evaluation().metrics.items() if name != "accuracy_of_trusted"}
    calibration = dataclasses.replace(made_evaluation().calibration, unfamiliar_above=2.0)
    found = made_evaluation(predictions=predictions, metrics=metrics, calibration=calibration)
    assert "280 as unlike the training images." in evaluation_page(found)


def test_names_cannot_break_out_of_the_page() -> None:
    found = made_evaluation(
        full_labels(21), model=HOSTILE, data=HOSTILE, warnings=(HOSTILE,), card=card(data_name=HOSTILE)
    )
    slices, gaps = by_sex(found.predictions)
    slices = [dataclasses.replace(each, value=HOSTILE) for each in slices]
    ids = np.array([HOSTILE + str(place) for place in range(21)])
    found = dataclasses.replace(
        found, slices=slices, gaps=gaps, predictions=dataclasses.replace(found.predictions, image_ids=ids)
    )
    mistakes = worst_mistakes(found.predictions)
    sheet = picture_of(
        "worst_mistakes",
        contact_sheet(found.about, found.predictions, mistakes, [np.zeros((4, 4, 3), np.uint8)] * len(mistakes)),
    )
    other = Picture(HOSTILE, HOSTILE, HOSTILE, b"png")
    groups = picture_of("slices", slices_picture(found.about, slices, gaps, found.metrics))  # whose title names one
    page = Elements(evaluation_page(dataclasses.replace(found, pictures=(groups, sheet, other))))
    assert "script" not in [tag for tag, _ in page.tags]
    for _, attributes in page.tags:
        assert "onerror" not in attributes and (attributes.get("src") or "data:").startswith("data:")
    assert "<script>alert(1)</script>" in page.text


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_json_holds_all_numbers_and_is_strict(full: Evaluation) -> None:
    values = evaluation_json(full)
    assert json.loads(json.dumps(values, allow_nan=False), parse_constant=refuse) == values
    assert values["metrics"].keys() == full.metrics.keys()
    value, low, high = full.metrics["macro_auc"]
    assert values["metrics"]["macro_auc"] == pytest.approx({"value": value, "low": low, "high": high})
    matrix = confusion_matrix(full.predictions)
    assert values["confusion_matrix"]["images"] == matrix.tolist()
    assert sum(each["images"] for each in values["reliability"]) == 280
    assert sum(each["images"] for each in values["reliability_before_calibration"]) == 280
    assert values["coverage"]["aurc"] == pytest.approx(coverage_curve(full.predictions).aurc, abs=1e-6)
    assert len(values["coverage"]["coverage"]) == len(values["coverage"]["accuracy"]) > 100
    assert None in values["coverage"]["balanced_accuracy"]  # not defined while a diagnosis has no image yet
    assert values["roc"].keys() == {"malignant", *HAM10000.names}
    assert values["roc"]["mel"]["auc"] == pytest.approx(full.metrics["auc_mel"].value, abs=1e-6)
    assert [each["value"] for each in values["slices"]] == ["female", "male", "unknown"]
    assert values["slices"][0]["metrics"]["accuracy"].keys() == {"value", "low", "high"}
    assert values["gaps"][0]["size"] == pytest.approx(full.gaps[0].size, abs=1e-6)
    assert values["gaps"][0]["lowest"]["value"] == full.gaps[0].lowest.value
    assert values["calibration"]["malignant_threshold"] == 0.25
    assert values["provenance"]["bundle_digest"] == full.card.digest
    assert values["images_by_diagnosis"] == dict.fromkeys(HAM10000.names, 40)


def test_the_page_and_its_json_say_what_the_split_keeps_on_one_side() -> None:
    made = made_evaluation(full_labels(70), card=card(training={"split_by": "patient"}))
    assert "split by patient with seed 7" in evaluation_page(made)
    assert evaluation_json(made)["provenance"]["split_by"] == "patient"
    training = {"split_by": "patient", "sources": [not_all_known(patient_id=1)]}
    some = made_evaluation(full_labels(70), card=card(training=training))
    assert "split by patient as far as known (of 1 image the patient is not) with seed 7" in evaluation_page(some)


def test_json_survives_ids_that_are_no_text() -> None:
    values = evaluation_json(made_evaluation(full_labels(7), model="m\udcff", data="d\udcff"))
    json.dumps(values, ensure_ascii=False).encode()


def test_every_metric_has_words() -> None:
    assert not [name for name in metrics_of() if "_" in in_words(name)]
    assert in_words("sensitivity_mel") == "sensitivity of mel"


def test_a_leak_of_a_model_that_training_built_on_stands_on_the_pages_of_its_own_split_alone() -> None:
    leak = "LEAK: models:/skin/3 was TRAINED on 4 of the images for validation and test"
    found = full_report()
    found = dataclasses.replace(found, card=dataclasses.replace(found.card, training={"warnings": [leak]}))
    for part, expected in (("test", True), ("validation", True), ("all", False)):
        evaluation = dataclasses.replace(found, part=part)
        assert (leak in evaluation_page(evaluation)) is expected
        assert (leak in evaluation_json(evaluation)["warnings"]) is expected


def test_unknown_lesions_are_told_first_where_they_were_measured_and_once() -> None:
    images = {"train": 70, "validation": 15, "test": 15}
    source = {
        "name": "a_b.csv",
        "licence": "",
        "training_only": False,
        "images": images,
        "not_known": {"lesion_id": 100},
    }
    found = full_report()
    found = dataclasses.replace(found, card=dataclasses.replace(found.card, training={"sources": [source]}))
    told = "t is unknown which images show the same lesion"
    for evaluation in (found, dataclasses.replace(found, warnings=(NO_LESIONS,))):
        page = evaluation_page(evaluation)
        assert page.count(told) == 1 and page.index(told) < page.index("<h2") and NO_LESIONS in evaluation.all_warnings
    elsewhere = evaluation_page(dataclasses.replace(found, part="all"))
    assert elsewhere.count(told) == 1 and elsewhere.index(told) > elsewhere.index("<h2")


def test_an_answer_that_is_never_right_is_no_measure_of_accuracy(full: Evaluation) -> None:
    assert "accuracy alone says little" in evaluation_page(full)
    page = evaluation_page(made_evaluation(np.full(9, 0)))  # without a nevus
    assert "accuracy alone says little" not in page and "always nv:" not in page


def test_sections_about_other_pictures_count_what_was_measured(full: Evaluation) -> None:
    share = Estimate(0.25, 0.1, 0.4)
    found = dataclasses.replace(
        full, pooled=20, shift=Shift(share, 0.02, 0), stability=Stability(18, 1, 0, share, share, ())
    )
    text = " ".join(Elements(evaluation_page(found)).text.split())
    assert "leave the lesion as it is: 18 images of 1 lesion, each alone, drawn with seed 0." in text
    told = "0.250 (0.100 to 0.400) of the lesions are unlike the training images; of the model's own validation part"
    assert f"{told} it is 0.020." in text


@pytest.mark.parametrize(("part", "own"), [("test", True), ("all", False)])
def test_only_images_of_the_models_own_split_are_said_to_be_of_its_origin(
    full: Evaluation, part: str, own: bool
) -> None:
    page = evaluation_page(dataclasses.replace(full, part=part, pictures=()))
    assert ("of the same origin as those" in page) == own and "clinics and skins can make it worse" in page
