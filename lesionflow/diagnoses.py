"""Label sets: their diagnoses in order, which of them are malignant, and the words that mean each.

A bundle's card has the set that the bundle was trained with; the seven of HAM10000 are the default.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from lesionflow.errors import MissingError, UsageError, counted, did_you_mean, first_few
from lesionflow.storage.location import location_text, path_here
from lesionflow.yaml_files import read_yaml

# In any column, also in German, Spanish, Portuguese, French and Italian.
MISSING_WORDS = (
    "", "unknown", "nan", "na", "n/a", "n.a.", "#n/a", "<na>", "none", "null", "?", "-", "--", ".", "missing",
    "not known", "not available", "not applicable", "unbekannt", "keine angabe", "k.a.", "desconocido", "desconhecido",
    "inconnu", "sconosciuto",
)  # fmt: skip
# Where a row has several words for its diagnosis, from special to general, these say that the next one is meant. In
# other columns they are values: ids can be called so.
NO_DIAGNOSIS = (*MISSING_WORDS, "unk", "indeterminate")

# Words for lesions that are none of the seven, so that they are not taken for misspellings.
_OTHERS = (
    "squamous cell carcinoma", "scc", "cscc", "squamous cell carcinoma, nos", "squamous cell carcinoma, invasive",
    "invasive squamous cell carcinoma", "squamous cell carcinoma keratoacanthoma", "keratoacanthoma",
    "melanoma metastasis", "metastasis", "merkel cell carcinoma", "kaposi sarcoma", "lentigo", "lentigo nos",
    "lentigo simplex", "melanosis", "miscellaneous", "cafe au lait macule", "atypical melanocytic proliferation",
    "other", "benign", "malignant",
)  # fmt: skip

# German, Spanish, Portuguese, French and Italian for words of a label set, which decides what these mean. Only terms
# and abbreviations of dermatologists that mean one thing in all of these languages. These do not: a keratosis of no
# kind or a senile one (actinic or seborrhoeic), Muttermal and lunar (any mark), Fibrom (hard or soft), KA (kératose
# actinique or keratoacanthoma), KS (kératose séborrhéique or Kaposi's sarcoma), NM (noduläres Melanom or nevus
# melanocítico). MM is malignes Melanom; where it could be a metastasis, tables write that.
_TRANSLATIONS = {
    "melanoma": "melanom; mélanome",
    "malignant melanoma": "malignes melanom; melanoma maligno; mélanome malin; mm",
    "melanoma in situ": "melanom in situ; mélanome in situ; melanoma maligno in situ; malignes melanom in situ",
    "superficial spreading melanoma":
        "superfiziell spreitendes melanom; melanoma de extensión superficial; melanoma extensivo superficial; "
        "mélanome à extension superficielle; melanoma a diffusione superficiale; ssm; "
        "superfiziell spreitendes malignes melanom",
    "nodular melanoma":
        "noduläres melanom; melanoma nodular; mélanome nodulaire; melanoma nodulare; nmm; noduläres malignes melanom; "
        "knotiges melanom",
    "lentigo maligna": "léntigo maligno; lentigo maligno; mélanome de dubreuilh",
    "lentigo maligna melanoma": "lentigo maligna melanom; melanoma lentigo maligno; melanoma léntigo maligno; lmm",
    "acral lentiginous melanoma":
        "akrolentiginöses melanom; akral lentiginöses melanom; melanoma lentiginoso acral; mélanome acrolentigineux; "
        "mélanome acral lentigineux; melanoma acrale lentigginoso; alm",
    "basal cell carcinoma":
        "basalzellkarzinom; basalzellkarzinome; basalzellcarcinom; basaliom; carcinoma basocelular; "
        "carcinoma de células basales; carcinome basocellulaire; carcinoma basocellulare; basaliome; bzk; cbc; "
        "basalioma; epitelioma basocelular; épithélioma basocellulaire",
    "actinic keratosis":
        "aktinische keratose; aktinische keratosen; queratosis actínica; queratosis actínicas; queratose actínica; "
        "ceratose actínica; kératose actinique; kératoses actiniques; cheratosi attinica; solare keratose; "
        "solare keratosen; keratosis actinica; queratosis solar; kératose solaire; cheratosi solare",
    "bowen's disease":
        "morbus bowen; bowen krankheit; enfermedad de bowen; doença de bowen; maladie de bowen; malattia di bowen; "
        "m. bowen",
    "squamous cell carcinoma in situ":
        "plattenepithelkarzinom in situ; carcinoma escamocelular in situ; carcinoma espinocelular in situ; "
        "carcinoma epidermoide in situ; carcinome épidermoïde in situ; carcinoma squamocellulare in situ",
    "squamous cell carcinoma":
        "plattenepithelkarzinom; spinaliom; spinozelluläres karzinom; carcinoma escamocelular; "
        "carcinoma espinocelular; carcinoma de células escamosas; carcinoma epidermoide; carcinome épidermoïde; "
        "carcinome spinocellulaire; carcinoma squamocellulare; carcinoma spinocellulare; plattenepithelkarzinome; pek; "
        "cec; spinalioma",
    "seborrheic keratosis":
        "seborrhoische keratose; seborrhoische keratosen; seborrhoeische keratose; verruca seborrhoica; "
        "queratosis seborreica; queratosis seborreicas; queratose seborreica; ceratose seborreica; "
        "kératose séborrhéique; kératoses séborrhéiques; cheratosi seborroica; seb. keratose; seborrhoische warze; "
        "seborrhoische warzen; alterswarze; alterswarzen; verrucae seborrhoicae; verruca senilis; verruga seborreica; "
        "verrue séborrhéique; verruca seborroica",
    "solar lentigo":
        "lentigo solaris; léntigo solar; lentigo solar; lentigo solaire; lentigo solare; lentigo senilis; "
        "lentigo senil; léntigo senil; lentigo sénile; lentigo senile",
    "lichenoid keratosis":
        "lichenoide keratose; queratosis liquenoide; queratose liquenoide; kératose lichénoïde; "
        "lichen planus ähnliche keratose; cheratosi lichenoide",
    "dermatofibroma":
        "dermatofibrom; dermatofibrome; histiozytom; histiozytome; fibröses histiozytom; hartes fibrom; "
        "histiocytofibrome; histiocitofibroma; histiocitoma fibroso; istiocitoma fibroso",
    "nevus": "nävus; nävi; nævus; nevo; nevos",
    "melanocytic nevus":
        "melanozytärer nävus; melanozytärer naevus; melanozytäre nävi; nävuszellnävus; naevuszellnaevus; "
        "nävuszellnaevus; nzn; nevus melanocítico; nevo melanocítico; naevus mélanocytaire; nævus mélanocytaire; "
        "nevo melanocitico; nevi melanocitici; pigmentnävus; pigmentnaevus; naevus naevocellularis; "
        "nævus nævocellulaire; naevus naevocellulaire; nevo nevocellulare",
    "dysplastic nevus":
        "dysplastischer nävus; dysplastischer naevus; nevus displásico; nevo displásico; naevus dysplasique; "
        "nævus dysplasique; nevo displastico; dysplastischer nzn; dysplastischer nävuszellnävus",
    "atypical nevus":
        "atypischer nävus; atypischer naevus; nevus atípico; nevo atípico; naevus atypique; nævus atypique; "
        "nevo atipico; atypischer nzn",
    "compound nevus":
        "compoundnävus; compoundnaevus; nevus compuesto; nevo composto; naevus composé; nævus composé; compound nzn; "
        "nävuszellnävus vom compoundtyp",
    "junctional nevus":
        "junktionsnävus; junktionsnaevus; nevus de unión; nevo juncional; naevus jonctionnel; nævus jonctionnel; "
        "nevo giunzionale; junktions nzn; junktionaler nävus; junktionaler nzn; nävuszellnävus vom junktionstyp",
    "dermal nevus":
        "dermaler nävus; dermaler naevus; intradermaler nävus; nevus intradérmico; nevo intradérmico; naevus dermique; "
        "naevus intradermique; nevo intradermico; dermaler nzn; dermaler nävuszellnävus",
    "congenital nevus":
        "kongenitaler nävus; kongenitaler naevus; nevus congénito; nevo congênito; naevus congénital; "
        "nævus congénital; nevo congenito; kongenitaler nzn; kongenitaler nävuszellnävus",
    "clark nevus": "clark nävus; clark naevus; nevus de clark; nevo de clark; naevus de clark; nevo di clark",
    "halo nevus": "halonävus; halo nävus; sutton nävus; nevus halo; nevo halo; naevus à halo; nevo con alone",
    "blue nevus":
        "blauer nävus; blauer naevus; naevus coeruleus; nevus azul; nevo azul; naevus bleu; nævus bleu; nevo blu",
    "spitz nevus":
        "spitz nävus; spitz naevus; nevus de spitz; nevo de spitz; naevus de spitz; nævus de spitz; nevo di spitz",
    "reed nevus": "reed nävus; reed naevus; nevus de reed; nevo de reed; naevus de reed; nævus de reed; nevo di reed",
    "vascular lesion":
        "gefäßläsion; vaskuläre läsion; vaskuläre läsionen; lesión vascular; lesiones vasculares; lesão vascular; "
        "lésion vasculaire; lésions vasculaires; lesione vascolare",
    "angioma": "angiom; angiome",
    "cherry angioma":
        "seniles angiom; senile angiome; angioma senil; angioma rubí; angioma rubi; punto rubí; angiome rubis; "
        "angioma senile; angioma rubino",
    "hemangioma": "hämangiom; haemangiom; hémangiome; emangioma",
    "angiokeratoma": "angiokeratom; angioqueratoma; angiokératome; angiocheratoma",
    "pyogenic granuloma":
        "granuloma pyogenicum; pyogenes granulom; granuloma piógeno; granuloma piogénico; granuloma piogênico; "
        "granulome pyogénique; botriomycome; granuloma piogenico",
    "hemorrhage": "einblutung; hämorrhagie; hemorragia; hémorragie; emorragia",
    "keratoacanthoma": "keratoakanthom; queratoacantoma; ceratoacantoma; kératoacanthome; cheratoacantoma",
    "melanoma metastasis":
        "melanommetastase; melanommetastasen; metástasis de melanoma; metástase de melanoma; métastase de mélanome; "
        "metastasi di melanoma",
    "merkel cell carcinoma":
        "merkelzellkarzinom; merkelzell karzinom; carcinoma de células de merkel; carcinome à cellules de merkel; "
        "carcinoma a cellule di merkel",
    "kaposi sarcoma": "kaposi sarkom; sarcoma de kaposi; sarcome de kaposi; maladie de kaposi; sarcoma di kaposi",
    "lentigo simplex": "lentigo simple; léntigo simple; lentigo semplice",
}  # fmt: skip


@dataclass(frozen=True)
class LabelSet:
    """A set of diagnoses.

    Parameters
    ----------
    name : str
        How the set is called, such as `ham10000`.
    names : tuple of str
        The short names, in the order that arrays and report columns (`p_<name>`) have.
    full_names : mapping
        By short name, the name to print.
    malignant : tuple of str
        Those that count as malignant (or pre-malignant).
    not_to_miss : str
        The one whose sensitivity matters most; empty for none.
    aliases : mapping
        By short name, the words that mean it in tables of labels, besides its short and its full name.
    others : tuple of str
        Words of lesions that the set has no place for: their images are left out, where unknown words are an error.
    source : str
        Where the set comes from.
    """

    name: str
    names: tuple[str, ...]
    full_names: Mapping[str, str]
    malignant: tuple[str, ...]
    not_to_miss: str = ""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if wrong := next(_faults(self), None):
            raise UsageError(f"label set {self.name!r}: {wrong}")

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def malignant_indices(self) -> tuple[int, ...]:
        """Indices of the malignant diagnoses in `names`, ascending."""
        return tuple(index for index, name in enumerate(self.names) if name in self.malignant)

    @property
    def benign(self) -> tuple[str, ...]:
        """The benign diagnoses, in order."""
        return tuple(name for name in self.names if name not in self.malignant)

    @property
    def not_to_miss_index(self) -> int | None:
        """Index of the diagnosis not to miss in `names`; None if the set has none."""
        return self.names.index(self.not_to_miss) if self.not_to_miss else None

    def index_of(self, name: str) -> int:
        """Index of a short name. Raises `UsageError` if it is not in the set."""
        if name not in self.names:
            hint = self.suggestion(name) or did_you_mean(name, self.names)
            raise UsageError(f"{name!r} is not a diagnosis of {self.name}, which has {', '.join(self.names)}{hint}")
        return self.names.index(name)

    def part(self, names: Iterable[str]) -> LabelSet:
        """The set with some of its diagnoses, in its order; images of the others are left out.

        Raises `UsageError` for a part without a malignant or a benign diagnosis.
        """
        names = {*names}
        left = [name for name in self.names if name not in names]
        if not left:
            return self
        kept = tuple(name for name in self.names if name in names)
        words = [word for name in left for word in (name, self.full_names[name], *self.aliases.get(name, ()))]
        return LabelSet(
            name=",".join(kept),
            names=kept,
            full_names={name: self.full_names[name] for name in kept},
            malignant=tuple(name for name in self.malignant if name in kept),
            not_to_miss=self.not_to_miss if self.not_to_miss in kept else "",
            aliases={name: self.aliases[name] for name in kept if name in self.aliases},
            others=(*self.others, *words),
            source=self.source,
        )

    def columns_of(self, other: LabelSet) -> list[int | None]:
        """For each diagnosis its index in another set, by the words that mean it; None for one that is not there.

        One that several of the other set count as is not there: no one of them means it.
        """
        meant = [next(filter(None, self.meanings_of(other, name)), "") for name in other.names]
        return [meant.index(name) if meant.count(name) == 1 else None for name in self.names]

    def meanings_of(self, other: LabelSet, name: str) -> list[str]:
        """What the short and the full name of another set's diagnosis mean here, where they are known words."""
        return [self.words[word] for word in map(normalized, (name, other.full_names[name])) if word in self.words]

    def is_like(self, other: LabelSet) -> bool:
        """Whether both have the same diagnoses, of the same kind and order; words and full names may differ."""
        return self.digest == other.digest

    @property
    def digest(self) -> str:
        """Digest of what `is_like` compares."""
        return hashlib.sha256(repr((self.names, self.malignant_indices, self.not_to_miss)).encode()).hexdigest()

    @cached_property
    def words(self) -> dict[str, str]:
        """Every known word, normalized, and the short name it means; empty for one that has no place.

        Those of other languages mean what the English ones do, in American or British spelling, unless the set says
        otherwise.
        """
        known = dict(self._own_words)
        english = {_american(word): name for word, name in known.items()} | known
        for meant, words in _TRANSLATIONS.items():
            for word in words.split("; ") if meant in english else ():
                for form in (meant, *_spellings(word)):
                    known.setdefault(form, english[meant])
        return dict.fromkeys(self._left_out(), "") | known

    @cached_property
    def _own_words(self) -> dict[str, str]:
        known = {normalized(word): "" for word in self.others}
        for name in self.names:
            known |= dict.fromkeys(map(normalized, (*self.aliases.get(name, ()), self.full_names[name], name)), name)
        return known

    def _left_out(self) -> list[str]:
        """All words of those diagnoses of HAM10000 that are among the others, unless the set has a place for a part."""
        given = {*map(normalized, self.others)}
        whole = {name for name in HAM10000.names if given & {name, normalized(HAM10000.full_names[name])}}
        if not whole:
            return []
        whole -= {HAM10000.words.get(word) for word, name in self._own_words.items() if name}
        return [word for word, name in HAM10000.words.items() if name in whole]

    def suggestion(self, word: str) -> str:
        """The end of a message about an unknown word: ` (did you mean 'mel'?)`, or empty.

        Only a slip of the pen counts: every part of the word has to be nearly that of a known one. Different diagnoses
        have similar names.
        """
        asked, best, nearest = normalized(word).split(), 0.0, ""
        for known, name in self._own_words.items():
            parts = known.split()
            if len(known) > 4 and len(parts) == len(asked):
                alike = min(
                    (SequenceMatcher(None, *pair).ratio() for pair in zip(parts, asked, strict=True)), default=0
                )
                if alike > max(best, 0.75):
                    best, nearest = alike, name
        return f" (did you mean {nearest!r}?)" if nearest else ""


