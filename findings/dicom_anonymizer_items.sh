#!/usr/bin/env bash
# dicom-anonymizer leaves names, dates, comments and UIDs as they are in the items of 1,200 of 1,277 sequences, and in others makes all numbers 0 and all codes empty, without a message; outside of sequences, and by dicognito, they are changed.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dicom-anonymizer==2.1.0 dicognito==0.19.0 pydicom==3.0.2 numpy==1.26.4
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
from dicognito.anonymizer import Anonymizer
from dicomanonymizer import anonymize_dataset
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileMetaDataset

print(*(f"{name} {version(name)}" for name in ("dicom-anonymizer", "dicognito", "pydicom")))
PHOTOGRAPH = "1.2.840.10008.5.1.4.1.1.77.1.4"


def item(**values):
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def photograph(**more):
    made = item(PatientName="Doe^Jane", PatientID="H12", PatientBirthDate="19700213", StudyDate="20200115", Modality="XC", SOPClassUID=PHOTOGRAPH)
    made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameComments = "1.2.3.4", "1.2.3", "1.2.3.5", "Jane Doe, left arm"
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID, made.file_meta.TransferSyntaxUID = PHOTOGRAPH, "1.2.3.4", "1.2.840.10008.1.2.1"
    for name, value in more.items():
        setattr(made, name, value)
    return made


def tools():
    yield "dicom-anonymizer", anonymize_dataset
    yield "dicognito", Anonymizer(seed="a").anonymize


def frames(**values):
    return [item(FrameContentSequence=[item(**values)])]


found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for tool, anonymize in tools():
        dataset = photograph(
            PerFrameFunctionalGroupsSequence=frames(FrameAcquisitionDateTime="20200115101010", FrameComments="Jane Doe, left arm"),
            DerivationImageSequence=[item(SourceImageSequence=[item(ReferencedSOPClassUID=PHOTOGRAPH, ReferencedSOPInstanceUID="1.2.3.4")])],
            AcquisitionContextSequence=[item(ValueType="NUMERIC", NumericValue="10.5", ConceptNameCodeSequence=[item(CodeValue="111026", CodeMeaning="Magnification")])],
        )
        anonymize(dataset)
        frame = dataset.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0]
        source = dataset.DerivationImageSequence[0].SourceImageSequence[0]
        context = dataset.AcquisitionContextSequence[0]
        found[tool] = str(dataset.PatientName), str(frame.FrameAcquisitionDateTime), str(source.ReferencedSOPInstanceUID), float(context.NumericValue)
        print(f"{tool}: the patient's name is {dataset.PatientName}, the comment on the image {dataset.get('FrameComments', 'removed')!r};")
        print(f"  in items: the comment on a frame {frame.get('FrameComments', 'removed')!r}, its time {frame.FrameAcquisitionDateTime}, the source image {source.ReferencedSOPInstanceUID}, itself now {dataset.SOPInstanceUID[:9]}...;")
        print(f"  a magnification of 10.5 is {context.NumericValue}, and its code {context.ConceptNameCodeSequence[0].CodeValue or 'empty'}")
    kept = {}
    names = [keyword for kind, _, _, _, keyword in DicomDictionary.values() if kind == "SQ" and keyword]
    for tool, anonymize in tools():
        kept[tool] = 0
        for name in names:
            dataset = photograph(**{name: [item(PatientName="Doe^Jane", PatientBirthDate="19700213")]})
            anonymize(dataset)
            items = dataset.get(name) or []
            kept[tool] += any(each.get("PatientName") == "Doe^Jane" and each.get("PatientBirthDate") == "19700213" for each in items)
        print(f"{tool}: a name and a date of birth in an item are still there in {kept[tool]} of {len(names)} sequences")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
name, time, source, number = found["dicom-anonymizer"]
other_name, other_time, other_source, other_number = found["dicognito"]
sys.exit(
    not (
        name != "Doe^Jane" and time == "20200115101010" and source == "1.2.3.4" and number == 0 and kept["dicom-anonymizer"] > 1000
        and other_name != "Doe^Jane" and other_time[:8] != time[:8] and other_source != "1.2.3.4" and other_number == 10.5 and kept["dicognito"] == 0
    )
)
P
echo "expected: items of sequences are treated like the rest, as PS3.15 says"
check
