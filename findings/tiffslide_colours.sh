#!/usr/bin/env bash
# tiffslide, made to replace OpenSlide, and slideio return a TIFF's numbers as if they were RGB: palettes, inks and negatives have wrong colours.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tiffslide==3.0.1 slideio==2.10.0 openslide-python==1.4.7 openslide-bin==4.0.1.2 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, openslide, slideio, tifffile, tiffslide
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("tiffslide", "slideio", "openslide-python", "tifffile")))
y, x = np.mgrid[:512, :512]
lesion = (x - 300) ** 2 + (y - 200) ** 2 < 100**2
rgb = np.where(lesion[..., None], (90, 50, 40), (220, 170, 150)).astype(np.uint8)
palette = np.zeros((3, 256), np.uint16)
palette[:, 0], palette[:, 1] = np.array((220, 170, 150)) * 257, np.array((90, 50, 40)) * 257
files = {
    "RGB": (rgb, {"photometric": "rgb"}),
    "palette": (lesion.astype(np.uint8), {"photometric": "palette", "colormap": palette}),
    "CMYK": (np.dstack([255 - rgb, np.zeros_like(rgb[..., 0])]), {"photometric": "separated"}),
    "grey, 0 is white": (255 - rgb[..., 0], {"photometric": "miniswhite"}),
}
readers = {
    "OpenSlide": lambda file: openslide.OpenSlide(file).read_region((0, 0), 0, (512, 512)),
    "tiffslide": lambda file: tiffslide.TiffSlide(file).read_region((0, 0), 0, (512, 512)),
    "slideio": lambda file: slideio.open_slide(file, "AUTO").get_scene(0).read_block(),
}
off = {}
for name, (pixels, tags) in files.items():
    file = f"{sys.argv[1]}/{name}.tif"
    tifffile.imwrite(file, pixels, tile=(128, 128), metadata=None, **tags)
    right = np.repeat(rgb[..., :1], 3, 2) if "grey" in name else rgb
    for reader, read in readers.items():
        image = read(file)
        seen = np.asarray(image)
        seen = np.repeat(seen[..., None], 3, 2) if seen.ndim == 2 else seen
        off[name, reader] = np.abs(seen[..., :3].astype(int) - right).max()
        mode = f", mode {image.mode}" if isinstance(image, Image.Image) else ""
        print(f"{name}, {reader}: skin {seen[0, 0].tolist()}, lesion {seen[200, 300].tolist()}{mode}")
ours = all(off[name, "OpenSlide"] == 0 for name in files)
wrong = all(off[name, reader] > 100 for name in files if name != "RGB" for reader in ("tiffslide", "slideio"))
sys.exit(not (ours and wrong and off["RGB", "tiffslide"] == off["RGB", "slideio"] == 0))
P
echo "expected: skin 220, 170, 150 and lesion 90, 50, 40, in grey 220 and 90, or an error"
check "$folder"
