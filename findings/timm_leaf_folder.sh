#!/usr/bin/env bash
# timm names an image's class by its innermost folder: with train/melanoma/2019 and train/nevus/2019 both diagnoses are the class 2019, without a message, where torchvision's ImageFolder has two; TIFF, WebP and BMP are left out.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv timm==1.0.31 torchvision==0.29.1 torch==2.14.1 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import sys, tempfile, warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from PIL import Image

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import torch
    from timm.data import ImageDataset
    from torchvision.datasets import ImageFolder

    torch.set_num_threads(1)
    print(*(f"{name} {version(name)}" for name in ("timm", "torchvision", "torch")))

    def folders(names, suffixes=("jpg",)):
        root = Path(tempfile.mkdtemp())
        for name in names:
            (root / name).mkdir(parents=True)
            for i in range(4):
                for suffix in suffixes:
                    Image.new("RGB", (8, 8), (i, 0, 0)).save(root / name / f"{i}.{suffix}")
        return root

    def classes(root):
        ours = ImageDataset(str(root))
        theirs = ImageFolder(root)
        return (ours.reader.class_to_idx, dict(Counter(label for _, label in (ours[i] for i in range(len(ours)))))), (theirs.class_to_idx, dict(Counter(theirs.targets)))

    flat, years, patients = (folders(names) for names in (("melanoma", "nevus"), ("melanoma/2019", "nevus/2019"), ("melanoma/p1", "melanoma/p2", "nevus/p3", "nevus/p4", "nevus/p5")))
    found = {name: classes(root) for name, root in (("flat", flat), ("by year", years), ("by patient", patients))}
    for name, (ours, theirs) in found.items():
        print(f"{name}: timm {ours[0]}, images by label {ours[1]}; torchvision {theirs[0]}, {theirs[1]}")
    kinds = classes(folders(("melanoma", "nevus"), ("jpg", "png", "tif", "webp", "bmp")))
    print(f"40 images of five formats: timm reads {sum(kinds[0][1].values())}, torchvision {sum(kinds[1][1].values())}")
print("warnings:", sorted({each.category.__name__ for each in said} - {"ResourceWarning"}) or "none")
sys.exit(not (found["flat"][0] == found["flat"][1] and found["by year"][0] == ({"2019": 0}, {0: 8}) and len(found["by patient"][0][0]) == 5 and all(len(theirs[0]) == 2 for _, theirs in found.values()) and sum(kinds[0][1].values()) == 16))
P
echo "expected: the diagnoses melanoma and nevus, as by torchvision, or an error"
check