def normalized(word: str) -> str:
    """A normalised word for looking up: lower case, with one space for spaces, dashes or underscores.

    Examples
    --------
    >>> normalized(" Basal-Cell_Carcinoma ")
    'basal cell carcinoma'
    """
    composed = unicodedata.normalize("NFC", word)  # of an umlaut, Macs write two signs
    return re.sub(r"[\s_-]+", " ", composed.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).strip().lower()


def _american(word: str) -> str:
    """An English word in American spelling: `melanocytic nevus`."""
    return word.replace("naev", "nev").replace("rrhoe", "rrhe").replace("haem", "hem")


def _spellings(word: str) -> list[str]:
    """A word, and how it is written without ß, accents and umlauts: `gefässläsion`, `gefaesslaesion`, `melanome`."""
    latin = word.replace("æ", "ae").replace("ß", "ss")
    german = latin.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    bare = ["".join(filter(str.isascii, unicodedata.normalize("NFD", each))) for each in (latin, german)]
    return [word, latin, *bare]


_REPORT_WORDS = {"malignant", "source", "status", "error", "model", "diagnosis", "probability", "refer"}


def _faults(labels: LabelSet) -> Iterator[str]:
    """Yield the mistakes in a set."""
    names = labels.names
    if len(names) < 2:
        yield f"{counted(len(names), 'diagnosis')}; a set has at least two"
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        yield f"names given twice: {first_few(doubled)}"
    if strange := [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name)]:
        yield f"{first_few(strange)}: a short name is made of small letters, digits and underscores"
    if nothing := [name for name in names if name in NO_DIAGNOSIS]:
        yield f"{first_few(nothing)}: stands for no diagnosis in tables of labels; choose another name"
    if colliding := [name for name in names if name in _REPORT_WORDS and set(names) != {"benign", "malignant"}]:
        yield f"{first_few(colliding)}: a column p_{colliding[0]} of reports means something else; choose another name"
    if unnamed := [name for name in names if not labels.full_names.get(name)]:
        yield f"no full name of {first_few(unnamed)}"
    for what, members in (("malignant", labels.malignant), ("aliases", labels.aliases)):
        if unknown := [name for name in members if name not in names]:
            yield f"{what}: {first_few(unknown)} is none of {', '.join(names)}"
    if doubled := sorted({name for name in labels.malignant if labels.malignant.count(name) > 1}):
        yield f"malignant: {first_few(doubled)} is given twice"
    if not labels.malignant:
        yield "none is malignant; name at least one"
    if len(set(labels.malignant)) >= len(names):
        yield "all are malignant; at least one has to be benign"
    if "malignant" in names and tuple(labels.malignant) != ("malignant",):
        yield "malignant: a diagnosis of that name has to be the one that is malignant"
    if labels.not_to_miss and labels.not_to_miss not in labels.malignant:
        yield f"not_to_miss is {labels.not_to_miss!r}, which is not among the malignant ones"
    meanings: dict[str, str] = {}
    for name in names:
        for word in map(normalized, (name, labels.full_names.get(name, name), *labels.aliases.get(name, ()))):
            if meanings.setdefault(word, name) != name:
                yield f"{word!r} means both {meanings[word]} and {name}"
    if meant := [word for word in labels.others if normalized(word) in meanings]:
        yield f"others: {first_few(meant)} means {meanings[normalized(meant[0])]}, and would be left out"


