#!/usr/bin/env bash
# PyAV, that is FFmpeg, also through imageio, reads a TIFF stored in tiles as a black picture, and as a green one if its tiles are JPEG, without a message; one in strips is right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv av==18.1.0 imageio==2.38.2 pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, tempfile, warnings
from importlib.metadata import version
from pathlib import Path
import av, imageio.v3, numpy as np, tifffile
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("av", "imageio", "pillow", "tifffile")), "libavcodec", ".".join(map(str, av.library_versions["libavcodec"])))
rows, columns = np.mgrid[:96, :128]
picture = np.empty((96, 128, 3), np.uint8)
picture[:] = 220, 170, 150  # skin
picture[(rows - 40) ** 2 + (columns - 50) ** 2 < 500] = 90, 50, 40  # a lesion
cases = {}
for compression in (None, "lzw", "zlib", "packbits"):
    for bits in (8, 16):
        for kind in ("strips", "tiles"):
            cases[f"{compression or 'uncompressed'}, {bits} bits, {kind}"] = {"compression": compression}, bits, kind
cases["jpeg, 8 bits, tiles"] = {"compression": "jpeg"}, 8, "tiles"
cases["jpeg by plane, 8 bits, strips"] = {"compression": "jpeg", "planarconfig": "separate"}, 8, "strips"
found = {}
path = Path(tempfile.mkdtemp()) / "lesion.tif"
with warnings.catch_warnings(record=True) as said, av.logging.Capture() as log:
    warnings.simplefilter("always")
    av.logging.set_level(av.logging.WARNING)
    for name, (options, bits, kind) in cases.items():
        pixels = picture if bits == 8 else picture.astype(np.uint16) * 257
        if options.get("planarconfig") == "separate":
            pixels = np.moveaxis(pixels, 2, 0)
        tifffile.imwrite(path, pixels, photometric="rgb", tile=(32, 32) if kind == "tiles" else None, **options)
        if bits == 8:
            with Image.open(path) as opened:  # libtiff
                assert np.abs(np.asarray(opened).astype(int) - picture).mean() < 2
        with av.open(path) as container:
            decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert np.array_equal(decoded, imageio.v3.imread(path, plugin="pyav", index=0))
        found[name] = np.abs(decoded.astype(int) - picture).mean() < 2
        state = "right" if found[name] else "black" if not decoded.any() else "wrong"
        print(f"{name}: {state}; skin {decoded[5, 100].tolist()}, lesion {decoded[40, 50].tolist()}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none", "- messages of FFmpeg:", sorted({message.strip() for _, _, message in log}) or "none")
jpeg = [name for name in cases if name.startswith("jpeg")]
sys.exit(not (all(right == name.endswith("strips") for name, right in found.items() if name not in jpeg) and not any(found[name] for name in jpeg)))
P
echo "expected: the picture, or an error, as for TIFF with another compression"
check
