#!/usr/bin/env bash
# TorchIO truncates to an image's integers after each axis of a blur and after a resampling: blurred images of 8 bits are 1.5 levels darker, after ten blurs 6.5; floats keep their brightness.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torchio==1.2.1 torch==2.13.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import torch

warnings.simplefilter("always")
import torchio as tio

torch.set_num_threads(1)
print(*(f"{name} {version(name)}" for name in ("torchio", "torch")))
volume = torch.randint(100, 200, (1, 32, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
flat = torch.full((1, 64, 48, 1), 150, dtype=torch.uint8)
picture = (flat + torch.randint(-20, 20, flat.shape, generator=torch.Generator().manual_seed(1))).to(torch.uint8)


def mean(transform, tensor, times=1):
    image = tio.ScalarImage(tensor=tensor)
    for _ in range(times):
        image = transform(image)
    return image.data.double().mean().item(), image.data.dtype


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    steps = {}
    for name, transform, tensor, times in (
        ("Blur(2) of a volume", tio.Blur(2.0), volume, 1), ("Blur(2) ten times", tio.Blur(2.0), volume, 10), ("Blur(2) of a picture, one pixel deep", tio.Blur(2.0), picture, 1),
        ("Resize to 20 x 20 x 20", tio.Resize((20, 20, 20)), volume, 1), ("RandomAnisotropy", tio.RandomAnisotropy(axes=(0, 1, 2), downsampling=2), volume, 1),
    ):
        torch.manual_seed(0)
        found, kind = mean(transform, tensor, times)
        torch.manual_seed(0)
        right, _ = mean(transform, tensor.float(), times)
        steps[name] = found - right
        print(f"{name}: {tensor.double().mean():.2f} becomes {found:.2f} as {str(kind)[6:]} and {right:.2f} as float32, {found - right:+.2f}")
print("warnings:", [str(each.message)[:80] for each in said] or "none")
sys.exit(not (steps["Blur(2) of a volume"] < -1 and steps["Blur(2) ten times"] < -5 and steps["Blur(2) of a picture, one pixel deep"] < -0.8 and steps["Resize to 20 x 20 x 20"] < -0.4))
P
echo "expected: the same brightness as from float32, to within a rounding of 0.5"
check
