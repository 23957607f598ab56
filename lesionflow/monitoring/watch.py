"""Compares nights with a reference: which differ, by how much, and which raise an alarm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lesionflow.errors import DataError, counted, first_few
from lesionflow.monitoring.comparison import Distance, Sample, distances, holm, pooled
from lesionflow.monitoring.limits import NO_LIMIT, Limits
from lesionflow.monitoring.nights import Night

NIGHTS, VALIDATION, GIVEN = "the first nights", "the validation part", "the given report"
_WORDS = {
    "images": "{things}", "failed": "share of {unread} that could not be read",
    "share/malignant": "share called malignant",
    "share/uncertain": "share of uncertain {things}", "share/unfamiliar": "share of unfamiliar {things}",
    "probability": "probability of the call", "p_malignant": "malignant probability",
    "distance": "distance from the training images", "red_cast": "red cast", "blue_cast": "blue cast",
    "expected_accuracy": "expected accuracy", "expected_balanced_accuracy": "expected balanced accuracy",
    "expected_malignant_sensitivity": "expected malignant sensitivity",
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """The reference of a comparison."""

    kind: str  # NIGHTS, VALIDATION or GIVEN
    about: str  # which nights, or of which model
    sample: Sample
    estimates: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)  # the largest distance that one of its own nights has


@dataclass(frozen=True)
class Alarm:
    """Why a night raises an alarm."""

    value: str  # its name
    text: str  # one line for a person
    against: str  # the kind of reference; empty for a limit of the value itself


@dataclass(frozen=True)
class NightComparison:
    """A night's distances from one reference."""

    against: str
    distances: Mapping[str, Distance]
    corrected: Mapping[str, float]  # p-values, corrected for their number


@dataclass(frozen=True)
class WatchedNight:
    """A night with its distances from each reference, and its alarms."""

    night: Night
    is_reference: bool
    comparisons: tuple[NightComparison, ...] = field(repr=False)
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True)
class Watch:
    """The result of comparing nights."""

    nights: tuple[WatchedNight, ...]
    references: tuple[Reference, ...] = field(repr=False)
    limits: Limits = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def alarms(self) -> int:
        """The number of nights with an alarm."""
        return sum(bool(each.alarms) for each in self.nights)


def value_in_words(name: str, night: Night) -> str:
    """The display name of a value of a night."""
    if name in _WORDS:
        unread = night.thing if night.images_failed is None else "image"
        return _WORDS[name].format(things=f"{night.thing}s", unread=f"{unread}s")
    if name.startswith("share/"):
        return f"share called {name.removeprefix('share/')}"
    if name.startswith("p_"):
        return f"probability of {name[2:]}"
    return name.removeprefix("median/")


def is_share(name: str) -> bool:
    """Whether a value is a share of the images or lesions, which people read as a percentage."""
    return name == "failed" or name.startswith("share/")


def watch(
    nights: Sequence[Night], given: Reference | None, limits: Limits, reference_nights: int, notes: tuple[str, ...] = ()
) -> Watch:
    """Compare nights, in the order of time, with the first of them, and with a given reference.

    given: a further reference, such as the model's validation part; reference_nights: how many of the first nights with
    images are the reference of the others; fewer where there are not so many; notes: further ones. Raises `DataError`
    if no night has an image with a prediction.
    """
    with_images = [night for night in nights if night.estimates]
    if not with_images:
        raise DataError("none of the nights has an image with a prediction to compare; give other reports")
    firsts = with_images[: max(0, min(reference_nights, len(with_images) - 1))]
    references = [_of_nights(firsts)] if firsts else []
    if given is not None:
        references.append(given)
    elif len(firsts) < reference_nights:
        which = "a report or a model with predictions for its validation part"
        lacking = "there is nothing to compare the night with yet"
        if firsts:
            lacking = f"the reference is {counted(len(firsts), 'night')}, fewer than {reference_nights}"
        notes += (f"{lacking}; give more nights, or as --reference {which}",)
    values, compared = set[str](), set[str]()
    for night in nights:
        values |= {*night.values, *night.estimates}
        compared |= {*night.sample.numbers, *night.sample.flags, *night.sample.categories}
    if idle := limits.without_value(values, compared):
        notes += (f"no night has a value for these limits: {first_few(idle)}",)
    watched = [_watched(night, any(night is first for first in firsts), tuple(references), limits) for night in nights]
    return Watch(tuple(watched), tuple(references), limits, notes)


