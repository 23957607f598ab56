#!/usr/bin/env bash
# Copies hide other images in graphs of neighbours: with 5,000 copies of one image, 18 % of the others find themselves in Voyager and none in hnswlib, where 95 % and 98 % did.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv voyager==2.2.3 chroma-hnswlib==0.7.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import hnswlib, numpy as np, voyager

print("voyager", version("voyager"), "chroma-hnswlib", version("chroma-hnswlib"))
random = np.random.default_rng(0)
features = random.normal(size=(2000, 64)).astype(np.float32)


def in_voyager(stored, asked, width):
    index = voyager.Index(voyager.Space.Euclidean, num_dimensions=64, random_seed=1)
    index.add_items(stored, num_threads=1)
    return index.query(asked, k=1, num_threads=1, query_ef=width)[1]


def in_hnswlib(stored, asked, width):
    index = hnswlib.Index("l2", 64)
    index.init_index(len(stored), random_seed=1)
    index.set_num_threads(1)
    index.add_items(stored)
    index.set_ef(width)
    return index.knn_query(asked, k=1)[1]


found = {}
for name, search in (("voyager", in_voyager), ("hnswlib", in_hnswlib)):
    for copies in 0, 50, 500, 5000:
        stored = np.concatenate([features[:1000], np.repeat(features[1000:1001], copies, axis=0), features[1001:]])
        for width in 10, 200:
            distances = search(stored, features[1001:], width)
            found[name, copies, width] = float((distances[:, 0] < 1e-4).mean())
        print(f"{name}, 2,000 images and {copies} copies of one: {found[name, copies, 10]:.0%} of 999 others find themselves, {found[name, copies, 200]:.0%} with a search 20 times as wide")
held = all(found[name, 0, 10] > 0.9 and found[name, 5000, 10] < 0.5 and found[name, 5000, 200] < 0.99 < found[name, 0, 200] for name in ("voyager", "hnswlib"))
sys.exit(not held)
P
echo "expected: nearly all, as without copies, since an approximate index misses a few"
check
