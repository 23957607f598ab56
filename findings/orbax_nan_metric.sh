#!/usr/bin/env bash
# Orbax deletes the best checkpoint if the one after it has a metric of NaN: 0.8 and 0.7 are kept instead of 0.9, and 0.8 is the best step.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import math, sys
import numpy as np, orbax.checkpoint as ocp

print(f"orbax-checkpoint {ocp.__version__}")
found = {}
for name, aucs in (("all numbers", [0.9, 0.5, 0.8, 0.7, 0.6]), ("one NaN", [0.9, math.nan, 0.8, 0.7, 0.6])):
    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=lambda metrics: metrics["auc"], best_mode="max", enable_async_checkpointing=False)
    with ocp.CheckpointManager(f"{sys.argv[1]}/{name}", options=options) as manager:
        for epoch, auc in enumerate(aucs, 1):
            manager.save(epoch, args=ocp.args.StandardSave({"weights": np.full(3, epoch)}), metrics={"auc": auc})
        found[name] = manager.best_step(), manager.all_steps()
    print(f"{name}: an AUC of {aucs} in epochs 1 to 5, the best two are kept: {found[name][1]}; the best is {found[name][0]}")
sys.exit(not (found["all numbers"] == (1, [1, 3]) and 1 not in found["one NaN"][1] and found["one NaN"][0] != 1))
P
echo "expected: epochs 1 and 3, and 1 as the best; an epoch whose AUC is NaN is not better than any"
check "$folder"
