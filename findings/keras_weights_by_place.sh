#!/usr/bin/env bash
# Keras's load_weights goes by place and ignores the names of layers: two heads that stand in the other order are loaded into one another.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import h5py, keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
features = np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32)


def network(*heads):
    inputs = keras.Input((16,), name="features")
    shared = keras.layers.Dense(8, activation="relu", name="shared")(inputs)
    return keras.Model(inputs, [keras.layers.Dense(1, activation="sigmoid", name=head)(shared) for head in heads])


def predicted(model):
    return dict(zip(model.output_names, model.predict(features, verbose=0)))


trained, rebuilt = network("melanoma", "ulcerated"), network("ulcerated", "melanoma")
trained.save_weights("trained.weights.h5")
rebuilt.load_weights("trained.weights.h5")  # without an error or a warning
before, after = predicted(trained), predicted(rebuilt)
with h5py.File("trained.weights.h5") as file:
    print("in the file:", *(f"layers/{name} is {layer.attrs.get('name', '?')}" for name, layer in file["layers"].items() if len(layer["vars"])), sep="\n  ")
off = np.abs(after["melanoma"] - before["melanoma"]).max()
print(f"probability of melanoma, of the head of that name, before and after: up to {off:.2f} apart")
swapped = all(np.array_equal(after[name], before[other]) for name, other in (("melanoma", "ulcerated"), ("ulcerated", "melanoma")))
print(f"what is called melanoma is now what was called ulcerated, and the other way round: {swapped}")
sys.exit(not (off > 0.05 and swapped))
P
echo "expected: the head called melanoma gets the weights that were saved of the head called melanoma, or loading fails"
cd "$folder"
KERAS_BACKEND=jax check
