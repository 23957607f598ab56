"""A finer label set onto a coarser one: what is summed, what cannot be measured, and what has no place."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

from lesionflow.diagnoses import BINARY, HAM10000, ISIC2019, PAD_UFES_20, LabelSet, read_label_set
from lesionflow.errors import MissingError, UsageError
from lesionflow.evaluation.label_mapping import (
    LabelMapping,
    in_common,
    map_between,
    nameless_told,
    not_measurable_told,
    onto_common,
    read_mapping,
)
from lesionflow.evaluation.measure import expected_calibration_error, measure, metric_values
from lesionflow.evaluation.metrics import metrics_of
from lesionflow.evaluation.page import evaluation_page
from lesionflow.evaluation.result import evaluation_json
from lesionflow.model.card import SINGLE, Calibration, Card
from lesionflow.model.prediction import UNCERTAIN, UNFAMILIAR
from tests.evaluation.evaluations import made_evaluation
from tests.evaluation.made_up import made_up

CLINIC = LabelSet(
    "clinic",
    ("mel", "nev", "sk", "other"),
    {"mel": "melanoma", "nev": "nevus", "sk": "seborrheic keratosis", "other": "another benign lesion"},
    ("mel",),
    aliases={"other": ("df", "vasc")},
    others=("akiec", "bcc"),
)


def mapped(model: LabelSet, data: LabelSet, given: dict[str, str] | None = None) -> LabelMapping:
    found = map_between(model, data, given)
    assert found is not None
    return found


def test_a_model_of_seven_on_benign_and_malignant() -> None:
    mapping, made = mapped(HAM10000, BINARY), made_up(seed=3)
    assert mapping.of_model and not mapping.contradicting
    assert mapping.told == "benign = bkl, df, nv, vasc; malignant = akiec, bcc, mel"
    left_out = nameless_told(mapping)  # a word of no diagnosis in the coarse set, which the model's counts as one
    assert left_out.startswith("binary does not say what akiec is") and "akiec as malignant" in left_out
    assert "images that the data call so would be" in left_out  # there need not be any
    said = mapping.of_predictions(made)
    assert said.label_set is BINARY and said.probabilities.shape == (len(made), 2)
    malignant = made.is_malignant
    np.testing.assert_allclose(said.probabilities[:, 1], made.probabilities[:, [0, 1, 4]].sum(axis=1))
    found, of_seven = metric_values(said), metric_values(made)
    for name in (
        "malignant_auc",
        "malignant_sensitivity",
        "malignant_specificity",
        "malignant_partial_auc",
        "referred",
    ):
        assert found[name] == pytest.approx(of_seven[name], abs=1e-12)
    assert found["malignant_auc"] == pytest.approx(oracle.roc_auc_score(malignant, made.malignant_probability))
    assert found["accuracy"] == np.mean(np.isin(made.called, [0, 1, 4]) == malignant)
    assert found["ece"] == pytest.approx(expected_calibration_error(malignant.astype(int), said.probabilities))
    assert found["accuracy_of_always_commonest"] == max(malignant.mean(), 1 - malignant.mean())
    assert set(mapping.not_measurable) == set(metrics_of(HAM10000)) - set(metrics_of(BINARY))
    assert {"sensitivity_mel", "auc_nv", "accuracy_of_always_nv"} < set(mapping.not_measurable)
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in measure(said, resamples=100).values())


def test_always_the_commonest_is_one_answer_in_every_resample() -> None:
    """Were it each resample's own commonest, none would have less than the value, which the interval then left out."""
    made = mapped(HAM10000, BINARY).of_predictions(made_up(60))
    balanced = dataclasses.replace(made, labels=np.arange(len(made)) % 2)
    found = measure(balanced, resamples=300)["accuracy_of_always_commonest"]
    assert found.value == pytest.approx(0.5, abs=0.01) and found.low < found.value - 0.02 < found.high


def test_truth_that_is_finer_counts_as_what_the_model_tells_apart() -> None:
    mapping = mapped(BINARY, HAM10000)
    assert not mapping.of_model and mapping.indices.tolist() == [1, 1, 0, 0, 1, 0, 0]
    assert "ppv_df" in mapping.not_measurable


