#!/usr/bin/env bash
# Hugging Face datasets store the file that an image was opened from, not the image: a thumbnail has its full size again, and a name that was painted over is back.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv datasets==5.2.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, os, pathlib, sys
os.environ["HF_HOME"] = sys.argv[1]
import datasets, PIL
from datasets import Dataset
from PIL import Image, ImageDraw

datasets.disable_progress_bars()
print(f"datasets {datasets.__version__}, pillow {PIL.__version__}")
file = pathlib.Path(sys.argv[1], "patient.jpg")
Image.new("RGB", (400, 300), (200, 150, 130)).save(file, quality=95)


def anonymised(image):
    ImageDraw.Draw(image).rectangle((0, 0, image.width, 40), fill=0)  # where the camera writes the name
    image.thumbnail((100, 100))
    return image


def seen(image):
    return image.size, "black" if max(image.convert("RGB").getpixel((20, 2))) < 60 else "skin"


given = seen(anonymised(Image.open(file)))
found = {"from_dict": seen(Dataset.from_dict({"image": [anonymised(Image.open(file))]})[0]["image"])}
in_file = Dataset.from_dict({"image": [str(file)]}).cast_column("image", datasets.Image())
in_bytes = Dataset.from_dict({"image": [{"bytes": file.read_bytes(), "path": None}]}).cast_column("image", datasets.Image())
for name, source in (("map, of files", in_file), ("map, of bytes", in_bytes)):
    found[name] = seen(source.map(lambda row: {"image": anonymised(row["image"])})[0]["image"])
in_file.map(lambda row: {"image": anonymised(row["image"])}).to_parquet(f"{sys.argv[1]}/shared.parquet")
stored = Dataset.from_parquet(f"{sys.argv[1]}/shared.parquet")[0]["image"]
found["map, of files, as Parquet"] = seen(stored)
print("given:", given)
for name, each in found.items():
    print(f"{name}: {each}")
original = ((400, 300), "skin")
sys.exit(not (given == found["map, of bytes"] == ((100, 75), "black") and all(each == original for name, each in found.items() if name != "map, of bytes")))
P
echo "expected: a data set holds the images that it was given"
check "$folder"
