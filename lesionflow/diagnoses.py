"""The seven diagnoses of HAM10000, in the one order that every array, bundle and report uses."""

from __future__ import annotations

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
