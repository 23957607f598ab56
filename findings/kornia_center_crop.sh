#!/usr/bin/env bash
# kornia's center_crop interpolates: where an even side is cropped to an odd one, or the reverse, each pixel is the mean of four, fine structure loses half of its contrast, and labels get numbers that no pixel has.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv kornia==0.9.0 torch==2.13.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import torch
from kornia.augmentation import CenterCrop
from kornia.geometry import center_crop

torch.set_num_threads(1)
print(*(f"{name} {version(name)}" for name in ("kornia", "torch")))
height, width = 450, 600
pixels = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))  # fine structure
mask = torch.zeros(1, 1, height, width)
mask[..., 100:300, 200:400] = 3


def slices(image, size):
    """The crops of whole pixels that are nearest to the centre: one, or four where no crop is in the very middle."""
    tops, lefts = ({(side - size) // 2, (side - size + 1) // 2} for side in (height, width))
    return [image[:, :, top : top + size, left : left + size] for top in tops for left in lefts]


contrasts, off, augmented = {}, {}, {}
for size in (224, 225):
    found = center_crop(pixels, (size, size))
    contrasts[size] = (found.std() / pixels.std()).item()
    off[size] = min((found - each).abs().max().item() for each in slices(pixels, size))
    augmented[size] = min((CenterCrop((size, size))(pixels) - each).abs().max().item() for each in slices(pixels, size))
    print(f"{height} x {width} to {size} x {size}: contrast {contrasts[size]:.2f} of that before, up to {off[size]:.4f} from any slice; augmentation.CenterCrop {augmented[size]:.4f}")
nearest = min((center_crop(pixels, (225, 225), mode="nearest") - each).abs().max().item() for each in slices(pixels, 225))
labels = sorted(set(center_crop(mask, (225, 225)).unique().tolist()))
print(f"225 x 225 with mode='nearest': up to {nearest:.2f} from any slice; a mask of 0 and 3 has {labels} by default, and {center_crop(mask, (224, 224)).unique().tolist()} at 224 x 224")
right = off[224] < 1e-3 and contrasts[224] > 0.99 and max(augmented.values()) < 1e-6
sys.exit(not (right and contrasts[225] < 0.55 and off[225] > 0.5 and nearest > 0.5 and {0.75, 1.5} <= set(labels)))
P
echo "expected: a crop has the image's own pixels, as that of augmentation.CenterCrop"
check
