#!/usr/bin/env bash
# captum knows nn.ReLU but not nn.ReLU6: of a network that computes the same, DeepLift does not add up and guided backpropagation guides nothing.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the installation of PyTorch a small one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torch==2.13.0 captum==0.9.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import torch
from captum.attr import DeepLift, GuidedBackprop, Saliency
from torch import nn

warnings.simplefilter("ignore")  # of hooks that are set
print(*(f"{name} {version(name)}" for name in ("captum", "torch")))


def network(activation):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), activation(), nn.Conv2d(8, 8, 3), activation(), nn.Flatten(), nn.Linear(8 * 12 * 12, 7)]
    return nn.Sequential(*layers).eval()


torch.manual_seed(1)
images, black = torch.rand(4, 3, 16, 16), torch.zeros(4, 3, 16, 16)
found = {}
for activation in nn.ReLU, nn.ReLU6:
    model = network(activation)
    said = model(images).detach()
    given, gap = DeepLift(model).attribute(images, black, target=0, return_convergence_delta=True)
    rise = (model(images) - model(black))[:, 0].detach()
    guided = GuidedBackprop(model).attribute(images, target=0)
    plain = Saliency(network(activation)).attribute(images, target=0, abs=False)
    found[activation] = said, (gap.abs().sum() / rise.abs().sum()).item(), (guided - plain).abs().max().item() / plain.abs().max().item()
    print(f"{activation.__name__}: DeepLift misses the change of the logit by {found[activation][1]:.0%}, guided backpropagation differs from the gradient by up to {found[activation][2]:.0%}")
same = torch.equal(found[nn.ReLU][0], found[nn.ReLU6][0])
print(f"logits of the two networks are alike: {same}")
sys.exit(not (same and found[nn.ReLU][1] < 1e-3 and found[nn.ReLU6][1] > 0.05 and found[nn.ReLU][2] > 0.1 and found[nn.ReLU6][2] == 0))
P
echo "expected: below 6 the two are one function, and so are their explanations"
check