def test_words_come_before_benign_and_malignant_and_what_is_given_before_words() -> None:
    assert dict(zip(ISIC2019.names, mapped(HAM10000, ISIC2019).names, strict=False))["ak"] == "ak"
    assert mapped(PAD_UFES_20, BINARY).names == ("benign", "malignant", "malignant", "benign", "malignant", "benign")
    given = {"scc": "akiec"}
    assert mapped(ISIC2019, HAM10000, given).groups["akiec"] == ("ak", "scc")
    assert mapped(HAM10000, ISIC2019, given).fine is ISIC2019  # which direction, what is given says
    own = LabelSet("own", ("mole", "cancer"), {"mole": "naevus", "cancer": "skin cancer"}, malignant=("cancer",))
    with pytest.raises(UsageError, match=r"akiec, bcc, bkl.* of ham10000 cannot be mapped to a diagnosis of own"):
        map_between(HAM10000, own)
    assert map_between(HAM10000, HAM10000) is None


def test_two_models_are_asked_among_the_diagnoses_that_both_know(tmp_path: Path) -> None:
    made, part = made_up(seed=3), HAM10000.part(("bkl", "mel", "nv"))
    calibration = Calibration(call_strength=0.6, malignant_threshold=0.3, uncertain_below=0.5)
    prior = (0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02)
    card = Card("cnn", 8, 8, "made up", "", False, "", 0, (0.7, 0.15, 0.15), prior, {SINGLE: calibration})
    of_seven, of_three = onto_common(HAM10000, part)
    said, kept = in_common(made, card, of_seven), np.isin(made.labels, [2, 4, 5])
    assert said.image_ids.tolist() == made.image_ids[kept].tolist() and said.label_set == part
    assert [part.names[label] for label in said.labels] == [HAM10000.names[label] for label in made.labels[kept]]
    some = made.probabilities[kept][:, [2, 4, 5]]
    np.testing.assert_allclose(said.probabilities, some / some.sum(axis=1, keepdims=True))
    assert said.called.tolist() == (some / np.array([0.11, 0.11, 0.67]) ** 0.6).argmax(axis=1).tolist()
    assert said.malignant.tolist() == (said.probabilities[:, 1] >= 0.3).tolist()
    assert set(said.refer[said.confidence < 0.5]) <= {UNCERTAIN, UNFAMILIAR}
    assert of_three.fine == of_three.coarse == part


@pytest.mark.parametrize(
    ("ours", "theirs", "common", "counterparts"),
    [
        (HAM10000.part(("bkl", "mel", "nv")), HAM10000.part(("bcc", "mel", "nv")), "mel,nv", ("mel", "nv")),
        (HAM10000, BINARY, "binary", ("benign", "malignant")),
        (ISIC2019, HAM10000, "ak,bcc,bkl,df,mel,nv,vasc", ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")),
        (HAM10000, CLINIC, "bkl,mel,nv", ("mel", "nev", "sk")),
        (CLINIC, HAM10000, "mel,nev,sk", ("bkl", "mel", "nv")),
    ],
    ids=["overlap", "coarser", "one more", "other words", "the other way"],
)
def test_what_two_label_sets_have_in_common(
    ours: LabelSet, theirs: LabelSet, common: str, counterparts: tuple[str, ...]
) -> None:
    mappings = onto_common(ours, theirs)
    assert {mapping.coarse.name for mapping in mappings} == {common} and mappings[1].fine.names == counterparts
    assert set(mappings[0].fine.names) <= set(ours.names) and set(mappings[0].names) == set(mappings[0].coarse.names)


def test_sets_without_a_malignant_and_a_benign_diagnosis_in_common(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be mapped"):
        onto_common(HAM10000.part(("bkl", "mel")), HAM10000.part(("bcc", "bkl")))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {},
            "(df, vasc of ham10000|scc of pad-ufes-20) cannot be mapped to a diagnosis .*; say .* with --mapping FILE",
        ),
        ({"scc": "cancer"}, "--mapping: has to map diagnoses of .*; it has scc: cancer"),
        ({"wart": "akiec"}, "it has wart: akiec"),
    ],
)
def test_what_has_no_place_is_one_line(given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        map_between(PAD_UFES_20, HAM10000, given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "such as 'mel: malignant'"), ("- mel", "such as"), ("mel: [a, b]", "mel: write the name of one"),
     ("columns: {path: photo}\nlabels: {naevus: nv}", "give it with --labels"),
     ("mel: 1", "as text"), ("mel: [", "not YAML")],
)  # fmt: skip
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_mapping(str(tmp_path / "map.yaml"))
    assert "map.yaml" in str(caught.value)
    with pytest.raises(MissingError, match=r"nowhere.yaml: cannot be read"):
        read_mapping("nowhere.yaml")


