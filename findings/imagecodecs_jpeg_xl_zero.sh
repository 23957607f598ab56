#!/usr/bin/env bash
# imagecodecs' JPEG XL of distance 0 and of level 100 is lossy: pixels of 8 bits are up to 2 levels off, of 16 bits by more than 8 bits would be, without a message, where the highest level of WebP, AVIF and JPEG XR is lossless.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv imagecodecs==2026.3.6 tifffile==2026.3.3 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
import imagecodecs, numpy as np, tifffile
from scipy.ndimage import gaussian_filter

print(f"imagecodecs {imagecodecs.__version__} with {imagecodecs.jpegxl_version()}, tifffile {tifffile.__version__}")
random = np.random.default_rng(0)
skin = gaussian_filter(random.normal((200, 150, 130), 60, (64, 80, 3)), (1, 1, 0)).clip(0, 255)
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for bits, image in ((8, skin.astype(np.uint8)), (16, (skin * 257).astype(np.uint16))):
        cases = {
            "JPEG XL": ("jpegxl", {}),
            "JPEG XL, lossless": ("jpegxl", {"lossless": True}),
            "JPEG XL, distance 0": ("jpegxl", {"distance": 0}),
            "JPEG XL, level 100": ("jpegxl", {"level": 100}),
            "JPEG XR, level 100": ("jpegxr", {"level": 100}),
        } | ({"WebP, level 100": ("webp", {"level": 100}), "AVIF, level 100": ("avif", {"level": 100})} if bits == 8 else {})
        for name, (codec, options) in cases.items():
            packed = getattr(imagecodecs, codec + "_encode")(image, **options)
            off = np.abs(getattr(imagecodecs, codec + "_decode")(packed).astype(int) - image)
            found[name, bits] = int(off.max())
            print(f"{name}, {bits} bits: {len(packed)} bytes, up to {off.max()} off, {(off > 0).mean():.0%} of the numbers changed")
        file = io.BytesIO()
        tifffile.imwrite(file, image, photometric="rgb", compression="jpegxl", compressionargs={"distance": 0})
        found["TIFF", bits] = int(np.abs(tifffile.imread(io.BytesIO(file.getvalue())).astype(int) - image).max())
        print(f"a TIFF with JPEG XL and distance 0, {bits} bits: up to {found['TIFF', bits]} off")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
lossy = {name for name, off in found.items() if off}
sys.exit(not (lossy == {(name, bits) for name in ("JPEG XL, distance 0", "JPEG XL, level 100", "TIFF") for bits in (8, 16)} and found["JPEG XL, distance 0", 16] > 128))
P
echo "expected: distance 0, lossless for libjxl's cjxl, and the best level change nothing"
check
