#!/usr/bin/env bash
# Orbax does not save a checkpoint whose step is below the latest one: who goes back to epoch 3 and trains on saves nothing until epoch 11, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import logging, sys, warnings
import numpy as np, orbax.checkpoint as ocp

print(f"orbax-checkpoint {ocp.__version__}")
records = []
handler = logging.Handler(logging.WARNING)
handler.emit = records.append
for logger in (logging.getLogger(), logging.getLogger("absl")):
    logger.addHandler(handler)


def weights(value):
    return ocp.args.StandardSave({"weights": np.full(3, value)})


with ocp.CheckpointManager(sys.argv[1], options=ocp.CheckpointManagerOptions(enable_async_checkpointing=False)) as manager:
    for epoch in range(1, 11):
        manager.save(epoch, args=weights(float(epoch)))
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    with ocp.CheckpointManager(sys.argv[1], options=ocp.CheckpointManagerOptions(enable_async_checkpointing=False)) as manager:
        manager.restore(3, args=ocp.args.StandardRestore())  # back to before the loss rose
        saved = {epoch: manager.save(epoch, args=weights(100.0 + epoch)) for epoch in range(4, 12)}
        kept = {epoch: float(manager.restore(epoch, args=ocp.args.StandardRestore())["weights"][0]) for epoch in (4, 9, 10, 11)}
print(f"from epoch 3 with another learning rate, is an epoch saved: {saved}")
print(f"the first weight of epochs is {kept}, 100 more in the second training; warnings: {len(warned)}, messages of the log: {[record.getMessage() for record in records]}")
sys.exit(not (saved == {**dict.fromkeys(range(4, 11), False), 11: True} and kept == {4: 4, 9: 9, 10: 10, 11: 111} and not warned and not records))
P
echo "expected: an epoch is saved, or an exception says that there is one with its number"
check "$folder/checkpoints"
