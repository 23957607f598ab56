#!/usr/bin/env bash
# nibabel scales floats that are saved as integers, even 0, 1, 2, 3: a mask of labels comes back with 2.00000004, and `mask == 2` has no pixel.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv nibabel==5.4.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import nibabel, numpy as np

print(f"nibabel {nibabel.__version__}")
labels = np.zeros((8, 8, 1))  # 1: globules, 2: streaks, 3: network
labels[1:3], labels[3:5], labels[5:] = 1, 2, 3
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for made in "float64", "int16":
        for stored in "uint8", "int16":
            image = nibabel.Nifti1Image(labels.astype(made), np.eye(4))
            image.set_data_dtype(stored)
            nibabel.save(image, f"{sys.argv[1]}/mask.nii.gz")
            read = nibabel.load(f"{sys.argv[1]}/mask.nii.gz")
            values = read.get_fdata()
            counts = [int((values == label).sum()) for label in range(4)]
            whole = [int((values.astype("uint8") == label).sum()) for label in range(4)]
            found[made, stored] = counts, whole
            print(f"{made} saved as {stored}: {', '.join(f'{value:.9g}' for value in np.unique(values))}; pixels equal to 0, 1, 2, 3: {counts}, cut to integers {whole}")
print(f"written: {[int((labels == label).sum()) for label in range(4)]}; warnings: {len(warned)}")
right = [8, 16, 16, 24]
held = found["int16", "uint8"] == found["int16", "int16"] == (right, right)
held &= found["float64", "uint8"][0] == [8, 0, 0, 0] and found["float64", "int16"][1] != right
sys.exit(not held or bool(warned))
P
echo "expected: 0, 1, 2 and 3, which each of these types can store as they are"
check "$folder"