HAM10000 = LabelSet(
    name="ham10000",
    names=("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"),
    full_names={
        "akiec": "actinic keratosis / intraepithelial carcinoma",
        "bcc": "basal cell carcinoma",
        "bkl": "benign keratosis",
        "df": "dermatofibroma",
        "mel": "melanoma",
        "nv": "melanocytic nevus",
        "vasc": "vascular lesion",
    },
    # Malignant or pre-malignant: actinic keratosis and intraepithelial carcinoma, basal cell carcinoma, melanoma.
    malignant=("akiec", "bcc", "mel"),
    not_to_miss="mel",
    aliases={
        "akiec": (
            "ak", "ack", "bod", "iec", "actinic keratosis", "actinic keratoses", "solar or actinic keratosis",
            "solar keratosis", "bowen's disease", "bowens disease", "bowen disease", "intraepithelial carcinoma",
            "squamous cell carcinoma in situ", "scc in situ",
        ),
        "bcc": (
            "basal cell carcinoma, nos", "basal cell carcinoma superficial", "basal cell carcinoma nodular",
            "superficial basal cell carcinoma", "nodular basal cell carcinoma", "basal cell carcinoma morpheiform",
            "solid cystic basal cell carcinoma",
        ),
        "bkl": (
            "sk", "sek", "lplk", "benign keratosis like lesions", "pigmented benign keratosis", "seborrheic keratosis",
            "seborrheic keratoses", "seborrhoeic keratosis", "seborrheic keratosis irritated", "solar lentigo",
            "lichenoid keratosis", "lichen planus like keratosis",
        ),
        "df": ("dermatofibromas",),
        "mel": (
            "malignant melanoma", "melanoma, nos", "melanoma in situ", "melanoma (in situ)", "melanoma invasive",
            "melanoma (less than 0.76 mm)", "melanoma (0.76 to 1.5 mm)", "melanoma (more than 1.5 mm)",
            "superficial spreading melanoma", "superficial spreading melanoma ssm", "nodular melanoma",
            "nodular melanoma (nm)", "lentigo maligna", "lentigo maligna melanoma", "acral lentiginous melanoma",
            "melanoma acral lentiginous",
        ),
        "nv": (
            "nev", "nevus", "naevus", "nevi", "naevi", "melanocytic nevi", "melanocytic naevus", "melanocytic naevi",
            "common nevus", "atypical nevus", "dysplastic nevus", "blue nevus", "clark nevus", "combined nevus",
            "compound nevus", "junctional nevus", "congenital nevus", "dermal nevus", "recurrent nevus", "halo nevus",
            "reed nevus", "spitz nevus", "reed or spitz nevus", "nevus spilus", "nevocytic nevus",
            "pigmented spindle cell nevus of reed", "atypical spindle cell nevus of reed",
        ),
        "vasc": (
            "vascular lesions", "vascular", "angioma", "cherry angioma", "hemangioma", "haemangioma",
            "arteriovenous hemangioma", "angiokeratoma", "pyogenic granuloma", "granuloma pyogenic", "hemorrhage",
        ),
    },
    others=_OTHERS,
    source="Tschandl, Rosendahl, Kittler 2018, Sci. Data 5, 180161",
)  # fmt: skip

