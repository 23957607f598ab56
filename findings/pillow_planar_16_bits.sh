#!/usr/bin/env bash
# Pillow reads the planes of an uncompressed TIFF file of 3 x 16 bits as if they had 8 bits: noise, and no word of it.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
import numpy as np
import PIL, tifffile
from PIL import Image
warnings.simplefilter("error")
rows, columns = np.mgrid[:64, :96]
pixels = np.stack([rows * 900 + 100, columns * 600 + 50, (rows + columns) * 400], 2).astype(np.uint16)
print(f"Pillow {PIL.__version__}, tifffile {tifffile.__version__}: RGB of 16 bits, off by, in levels of 8 bits:")
off = {}
for planes in ("contig", "separate"):
    for compression in (None, "zlib"):
        file, stored = io.BytesIO(), pixels if planes == "contig" else pixels.transpose(2, 0, 1)
        tifffile.imwrite(file, stored, photometric="rgb", planarconfig=planes, compression=compression)
        file.seek(0)
        again = tifffile.imread(file)
        assert ((again if planes == "contig" else again.transpose(1, 2, 0)) == pixels).all()
        image = Image.open(file)
        off[planes, compression] = np.abs(np.asarray(image) - (pixels >> 8).astype(int)).max()
        print(f"{planes}, compression {compression}: mode {image.mode}, off by at most {off[planes, compression]}")
wrong = off.pop(("separate", None))
sys.exit(not (wrong > 100 and max(off.values()) == 0))
P
echo "expected: the upper 8 bits of each pixel, or an error, whichever way the file is laid out"
check
