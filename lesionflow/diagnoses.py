"""The seven diagnoses of HAM10000, in the one order that every array, bundle and report uses."""

from __future__ import annotations

from lesionflow.errors import did_you_mean

DIAGNOSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")

# Malignant or pre-malignant (Tschandl et al. 2018, Sci. Data 5, 180161): actinic keratosis and intraepithelial
# carcinoma, basal cell carcinoma, melanoma.
MALIGNANT = ("akiec", "bcc", "mel")
MALIGNANT_INDICES = tuple(DIAGNOSES.index(diagnosis) for diagnosis in MALIGNANT)

FULL_NAMES = {
    "akiec": "actinic keratosis / intraepithelial carcinoma",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}


def nearest_diagnosis(word: str) -> str:
    """The end of a message about a word that is no diagnosis: `; did you mean 'mel'?`, also for `melanoma`."""
    known = {diagnosis: diagnosis for diagnosis in DIAGNOSES} | {name: short for short, name in FULL_NAMES.items()}
    meant = {name for name in known if f"{name!r}?" in did_you_mean(word.lower(), known)}
    return did_you_mean(known[meant.pop()], DIAGNOSES) if meant else ""
