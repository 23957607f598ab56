"""Copy a data set with Shades of Gray applied to every image, to train and evaluate with and without it.

    python experiments/colour_constancy.py /path/to/HAM10000 /path/to/copy
    lesionflow train --data /path/to/copy --model efficientnet

Shades of Gray (Finlayson and Trezzi 2004) takes the Minkowski mean of each channel for the colour of the light, here
with the power of 6 that Barata et al. (2015) chose for dermatoscopic images, and divides by it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

ENDINGS = (".jpg", ".jpeg", ".png")


def shades_of_gray(pixels: np.ndarray, power: float = 6) -> np.ndarray:
    """Pixels as under white light of the same strength: (height, width, 3), uint8 in and out."""
    light = np.mean((pixels / 255.0) ** power, axis=(0, 1)) ** (1 / power)  # (3,)
    light = np.maximum(light / np.sqrt(np.mean(light**2)), 1e-3)  # a channel that is black stays so
    return np.clip(np.round(pixels / light), 0, 255).astype(np.uint8)


def main() -> None:
    """Copy the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("copy", type=Path)
    options = parser.parse_args()
    for path in sorted(options.source.rglob("*")):
        target = options.copy / path.relative_to(options.source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in ENDINGS:
            with Image.open(path) as image:
                pixels = shades_of_gray(np.asarray(image.convert("RGB")))
            Image.fromarray(pixels).save(target, quality=95, subsampling=0)
        elif path.is_file():
            shutil.copyfile(path, target)


if __name__ == "__main__":
    main()
