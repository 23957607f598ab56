#!/usr/bin/env bash
# Keras's RandomCrop moves bounding boxes by the crop's offset down where it should be the one to the right, and the other way round: the box of a lesion is up to 32 pixels from it, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
image = np.zeros((1, 60, 100, 3), np.float32)
image[0, 25:35, 40:60] = 200  # the lesion
box = np.array([[[40, 25, 60, 35]]], np.float32)
cases = {"RandomCrop(50, 60)": lambda seed: keras.layers.RandomCrop(50, 60, seed=seed), "CenterCrop(50, 60)": lambda seed: keras.layers.CenterCrop(50, 60)}
apart, exchanged = {}, True
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, make in cases.items():
        apart[name] = []
        for seed in range(8):
            layer = make(seed)
            layer.bounding_box_format = "xyxy"
            cropped = layer({"images": image, "bounding_boxes": {"boxes": box, "labels": np.array([[1]])}}, training=True)
            given = np.asarray(cropped["bounding_boxes"]["boxes"])[0, 0]
            rows, columns = np.nonzero(np.asarray(cropped["images"])[0, ..., 0])
            if not len(rows):
                continue
            seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            apart[name].append(float(np.abs(given - seen).max()))
            if seed < 3:
                print(f"  {name}: the lesion is at {seen.tolist()}, its box at {given.tolist()}: moved by {(box[0, 0, :2] - seen[:2]).tolist()} and {(box[0, 0, :2] - given[:2]).tolist()}")
            if name.startswith("Random") and given[0] > 0 and given[1] > 0 and given[2] < 60 and given[3] < 50 and len(columns) == 200:
                exchanged &= bool(np.array_equal(box[0, 0, :2] - seen[:2], (box[0, 0, :2] - given[:2])[::-1]))
        print(f"{name}: the box is up to {max(apart[name]):.0f} pixels from the lesion")
print("the two offsets are exchanged:", exchanged)
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not (max(apart["RandomCrop(50, 60)"]) > 10 and max(apart["CenterCrop(50, 60)"]) < 1 and exchanged))
P
echo "expected: the box stays around the lesion"
KERAS_BACKEND=jax check
