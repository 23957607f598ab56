#!/usr/bin/env bash
# Spark's image source keeps the lower eight bits of a grey PNG or TIFF file of sixteen: noise, without an error; of a colour file of sixteen bits it keeps the upper ones. Needs Java.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
command -v java >/dev/null || { echo "Spark needs Java" >&2; exit 2; }
install venv pyspark==4.3.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, struct, sys, zlib
from importlib.metadata import version
import numpy as np
from PIL import Image
from pyspark.sql import SparkSession

print(f"pyspark {version('pyspark')}")
root = pathlib.Path(sys.argv[1])
root.mkdir()
down, across = np.mgrid[0:32, 0:32]
levels = (across * 2000 + down).astype(np.uint16)  # from black at the left to white at the right
colours = np.dstack([levels, levels, levels]).astype(">u2")


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


header = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0))
rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in colours))
(root / "colour.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
for name in ("grey.png", "grey.tif"):
    Image.fromarray(levels).save(root / name)
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.memory", "600m").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
found = {}
for row in spark.read.format("image").load(str(root)).collect():
    image = row.image
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, image.nChannels)[..., 0]
    name = pathlib.Path(image.origin).name
    found[name] = np.array_equal(pixels, levels % 256), np.abs(pixels.astype(int) - levels // 256).max()
    print(f"{name}: first row {pixels[0, :8].tolist()} ...; upper bytes {(levels[0, :8] // 256).tolist()}, lower bytes {(levels[0, :8] % 256).tolist()}")
spark.stop()
sys.exit(not (found["grey.png"][0] and found["grey.tif"][0] and found["colour.png"][1] <= 1))
P
echo "expected: levels that rise from left to right, or no image"
check "$folder/images"
