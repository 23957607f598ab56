#!/usr/bin/env bash
# Hugging Face's imagefolder: one file with the word test in its name, and all the others are gone, the labels with them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv datasets==5.2.0 huggingface-hub==2.4.0 pillow==13.0.0 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import pathlib, sys
import datasets
from PIL import Image

datasets.disable_progress_bars()
root = pathlib.Path(sys.argv[1])
print("datasets", datasets.__version__)
found = []
for number, last in enumerate(("naevus on back.jpg", "patch test on back.jpg")):
    names = ["mel/face.jpg", "nv/arm.jpg", "nv/leg.jpg", f"nv/{last}"]
    for name in names:
        (root / str(number) / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / str(number) / name)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(root / str(number)), cache_dir=str(root / "cache"))
    found.append({split: (len(rows), "label" in rows.features) for split, rows in loaded.items()})
    said = "; ".join(f"{split}: {rows} images, {'with' if labels else 'without'} labels" for split, (rows, labels) in found[-1].items())
    print(f"{', '.join(names)}: {said}")
sys.exit(found != [{"train": (4, True)}, {"test": (1, False)}])
P
echo "expected: four images with labels, each time; at most the one in another split"
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 HF_HOME="$folder/home"
check "$folder/images"
