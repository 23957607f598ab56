#!/usr/bin/env bash
# Keras's image_dataset_from_directory: with shuffle=False the validation part is the last diagnosis alone, and WebP and TIFF files are left out unsaid.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 tensorflow==2.21.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import collections, contextlib, io, pathlib, sys
import keras
from PIL import Image

print("Keras", keras.__version__)
for diagnosis in "bcc", "mel", "nv":
    (folder := pathlib.Path("photographs", diagnosis)).mkdir(parents=True)
    for number in range(20):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / f"{number}.{('png', 'jpg', 'webp', 'tif')[number % 4]}")


def counted(subset):
    options = {"validation_split": 0.2, "subset": subset, "shuffle": False, "image_size": (16, 16)}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        paths = keras.utils.image_dataset_from_directory("photographs", **options).file_paths
    print(f"{subset}, said:", *said.getvalue().splitlines())
    return collections.Counter(pathlib.Path(path).parent.name for path in paths)


training, validation = counted("training"), counted("validation")
print("written: 20 of each of bcc, mel, nv; training", dict(training), "validation", dict(validation))
sys.exit(not (validation.keys() == {"nv"} and training["bcc"] == training["mel"] == 10 and (training + validation).total() == 30))
P
echo "expected: a fifth of each diagnosis or of all, and a word about images that are left out"
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 check
