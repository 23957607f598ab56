#!/usr/bin/env bash
# tifffile writes a boolean mask as a TIFF in which 0 is white, but does not turn its values around: what is True is black in Pillow, OpenCV, libvips and SimpleITK.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tifffile==2026.3.3 scikit-image==0.26.0 imageio==2.38.1 pillow==13.0.0 opencv-python-headless==5.0.0.93 'pyvips[binary]==3.2.0' simpleitk==2.5.7 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from pathlib import Path
import cv2, imageio.v3, numpy as np, PIL, pyvips, SimpleITK, skimage, skimage.io, tifffile
from PIL import Image

print(f"tifffile {tifffile.__version__}, scikit-image {skimage.__version__}, Pillow {PIL.__version__}, OpenCV {cv2.__version__}, SimpleITK {SimpleITK.Version.VersionString()}, libvips {'.'.join(str(pyvips.version(i)) for i in range(3))}")
y, x = np.mgrid[:48, :48]
mask = (x - 24) ** 2 + (y - 24) ** 2 < 144
readers = {
    "tifffile": tifffile.imread,
    "scikit-image": skimage.io.imread,
    "Pillow": Image.open,
    "OpenCV": lambda path: cv2.imread(path, cv2.IMREAD_GRAYSCALE),
    "libvips": lambda path: pyvips.Image.new_from_file(path).numpy(),
    "SimpleITK": lambda path: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)).reshape(48, 48, -1)[..., 0],
}
writers = {
    "tifffile.imwrite(mask)": lambda path: tifffile.imwrite(path, mask),
    "imageio.v3.imwrite(mask)": lambda path: imageio.v3.imwrite(path, mask),
    "tifffile.imwrite(mask, photometric='minisblack')": lambda path: tifffile.imwrite(path, mask, photometric="minisblack"),
    "tifffile.imwrite(255 where the mask is)": lambda path: tifffile.imwrite(path, mask * np.uint8(255)),
}
print(f"the mask covers {mask.mean():.3f} of the image")
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for number, (what, write) in enumerate(writers.items()):
        path = str(Path(sys.argv[0]).with_name(f"mask {number}.tif"))
        write(path)
        shares = {name: float((np.asarray(read(path)) > 0).mean()) for name, read in readers.items()}
        print(f"{what}: " + ", ".join(f"{name} {share:.3f}" for name, share in shares.items()))
        found[what] = {name for name, share in shares.items() if abs(share - mask.mean()) > 0.01}
print(f"warnings: {len(told)}")
others = set(readers) - {"tifffile", "scikit-image"}
sys.exit(not (list(found.values()) == [others, others, set(), set()]))
P
echo "expected: a mask covers the same pixels for whoever reads it"
check
