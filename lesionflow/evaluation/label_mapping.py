"""Maps a finer label set onto a coarser one, for data with fewer or more diagnoses than the model; two models' as well.

Where one of two models knows more diagnoses than the other, both are asked among those that both know.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lesionflow.datasets.label_words import SECTIONS
from lesionflow.diagnoses import LabelSet, normalized
from lesionflow.errors import UsageError, first_few
from lesionflow.evaluation.metrics import metrics_of
from lesionflow.model.card import SINGLE, Card
from lesionflow.model.decision import restrict
from lesionflow.model.prediction import LabelledPredictions, Predictions, with_labels
from lesionflow.storage.location import path_here
from lesionflow.yaml_files import read_yaml

_P = TypeVar("_P", bound=Predictions)


@dataclass(frozen=True)
class LabelMapping:
    """Maps each diagnosis of a finer label set to one of a coarser set."""

    fine: LabelSet
    coarse: LabelSet
    names: tuple[str, ...]  # of the coarse set, for each of the fine one
    of_model: bool  # whether the model has the finer set, and its probabilities are summed; otherwise the data have it

    @property
    def indices(self) -> np.ndarray:
        """The indices of `names` in the coarse set: (fine diagnoses,) int64."""
        return np.array([self.coarse.index_of(name) for name in self.names], dtype=np.int64)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The diagnoses of the fine set by the diagnosis of the coarse set to which they map."""
        return {
            coarse: tuple(fine for fine, name in zip(self.fine.names, self.names, strict=True) if name == coarse)
            for coarse in self.coarse.names
        }

    @property
    def told(self) -> str:
        """The mapping in words: `benign = bkl, df, nv, vasc; malignant = akiec, bcc, mel`."""
        return "; ".join(f"{coarse} = {', '.join(fine)}" for coarse, fine in self.groups.items() if fine)

    @property
    def contradicting(self) -> tuple[str, ...]:
        """Diagnoses of the fine set that are malignant in only one of the sets."""
        pairs = zip(self.fine.names, self.names, strict=True)
        return tuple(
            fine for fine, coarse in pairs if (fine in self.fine.malignant) != (coarse in self.coarse.malignant)
        )

    @property
    def apart(self) -> tuple[str, ...]:
        """Those of the fine set that only count together with others; one that is merely called otherwise does not."""
        counts = Counter(self.names)
        pairs = zip(self.fine.names, self.names, strict=True)
        return tuple(fine for fine, coarse in pairs if fine not in self.coarse.names and counts[coarse] > 1)

    @property
    def not_measurable(self) -> tuple[str, ...]:
        """The metrics of the fine set that the coarse one has not, by no other name of a diagnosis either."""
        known, apart = metrics_of(self.coarse), self.apart
        return tuple(
            name
            for name, metric in metrics_of(self.fine).items()
            if name not in known and (metric.diagnosis in apart or not metric.diagnosis)
        )

    def of_predictions(self, said: _P) -> _P:
        """What a model of the fine set says, in the coarse one: summed probabilities, and calls that count as these.

        What is called malignant at the operating point, and referred, stays.
        """
        mapped = {"probabilities": self.of_probabilities(said.probabilities), "called": self.indices[said.called]}
        if isinstance(said, LabelledPredictions):
            mapped["labels"] = self.indices[said.labels]
        return dataclasses.replace(said, **mapped, label_set=self.coarse)

    def of_probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """(images, fine diagnoses) to (images, coarse diagnoses), summed."""
        return np.asarray(probabilities @ np.eye(len(self.coarse))[self.indices])


def _map_labels(fine: LabelSet, coarse: LabelSet, given: Mapping[str, str], *, of_model: bool) -> LabelMapping:
    """Map a finer label set to a coarser one. Raises `UsageError` that names diagnoses that cannot be mapped."""
    found = {name: given.get(name) or _coarse_name(name, fine, coarse) for name in fine.names}
    if unmapped := [name for name, counts_as in found.items() if not counts_as]:
        raise UsageError(
            f"{first_few(unmapped)} of {fine.name} cannot be mapped to a diagnosis of {coarse.name} "
            f"({', '.join(coarse.names)}); say what counts as which with --mapping FILE, such as "
            f"'{unmapped[0]}: {coarse.names[0]}'"
        )
    return LabelMapping(fine, coarse, tuple(found.values()), of_model)


def _coarse_name(name: str, fine: LabelSet, coarse: LabelSet) -> str:
    """The diagnosis of the coarse set to which one of the fine set maps; empty for none."""
    known, own = coarse.words, coarse.meanings_of(fine, name)
    if any(own):
        return next(filter(None, own))
    others = {known.get(normalized(word), "") for word in fine.aliases.get(name, ())} - {""}
    if not own and len(others) == 1:  # a name that the coarse set leaves out is not put in by other words
        return others.pop()
    return known.get("malignant" if name in fine.malignant else "benign", "")


def map_between(model: LabelSet, data: LabelSet, given: Mapping[str, str] | None = None) -> LabelMapping | None:
    """Map the label sets of a model and of data onto the coarser of both; None if they are the same.

    What is given counts first, then the words that mean a diagnosis: its short name, its full name, and other words of
    it that agree. What is left counts as benign or as malignant, where the coarse set has such a diagnosis.

    Parameters
    ----------
    model, data : LabelSet
    given : mapping, optional
        By short name of one set, that of the other one.

    Raises
    ------
    UsageError
        Where neither can be mapped onto the other, or what is given names other diagnoses.
    """
    given = given or {}
    if model.is_like(data) and not given:
        return None
    directions = list(_directions(model, data, given))
    if not directions:
        told = first_few([f"{name}: {counts_as}" for name, counts_as in given.items()])
        sides = " or ".join(f"{one.name}'s to {other.name}'s" for one, other in ((model, data), (data, model)))
        raise UsageError(f"--mapping: has to map diagnoses of {sides}; it has {told}")
    errors = []
    for fine, coarse in directions:
        try:
            return _map_labels(fine, coarse, given, of_model=fine is model)
        except UsageError as error:
            errors.append(error)
    raise errors[0]


