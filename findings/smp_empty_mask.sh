#!/usr/bin/env bash
# Segmentation Models PyTorch: the Dice, Jaccard and Tversky losses of a mask without a lesion are 0, whatever is predicted: a network that marks everything learns nothing from it.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip install --quiet --no-deps --disable-pip-version-check segmentation-models-pytorch==0.6.0 2>/dev/null  # without its encoders
cat >"$folder/try.py" <<'P'
import importlib.util, pathlib, sys, types
from importlib.metadata import version
import torch

print(*(f"{name} {version(name)}" for name in ("segmentation-models-pytorch", "torch")))
# Only the losses: the whole package also imports the encoders, with timm and torchvision, which nothing here needs.
package = types.ModuleType("segmentation_models_pytorch")
package.__path__ = [str(pathlib.Path(importlib.util.find_spec("segmentation_models_pytorch").origin).parent)]
sys.modules["segmentation_models_pytorch"] = package
from segmentation_models_pytorch import losses

lesion = torch.zeros(4, 1, 32, 32)
lesion[:, :, 8:24, 8:24] = 1
found = {}
for name, loss in {
    "DiceLoss": losses.DiceLoss("binary"),
    "DiceLoss, smooth=1": losses.DiceLoss("binary", smooth=1.0),
    "JaccardLoss": losses.JaccardLoss("binary"),
    "TverskyLoss": losses.TverskyLoss("binary"),
    "SoftBCEWithLogitsLoss": losses.SoftBCEWithLogitsLoss(),
}.items():
    values = []
    for truth in (lesion, torch.zeros_like(lesion)):
        logits = torch.full_like(truth, 5.0).requires_grad_()
        value = loss(logits, truth)
        value.backward()
        values += [round(value.item(), 3), round(logits.grad.abs().sum().item(), 4)]
    found[name] = values
    print(f"{name}, lesion everywhere: {values[0]} with a lesion of a quarter (gradient {values[1]}), {values[2]} without one (gradient {values[3]})")
overlap = 1 - (2 * 0 + 1) / (0 + torch.sigmoid(torch.tensor(5.0)).item() * 4096 + 1)
print(f"by hand, with smooth=1 and no lesion: {overlap:.4f}")
sys.exit(not (all(values[2] == values[3] == 0 < values[0] for name, values in found.items() if name != "SoftBCEWithLogitsLoss") and found["SoftBCEWithLogitsLoss"][2] > 4))
P
echo "expected: a network that marks all of the skin where there is no lesion is told so"
check
