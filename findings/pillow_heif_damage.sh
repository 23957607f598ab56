#!/usr/bin/env bash
# pillow-heif shows a HEIC file with 2,000 wrong bytes without an error or a warning, though its decoder, libde265, complains.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 pillow-heif==1.8.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import ctypes, glob, io, os, struct, sys, warnings
import numpy as np
import PIL
import pillow_heif
from PIL import Image
warnings.simplefilter("error")
print(f"pillow-heif {pillow_heif.__version__}, libheif {pillow_heif.libheif_info()['libheif']}")
beside = os.path.join(os.path.dirname(pillow_heif.__file__), "..", "pillow_heif.libs", "libde265*")
library, pointer = ctypes.CDLL(glob.glob(beside)[0]), ctypes.c_void_p
library.de265_new_decoder.restype = library.de265_get_next_picture.restype = pointer
library.de265_get_error_text.restype = ctypes.c_char_p
library.de265_push_NAL.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int64, pointer]
for name in ("flush_data", "get_next_picture", "get_warning", "free_decoder"):
    getattr(library, f"de265_{name}").argtypes = [pointer]
library.de265_decode.argtypes = [pointer, pointer]

def warning(data):
    """What libde265 says when it is asked itself."""
    at, units = data.index(b"hvcC") + 4 + 23, []
    for _ in range(data[at - 1]):
        (count,), at = struct.unpack_from(">H", data, at + 1), at + 3
        for _ in range(count):
            (length,) = struct.unpack_from(">H", data, at)
            units.append(data[at + 2 : at + 2 + length])
            at += 2 + length
    at = data.index(b"mdat") + 4
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        units.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    decoder, more = library.de265_new_decoder(), ctypes.c_int(1)
    for unit in units:
        library.de265_push_NAL(decoder, unit, len(unit), 0, None)
    library.de265_flush_data(decoder)
    while more.value and not library.de265_get_next_picture(decoder):
        if library.de265_decode(decoder, ctypes.byref(more)):
            break
    code = library.de265_get_warning(decoder)
    return library.de265_get_error_text(code).decode() if code else "nothing"

generator = np.random.default_rng(0)
image = Image.fromarray(generator.integers(0, 256, (45, 60, 3), np.uint8)).resize((600, 450), Image.Resampling.BICUBIC)
buffer = io.BytesIO()
pillow_heif.from_pillow(image).save(buffer, quality=80)
whole = buffer.getvalue()
half = len(whole) // 2
broken = whole[:half] + generator.integers(1, 256, 2000, np.uint8).tobytes() + whole[half + 2000 :]
shown = [np.asarray(pillow_heif.open_heif(data).to_pillow().convert("RGB"), int) for data in (whole, broken)]
difference = np.abs(shown[0] - shown[1]).mean()
print(f"{len(whole):,} bytes, 2,000 of them wrong: no error, {difference:.1f} of 255 levels other on average")
print(f"libde265 says of the whole file {warning(whole)}, of the other: {warning(broken)}")
sys.exit(not (difference > 1 and warning(whole) == "nothing" and warning(broken) != "nothing"))
P
echo "expected: an error, or a warning"
check
