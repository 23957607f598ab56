#!/usr/bin/env bash
# Keras averages weights after each small batch where gradients are accumulated over several: a momentum of 0.99 is 0.85 of 16 batches.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
random = np.random.default_rng(0)
features = random.normal(size=(6400, 8)).astype(np.float32)
target = (features @ random.normal(size=(8, 1)) + random.normal(size=(6400, 1))).astype(np.float32)


def fitted(steps, averaged=True, momentum=0.99):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.02, use_ema=averaged, ema_momentum=momentum, gradient_accumulation_steps=steps), loss="mse")
    model.fit(features, target, batch_size=64 // (steps or 1), shuffle=False, verbose=0)  # 100 updates, of 64 rows each
    return np.concatenate([each.ravel() for each in model.get_weights()])


def off(one, other):
    return np.abs(one - other).max()


print(f"100 updates, without averages: accumulated over 16 batches of 4 rows the weights are {(plain := off(fitted(16, False), fitted(None, False))):.1g} off 64 at once")
accumulated = fitted(16)
print(f"with averages, ema_momentum=0.99: {(averaged := off(accumulated, fitted(None))):.2g} off")
print(f"{(explained := off(accumulated, fitted(None, momentum=0.99**16))):.1g} off from a momentum of 0.99 ** 16 = {0.99**16:.2f} for 64 at once")
sys.exit(not (plain < 1e-5 and averaged > 0.1 and explained < 0.01))
P
echo "expected: as its documentation says, variables are updated once for all accumulated batches, and averages are of the updated ones"
KERAS_BACKEND=jax check