_WITHOUT_IN_SITU = tuple(word for word in HAM10000.aliases["akiec"] if "actinic" in word or "solar" in word)
_IN_SITU = tuple(word for word in HAM10000.aliases["akiec"] if "carcinoma" in word or "bowen" in word or "scc" in word)
_ISIC2019_NAMES = ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc")
ISIC2019 = LabelSet(
    name="isic2019",
    names=_ISIC2019_NAMES,
    full_names=dict(HAM10000.full_names) | {"ak": "actinic keratosis", "scc": "squamous cell carcinoma"},
    malignant=("ak", "bcc", "mel", "scc"),
    not_to_miss="mel",
    aliases={name: words for name, words in HAM10000.aliases.items() if name != "akiec"}
    | {
        # HAM10000's akiec holds both kinds: of its 327 images the challenge has 130 as AK and 197, carcinomas in situ,
        # as SCC. Who has only that word means the first, or says with --labels what each image is.
        "ak": ("akiec", *_WITHOUT_IN_SITU),
        "scc": (
            "squamous cell carcinoma, nos",
            "squamous cell carcinoma, invasive",
            "invasive squamous cell carcinoma",
            "cscc",
            "bod",
            *_IN_SITU,
        ),
    },
    others=("lentigo", "lentigo nos", "lentigo simplex", "melanosis", "melanoma metastasis", "benign", "malignant"),
    source="ISIC 2019 challenge, https://challenge.isic-archive.com/data/#2019",
)

