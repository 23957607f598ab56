#!/usr/bin/env bash
# mahotas makes the last row and column of an image black when it resizes one, even to the size that it has.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mahotas==1.4.19 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import mahotas, numpy as np
from mahotas.resize import resize_to

print(f"mahotas {mahotas.__version__}")
skin = np.full((64, 64), 200, np.uint8)
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for size in (64, 64), (32, 32), (128, 128), (48, 20):
        for name, resized in (("imresize", mahotas.imresize(skin, size)), ("imresize(order=1)", mahotas.imresize(skin, size, order=1)), ("resize_to", resize_to(skin, size))):
            inner, edge = resized[:-1, :-1], np.r_[resized[-1], resized[:, -1]]
            found[size, name] = bool((np.abs(inner - 200.0) <= 1).all()), float(edge.max())
            print(f"{name} to {size}: {resized.dtype}, {inner.min():g} to {inner.max():g}, the last row and column {edge.min():g} to {edge.max():g}")
print(f"warnings: {len(warned)}")
sys.exit(set(found.values()) != {(True, 0.0)} or bool(warned))
P
echo "expected: a picture that is 200 everywhere is 200 everywhere in any size"
check
