#!/usr/bin/env bash
# split-folders run again with another seed adds to the split that is there: test images are training images as well; and a diagnosis of 3 to 9 images has none for validation.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv split-folders==0.6.1
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
from pathlib import Path
import splitfolders

print("split-folders", version("split-folders"))
folder = Path(sys.argv[1])


def split(name, seed):
    splitfolders.ratio(folder / "in" / name, output=folder / "out" / name, seed=seed, ratio=(0.8, 0.1, 0.1))
    return [{path.name for path in (folder / "out" / name / part).rglob("*.jpg")} for part in ("train", "val", "test")]


with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for count in (*range(3, 11), 40):
        made = folder / "in" / f"{count}" / "mel"
        made.mkdir(parents=True)
        for image in range(count):
            (made / f"{image}.jpg").write_bytes(bytes([image]))
    once, twice = split("40", 1), split("40", 2)
    print(f"40 images, split once: {[len(part) for part in once]} for training, validation and test, {len(once[0] & once[2])} in training and test")
    print(f"again with another seed: {[len(part) for part in twice]}, {len(twice[0] & twice[2])} in training and test, {len(twice[0] & twice[1])} in training and validation")
    small = {count: [len(part) for part in split(f"{count}", 1)] for count in range(3, 11)}
    print(f"diagnoses with few images: {small}; warnings: {len(warned)}")
held = [len(part) for part in once] == [32, 4, 4] and sum(map(len, twice)) > 45 and len(twice[0] & twice[2]) > 1
held &= all(small[count][1] == 0 and small[count][2] >= 1 for count in range(3, 10)) and small[10] == [8, 1, 1]
sys.exit(not held or bool(warned))
P
echo "expected: the new split, or an error because the folder is not empty; no image in two parts"
check "$folder"