PAD_UFES_20 = LabelSet(
    name="pad-ufes-20",
    names=("ack", "bcc", "mel", "nev", "scc", "sek"),
    full_names={
        "ack": "actinic keratosis",
        "bcc": "basal cell carcinoma",
        "mel": "melanoma",
        "nev": "nevus",
        "scc": "squamous cell carcinoma (with Bowen's disease)",
        "sek": "seborrheic keratosis",
    },
    malignant=("bcc", "mel", "scc"),
    not_to_miss="mel",
    aliases={
        "ack": (*_WITHOUT_IN_SITU, "ak"),
        "bcc": HAM10000.aliases["bcc"],
        "mel": HAM10000.aliases["mel"],
        "nev": ("nv", *(word for word in HAM10000.aliases["nv"] if word not in ("nev", "nevus"))),
        # Bowen's disease is squamous cell carcinoma in situ and was put with it.
        "scc": ("squamous cell carcinoma", "bod", "bowen's disease", "squamous cell carcinoma in situ"),
        "sek": ("sk", "seborrheic keratosis", "seborrheic keratoses"),
    },
    others=("benign", "malignant", "dermatofibroma", "vascular lesion", "df", "vasc"),
    source="Pacheco et al. 2020, Data in Brief 32, 106221, doi:10.17632/zr7vgbcyr2.1",
)

