#!/usr/bin/env bash
# jax.device_put does not copy an array whose memory is aligned to 64 bytes, with may_alias=False neither: the next batch that is written there changes it.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from multiprocessing.shared_memory import SharedMemory
import jax, jax.numpy as jnp, numpy as np

print(f"jax {jax.__version__} on {jax.devices()[0].platform}, numpy {np.__version__}")
memory = SharedMemory(create=True, size=32 * 64 * 64 * 3)  # as workers hand over batches; a page's start is aligned
buffer = np.ndarray((32, 64, 64, 3), np.uint8, memory.buf)
plain = np.empty(buffer.size + 64, np.uint8)
shift = (32 - plain.ctypes.data) % 64  # as numpy's own memory often lies
plain = plain[shift : shift + buffer.size].reshape(buffer.shape)
found = {}
for name, put in (
    ("device_put", jax.device_put),
    ("device_put, may_alias=False", lambda batch: jax.device_put(batch, may_alias=False)),
    ("jnp.asarray", jnp.asarray),
    ("jnp.array", jnp.array),
):
    values = []
    for batch in buffer, plain:
        batch[:] = 100
        held = put(batch).block_until_ready()
        batch[:] = 200  # the next batch
        values.append(int(held.max()))
    found[name] = values
    print(f"{name}: of a batch of 100 it holds, once the next one of 200 is there, {values[0]}; from memory that is not aligned {values[1]}")
sys.exit(not (found["device_put"] == found["device_put, may_alias=False"] == [200, 100] and found["jnp.asarray"] == found["jnp.array"] == [100, 100]))
P
echo "expected: a copy, as its documentation says: what was put on the device stays as it was"
JAX_PLATFORMS=cpu check
