#!/usr/bin/env bash
# pyvips remembers files by name: one that was written anew in between comes back with its old pixels and its old size.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pyvips-binary==8.18.7 pyvips==3.2.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, time
import numpy as np, pyvips
from PIL import Image

print(f"pyvips {pyvips.__version__}, libvips {'.'.join(str(pyvips.version(place)) for place in range(3))}")
found = {}
for suffix in ("png", "jpg", "tif"):
    for opening, options in (("new_from_file", {}), ("new_from_file, revalidate=True", {"revalidate": True}), ("thumbnail", None)):
        file = f"{sys.argv[1]}/{opening}.{suffix}"
        read = []
        for level, size in ((100, 64), (200, 32)):
            Image.new("L", (size, size), level).save(file)
            image = pyvips.Image.thumbnail(file, 32) if options is None else pyvips.Image.new_from_file(file, **options)
            read.append((int(image.numpy()[0, 0].max()), image.width if options is not None else size))
            time.sleep(1.1)  # the file's time is another one, by the second
        found[suffix, opening] = read
        print(f"{suffix}, {opening}: first {read[0][0]}, {read[0][1]} pixels wide; written anew as 200, 32 wide: {read[1][0]}, {read[1][1]} wide")
stale = [read[1] for (suffix, opening), read in found.items() if opening == "new_from_file"]
fresh = [read[1] for (suffix, opening), read in found.items() if opening != "new_from_file"]
sys.exit(not (set(stale) == {(100, 64)} and set(fresh) == {(200, 32)}))
P
mkdir "$folder/images"
echo "expected: what the file holds when it is opened"
check "$folder/images"