def onto_common(ours: LabelSet, theirs: LabelSet) -> tuple[LabelMapping, LabelMapping]:
    """Map the label sets of two models onto the diagnoses that both know, so that neither has more to choose from.

    Each mapping is of those of a model's diagnoses that have a counterpart in the other set; several that the other
    model does not tell apart count as one. Raises `UsageError` where there are not two such diagnoses, one of them
    malignant and one benign.
    """
    if ours.is_like(theirs):
        same = LabelMapping(ours, ours, ours.names, of_model=True)
        return same, same
    try:
        mapping = map_between(ours, theirs)
    except UsageError as error:
        names, others = _same_words(ours, theirs), _same_words(theirs, ours)
        if len(others) > len(names):
            names = {own: other for other, own in others.items()}
        with suppress(UsageError):
            common, part = ours.part(names), theirs.part(names.values())
            meant = {other: own for own, other in names.items()}
            return (
                LabelMapping(common, common, common.names, of_model=True),
                LabelMapping(part, common, tuple(meant[name] for name in part.names), of_model=True),
            )
        raise error
    assert mapping is not None
    common = mapping.coarse.part(mapping.names)
    of_fine = LabelMapping(mapping.fine, common, mapping.names, of_model=True)
    of_coarse = LabelMapping(common, common, common.names, of_model=True)
    return (of_fine, of_coarse) if mapping.fine is ours else (of_coarse, of_fine)


def _same_words(one: LabelSet, other: LabelSet) -> dict[str, str]:
    """The other set's name of each diagnosis that has one, by the words of the first set."""
    columns = zip(one.names, one.columns_of(other), strict=True)
    return {name: other.names[column] for name, column in columns if column is not None}


def in_common(said: LabelledPredictions, card: Card, mapping: LabelMapping) -> LabelledPredictions:
    """What a model says of images of common diagnoses, asked among these alone; mapping: its own of `onto_common`.

    Images of its other diagnoses are left out.
    """
    if len(mapping.fine) < len(said.label_set):
        columns = [said.label_set.index_of(name) for name in mapping.fine.names]  # ascending, as a part keeps the order
        said = said.take(np.isin(said.labels, columns))
        among = restrict(said, mapping.fine, card.calibrations[SINGLE], card.prior)
        said = with_labels(among, said.image_ids, said.lesion_ids, np.searchsorted(columns, said.labels))
    return mapping.of_predictions(said)


def _directions(model: LabelSet, data: LabelSet, given: Mapping[str, str]) -> Iterator[tuple[LabelSet, LabelSet]]:
    """The possible directions of the mapping, the more probable one first."""
    ways = [(model, data), (data, model)]
    for fine, coarse in ways if len(data) <= len(model) else reversed(ways):
        if set(given) <= set(fine.names) and set(given.values()) <= set(coarse.names):
            yield fine, coarse


def read_mapping(source: str | None) -> dict[str, str]:
    """Read a mapping from a YAML file such as `akiec: malignant`, a diagnosis a line; none without a file.

    Raises `UsageError` for a file that cannot be read or is no such mapping.
    """
    if not source:
        return {}
    values = read_yaml(path_here(source, "--mapping"), f"--mapping {source}")
    if not isinstance(values, dict) or not values:
        raise UsageError(f"--mapping {source}: write a diagnosis and what it counts as, such as 'mel: malignant'")
    if any(isinstance(values.get(section), dict) for section in SECTIONS):
        raise UsageError(f"--mapping {source}: this says what words and columns mean; give it with --labels")
    wrong = [str(name) for name, to in values.items() if not (isinstance(name, str) and isinstance(to, str))]
    if wrong:
        raise UsageError(f"--mapping {source}: {first_few(wrong)}: write the name of one diagnosis, as text")
    return dict(values)


def not_measurable_told(mapping: LabelMapping) -> str:
    """One sentence about what cannot be measured, and why."""
    apart = mapping.apart
    if mapping.names == mapping.fine.names and not mapping.of_model:
        return (
            f"the data have only {', '.join(mapping.names)} of the model's diagnoses; the model may call its others "
            "as well, which counts as wrong, so that it is at a disadvantage beside a model of these alone: "
            "'lesionflow compare MODEL MODEL --data DATA' asks both among these"
        )
    if not apart:
        return f"no two diagnoses of {mapping.fine.name} count as one of {mapping.coarse.name}"
    whose, other = ("data", "model") if mapping.of_model else ("model", "data")
    return (
        f"the {whose} do{'' if mapping.of_model else 'es'} not tell {', '.join(apart)} apart, as the {other} do"
        f"{'es' if mapping.of_model else ''}: no metric of these diagnoses can be measured"
    )


def nameless_told(mapping: LabelMapping) -> str:
    """A sentence about diagnoses of the model that the data's set knows and leaves out; empty if there are none."""
    known = mapping.coarse.words
    names = [name for name in mapping.fine.names if known.get(normalized(name)) == ""] if mapping.of_model else []
    if not names:
        return ""
    counts = ", ".join(f"{name} as {mapping.names[mapping.fine.index_of(name)]}" for name in names)
    return (
        f"{mapping.coarse.name} does not say what {', '.join(names)} is (--labels can): what the model calls so counts "
        f"({counts}), and images that the data call so would be left out"
    )
