#!/usr/bin/env bash
# Pillow shows what the clean aperture of an AVIF file cuts off, such as a name at the edge; libheif crops.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 pillow-heif==0.22.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, struct, sys
import pillow_heif, PIL
from PIL import Image, features

skin, label = (200, 150, 120), (255, 0, 0)
image = Image.new("RGB", (64, 64), skin)
image.paste(label, (0, 0, 64, 16))  # a line of text at the top, which is cut off
file = io.BytesIO()
image.save(file, "AVIF", quality=95)
data = file.getvalue()


def cut(data, width, height, right, down):
    """The file with a clean aperture of this size, its middle so far right of and below the image's: the last property of its item."""
    start = {kind: data.index(kind) - 4 for kind in (b"meta", b"iprp", b"ipco", b"ipma")}
    length = {kind: int.from_bytes(data[at : at + 4]) for kind, at in start.items()}
    aperture = struct.pack(">I4sIIIIiIiI", 40, b"clap", width, 1, height, 1, right, 1, down, 1)
    end, table = start[b"ipco"] + length[b"ipco"], start[b"ipma"]
    assert end == table and data[table + 8 : table + 19] == bytes.fromhex("00000000 00000001 0001 04")  # one item with four properties
    changed = bytearray(data[:end] + aperture + data[end : table + length[b"ipma"]] + b"\x85" + data[table + length[b"ipma"] :])
    changed[table + len(aperture) + 18] = 5  # properties, the fifth of them essential
    for kind, more in (b"meta", 41), (b"iprp", 41), (b"ipco", 40), (b"ipma", 1):
        at = start[kind] + (40 if kind == b"ipma" else 0)
        changed[at : at + 4] = (length[kind] + more).to_bytes(4)
    old, new = (struct.pack(">I", data.index(b"mdat") + 4 + more) for more in (0, 41))
    assert changed.count(old) == 1  # where the pixels begin
    return bytes(changed.replace(old, new))


given = cut(data, 64, 40, 0, 12)
shown = Image.open(io.BytesIO(given)).convert("RGB")
right = pillow_heif.open_heif(io.BytesIO(given)).to_pillow().convert("RGB")
print(f"Pillow {PIL.__version__} with libavif {features.version('avif')}, pillow-heif {pillow_heif.__version__} with libheif {pillow_heif.libheif_version()}")
for name, found in ("written", image), ("Pillow", shown), ("libheif", right):
    print(f"{name}: {found.size[0]} x {found.size[1]}, the upper left pixel {found.getpixel((0, 0))}")
red = [found.getpixel((0, 0))[1] < 60 for found in (shown, right)]
sys.exit((shown.size, right.size, red) != ((64, 64), (64, 40), [True, False]))
P
echo "expected: 64 x 40 pixels of skin, as the file says"
check