_MALIGNANT_WORDS = (
    *(word for name in ("bcc", "mel") for word in (name, HAM10000.full_names[name], *HAM10000.aliases[name])),
    "squamous cell carcinoma", "scc", "squamous cell carcinoma, nos", "squamous cell carcinoma, invasive",
    "squamous cell carcinoma in situ", "bod", "bowen's disease", "intraepithelial carcinoma", "melanoma metastasis",
    "merkel cell carcinoma", "kaposi sarcoma", "1", "1.0", "true", "yes",
)  # fmt: skip
_BENIGN_WORDS = (
    *(word for name in ("bkl", "df", "nv", "vasc") for word in (name, *HAM10000.aliases[name])),
    "benign keratosis", "dermatofibroma", "melanocytic nevus", "vascular lesion", "0", "0.0", "false", "no",
)  # fmt: skip
BINARY = LabelSet(
    name="binary",
    names=("benign", "malignant"),
    full_names={"benign": "benign lesion", "malignant": "malignant lesion"},
    malignant=("malignant",),
    aliases={"benign": _BENIGN_WORDS, "malignant": _MALIGNANT_WORDS},
    # Neither benign nor malignant: actinic keratoses are called pre-malignant, and data sets differ.
    others=("akiec", "ak", "ack", "actinic keratosis", "solar or actinic keratosis"),
    source="ISIC 2020 and 2024 challenges, https://challenge.isic-archive.com",
)

