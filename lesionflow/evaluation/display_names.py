"""Metrics in words: what reports, cards and figures call them."""

from __future__ import annotations

from collections.abc import Callable

from lesionflow.diagnoses import DIAGNOSES
from lesionflow.evaluation.slices import Gap
from lesionflow.model.card import Estimate

METRIC_WORDS = {
    "accuracy": "accuracy of the calls",
    "accuracy_of_always_nv": "accuracy of always answering nv",
    "accuracy_of_most_probable": "accuracy of the most probable diagnosis",
    "balanced_accuracy": "balanced accuracy of the calls",
    "balanced_accuracy_of_most_probable": "balanced accuracy of the most probable diagnosis",
    "macro_f1": "macro F1",
    "macro_auc": "macro AUC, each diagnosis against the rest",
    "macro_average_precision": "macro average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "expected calibration error (ECE)",
    "referred": "share of images referred",
    "accuracy_of_trusted": "accuracy of the calls that are not referred",
    "malignant_auc": "AUC of malignant against benign",
    "malignant_auc_above_80": "the same above 80% sensitivity",
    "malignant_sensitivity": "malignant sensitivity at the operating point",
    "malignant_specificity": "malignant specificity at the operating point",
    "malignant_ppv": "malignant positive predictive value (PPV)",
    "malignant_npv": "malignant negative predictive value (NPV)",
}
ATTRIBUTE_WORDS = {"localization": "body site", "dx_type": "confirmation"}
BY_DIAGNOSIS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "auc": "AUC",
    "average_precision": "average precision",
}


def in_words(metric: str) -> str:
    """A metric's name for people; a name that is not known comes back without its underscores."""
    if metric in METRIC_WORDS:
        return METRIC_WORDS[metric]
    name, _, diagnosis = metric.rpartition("_")
    if diagnosis in DIAGNOSES and name in BY_DIAGNOSIS:
        return f"{BY_DIAGNOSIS[name]} of {diagnosis}"
    return metric.replace("_", " ")


def with_interval(estimate: Estimate | None) -> str:
    """A figure and its 95% interval; a dash where it is not defined."""
    if estimate is None:
        return "–"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def attribute_in_words(attribute: str) -> str:
    """What images are grouped by, for people."""
    return ATTRIBUTE_WORDS.get(attribute, attribute)


def gap_sentence(gap: Gap, safe: Callable[[str], str] = str) -> str:
    """A gap between two slices in one sentence, with what speaks against reading too much into it.

    safe: what makes a slice's name, which comes from the data, safe to stand where the sentence will.
    """
    lowest, highest = (each.metrics[gap.metric].value for each in (gap.lowest, gap.highest))
    caution = "their intervals overlap: it may be chance" if gap.overlap else "their intervals do not overlap"
    if not gap.same_diagnoses and not gap.metric.startswith("malignant_"):
        caution += "; the two do not hold the same diagnoses"
    return (
        f"By {attribute_in_words(gap.attribute)}, {in_words(gap.metric)} is {lowest:.2f} for {safe(gap.lowest.value)} "
        f"and {highest:.2f} for {safe(gap.highest.value)}; {caution}"
    )
