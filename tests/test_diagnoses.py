"""Label sets: the built-in ones are sound, one's own are read from YAML, and what is wrong with one is said."""

from pathlib import Path

import pytest

from lesionflow.datasets.label_words import read_label_words
from lesionflow.diagnoses import (
    _TRANSLATIONS,
    BINARY,
    BUILT_IN,
    HAM10000,
    ISIC2019,
    LabelSet,
    normalized,
    read_label_set,
)
from lesionflow.errors import MissingError, UsageError
from lesionflow.tracking.runs import read_configuration_text
from lesionflow.yaml_files import MAXIMUM_SETTINGS_BYTES

OWN = """
names: {scar: scar, mel: melanoma, nv: nevus}
malignant: [mel]
not_to_miss: mel
aliases: {nv: [naevus, mole]}
others: [wart]
source: our clinic
"""


def test_the_seven_are_what_they_were() -> None:
    assert HAM10000.names == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc") == HAM10000.names
    assert HAM10000.malignant == ("akiec", "bcc", "mel") and HAM10000.not_to_miss == "mel"


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_sets_know_their_own_words_and_the_challenges(name: str) -> None:
    labels = read_label_set(name)
    for short in labels.names:
        assert labels.words[normalized(labels.full_names[short])] == labels.words[short] == short
    assert set(labels.malignant) < set(labels.names) and labels.source


@pytest.mark.parametrize(
    ("name", "word", "meaning"),
    [
        ("ham10000", "scc", ""), ("isic2019", "SCC", "scc"), ("pad-ufes-20", "BOD", "scc"),
        ("binary", "scc", "malignant"),
        ("ham10000", "Bowen's disease", "akiec"), ("binary", "seborrheic keratosis", "benign"),
        ("isic2019", "akiec", "ak"), ("isic2019", "Bowen's disease", "scc"),
        ("isic2019", "AK", "ak"), ("pad-ufes-20", "ACK", "ack"), ("binary", "actinic keratosis", ""),
        ("isic2019", "actinic_keratosis", "ak"), ("pad-ufes-20", "vasc", ""),
    ],
)  # fmt: skip
def test_a_word_means_what_the_set_has(name: str, word: str, meaning: str) -> None:
    assert BUILT_IN[name].words[normalized(word)] == meaning


@pytest.mark.parametrize(
    ("name", "meaning", "words"),
    [
        ("ham10000", "mel", "Melanom, mélanome, MELANOME, Malignes Melanom, melanoma maligno, Noduläres Melanom"),
        ("ham10000", "bcc", "Basalzellkarzinom, Basaliom, carcinoma basocelular, carcinome basocellulaire"),
        ("ham10000", "akiec", "aktinische Keratose, queratosis actínica, Morbus Bowen, Plattenepithelkarzinom in situ"),
        ("ham10000", "bkl", "Seborrhoische Keratose, queratosis seborreica, Kératose séborrhéique"),
        ("ham10000", "nv", "Nävus, Naevuszellnaevus, NZN, melanozytaerer_naevus, nevus melanocítico, Spitz-Nävus"),
        ("ham10000", "vasc", "Hämangiom, Haemangiom, Angiom, Gefäßläsion, GEFÄSSLÄSION, gefaesslaesion"),
        ("ham10000", "df", "Dermatofibrom, dermatofibrome"),
        ("ham10000", "nv", "Compoundnävus, Junktionsnaevus, Clark-Nävus, nevus congénito, naevus intradermique"),
        ("ham10000", "", "Plattenepithelkarzinom, Spinaliom, carcinoma espinocelular, carcinome épidermoïde"),
        ("isic2019", "scc", "Plattenepithelkarzinom, Morbus Bowen, carcinome spinocellulaire"),
        ("pad-ufes-20", "sek", "ceratose seborreica, queratose seborreica"),
        ("binary", "malignant", "Basaliom, mélanome, carcinoma de celulas escamosas, Melanommetastase"),
        ("ham10000", "mel", "MM, SSM, LMM, NMM, ALM, Knotiges Melanom, superfiziell-spreitendes malignes Melanom"),
        ("ham10000", "df", "Histiozytom, fibroeses Histiozytom, histiocytofibrome, histiocitoma fibroso"),
        ("ham10000", "bkl", "Alterswarze, Seborrhoische Warzen, verrue séborrhéique, Lentigo senilis"),
        ("ham10000", "nv", "Compound-NZN, dermaler NZN, Reed-Nävus, Pigmentnaevus, nævus nævocellulaire"),
        ("ham10000", "bcc", "BZK, CBC, epitelioma basocelular"),
        ("ham10000", "akiec", "M. Bowen, solare Keratose"),
        ("ham10000", "vasc", "seniles Angiom, punto rubi, Einblutung"),
        ("ham10000", "", "PEK, CEC, Keratoakanthom, Merkelzellkarzinom, sarcome de Kaposi"),
    ],
)  # fmt: skip
def test_standard_terms_of_other_languages_mean_what_the_english_ones_do(name: str, meaning: str, words: str) -> None:
    assert {BUILT_IN[name].words[normalized(word)] for word in words.split(", ")} == {meaning}