BUILT_IN = {labels.name: labels for labels in (HAM10000, ISIC2019, PAD_UFES_20, BINARY)}


def built_in_set(source: str) -> LabelSet | None:
    """A built-in set by its name, or the part of one that has the diagnoses between commas: `bkl,mel,nv`.

    Capitals, blanks and a comma too many do not count. A part leaves out images of the set's other diagnoses. Raises
    `UsageError` for one without a malignant or a benign diagnosis.
    """
    names = _between_commas(source)
    for whole in BUILT_IN.values() if len(names) > 1 else ():
        if len(names) == len(set(names) & set(whole.names)):
            return whole.part(names)
    return BUILT_IN.get(names[0]) if len(names) == 1 else None


def _between_commas(source: str) -> list[str]:
    return [name for each in source.lower().split(",") if (name := each.strip())]


def names_beside(source: str) -> list[str]:
    """The diagnoses that can be added to some between commas: the others of the built-in sets that have all of them."""
    given = {*_between_commas(source)}
    return [name for each in BUILT_IN.values() if given <= {*each.names} for name in each.names if name not in given]


def _why_no_part(source: str) -> str:
    """What is wrong with a text that names diagnoses but no part of a built-in set; empty if it names none."""
    names = _between_commas(source)
    sets_of = {name: [each.name for each in BUILT_IN.values() if name in each.names] for name in names}
    if doubled := [name for name in sets_of if names.count(name) > 1]:
        return f"{source!r}: {doubled[0]} is given twice"
    if len(names) < 2:
        told = f"{source!r}: is one diagnosis, and a set has at least two; add others after commas, such as mel,nv"
        return told if any(sets_of.values()) else ""
    nearest = max(BUILT_IN.values(), key=lambda each: sum(name in each.names for name in names))
    missing = [name for name in names if name not in nearest.names]
    if unknown := [name for name in missing if not sets_of[name]]:
        hints = [f"{name}{nearest.suggestion(name) or did_you_mean(name, nearest.names)}" for name in unknown]
        told = f"no built-in set has {first_few(hints)}"
    else:
        others = [f"{name} is of {' and '.join(sets_of[name])}" for name in missing]
        told = f"these are of different sets: {first_few(others)}, not of {nearest.name} as the others"
    has = "; ".join(f"{each.name} has {', '.join(each.names)}" for each in BUILT_IN.values())
    return f"{source!r}: {told}; {has}"


def part_of_set(names: Iterable[str]) -> str:
    """What names the part of a built-in set with these diagnoses, for advice; empty if there is no such part."""
    try:
        found = built_in_set(",".join(names))
    except UsageError:
        return ""
    return found.name if found else ""


