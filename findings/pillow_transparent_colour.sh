#!/usr/bin/env bash
# Of a PNG of few or many bits, Pillow scales the pixels to 8 bits and not the colour that the file calls transparent.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0
cat >"$folder/try.py" <<'P'
import io, struct, sys, zlib
import PIL
from PIL import Image

def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

def alpha(bits, channels, value):
    """Alphas of a PNG of 8 x 1 pixels: four of a value that tRNS calls transparent, four of the largest."""
    samples = [value] * 4 * channels + [2**bits - 1] * 4 * channels
    row = int("".join(f"{each:0{bits}b}" for each in samples), 2).to_bytes(bits * channels, "big")
    head = struct.pack(">IIBBBBB", 8, 1, bits, 2 if channels == 3 else 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tRNS", struct.pack(f">{channels}H", *[value] * channels))
    data += chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    return list(Image.open(io.BytesIO(data)).convert("RGBA").getchannel("A").tobytes())

print(f"Pillow {PIL.__version__}: alpha of four transparent and four opaque pixels")
found = {}
for bits, channels, value in ((1, 1, 0), (2, 1, 1), (4, 1, 1), (8, 1, 1), (16, 1, 0x0180), (8, 3, 1), (16, 3, 0x0180)):
    found[bits, channels] = alpha(bits, channels, value)
    print(f"{'RGB' if channels == 3 else 'grey'} of {bits} bits: {found[bits, channels]}")
right = [0] * 4 + [255] * 4
wrong = {key for key, value in found.items() if value != right}
print("wrong:", sorted(wrong))
sys.exit(wrong != {(2, 1), (4, 1), (16, 1), (16, 3)})
P
echo "expected: 0, 0, 0, 0, 255, 255, 255, 255, however many bits a sample has"
check
