#!/usr/bin/env bash
# Keras's RandomRotation and RandomPerspective take bounding boxes of every format for corners: xywh, center_xywh, relative ones and y before x come out elsewhere, without a message; xyxy is right, and so is a flip, a shift or a zoom.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
height, width = 60, 80
image = np.zeros((1, height, width, 3), np.float32)
image[0, 15:25, 20:40] = 200  # the lesion
boxes = {"xyxy": [20, 15, 40, 25], "yxyx": [15, 20, 25, 40], "xywh": [20, 15, 20, 10], "center_xywh": [30, 20, 20, 10], "rel_xyxy": [20 / width, 15 / height, 40 / width, 25 / height]}
corners = {
    "xyxy": lambda a, b, c, d: (a, b, c, d),
    "yxyx": lambda a, b, c, d: (b, a, d, c),
    "xywh": lambda a, b, c, d: (a, b, a + c, b + d),
    "center_xywh": lambda a, b, c, d: (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
    "rel_xyxy": lambda a, b, c, d: (a * width, b * height, c * width, d * height),
}
cases = {
    "RandomRotation by 90 degrees": lambda: keras.layers.RandomRotation((0.25, 0.25), fill_mode="constant", seed=0),
    "RandomPerspective": lambda: keras.layers.RandomPerspective(1.0, 0.3, seed=0),
    "RandomTranslation": lambda: keras.layers.RandomTranslation((0.1, 0.1), (0.2, 0.2), fill_mode="constant", seed=0),
    "RandomFlip": lambda: keras.layers.RandomFlip("horizontal", seed=0),
}
apart = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, make in cases.items():
        for kind, box in boxes.items():
            layer = make()
            layer.bounding_box_format = kind
            moved = layer({"images": image, "bounding_boxes": {"boxes": np.array([[box]], np.float32), "labels": np.array([[1]])}}, training=True)
            rows, columns = np.nonzero(np.asarray(moved["images"])[0, ..., 0] > 100)
            seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            given = np.array(corners[kind](*np.asarray(moved["bounding_boxes"]["boxes"])[0, 0].tolist()))
            apart[name, kind] = float(np.abs(given - seen).max())
            if "90" in name:
                print(f"  {name}, {kind}: the lesion is at {seen.tolist()}, its box, as corners, at {given.round(1).tolist()}")
        print(f"{name}: pixels between box and lesion:", ", ".join(f"{kind} {apart[name, kind]:.0f}" for kind in boxes))
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
rotated = [apart["RandomRotation by 90 degrees", kind] for kind in boxes]
others = [apart[name, kind] for name in ("RandomTranslation", "RandomFlip") for kind in boxes]
sys.exit(not (rotated[0] < 2 and min(rotated[1:]) > 5 and max(others) < 2 and apart["RandomPerspective", "rel_xyxy"] > 10))
P
echo "expected: the box stays around the lesion, in the format that was stated"
KERAS_BACKEND=jax check
