#!/usr/bin/env bash
# optax's cross entropy counts the label -1, as of an image without one, for the last class: training teaches the last diagnosis.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv optax==0.2.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import jax, jax.numpy as jnp, numpy as np, optax

print(f"optax {optax.__version__}, jax {jax.__version__}")
names = "akiec bcc bkl df mel nv vasc".split()
logits = jnp.zeros(7)
found = {}
for label in 6, -1, 7:
    loss, gradient = jax.value_and_grad(optax.softmax_cross_entropy_with_integer_labels)(logits, jnp.array(label))
    ones = optax.softmax_cross_entropy(logits, jax.nn.one_hot(label, 7))
    found[label] = float(loss), float(ones)
    raised = [name for name, value in zip(names, gradient) if value < 0]
    print(f"label {label}: loss {float(loss):.3f}, gradient raises {raised or 'none'}; as one-hot vector: loss {float(ones):.3f}")
sys.exit(not (found[-1][0] == found[6][0] > 1 and found[-1][1] == 0 and np.isnan(found[7][0])))
P
echo "expected: -1 is refused or is NaN as 7 of 7 is, or has no loss as its one-hot vector has none"
JAX_PLATFORMS=cpu check
