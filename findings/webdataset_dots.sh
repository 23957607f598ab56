#!/usr/bin/env bash
# WebDataset's name of an image ends at its first dot: "lesion 1.5mm.jpg" and "lesion 1.7mm.jpg" are one sample, which has no image and no label.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv webdataset==1.0.2 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, tarfile, warnings
from importlib.metadata import version
import webdataset
from PIL import Image

print(f"webdataset {version('webdataset')}")
path = f"{sys.argv[1]}/images.tar"
names = ["ISIC_0000001", "lesion 1.5mm", "lesion 1.7mm", "A. back", "v1.2/ISIC_0000002"]
with tarfile.open(path, "w") as archive:
    for label, name in enumerate(names):
        image = io.BytesIO()
        Image.new("RGB", (4, 4), (40 * label, 0, 0)).save(image, "JPEG")
        for extension, data in (("jpg", image.getvalue()), ("cls", str(label).encode())):
            member = tarfile.TarInfo(f"{name}.{extension}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def samples():
    return webdataset.WebDataset(path, shardshuffle=False)


keys = {sample["__key__"]: sorted(name for name in sample if not name.startswith("__")) for sample in samples()}
for key, fields in keys.items():
    print(f"sample {key!r}: {fields}")
with warnings.catch_warnings(record=True):
    warnings.simplefilter("always")
    labels = [label for _, label in samples().decode("pil", handler=webdataset.ignore_and_continue).to_tuple("jpg", "cls", handler=webdataset.ignore_and_continue)]
try:
    list(samples().decode("pil").to_tuple("jpg", "cls"))
    said = "nothing"
except ValueError as error:
    said = f"{error}"[:60]
print(f"{len(names)} images, {len(keys)} samples; with ignore_and_continue, labels {labels} are left; without: {said}")
sys.exit(not (list(keys) == ["ISIC_0000001", "lesion 1", "A", "v1.2/ISIC_0000002"] and keys["lesion 1"] == ["5mm.cls", "5mm.jpg", "7mm.cls", "7mm.jpg"] and labels == [0, 4]))
P
echo "expected: a sample for each image, whose name ends at the last dot"
check "$folder"
