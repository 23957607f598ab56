#!/usr/bin/env bash
# Pillow shows AVIF files with wrong bytes without an error: dav1d, which sees each of them when it is asked to be strict, is not asked.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import ctypes, glob, io, os, random, sys, warnings
import numpy as np
import PIL
from PIL import Image, features
warnings.simplefilter("error")
print(f"Pillow {PIL.__version__}, libavif {features.version('avif')}")
library = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(PIL.__file__), "..", "pillow.libs", "libavif*"))[0])
library.dav1d_data_create.restype = ctypes.c_void_p
library.dav1d_data_create.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def strictly(stream):
    """What dav1d returns of one picture with strict_std_compliance, the 17th word of its settings; 0 is well."""
    settings, decoder = ctypes.create_string_buffer(512), ctypes.c_void_p()
    library.dav1d_default_settings(settings)
    words = ctypes.cast(settings, ctypes.POINTER(ctypes.c_int))
    words[0] = words[1] = words[16] = 1
    ctypes.memset(ctypes.addressof(settings) + 48, 0, 16)  # the logger
    assert library.dav1d_open(ctypes.byref(decoder), settings) == 0
    data, picture = ctypes.create_string_buffer(1024), ctypes.create_string_buffer(4096)
    ctypes.memmove(library.dav1d_data_create(data, len(stream)), stream, len(stream))
    said = library.dav1d_send_data(decoder, data) or library.dav1d_get_picture(decoder, picture)
    library.dav1d_data_unref(data)
    library.dav1d_picture_unref(picture)
    library.dav1d_close(ctypes.byref(decoder))
    return said


pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
buffer = io.BytesIO()
Image.fromarray(pixels).resize((600, 450), Image.Resampling.BICUBIC).save(buffer, "AVIF", quality=75, speed=9)
whole = buffer.getvalue()
start = whole.index(b"mdat") + 4  # of its one item, to the file's end
expected = np.asarray(Image.open(io.BytesIO(whole)).convert("RGB"), int)
chance, shown, other, seen = random.Random(0), 0, 0, 0
for _ in range(24):
    at = chance.randrange(len(whole) // 4, len(whole) - 64)
    broken = whole[:at] + chance.randbytes(64) + whole[at + 64 :]
    seen += strictly(broken[start:]) != 0
    try:
        found = np.asarray(Image.open(io.BytesIO(broken)).convert("RGB"), int)
    except (OSError, RuntimeError, ValueError):
        continue
    shown, other = shown + 1, other + (np.abs(found - expected).mean() > 5)
print(f"of 24 files with 64 wrong bytes, Pillow shows {shown} without an error, {other} of them more than 5 levels of 255 other")
print(f"dav1d, asked strictly, refuses {seen}; of the whole file it says {strictly(whole[start:])}")
sys.exit(not (shown >= 12 and other >= 8 and seen == 24 and strictly(whole[start:]) == 0))
P
echo "expected: an error for each"
check
