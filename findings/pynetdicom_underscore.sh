#!/usr/bin/env bash
# pynetdicom's archive (qrscp) searches with SQL's LIKE: the _ of an id such as DERM_1* stands for any character and % for any text, upper and lower case count as equal with a wildcard only, so that other patients are found.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pynetdicom==3.0.4 pydicom==3.0.2 sqlalchemy==2.1.9
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
from io import BytesIO
from pydicom import Dataset, config
from pynetdicom.apps.qrscp import db
from pynetdicom.dsutils import decode, encode
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

print(*(f"{name} {version(name)}" for name in ("pynetdicom", "pydicom", "sqlalchemy")))
config.use_none_as_empty_text_VR_value = True  # as the archive itself sets it
engine = create_engine("sqlite:///:memory:")
db.Base.metadata.create_all(engine)
session = sessionmaker(bind=engine)()
patients = ["DERM_1", "DERM_12", "DERMX1", "DERM-1", "derm_1", "100%A", "1000BA"]
for number, patient in enumerate(patients):
    image = Dataset()
    image.PatientID, image.PatientName, image.Modality = patient, f"Test^{number}", "XC"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = (f"1.2.{level}.{number}" for level in (1, 2, 3))
    image.StudyDate, image.StudyTime, image.AccessionNumber, image.StudyID, image.SeriesNumber, image.InstanceNumber = "20250101", "101500", "A", "S", 1, 1
    db.add_instance(image, session, f"{number}.dcm")
wildcard = {"DERM_1*": lambda name: name.startswith("DERM_1"), "DERM_?": lambda name: name.startswith("DERM_") and len(name) == 6, "100%*": lambda name: name.startswith("100%"), "DERM_1": lambda name: name == "DERM_1"}
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for asked, matches in wildcard.items():
        query = Dataset()
        query.QueryRetrieveLevel, query.PatientID, query.PatientName = "PATIENT", asked, ""
        query = decode(BytesIO(encode(query, False, True)), False, True)
        answers = [row.patient_id for row in db.search(PatientRootQueryRetrieveInformationModelFind, query, session)]
        found[asked] = sorted(answers), sorted(filter(matches, patients))
        print(f"{asked}: {', '.join(found[asked][0])}; by the standard {', '.join(found[asked][1])}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not ("DERMX1" in found["DERM_1*"][0] and "DERM-1" in found["DERM_?"][0] and "1000BA" in found["100%*"][0] and found["DERM_1"][0] == ["DERM_1"]))
P
echo "expected: only * and ? are wildcards, and ids are compared with their case"
check