def test_a_diagnosis_that_is_only_called_otherwise_is_measured(tmp_path: Path) -> None:
    renamed = mapped(HAM10000, ISIC2019)
    assert renamed.groups["ak"] == ("akiec",) and renamed.apart == () == renamed.not_measurable
    assert not_measurable_told(renamed) == "no two diagnoses of ham10000 count as one of isic2019"
    (tmp_path / "mine.yaml").write_text("names: {melanoma: m, ak: a, rest: benign}\nmalignant: [melanoma, ak]\n")
    given = dict.fromkeys(("bcc", "bkl", "df", "nv", "vasc"), "rest") | {"mel": "melanoma"}
    mapping = mapped(HAM10000, read_label_set(str(tmp_path / "mine.yaml")), given)
    assert mapping.apart == ("bcc", "bkl", "df", "nv", "vasc")
    assert "ppv_df" in mapping.not_measurable and not {"ppv_mel", "ppv_akiec"} & set(mapping.not_measurable)


def test_data_of_some_of_the_diagnoses_of_a_model_are_told_in_one_sentence() -> None:
    part = mapped(HAM10000, read_label_set("bkl,mel,nv"))
    assert not part.of_model and part.indices.tolist() == [2, 4, 5]
    warnings = dataclasses.replace(made_evaluation(), mapping=part).all_warnings
    (told,) = (each for each in warnings if "the data have only bkl, mel, nv of the model's diagnoses" in each)
    assert "may call its others as well, which counts as wrong" in told and "counted:" not in told


def test_page_and_json_name_what_cannot_be_measured_and_what_contradicts_itself(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("names: {mel: melanoma, akiec: ak, rest: benign}\nmalignant: [mel]\n")
    mapping = mapped(HAM10000, read_label_set(str(tmp_path / "mine.yaml")), {"bcc": "rest"})
    assert mapping.contradicting == ("akiec", "bcc") and mapping.groups["rest"] == ("bcc", "bkl", "df", "nv", "vasc")
    for of_model, ending in ((True, "mix both"), (False, "alone: the latter counts")):
        evaluation = dataclasses.replace(made_evaluation(), mapping=dataclasses.replace(mapping, of_model=of_model))
        (warning,) = (each for each in evaluation.all_warnings if "akiec, bcc count as malignant in one" in each)
        assert ending in warning
    binary = mapped(HAM10000, BINARY)
    full = made_evaluation()
    said = binary.of_predictions(full.predictions)
    evaluation = dataclasses.replace(full, predictions=said, metrics=measure(said, resamples=50), mapping=binary,
                                     uncalibrated=None, slices=(), gaps=(), strengths=(), pictures=())  # fmt: skip
    told = evaluation_json(evaluation)
    assert told["mapping"]["diagnoses"]["malignant"] == ["akiec", "bcc", "mel"]
    assert "sensitivity_mel" in told["mapping"]["not_measurable"] and "sensitivity_mel" not in told["metrics"]
    assert any("no metric of these diagnoses can be measured" in warning for warning in told["warnings"])
    page = evaluation_page(evaluation)
    assert "sensitivity_mel" in page and "benign = bkl, df, nv, vasc" in page
