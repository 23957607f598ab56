#!/usr/bin/env bash
# Pillow shows a JPEG 2000 file whose header says that its channels are blue, green, red as if they were red, green, blue.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, struct, sys, warnings
import imagecodecs
import numpy as np
import PIL
from PIL import Image
warnings.simplefilter("error")
print(f"Pillow {PIL.__version__}, imagecodecs {imagecodecs.__version__} (OpenJPEG): a picture that is red")
buffer = io.BytesIO()
Image.new("RGB", (64, 48), (0, 0, 200)).save(buffer, "JPEG2000", mct=0)  # its channels: nothing, nothing, 200
data = buffer.getvalue()
channels = struct.pack(">IH9H", 0, 3, 0, 0, 3, 1, 0, 2, 2, 0, 1)[4:]  # number, kind (0: a colour), which colour: 1 is red
box = struct.pack(">I", 8 + len(channels)) + b"cdef" + channels
start = data.index(b"jp2h") - 4
end = start + int.from_bytes(data[start : start + 4], "big")
data = data[:start] + struct.pack(">I", end - start + len(box)) + data[start + 4 : end] + box + data[end:]
shown = Image.open(io.BytesIO(data)).convert("RGB").getpixel((9, 9))
truth = tuple(imagecodecs.jpeg2k_decode(data)[9, 9].tolist())
print(f"OpenJPEG {truth}, Pillow {shown}")
sys.exit(not (truth == (200, 0, 0) and shown == (0, 0, 200)))
P
echo "expected: the same, or an error"
check
