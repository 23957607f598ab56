#!/usr/bin/env bash
# faiss computes distances another way for many queries than for few: a copy is at 0 one by one, and up to 64 away in a batch, where other images are at 0.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv faiss-cpu==1.15.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import faiss, numpy as np

print(f"faiss {faiss.__version__}")
faiss.omp_set_num_threads(1)
random = np.random.default_rng(0)
images = random.normal(190, 8, (500, 64 * 64)).clip(0, 255).round().astype(np.float32)  # thumbnails of skin, in levels of 0 to 255
images[250:] = images[:250]  # each of 250 is followed by one that differs in a single pixel, by 2 levels
images[250:, 2080] += 2
index = faiss.IndexFlatL2(64 * 64)
index.add(images)
found = {}
for size in 1, 10, 250:
    pairs = [index.search(images[start : start + size], 2) for start in range(0, 250, size)]
    distances, places = (np.concatenate(each) for each in zip(*pairs))
    itself = np.array([row[place == image][0] if image in place else np.nan for image, (row, place) in enumerate(zip(distances, places))])
    other = np.array([row[place == image + 250][0] if image + 250 in place else np.nan for image, (row, place) in enumerate(zip(distances, places))])
    found[size] = float(np.nanmax(itself)), float(np.nanmin(other)), float(np.nanmax(other)), int((places[:, 0] != np.arange(250)).sum())
    print(f"{size} queries at a time: an image is {np.nanmin(itself):g} to {np.nanmax(itself):g} from itself, {np.nanmin(other):g} to {np.nanmax(other):g} from the other, which is nearer than itself in {found[size][3]} of 250")
true = ((images[:250].astype(float) - images[250:]) ** 2).sum(1)
print(f"NumPy: {true.min():g} to {true.max():g} from the other; faiss.cvar.distance_compute_blas_threshold is {faiss.cvar.distance_compute_blas_threshold}")
few, many = found[1], found[250]
sys.exit(not (found[10] == few == (0, 4, 4, 0) and many[0] >= 16 and many[1] == 0 and many[2] >= 16 and many[3] >= 5))
P
echo "expected: 0 from itself and 4 from the other, however many images are asked for at once"
check
