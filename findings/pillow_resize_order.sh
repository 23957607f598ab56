#!/usr/bin/env bash
# Pillow 13 resizes some shapes down and then across, where 11 went across and then down: the same image gives other pixels.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install old pillow==11.3.0 numpy==2.4.6
install new pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import hashlib
import numpy as np
import PIL
from PIL import Image
filtered, noise = Image.Resampling.BILINEAR, np.random.default_rng(0)
for (width, height), (to_width, to_height) in (((600, 450), (128, 96)), ((100, 200), (200, 100)), ((40, 400), (20, 20))):
    image = Image.fromarray(noise.integers(0, 256, (height, width, 3), np.uint8))
    once = np.asarray(image.resize((to_width, to_height), filtered)).astype(int)
    passes = {"across, then down": (to_width, height), "down, then across": (width, to_height)}
    same = [
        name for name, size in passes.items()
        if (np.asarray(image.resize(size, filtered).resize((to_width, to_height), filtered)) == once).all()
    ]
    digest = hashlib.sha256(once.astype(np.uint8).tobytes()).hexdigest()[:8]
    print(f"Pillow {PIL.__version__}: {width} x {height} to {to_width} x {to_height}: {' '.join(same)}; pixels {digest}")
P
echo "expected: resize, without draft or gaps, is arithmetic: the same pixels in both versions"
old="$("$folder/old/bin/python" "$folder/try.py")"
new="$("$folder/new/bin/python" "$folder/try.py")"
echo "$old"
echo "$new"
[[ $(grep -c "across, then down" <<<"$old") == 3 && $(grep -c "down, then across" <<<"$new") == 2 ]] || { echo changed; exit 1; }