def _of_nights(nights: Sequence[Night]) -> Reference:
    sample = pooled([night.sample for night in nights])
    usual: dict[str, float] = {}
    for night in nights:
        for name, distance in distances(night.sample, sample).items():
            usual[name] = max(usual.get(name, 0.0), abs(distance.size))
    about = f"{nights[0].name} to {nights[-1].name}" if len(nights) > 1 else nights[0].name
    estimates = defaultdict[str, list[float]](list)
    for night in nights:
        for name, estimate in night.estimates.items():
            estimates[name].append(estimate.value)
    means = {name: sum(values) / len(values) for name, values in estimates.items()}
    return Reference(NIGHTS, about, sample, means, usual if len(nights) > 1 else {})


def _watched(night: Night, is_reference: bool, references: tuple[Reference, ...], limits: Limits) -> WatchedNight:
    comparisons, alarms = [], list(_own_alarms(night, limits))
    for reference in references:
        if not night.estimates:
            continue
        found = distances(night.sample, reference.sample)
        compared = NightComparison(reference.kind, found, holm({name: each.p_value for name, each in found.items()}))
        comparisons.append(compared)
        if not (is_reference and reference.kind == NIGHTS):
            alarms += _distance_alarms(night, compared, reference, limits)
            alarms += _estimate_alarms(night, reference, limits)
    return WatchedNight(night, is_reference, tuple(comparisons), tuple(alarms))


def _own_alarms(night: Night, limits: Limits) -> Iterator[Alarm]:
    """Alarms about the limits of the values themselves."""
    if night.images < limits.fewest_images:
        yield Alarm(
            "images", f"{counted(night.images, night.thing)}, at least {limits.fewest_images:g} are required", ""
        )
    elif night.images and not night.estimates:
        yield Alarm("failed", f"none of {counted(night.images, night.thing)} could be read", "")
    elif night.values.get("failed", 0.0) > limits.failed:
        share, of = night.values["failed"], night.thing if night.images_failed is None else "image"
        yield Alarm("failed", f"{share:.1%} of the {of}s could not be read, at most {limits.failed:.1%} is allowed", "")
    values = night.values | {name: estimate.value for name, estimate in night.estimates.items()}
    for name, value in values.items():
        low, high = limits.of_value(name)
        if not low <= value <= high:
            times, unit = (100, "%") if is_share(name) else (1, "")
            least, most = f"{times * low:g}{unit}", f"{times * high:g}{unit}"
            bound = f"at least {least} is required" if value < low else f"at most {most} is allowed"
            yield Alarm(name, f"{value_in_words(name, night)} is {times * value:.4g}{unit}, {bound}", "")


def _distance_alarms(night: Night, compared: NightComparison, reference: Reference, limits: Limits) -> Iterator[Alarm]:
    for name, distance in compared.distances.items():
        limit = limit_of(name, reference, limits)
        if abs(distance.size) > limit and compared.corrected[name] < limits.level:
            yield Alarm(name, _distance_text(name, night, distance, reference, limit), reference.kind)


def limit_of(name: str, reference: Reference, limits: Limits) -> float:
    """The allowed distance of a value from a reference: its limit, or that of the reference's own nights if larger."""
    if name in reference.sample.flags:
        usual = limits.share
    elif name in reference.sample.categories:
        usual = limits.category
    else:
        usual = limits.distribution
    limit = limits.of_distance(name, usual)
    if reference.kind == VALIDATION:
        limit *= limits.from_validation
    return limit if limit == NO_LIMIT else max(limit, reference.usual.get(name, 0.0))


def _distance_text(name: str, night: Night, distance: Distance, reference: Reference, limit: float) -> str:
    where = reference.kind
    if name in reference.sample.flags:
        count, images = reference.sample.flags[name]
        share = count / images
        found, of_all = f"{share + distance.size:.1%}", f"{night.values[name]:.1%}"
        if found != of_all:  # the page shows the share of all images
            found = f"{of_all}; with one image of each lesion it is {found}"
        allowed = f"a difference of {100 * limit:.1f} percentage points is allowed"
        return f"{value_in_words(name, night)} is {found}, in {where} {share:.1%}; {allowed}"
    return f"{value_in_words(name, night)} is at a distance of {distance.size:.2f} from {where}; {limit:.2f} is allowed"


def _estimate_alarms(night: Night, reference: Reference, limits: Limits) -> Iterator[Alarm]:
    for name, estimate in night.estimates.items():
        before = reference.estimates.get(name)
        if before is not None and estimate.value < before - limits.estimate and estimate.high < before:
            yield Alarm(
                name,
                f"{value_in_words(name, night)} is {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f}), "
                f"in {reference.kind} {before:.3f}",
                reference.kind,
            )
