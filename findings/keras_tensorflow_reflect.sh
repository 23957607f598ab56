#!/usr/bin/env bash
# Keras on TensorFlow: map_coordinates reflects at the near edge without the border pixel and at the far edge with it; JAX with it at both.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 tensorflow==2.21.0 jax==0.10.2 jaxlib==0.10.2 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import keras, numpy as np
from scipy.ndimage import map_coordinates

backend = keras.backend.backend()
row, where = np.arange(5, dtype=np.float32), np.array([[-3, -2, -1.5, -1, -0.5, 0, 4, 4.5, 5, 5.5, 6, 7]], np.float32)
found = keras.ops.convert_to_numpy(keras.ops.image.map_coordinates(row, where, order=1, fill_mode="reflect"))
reflect, mirror = (map_coordinates(row, where, order=1, mode=mode) for mode in ("reflect", "mirror"))
print(f"Keras {keras.__version__} on {backend} {version(backend)}, the row 0 1 2 3 4")
for name, values in ("at", where[0]), ("Keras, reflect", found), ("SciPy, reflect", reflect), ("SciPy, mirror", mirror):
    print(f"  {name:15}" + "".join(f"{value:5g}" for value in values))
near = where[0] < 0
sys.exit(0 if np.allclose(found, reflect) else 3 if np.allclose(found, np.where(near, mirror, reflect)) else 1)
P
echo "expected: reflect is (d c b a | a b c d | d c b a), as Keras documents it, at both edges and on each backend"
for backend in jax tensorflow; do
    code=0
    KERAS_BACKEND=$backend "$folder/venv/bin/python" "$folder/try.py" 2>"$folder/errors" || code=$?
    [[ $backend$code == jax0 || $backend$code == tensorflow3 ]] || { cat "$folder/errors"; echo changed; exit 1; }
done
