#!/usr/bin/env bash
# PyTorch's ReduceLROnPlateau never reduces where the metric is negative: a loss that stays at -1, or slowly rises, improves in each epoch.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the installation of PyTorch a small one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torch==2.13.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

print(f"torch {torch.__version__}")


def rate_after(mode, values):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, mode, patience=5)
    for value in values:
        scheduler.step(value)
    return optimizer.param_groups[0]["lr"], scheduler.best


EPOCHS = 100
found = []
for what, mode, values in (
    ("a loss that stays at 1", "min", [1.0] * EPOCHS),
    ("a loss that stays at -1", "min", [-1.0] * EPOCHS),  # a negative Dice overlap, or a log-density
    ("a loss that rises from -1 to -0.995", "min", [-1 + 0.005 * epoch / EPOCHS for epoch in range(EPOCHS + 1)]),
    ("a score that stays at 1", "max", [1.0] * EPOCHS),
    ("a log-likelihood that stays at -1", "max", [-1.0] * EPOCHS),
):
    rate, best = rate_after(mode, values)
    found.append(rate < 1)
    print(f"{what} for {EPOCHS} epochs, mode={mode}, patience=5: the learning rate goes from 1 to {rate:.1g}; the best value is said to be {best:.3f}")
sys.exit(found != [True, False, False, True, False])
P
echo "expected: no improvement in 100 epochs, so that the learning rate is reduced, whatever the sign"
check
