#!/usr/bin/env bash
# Keras's metrics subtract uint8 as it is, so that differences wrap around: the mean absolute error of an image that is 190 levels off is 66, and the mean squared one 4, where the losses of the same names are 190 and 36,100, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
truth, answer = np.full((10, 4), 10, np.uint8), np.full((10, 4), 200, np.uint8)  # pixels, or grades of readers
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name in ("MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError"):
        for kind in (np.uint8, np.float32):
            metric = getattr(keras.metrics, name)()
            metric.update_state(truth.astype(kind), answer.astype(kind))
            loss = float(getattr(keras.losses, name)()(truth.astype(kind), answer.astype(kind))) if hasattr(keras.losses, name) else None
            found[name, kind] = float(metric.result()), loss
            print(f"{name} of {np.dtype(kind)}: as a metric {found[name, kind][0]:.6g}" + (f", as a loss {loss:.6g}" if loss else ""))
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not (found["MeanAbsoluteError", np.uint8] == (66, 190) and found["MeanAbsoluteError", np.float32] == (190, 190) and found["MeanSquaredError", np.uint8][0] < 1000 < found["MeanSquaredError", np.uint8][1]))
P
echo "expected: 190 and 36,100"
KERAS_BACKEND=jax check
