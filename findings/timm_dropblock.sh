#!/usr/bin/env bash
# timm's DropBlock2d with drop_prob=0.3 drops 29 to 73 % of a feature map, the more the larger the block is beside the map; torchvision's drops 24 to 27 %.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv timm==1.0.31 torchvision==0.29.1 torch==2.14.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import torch
from timm.layers import DropBlock2d
from torchvision.ops import drop_block2d

torch.set_num_threads(1)
torch.manual_seed(0)
print(*(f"{name} {version(name)}" for name in ("timm", "torchvision", "torch")))
shares = {}
for side, block in ((28, 3), (28, 7), (14, 3), (14, 7), (10, 7), (7, 5)):
    ones = torch.ones(256, 16, side, side)
    layers = {"timm": DropBlock2d(0.3, block_size=block), "timm, fast=False": DropBlock2d(0.3, block_size=block, fast=False), "each channel by itself": DropBlock2d(0.3, block_size=block, couple_channels=False)}
    for name, layer in layers.items():
        shares[name, side, block] = (layer.train()(ones) == 0).float().mean().item()
    shares["torchvision", side, block] = (drop_block2d(ones, 0.3, block) == 0).float().mean().item()
    print(f"map of {side} x {side}, block of {block}:", ", ".join(f"{name} {shares[name, side, block]:.2f}" for name in (*layers, "torchvision")))
sys.exit(not (abs(shares["timm", 28, 3] - 0.3) < 0.03 and shares["timm", 14, 7] > 0.45 and shares["timm", 7, 5] > 0.5 and all(share < 0.35 for (name, *_), share in shares.items() if name == "torchvision")))
P
echo "expected: about 30 % of the features dropped, as the paper's formula aims at"
check
