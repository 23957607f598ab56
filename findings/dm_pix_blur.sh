#!/usr/bin/env bash
# PIX blurs as if an image were black all around: white skin gets a dark frame, a third as bright in the corners.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dm-pix==0.4.5 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import dm_pix, jax.numpy as jnp, numpy as np
from scipy.ndimage import gaussian_filter

print(*(f"{name} {version(name)}" for name in ("dm-pix", "jax", "scipy")))
skin = np.full((32, 32, 3), 0.8, np.float32)
theirs = np.asarray(dm_pix.gaussian_blur(jnp.asarray(skin), sigma=2.0, kernel_size=9))
others = gaussian_filter(skin, sigma=(2, 2, 0), truncate=2)
for name, blurred in ("PIX", theirs), ("SciPy", others):
    print(f"{name}, of a picture that is 0.8 everywhere: middle {blurred[16, 16, 0]:.3f}, edge {blurred[0, 16, 0]:.3f}, corner {blurred[0, 0, 0]:.3f}")
print(f"pixels that are darker by more than 0.01: {(theirs[..., 0] < 0.79).mean():.0%}")
sys.exit(not (abs(theirs[16, 16, 0] - 0.8) < 1e-3 and theirs[0, 16, 0] < 0.55 and theirs[0, 0, 0] < 0.35 and np.ptp(others) < 1e-5))
P
echo "expected: what is the same everywhere stays so"
JAX_PLATFORMS=cpu check
