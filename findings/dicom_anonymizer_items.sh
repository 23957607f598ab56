#!/usr/bin/env bash
# dicom-anonymizer makes numbers in items of sequences 0 and codes empty, without a message: a magnification of 10.5 is 0; dicognito keeps both.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dicom-anonymizer==2.1.0 dicognito==0.19.0 pydicom==3.0.2 numpy==1.26.4
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
from dicognito.anonymizer import Anonymizer
from dicomanonymizer import anonymize_dataset
from pydicom.dataset import Dataset, FileMetaDataset

print(*(f"{name} {version(name)}" for name in ("dicom-anonymizer", "dicognito", "pydicom")))
PHOTOGRAPH = "1.2.840.10008.5.1.4.1.1.77.1.4"


def item(**values):
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def photograph():
    made = item(PatientName="Doe^Jane", PatientID="H12", StudyDate="20200115", Modality="XC", SOPClassUID=PHOTOGRAPH)
    made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.4", "1.2.3", "1.2.3.5"
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID, made.file_meta.TransferSyntaxUID = PHOTOGRAPH, "1.2.3.4", "1.2.840.10008.1.2.1"
    magnification = item(CodeValue="111026", CodingSchemeDesignator="99TEST", CodeMeaning="Magnification")
    made.AcquisitionContextSequence = [item(ValueType="NUMERIC", NumericValue="10.5", ConceptNameCodeSequence=[magnification])]
    return made


found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for tool, anonymize in (("dicom-anonymizer", anonymize_dataset), ("dicognito", Anonymizer(seed="a").anonymize)):
        dataset = photograph()
        anonymize(dataset)
        context = dataset.AcquisitionContextSequence[0]
        found[tool] = float(context.NumericValue), str(context.ConceptNameCodeSequence[0].CodeValue)
        print(f"{tool}: a magnification of 10.5 is {found[tool][0]}, and its code {found[tool][1] or 'empty'}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(found != {"dicom-anonymizer": (0.0, ""), "dicognito": (10.5, "111026")})
P
echo "expected: a magnification, which names nobody, stays what it is, or is removed with its item"
check
