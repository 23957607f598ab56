"""Fits calibration and operating points on the validation part, and measures what they cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.evaluation.bootstrap import (
    CALIBRATION_BINS,
    MANY_IMAGES,
    SECTION_RESAMPLES,
    confidence_bins,
    interval,
    ratio,
    resampled_sums,
)
from lesionflow.evaluation.measure import expected_calibration_error
from lesionflow.model.card import Calibration, Estimate
from lesionflow.model.decision import decide, softmax
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.model.predictor import Outputs

PULL = 10.0  # by cross-validation over lesions of both networks: 0 to 100 differ by 0.002 in log loss
TEMPERATURE_PULL = 1.0  # of its logarithm towards 0: where no validation image is called wrong, likelihood wants 0
OF_THE_FIT = ("ece_after", "specificity_at_the_threshold")  # figures of a calibration that say how well it fits
# Validation images that are looked at eight times, for the calibration of the average. Fitted on 545 images of 994,
# so many for 100 malignant ones, and carried over from one look at all, it is as good on other images as fitted on all:
# over 30 splits by lesion, of `cnn` at 64 pixels and of the shipped bundle, log loss, ECE, balanced accuracy and
# malignant sensitivity differ by at most 0.0011 on average, as with 750 images. With 75 malignant ones, the sensitivity
# of the latter differs by 0.008; of a dozen, one that looks otherwise from another side would set the threshold.
AVERAGED_IMAGES, AVERAGED_MALIGNANT = 500, 100
UNFAMILIAR_SHARE = 0.01  # of validation images that are farther than the limit


@dataclass(frozen=True)
class OperatingPoint:
    """What the thresholds of a model are to reach on the validation part."""

    sensitivity: float = 0.95  # the share of malignant images that are called malignant
    referred: float = 0.1  # the share of images, those whose call is the least probable, that are uncertain
    call_strength: float = 1.0  # as of the card


def fit_calibration(
    outputs: Outputs,
    labels: np.ndarray,
    shown: np.ndarray,
    prior: np.ndarray,
    aims: OperatingPoint = OperatingPoint(),
    label_set: LabelSet = HAM10000,
) -> Calibration:
    """Fit temperature, prior correction and thresholds.

    outputs: logits, (images, diagnoses), and distances, (images,), of validation images; labels: (images,); shown: each
    diagnosis's share of what training showed, prior: its share of the training images, both (diagnoses,) and above 0. A
    network trained on an oversampled stream believes in the stream's prior; the logarithm of prior / shown takes it out
    (Saerens et al. 2002, Neural Computation 14, 21-41). Around that, temperature (Guo et al. 2017, arXiv:1706.04599)
    and offsets are fitted by likelihood (bias-corrected temperature scaling, Alexandari et al. 2020, arXiv:1901.06852).
    """
    logits, distances = outputs
    corrected = np.log(prior) - np.log(shown)  # (diagnoses,)
    temperature, offsets = _fit(logits, labels, corrected)
    plain = Calibration(temperature, tuple(offsets.tolist()), call_strength=aims.call_strength)
    said = decide(logits, distances, plain, tuple(prior), label_set)
    malignant, probability = np.isin(labels, label_set.malignant_indices), said.malignant_probability
    threshold = _threshold(probability, malignant, aims.sensitivity)
    uncertain = float(np.quantile(said.confidence, aims.referred))
    familiar = None if np.isnan(distances).any() else float(np.quantile(distances, 1 - UNFAMILIAR_SHARE))
    fitted = {
        "ece_before": expected_calibration_error(labels, softmax(logits)),
        "ece_of_temperature_alone": expected_calibration_error(
            labels, softmax(logits / _fit_temperature(logits, labels))
        ),
        "ece_of_prior_correction_alone": expected_calibration_error(labels, softmax(logits + corrected)),
        "ece_after": expected_calibration_error(labels, said.probabilities),
        "images": float(len(labels)),
        "sensitivity_asked_for": aims.sensitivity,
        "share_referred_as_uncertain": aims.referred,
    }
    if not malignant.all():
        fitted["specificity_at_the_threshold"] = float((probability[~malignant] < threshold).mean())
    return Calibration(temperature, plain.logit_offsets, threshold, uncertain, familiar, fitted, aims.call_strength)


def averaged_images(malignant: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """An order of the validation images, and how many of them are used to calibrate the average.

    malignant: (images,), whether each is.
    """
    order = np.random.default_rng(seed).permutation(len(malignant))
    found = np.cumsum(malignant[order])
    enough = 1 + int(np.searchsorted(found, min(AVERAGED_MALIGNANT, malignant.sum())))
    return order, min(max(AVERAGED_IMAGES, enough), len(order))


def carried_over(fitted: Calibration, same_images: Calibration, all_images: Calibration) -> Calibration:
    """Correct a calibration fitted on some of the images by how another one differs on all of them.

    fitted: of outputs that are known for some images alone; same_images and all_images: of other outputs, which are
    known for all, fitted on the same images and on all. What the latter two differ by is the chance in the choice of
    images, nearly the same for outputs that are as like as one look and an average of eight: a control variate.
    Temperatures and distances are moved by their ratio, probabilities on the scale of log odds.
    """
    from scipy.special import expit, logit

    def moved(name: str) -> float:
        here, same, of_all = (
            float(np.clip(getattr(each, name), 1e-9, 1 - 1e-9)) for each in (fitted, same_images, all_images)
        )
        return float(expit(logit(here) + logit(of_all) - logit(same)))

    offsets = np.add(fitted.logit_offsets, np.subtract(all_images.logit_offsets, same_images.logit_offsets))
    far = fitted.unfamiliar_above
    if far is not None and same_images.unfamiliar_above and all_images.unfamiliar_above:
        far *= all_images.unfamiliar_above / same_images.unfamiliar_above
    return replace(
        fitted,
        temperature=fitted.temperature * all_images.temperature / same_images.temperature,
        logit_offsets=tuple(offsets.tolist()),
        malignant_threshold=moved("malignant_threshold"),
        uncertain_below=moved("uncertain_below"),
        unfamiliar_above=far,
        figures={name: value for name, value in fitted.figures.items() if name not in OF_THE_FIT},
    )


def ece_by_chance(probabilities: np.ndarray, *, draws: int = 1000, seed: int = 0) -> float:
    """The ECE that a perfectly calibrated model with these probabilities exceeds by chance once in twenty times.

    probabilities: (images, diagnoses). Few images have an ECE well above 0 whatever the model: diagnoses are drawn as
    the probabilities say (consistency resampling; Broecker and Smith 2007, Weather and Forecasting 22, 651-661).
    """
    generator, confidence = np.random.default_rng(seed), probabilities.max(axis=1)
    bins = confidence_bins(confidence)
    if len(bins) > MANY_IMAGES:  # what is right in a bin is then as good as normally distributed
        variances = np.bincount(bins, confidence * (1 - confidence), CALIBRATION_BINS)
        gaps = np.abs(generator.normal(0, np.sqrt(variances), (draws, CALIBRATION_BINS))).sum(axis=1)
    else:
        right = (generator.random(len(bins)) < confidence for _ in range(draws))
        gaps = np.array([np.abs(np.bincount(bins, confidence - each)).sum() for each in right])
    return float(np.quantile(gaps, 0.95) / len(bins))


class Bin(NamedTuple):
    """The images whose most probable diagnosis has a probability from low on and below high; 1 is in the last bin."""

    low: float
    high: float
    images: int
    confidence: float  # the mean probability of the most probable diagnosis
    accuracy: Estimate  # how often it is right


def reliability(
    predictions: LabelledPredictions, bins: int = CALIBRATION_BINS, *, resamples: int = SECTION_RESAMPLES, seed: int = 0
) -> list[Bin]:
    """Probability against accuracy of the most probable diagnosis, by bins of equal width.

    Bins without images are left out. The gaps between confidence and accuracy, averaged over images, are the ECE. The
    intervals of accuracy are from a bootstrap over lesions.
    """
    confidence = predictions.probabilities.max(axis=1)
    right = predictions.probabilities.argmax(axis=1) == predictions.labels
    bin_of = confidence_bins(confidence, bins)
    inside = np.eye(bins)[bin_of]  # (images, bins)
    columns = np.hstack([inside * right[:, None], inside])
    resampled = ratio(*np.split(resampled_sums(predictions.lesion_ids, columns, resamples, seed), 2, axis=1))
    found = []
    for index in np.unique(bin_of).tolist():
        members = bin_of == index
        rests_on = len(np.unique(predictions.lesion_ids[members]))
        accuracy = interval(float(right[members].mean()), resampled[:, index], rests_on)
        if accuracy is not None:
            mean = float(confidence[members].mean())
            found.append(Bin(index / bins, (index + 1) / bins, int(members.sum()), mean, accuracy))
    return found


class CoverageCurve(NamedTuple):
    """Accuracy of the calls that are kept, with a point for each confidence, most confident first."""

    coverage: np.ndarray  # (points,) the share of images whose call is kept, ascending to 1
    confidence: np.ndarray  # (points,) the lowest that is kept, descending
    accuracy: np.ndarray  # (points,) of the calls that are kept
    balanced_accuracy: np.ndarray  # (points,) of them; NaN as long as a diagnosis has no image among them
    aurc: float  # the area under the curve of risk, 1 - accuracy, over coverage: lower is better


def coverage_curve(predictions: LabelledPredictions) -> CoverageCurve:
    """Accuracy against coverage when the calls of lowest confidence are left out.

    That is selective classification (Geifman and El-Yaniv 2017, arXiv:1705.08500). Confidence is the probability of the
    called diagnosis, as `model.decision` refers by it. The area under the risk-coverage curve is the mean of the risks
    at each number of images kept (Geifman, Uziel and El-Yaniv 2019, arXiv:1805.08206); among images of the same
    confidence, on average over their orders. Balanced accuracy is over the diagnoses of all images: a model that keeps
    nothing but nevi would else look perfect.
    """
    order = np.argsort(-predictions.confidence, kind="stable")
    confidence, labels = predictions.confidence[order], predictions.labels[order]
    right = (predictions.called == predictions.labels)[order].astype(np.float64)
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True))  # (points,): no threshold parts equal confidences
    kept = ends + 1.0

    present = np.eye(len(predictions.label_set))[labels][:, np.unique(labels)]  # (images, diagnoses)
    with np.errstate(invalid="ignore"):  # 0 / 0: no image of a diagnosis kept yet
        recalls = (np.cumsum(present * right[:, None], axis=0) / np.cumsum(present, axis=0))[ends]
    found = np.cumsum(right)[ends]

    sizes = np.diff(ends, prepend=-1)
    risk = np.repeat(1 - np.diff(found, prepend=0.0) / sizes, sizes)  # (images,): its share of its equals' errors
    aurc = float((np.cumsum(risk) / np.arange(1, len(risk) + 1)).mean())
    return CoverageCurve(kept / len(labels), confidence[ends], found / kept, recalls.mean(axis=1), aurc)


def _fit(logits: np.ndarray, labels: np.ndarray, corrected: np.ndarray) -> tuple[float, np.ndarray]:
    """Maximum-likelihood temperature and offsets, (diagnoses,), with the offsets held near `corrected`.

    Diagnoses with a handful of images would else be moved by chance: the pull is that of a normal distribution around
    the sampler's own correction. The temperature is held near 1 as weakly as a handful of images would hold it.
    """
    from scipy.optimize import minimize

    def loss(parameters: np.ndarray) -> float:
        moved = parameters[1:]
        likelihood = _log_loss(logits * np.exp(-parameters[0]) + corrected + moved, labels)
        return likelihood + (PULL * float(np.square(moved).sum()) + TEMPERATURE_PULL * float(parameters[0]) ** 2) / 2

    found = minimize(loss, np.zeros(1 + logits.shape[1]), method="BFGS").x
    return float(np.exp(found[0])), corrected + found[1:]


def _fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda power: _log_loss(logits * np.exp(-power), labels), bounds=(-3, 3), method="bounded")
    return float(np.exp(found.x))


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """The negative log likelihood, summed over images."""
    greatest = logits.max(axis=1)
    logarithms = greatest + np.log(np.exp(logits - greatest[:, None]).sum(axis=1))
    return float((logarithms - logits[np.arange(len(labels)), labels]).sum())


def _threshold(probabilities: np.ndarray, malignant: np.ndarray, sensitivity: float) -> float:
    """The highest threshold that at least the given share of malignant images reaches; 0.5 without any.

    It lies half-way to the next image below: probabilities that differ in the last digits, as they do with the number
    of images in a batch, must not move the image that it is set by to the other side.
    """
    found = np.sort(probabilities[malignant])
    if not len(found):
        return 0.5
    lowest = found[len(found) - max(1, int(np.ceil(sensitivity * len(found) - 1e-9)))]
    below = probabilities[probabilities < lowest]
    return float((lowest + below.max(initial=0.0)) / 2)
