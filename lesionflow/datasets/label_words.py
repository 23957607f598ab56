"""What the words of a table mean: the built-in words of a label set, those of one data set, and a user's own.

`lesionflow describe DATA --labels` prints them as YAML; `--labels FILE` puts a user's own in their place. The options
are the same for every command that reads labels.
"""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionflow.datasets.label_columns import COLUMNS_TOLD, IMAGE_COLUMNS, LABEL_COLUMNS
from lesionflow.diagnoses import BUILT_IN, HAM10000, NO_DIAGNOSIS, LabelSet, normalized
from lesionflow.errors import DataError, UsageError, counted, did_you_mean, first_few
from lesionflow.options import DIAGNOSES, FILES, option
from lesionflow.storage.location import path_here
from lesionflow.yaml_files import read_yaml

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN_REMARK = ", UNKNOWN: say what it means"  # the remark on an unknown word
SECTIONS = ("labels", "columns")  # of a file that `--labels` takes
NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}


@dataclass
class LabelWords:
    """The meanings of words in tables of labels, and what of them the tables read so far have.

    Parameters
    ----------
    labels : LabelSet
        The diagnoses that there are, and the words that mean them.
    own : mapping
        A user's own words, normalized, and the short name that each means; empty: images of it are left out.
    columns : mapping
        A user's own names of columns, by what they hold (`path`, `diagnosis`, `lesion_id`, ...).
    file : str
        Where `own` and `columns` come from.
    also : sequence of LabelSet
        Sets of other models on the same tables: their words are known, too, and mean what the set has for them.
    """

    labels: LabelSet = HAM10000
    own: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    also: Sequence[LabelSet] = ()
    seen_words: set[str] = field(default_factory=set, init=False)  # of all rows, normalized
    seen_columns: set[str] = field(default_factory=set, init=False)  # of the user's, in lower case
    seen_headers: dict[str, None] = field(default_factory=dict, init=False)  # of one's own tables, in lower case

    @property
    def count(self) -> str:
        """The number of diagnoses, as a word."""
        return NUMBERS.get(len(self.labels.names), str(len(self.labels.names)))

    def decide(
        self, rows: Iterable[Sequence[str]], of_data_set: Mapping[str, str] | None = None
    ) -> list[tuple[str, str | None]]:
        """The meaning of each row's words, given from specific to general.

        Parameters
        ----------
        rows : iterable of sequences of str
            The words of each row.
        of_data_set : mapping, optional
            Words of one data set, and the word of everybody's that each means; empty: it has no place.

        Returns
        -------
        list of (str, str or None)
            By row, the word that decides, as it is written, and the short name it means; empty where it has no place
            among the diagnoses, None if it is unknown.
        """
        known = _known_words(self.labels, self.also)
        meanings = known | {normalized(word): known.get(meant, "") for word, meant in (of_data_set or {}).items()}
        meanings |= self.own
        rows = [tuple(words) for words in rows]
        decided = {words: _decide(words, meanings, self.own) for words in dict.fromkeys(rows)}
        return [decided[words] for words in rows]

    def named(self, header: Iterable[str]) -> dict[str, str]:
        """The user's columns in a table, in lower case, by their standard names."""
        there = dict.fromkeys(header)
        self.seen_headers.update(there)
        return {column: own.lower() for column, own in self.columns.items() if own.lower() in there}

    def with_named_columns(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with lower-case names, in which the user's columns replace the standard ones."""
        named = self.named(table.columns)
        self.seen_columns.update(named.values())
        alike = [names for names in (IMAGE_COLUMNS, LABEL_COLUMNS) if named.keys() & {*names}]  # say the same
        replaced = {*named, *named.values(), *itertools.chain(*alike)}
        others = table.drop(columns=[name for name in table.columns if name in replaced])
        return others.assign(**{column: table[own] for column, own in named.items()})

    def unmet(self) -> list[str]:
        """A warning about the user's words that no table had.

        Raises `DataError` for the user's columns that no table of one's own had.
        """
        if columns := [own for own in self.columns.values() if own.lower() not in self.seen_columns]:
            there = first_few(list(self.seen_headers), COLUMNS_TOLD)
            there = f"their columns: {there}" if there else "there are only published ones, which have their own names"
            raise DataError(
                f"no column {first_few(columns)}, which {self.file} names, in any table of your own; {there}"
            )
        built_in = self.labels.words
        changed = [word for word, name in self.own.items() if built_in.get(word) != name]
        words = [word for word in changed if word not in self.seen_words]
        return [f"{self.file}: {counted(len(words), 'word')} that no image has: {first_few(words)}"] if words else []


def _decide(words: Sequence[str], meanings: Mapping[str, str], own: Mapping[str, str]) -> tuple[str, str | None]:
    told = [
        (word, key)
        for word, key in ((word.strip(), normalized(word)) for word in words)
        if key in own or key not in NO_DIAGNOSIS
    ]
    for word, key in told:
        if key in meanings:
            return (told[0][0] if not meanings[key] else word), meanings[key]
    if told:
        return told[0][0], None
    return "unknown", ""


def _known_words(labels: LabelSet, also: Iterable[LabelSet]) -> dict[str, str]:
    """All words of a label set, and those of others; empty for what the set lacks."""
    known: dict[str, str] = {}
    for other in also:
        here = {name: _counterpart(labels, other, name) for name in other.names}
        known |= {word: known.get(word) or here.get(name, "") for word, name in other.words.items()}
    return known | labels.words


def _counterpart(labels: LabelSet, other: LabelSet, name: str) -> str:
    """What another set's diagnosis is called in a label set; empty for none."""
    if meant := [*filter(None, labels.meanings_of(other, name))]:
        return meant[0]
    kinds = {HAM10000.words.get(normalized(word)) for word in (name, *other.aliases.get(name, ()))} - {None, ""}
    column = other.columns_of(labels)[other.index_of(name)]
    return "" if column is None or len(kinds) > 1 else labels.names[column]  # several kinds: it is coarser


def read_label_words(
    source: str | os.PathLike[str] | None, labels: LabelSet = HAM10000, also: Sequence[LabelSet] = ()
) -> LabelWords:
    """Read a user's own words from a YAML file; without one, only the built-in words count.

    Parameters
    ----------
    source : str or Path, optional
        A file such as `naevus: nv` with a word a line, `null` for what is to be left out; or with the keys `labels`,
        such a table, and `columns`, which names the columns of a table that lesionflow does not know:
        `columns: {path: file, diagnosis: label}`. Words that mean a diagnosis that the set lacks leave images out.
    labels : LabelSet
        The diagnoses that there are.
    also : sequence of LabelSet
        Those of other models on the same tables. With them, the file may name what they or built-in sets have.

    Raises
    ------
    UsageError
        For a file that cannot be read or names other diagnoses.
    """
    if source is None or source == "":
        return LabelWords(labels, also=also)
    file = path_here(source, "--labels")
    values = read_yaml(file, f"--labels {file}")
    sections = values if isinstance(values, dict) else {}
    if not any(isinstance(value, dict) for value in sections.values()):
        sections = {"labels": values}
    if unknown := [str(key) for key in sections if key not in SECTIONS]:
        raise UsageError(f"--labels {file}: unknown key {first_few(unknown)}; choose from labels and columns")
    words, columns = sections.get("labels") or {}, sections.get("columns") or {}
    if not isinstance(words, dict) or not isinstance(columns, dict) or not (words or columns):
        raise UsageError(f"--labels {file}: write a word and its diagnosis per line, such as 'naevus: nv'")
    known = _known_words(labels, (*BUILT_IN.values(), *also) if also else ())
    own: dict[str, str] = {}
    for word, name in words.items():
        meant = "" if name is None else known.get(normalized(name)) if isinstance(name, str) else None
        if meant is None:
            hint = labels.suggestion(str(name)) or did_you_mean(str(name), labels.names)
            sets = " or ".join(dict.fromkeys(", ".join(each.names) for each in (labels, *also)))
            raise UsageError(f"--labels {file}: {word}: {name!r} is none of {sets}{hint}; null leaves such images out")
        if own.setdefault(normalized(word), meant) != meant:
            raise UsageError(f"--labels {file}: {word} is given with two meanings, in another spelling; leave one out")
    columns = {str(key): unicodedata.normalize("NFC", str(column)) for key, column in columns.items()}
    return LabelWords(labels, own, columns, str(file), also)


class UnknownWordsError(DataError):
    """Unknown words in a table."""


def unknown_words(
    file: Path, decided: Sequence[tuple[str, str | None]], words: LabelWords, thing: str = "row"
) -> DataError:
    """The error that names unknown words; thing: what has one each."""
    unknown = [word for word, name in decided if name is None]
    named = sorted(set(unknown))
    shown = f"--labels {words.file}' shows" if words.file else "--labels' shows"
    return UnknownWordsError(
        f"{file}: {counted(len(unknown), thing)} with an unknown diagnosis: {first_few(named)}"
        f"{words.labels.suggestion(named[0])}; choose from {', '.join(words.labels.names)} or a word for one; say what "
        f"yours mean with --labels FILE ('lesionflow describe DATA {shown} one)"
    )


def words_as_yaml(decided: Iterable[tuple[str, str | None]], about: str, columns: Mapping[str, str]) -> str:
    """The meanings of a data set's words, as a file for `--labels`.

    about: a line to begin with; columns: a user's own names of columns, where there are some.

    Unknown words are written with null, which leaves their images out, and a remark.
    """
    lines, indent = [f"# {about}", "# word: diagnosis; null leaves the images out"], "  " if columns else ""
    if columns:
        own = ", ".join(f"{_quoted(column)}: {_quoted(name)}" for column, name in columns.items())
        lines += [f"columns: {{{own}}}", "labels:"]
    for (word, name), images in Counter(decided).most_common():
        remark = "" if name is not None else UNKNOWN_REMARK
        lines.append(f"{indent}{_quoted(word)}: {name or 'null'}  # {counted(images, 'image')}{remark}")
    return "\n".join(lines) + "\n"


def built_in_as_yaml(labels: LabelSet) -> str:
    """The built-in words of a label set, as a file for `--labels`."""
    source = f" ({labels.source})" if labels.source else ""
    lines = [f"# Words of the label set {labels.name}{source}", "# word: diagnosis; null leaves images out"]
    for name in (*labels.names, ""):
        lines += [f"{_quoted(word)}: {name or 'null'}" for word, meant in labels.words.items() if meant == name]
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    """A word for YAML, quoted if it would be read as a number, a boolean or more than a word."""
    import json

    plain = word.replace(" ", "").replace("-", "").replace("_", "")
    simple = plain.isascii() and plain.isalpha() and word == word.strip() and not word.startswith("-")
    truth = word.lower() in ("y", "n", "yes", "no", "true", "false", "on", "off", "null")
    return word if simple and not truth else json.dumps(word, ensure_ascii=False)


def diagnoses_option(default: str | None = HAM10000.name, *, unset: str = "", group: str = "") -> Any:
    """The field `diagnoses` of a configuration; unset: what help shows if the default is None."""
    return option(
        default, f"Label set: {', '.join(BUILT_IN)}, some diagnoses of one (mel,nv), or your own YAML file.", kind=str,
        metavar="SET", completes=(*BUILT_IN, DIAGNOSES, FILES), unset=unset, group=group,
    )  # fmt: skip


def labels_option(default: str | None = "", *, group: str = "") -> Any:
    """The field `labels` of a configuration."""
    return option(
        default, "YAML file that says which diagnosis each word of the data means.", kind=str, metavar="FILE",
        completes=(FILES,), unset="the words that 'lesionflow describe --labels' shows", group=group,
    )  # fmt: skip


@dataclass(frozen=True)
class LabelSetConfig:
    """The label set, where it is all that a command is told of its data."""

    diagnoses: str = diagnoses_option()
