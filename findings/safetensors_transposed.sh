#!/usr/bin/env bash
# safetensors stores the memory of a NumPy array, not the array: transposed, sliced or in Fortran's order, it is scrambled, without a word.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv safetensors==0.8.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from safetensors.numpy import load_file, save_file

print("safetensors", version("safetensors"), "numpy", np.__version__)
kernel = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)  # inputs by outputs, as Keras has it
cases = {
    "as it is": kernel,
    "transposed, as PyTorch has it": kernel.T,
    "in Fortran's order": np.asfortranarray(kernel),
    "every other output": kernel[:, ::2],
    "outputs the other way round": kernel[:, ::-1],
}
same = {}
for name, weights in cases.items():
    file = f"{sys.argv[1]}/weights.safetensors"
    save_file({"kernel": weights}, file)
    back = load_file(file)["kernel"]
    same[name] = np.array_equal(back, weights)
    print(f"{name}: {back.shape} {back.dtype}, {(back == weights).mean():.0%} of the numbers in their places")
sys.exit(list(same.values()) != [True, False, False, False, False])
P
echo "expected: what is loaded is what was saved, or saving such an array is an error, as it is for PyTorch's tensors"
"$folder/venv/bin/python" -W error "$folder/try.py" "$folder" || { echo changed; exit 1; }