_KEYS = ("name", "names", "malignant", "not_to_miss", "aliases", "others", "source")


def read_label_set(source: str | os.PathLike[str]) -> LabelSet:
    """Return a built-in label set by its name, or a part of one, or read one from a YAML file.

    Parameters
    ----------
    source : str
        What `built_in_set` knows, or a file with the keys `names` (short name: full name, in order) and `malignant` (a
        list), and as wanted `name`, `not_to_miss`, `aliases` (short name: list of words), `others` (a list) and
        `source`.

    Raises
    ------
    MissingError
        For a file that cannot be read.
    UsageError
        For one that describes no valid set, and for diagnoses that are none of one set; it says what is wrong.
    """
    source = location_text(source, "--diagnoses")
    if known := built_in_set(source):
        return known
    file = path_here(source, "--diagnoses")
    try:
        values = read_yaml(file, source)
    except MissingError as error:
        if not file.exists() and not file.suffix and (why := _why_no_part(source)):
            raise UsageError(f"--diagnoses {why}") from None
        hint = f"{did_you_mean(source, BUILT_IN)}; built in are {', '.join(BUILT_IN)}, and parts, such as mel,nv"
        raise MissingError(f"{error}{hint}") from error
    needed = f"{source}: a label set needs the keys names and malignant; add them"
    if not isinstance(values, dict):
        raise UsageError(needed)
    if unknown := [str(key) for key in values if key not in _KEYS]:
        raise UsageError(f"{source}: unknown key {first_few(unknown)}; choose from {', '.join(_KEYS)}")
    if not {"names", "malignant"} <= set(values):
        raise UsageError(needed)
    names = _mapping(values["names"], f"{source}: names")
    aliases = _mapping(values.get("aliases") or {}, f"{source}: aliases")
    try:
        return LabelSet(
            name=str(values.get("name") or file.stem),
            names=tuple(names),
            full_names={name: _full_name(full, f"{source}: full name of {name}") for name, full in names.items()},
            malignant=_words(values["malignant"], f"{source}: malignant"),
            not_to_miss=str(values.get("not_to_miss") or ""),
            aliases={name: _words(words, f"{source}: aliases of {name}") for name, words in aliases.items()},
            others=_words(values.get("others") or [], f"{source}: others"),
            source=str(values.get("source") or ""),
        )
    except UsageError as error:
        raise UsageError(str(error) if str(error).startswith(source) else f"{source}: {error}") from None


def label_set_yaml(labels: LabelSet) -> str:
    """A label set as a file that `read_label_set` takes."""
    import yaml

    values = {
        "name": labels.name,
        "names": {name: labels.full_names[name] for name in labels.names},
        "malignant": [*labels.malignant],
        "not_to_miss": labels.not_to_miss,
        "aliases": {name: [*words] for name, words in labels.aliases.items()},
        "others": [*labels.others],
        "source": labels.source,
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def labels_from_json(values: Any) -> LabelSet:
    """Read back what `dataclasses.asdict` of a label set became as JSON. Raises `UsageError` for anything else."""
    known = [each.name for each in fields(LabelSet)]
    if sorted(_mapping(values, "labels")) != sorted(known):
        raise UsageError(f"labels has to have {', '.join(known)}")
    texts = {name: values[name] for name in ("name", "not_to_miss", "source")}
    full_names = _mapping(values["full_names"], "full_names")
    if not all(isinstance(text, str) for text in (*texts.values(), *full_names.values())):
        raise UsageError("names of a label set have to be text")
    return LabelSet(
        names=_words(values["names"], "names"),
        full_names=full_names,
        malignant=_words(values["malignant"], "malignant"),
        aliases={name: _words(words, "aliases") for name, words in _mapping(values["aliases"], "aliases").items()},
        others=_words(values["others"], "others"),
        **texts,
    )


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{where} has to be a table with words as keys; put words such as no in quotes")
    return value


def _full_name(value: Any, where: str) -> str:
    if not isinstance(value, str | None):
        raise UsageError(f"{where}: {value!r} is not text; put it in quotes")
    return value or ""


def _words(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        raise UsageError(f"{where} has to be a list of words; write [{value}]")
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{where} has to be a list of words; put words such as no in quotes")
    return tuple(value)
