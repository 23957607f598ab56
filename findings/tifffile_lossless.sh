#!/usr/bin/env bash
# tifffile writes 32 bits with compression="jpeg2000" with wrong numbers, up to 67 million off, and floats with LERC and a predictor up to 9 % off, without an error; both are lossless otherwise.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
import imagecodecs, numpy as np, tifffile

print("tifffile", tifffile.__version__, "imagecodecs", imagecodecs.__version__, "numpy", np.__version__)
rows, columns = np.mgrid[:48, :61]
image = (columns * 3 + rows * 5) % 97
held = True
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for compression, predictor in ("zlib", True), ("lerc", False), ("lerc", True), ("jpeg2000", False):
        for kind in "uint8", "uint16", "uint32", "float32":
            values = (image / 97 - 0.3).astype(kind) if kind == "float32" else (image * 2).astype(kind)
            file = io.BytesIO()
            try:
                tifffile.imwrite(file, values, compression=compression, predictor=predictor, photometric="minisblack")
                file.seek(0)
                read = tifffile.imread(file)
            except ValueError:
                print(f"{compression}{', predictor' * predictor}, {kind}: refused")
                held &= (compression, kind) == ("jpeg2000", "float32")
                continue
            off = float(np.abs(read.astype(float) - values).max())
            bad = off > 0
            if bad:
                print(f"{compression}{', predictor' * predictor}, {kind}: {values[0, :4].tolist()} is read as {read[0, :4].tolist()}, up to {off:.4g} off")
            else:
                print(f"{compression}{', predictor' * predictor}, {kind}: as it was")
            held &= bad == ((compression, kind) == ("jpeg2000", "uint32") or (compression, predictor, kind) == ("lerc", True, "float32"))
print("warnings:", len(warned))
sys.exit(not held or bool(warned))
P
echo "expected: lossless, or refused as floats are by JPEG 2000"
check
