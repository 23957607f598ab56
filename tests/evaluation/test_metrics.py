import numpy as np
import pytest

from lesionflow.diagnoses import DIAGNOSES
from lesionflow.evaluation.metrics import classification_metrics, confusion_matrix


def certain(called: list[str]) -> np.ndarray:
    """Probabilities of 0.94 for what is called and 0.01 for each other diagnosis."""
    probabilities = np.full((len(called), 7), 0.01)
    probabilities[np.arange(len(called)), [DIAGNOSES.index(dx) for dx in called]] = 0.94
    return probabilities


def labels(names: list[str]) -> np.ndarray:
    return np.array([DIAGNOSES.index(dx) for dx in names])


TRUE = ["nv"] * 6 + ["mel"] * 2 + ["bcc", "df"]
CALLED = ["nv"] * 5 + ["mel"] + ["mel", "nv"] + ["akiec", "nv"]


def test_values_worked_out_by_hand() -> None:
    metrics = classification_metrics(labels(TRUE), certain(CALLED))
    assert metrics["accuracy"] == pytest.approx(6 / 10)
    assert metrics["accuracy_of_always_nv"] == pytest.approx(6 / 10)
    assert metrics["balanced_accuracy"] == pytest.approx((5 / 6 + 1 / 2 + 0 + 0) / 4)
    assert metrics["malignant_sensitivity"] == pytest.approx(2 / 3)  # bcc called akiec is called malignant
    assert metrics["malignant_specificity"] == pytest.approx(6 / 7)
    assert metrics["recall_nv"] == pytest.approx(5 / 6) and "recall_vasc" not in metrics
    assert metrics["log_loss"] == pytest.approx(-(6 * np.log(0.94) + 4 * np.log(0.01)) / 10)


def test_auc_is_the_chance_that_a_case_ranks_above_a_control() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 7, 200)
    probabilities = generator.dirichlet(np.ones(7), 200)
    probabilities[np.arange(200), truth] += 0.1
    expected = []
    for label in range(7):
        cases, controls = probabilities[truth == label, label], probabilities[truth != label, label]
        expected.append((cases[:, None] > controls[None]).mean())
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    ranked = classification_metrics(truth, probabilities)["macro_auc"]
    assert ranked == pytest.approx(np.mean(expected), abs=0.02)  # dividing by the sum moves ranks a little
    assert ranked > 0.55


def test_always_answering_nv_looks_accurate_and_is_not() -> None:
    metrics = classification_metrics(labels(TRUE), certain(["nv"] * 10))
    assert metrics["accuracy"] == metrics["accuracy_of_always_nv"] == 0.6
    assert metrics["balanced_accuracy"] == pytest.approx(1 / 4)
    assert metrics["malignant_sensitivity"] == 0 and metrics["malignant_specificity"] == 1


def test_one_diagnosis_alone_leaves_out_what_is_undefined() -> None:
    metrics = classification_metrics(labels(["nv", "nv"]), certain(["nv", "mel"]))
    assert "macro_auc" not in metrics and "malignant_sensitivity" not in metrics
    assert metrics["balanced_accuracy"] == 0.5


def test_confusion_matrix_counts_rows_by_truth() -> None:
    matrix = confusion_matrix(labels(TRUE), certain(CALLED))
    assert matrix.sum() == 10
    assert matrix[DIAGNOSES.index("bcc"), DIAGNOSES.index("akiec")] == 1
    assert matrix[DIAGNOSES.index("nv")].sum() == 6
