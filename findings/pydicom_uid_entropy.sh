#!/usr/bin/env bash
# pydicom joins what a UID is made from without a mark between: patient 1, image 23 and patient 12, image 3 have one UID.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2
cat >"$folder/try.py" <<'P'
import sys
import pydicom
from pydicom.uid import generate_uid

print(f"pydicom {pydicom.__version__}")
pairs = [(str(patient), str(image)) for patient in range(1, 201) for image in range(1, 51)]
uids = {generate_uid(entropy_srcs=list(pair)) for pair in pairs}
one, other = (generate_uid(entropy_srcs=list(pair)) for pair in (("1", "23"), ("12", "3")))
print(f"['1', '23']: {one}")
print(f"['12', '3']: {other}")
marked = {generate_uid(entropy_srcs=[patient, "/", image]) for patient, image in pairs}
print(f"200 patients with 50 images each, {len(pairs):,}: {len(uids):,} UIDs; with '/' as a third part {len(marked):,}")
sys.exit(not (one == other and len(uids) < 9500 and len(marked) == len(pairs)))
P
echo "expected: other parts, another UID"
check