def test_words_of_several_meanings_are_not_translated(tmp_path: Path) -> None:
    known = {word for labels in BUILT_IN.values() for word in labels.words}
    assert not known & {
        *map(normalized, ("Keratose", "queratosis senil", "Verruca", "Lentigine", "Tumor", "lunar", "KA", "NM", "KS"))
    }
    (tmp_path / "own.yaml").write_text(OWN.replace("[wart]", "[melanom]"))
    own = read_label_set(tmp_path / "own.yaml")
    assert own.words["melanom"] == "" and own.words["mélanome"] == "mel"  # what the user says of a word counts
    assert "basalzellkarzinom" not in own.words  # a set has no place for what it does not know in English


def test_a_set_with_english_terms_in_british_spelling_knows_those_of_other_languages(tmp_path: Path) -> None:
    names = "names: {sk: seborrhoeic keratosis, nv: Melanocytic naevus, ha: haemangioma, mel: MM}\n"
    (tmp_path / "own.yaml").write_text(names + "malignant: [mel]\naliases: {sk: [Basaliom]}\n")
    words = read_label_set(tmp_path / "own.yaml").words
    assert [words[normalized(word)] for word in ("Seborrhoische Keratose", "seborrheic keratosis", "basaliom")] == [
        "sk"
    ] * 3
    assert words["melanozytärer nävus"] == words["melanocytic nevus"] == "nv" and words["hämangiom"] == "ha"
    assert "melanom" not in words  # nothing says in English what MM is


def test_a_diagnosis_that_a_set_leaves_out_is_left_out_by_all_of_its_words(tmp_path: Path) -> None:
    head = "names: {mel: melanoma, nev: nevus, ak: actinic keratosis}\nmalignant: [mel]\n"
    (tmp_path / "own.yaml").write_text(
        f"{head}aliases: {{nev: [angioma]}}\nothers: [bcc, benign keratosis, akiec, vasc]\n"
    )
    words = read_label_set(tmp_path / "own.yaml").words
    left_out = (
        "BCC, basal cell carcinoma, superficial basal cell carcinoma, Basaliom, solar lentigo, queratosis seborreica"
    )
    assert {words.get(normalized(word)) for word in left_out.split(", ")} == {""}
    # Of some of the words that HAM10000 has for these, this set says something else: what the rest means is to be said.
    assert not words.keys() & {"bowen's disease", "hemangioma", "dermatofibroma"} and words["angioma"] == "nev"
    assert (
        BUILT_IN["pad-ufes-20"].words["hämangiom"] == "" and BUILT_IN["binary"].words["bowen's disease"] == "malignant"
    )


