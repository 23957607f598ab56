#!/usr/bin/env bash
# Pillow shows white of a colour JPEG 2000 file with more than 8 bits a sample as black, without an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
import imagecodecs
import numpy as np
import PIL
from PIL import Image
warnings.simplefilter("error")
print(f"Pillow {PIL.__version__}, imagecodecs {imagecodecs.__version__}: a ramp from black to white, in levels of 8 bits")
ends = {}
for bits in (8, 9, 12, 16):
    ramp = np.linspace(0, 2**bits - 1, 256).round().astype(np.uint8 if bits == 8 else np.uint16)
    pixels = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (64, 256, 3)))
    data = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, bitspersample=bits)
    assert (imagecodecs.jpeg2k_decode(data) == pixels).all()
    shown = np.asarray(Image.open(io.BytesIO(data)))[0, :, 0].tolist()
    ends[bits] = shown[-1]
    print(f"RGB of {bits} bits: {shown[0]}, {shown[128]}, {shown[253]}, {shown[254]}, {shown[255]}")
sys.exit(not (ends.pop(8) == 255 and set(ends.values()) == {0}))
P
echo "expected: the last is 255, or an error"
check