def test_every_translation_is_of_a_word_that_a_set_has() -> None:
    known = {word for labels in BUILT_IN.values() for word in labels.words}
    assert {*_TRANSLATIONS} <= known and all(normalized(word) == word for word in _TRANSLATIONS)
    forms = [word for words in _TRANSLATIONS.values() for word in words.split("; ")]
    assert len(forms) == len({*forms}) and all(normalized(word) == word for word in forms)


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [("melanomma", "mel"), ("basal cell carcinom", "bcc"), ("dermatofibrom", "df"), ("scc", ""),
     ("squamus cell carcinoma", ""), ("sebaceous cell carcinoma", ""), ("nbcc", ""), ("wart", ""), ("mélanose", "")],
)  # fmt: skip
def test_only_slips_of_the_pen_get_a_suggestion(word: str, suggestion: str) -> None:
    assert HAM10000.suggestion(word) == (f" (did you mean {suggestion!r}?)" if suggestion else "")


def test_a_set_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "clinic.yaml").write_text(OWN, encoding="utf-8-sig")
    labels = read_label_set(str(tmp_path / "clinic.yaml"))
    assert labels == read_label_set(f"file://{tmp_path}/%63linic.yaml") == LabelSet(
        name="clinic", names=("scar", "mel", "nv"), full_names={"scar": "scar", "mel": "melanoma", "nv": "nevus"},
        malignant=("mel",), not_to_miss="mel", aliases={"nv": ("naevus", "mole")}, others=("wart",),
        source="our clinic",
    )  # fmt: skip
    assert labels.words["mole"] == "nv" and labels.words["wart"] == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nv: nevus}", "nv: nevus, mel: m}", "mel is given twice"),
        ("nv: nevus}", "nv: nevus, NV: n}", "NV: a short name is made of small letters"),
        ("scar: scar", "error: scar", "p_error of reports means something else"),
        ("malignant: [mel]", "malignant: []", "none is malignant"),
        ("malignant: [mel]", "malignant: [mel, mel]", "malignant: mel is given twice"),
        ("nv: nevus}", "nv: }", "no full name of nv"),
        ("nv: nevus}", "nv: no}", "full name of nv: False is not text; put it in quotes"),
        ("nv: nevus}", "nv: nevus, unknown: unclear}", "unknown: stands for no diagnosis"),
        ("others: [wart]", "others: [Naevus]", "others: Naevus means nv, and would be left out"),
        ("malignant: [mel]", "malignant: [mel, scar, nv]", "all are malignant"),
        ("malignant: [mel]", "malignant: [bcc]", "malignant: bcc is none of scar, mel, nv"),
        ("malignant: [mel]", "malignant: mel", r"malignant has to be a list of words; write \[mel\]"),
        ("not_to_miss: mel", "not_to_miss: nv", "not among the malignant"),
        ("{nv: [naevus, mole]}", "{df: [naevus]}", "aliases: df is none of"),
        ("{nv: [naevus, mole]}", "{nv: [melanoma]}", "'melanoma' means both mel and nv"),
        ("[wart]", "[no]", "put words such as no in quotes"),
        ("names: {scar: scar, mel: melanoma, nv: nevus}", "names: {mel: melanoma}", "a set has at least two"),
        ("names: {scar: scar, mel: melanoma, nv: nevus}", "names: [mel, nv]", "names has to be a table"),
        ("source:", "sources:", "unknown key sources"),
        ("malignant: [mel]", "malignent: [mel]", "unknown key malignent; choose from .*malignant"),
        ("malignant: [mel]", "", "needs the keys names and malignant"),
        ("others: [wart]", "others: [wart", "not YAML"),
    ],
)
def test_what_is_wrong_with_a_set_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in OWN
    (tmp_path / "clinic.yaml").write_text(OWN.replace(old, new))
    with pytest.raises(UsageError, match=message) as caught:
        read_label_set(str(tmp_path / "clinic.yaml"))
    assert "clinic" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {mel: m, nv: n}\nmalignant: [mel]  #" + "x" * MAXIMUM_SETTINGS_BYTES, "more than 1 MiB"),
        # Each list holds the one before it twice: thirty lines are a thousand million values.
        ("\n".join(["a0: &a0 [nv]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30))]), "by name"),
        ("names: &a {mel: m, nv: *a}", "by name"),
        ("names: " + "[" * 3000 + "]" * 3000, "hundreds deep"),
        ("names: [{mel: m, mel: n}]", "mel is given twice"),
        ("names: 2026-13-45", "not YAML .month must be in 1..12"),
        ("names: !!bool x", "not YAML"),
        ("names: !!timestamp x", "not YAML"),
        ("names: " + "9" * 5000, "not YAML"),
    ],
)
def test_files_without_end_or_meaning_are_no_settings(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "clinic.yaml").write_text(text)
    for read in (read_label_set, read_label_words):
        with pytest.raises(UsageError, match=f"clinic.yaml: .*{message}") as caught:
            read(str(tmp_path / "clinic.yaml"))
        assert len(str(caught.value)) < 300


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_a_device_without_end_is_no_settings() -> None:
    for read in (read_label_set, read_label_words, read_configuration_text):
        with pytest.raises(UsageError, match="/dev/zero: more than 1 MiB"):
            read("/dev/zero")


def test_a_set_that_is_not_there() -> None:
    with pytest.raises(MissingError, match="did you mean 'binary'"):
        read_label_set("binry")
    with pytest.raises(MissingError, match=f"built in are {', '.join(BUILT_IN)}"):
        read_label_set("isic2020")


def test_some_diagnoses_of_a_built_in_set_are_a_set_that_leaves_the_others_out() -> None:
    part = read_label_set("nv,mel,bkl")
    assert part.names == ("bkl", "mel", "nv") and part.malignant == ("mel",) and part.not_to_miss == "mel"
    assert part.name == "bkl,mel,nv" and read_label_set(part.name) == part
    assert read_label_set("mel,nv").words["bkl"] == "" and read_label_set(",".join(HAM10000.names)) is HAM10000
    assert {read_label_set(each).name for each in ("mel, nv", "MEL,NV", "mel,,nv", "nv,mel,")} == {"mel,nv"}
    assert read_label_set("HAM10000") is HAM10000
    assert part.words["melanocytic nevus"] == "nv" and part.words["basaliom"] == part.words["vasc"] == ""
    assert read_label_set("ak,scc,nv").source == ISIC2019.source and not read_label_set("bcc,nv").not_to_miss


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("bkl,nv", UsageError, "'bkl,nv': none is malignant"),
        ("mel,bcc", UsageError, "all are malignant"),
        ("mel,nvv", UsageError, r"'mel,nvv': no built-in set has nvv \(did you mean 'nv'\?\); ham10000 has akiec, "),
        (
            "melanoma,nevus",
            UsageError,
            r"has melanoma \(did you mean 'mel'\?\), nevus \(.* 'nv'\?\); .*; binary has benign",
        ),
        ("mel,nv,scc,akiec", UsageError, "of different sets: scc is of isic2019 and pad-ufes-20, not of ham10000"),
        ("mel,mel", UsageError, "mel is given twice"),
        ("mel,", UsageError, "'mel,': is one diagnosis, and a set has at least two"),
        ("mel", UsageError, "one diagnosis"),
        ("mel,nv.yaml", MissingError, "cannot be read.*ham10000.*and parts, such as mel,nv"),
    ],
)
def test_a_part_that_is_no_set_is_one_line(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_label_set(source)


def test_the_diagnoses_of_another_set_are_found_by_their_words() -> None:
    own = LabelSet(
        "own", ("nevus", "melanoma", "rest", "wart"),
        {"nevus": "mole", "melanoma": "melanoma", "rest": "other", "wart": "wart"}, ("melanoma",),
        aliases={"nevus": ("nv",), "rest": ("bkl", "df", "vasc")},
    )  # fmt: skip
    assert own.columns_of(HAM10000) == [5, 4, None, None]  # three of the seven count as rest
    assert HAM10000.columns_of(HAM10000) == [*range(7)] and set(BINARY.columns_of(HAM10000)) == {None}
    assert ISIC2019.columns_of(HAM10000) == [0, 1, 2, 3, 4, 5, None, 6]


def test_doubled_names_are_refused() -> None:
    with pytest.raises(UsageError, match="names given twice: mel"):
        LabelSet("twice", ("mel", "mel", "nv"), {"mel": "melanoma", "nv": "nevus"}, ("mel",))
